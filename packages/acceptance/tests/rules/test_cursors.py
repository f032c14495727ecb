from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.cursors import comes_before, state_cursor
from hydrotest_core.protocol.paths import MISSING


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 2, True),
        (2, 2, False),
        (2.5, 2, False),
        ("2024-01-01", "2024-01-02", True),
        ("2024-01-02T00:00:00Z", "2024-01-01", False),
        ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00+02:00", False),
        ("2024-01-01 00:00:00", "2024-01-01T00:00:01+00:00", True),
        ("9", "10", True),
        ("abc", "abd", True),
        (1704067200, "2024-01-02", True),
        (1704067200000, "2023-12-31", False),
        ("2024-01-01", 1704067200, False),
        (True, 1, None),
        (None, 1, None),
        ("abc", 5, None),
        ("2024-01-01", "abc", None),
        ({}, 1, None),
        (float("inf"), "2024-01-01", None),
    ],
)
def test_comes_before(left, right, expected):
    assert comes_before(left, right) is expected


@pytest.mark.parametrize(
    ("state", "path", "expected"),
    [
        ({"updated_at": "2024"}, ["updated_at"], "2024"),
        ({"meta": {"at": 5}}, ["meta", "at"], 5),
        ({"at": 5}, ["meta", "at"], 5),
        ({"slices": [{"cursor": {"at": 7}}, {"cursor": {"at": 3}}]}, ["at"], 3),
        ({"cursor_field": ["at"], "cursor": "9"}, ["at"], "9"),
        ({"cursor": {"at": 4}, "cursor_field": "at"}, ["at"], 4),
        ({"at": None}, ["at"], None),
        ({}, ["at"], MISSING),
        (None, ["at"], MISSING),
    ],
)
def test_a_cursor_is_found_where_connectors_keep_it(state, path, expected):
    found = state_cursor(state, path)

    assert found == expected or (found is MISSING and expected in {None, MISSING})
