"""The core of hydrotest."""
