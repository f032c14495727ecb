"""hydrotest_live."""
