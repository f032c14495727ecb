"""The acceptance rules: pure functions and judges from evidence to judgements."""
