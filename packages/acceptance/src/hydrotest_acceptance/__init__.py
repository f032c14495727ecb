"""hydrotest_acceptance."""
