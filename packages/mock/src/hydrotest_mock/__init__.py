"""hydrotest_mock."""
