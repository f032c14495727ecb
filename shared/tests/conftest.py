"""What the core's own tests share."""
