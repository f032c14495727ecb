"""A failing contract says what it compared."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("hydrotest_core.testing.contract")
pytest.register_assert_rewrite("hydrotest_core.testing.engine_contract")
