"""What crosses the wire: exchanges, cassettes, matching. Empty until the first package needs it."""
