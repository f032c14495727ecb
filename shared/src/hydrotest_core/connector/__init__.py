"""A connector: its folder, how it is built, how it is run once, and what it left on disk."""
