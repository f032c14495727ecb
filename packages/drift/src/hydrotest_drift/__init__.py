"""hydrotest_drift."""
