from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_acceptance.rules.canonical import (
    canonical,
    differences,
    fingerprint,
    ignore,
    plain,
    without,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (1, 1.0),
        (0, -0.0),
        (10**20, 1e20),
        ([{"a": 1.0}], [{"a": 1}]),
    ],
    ids=str,
)
def test_equal_values_have_one_form(left, right):
    assert canonical(left) == canonical(right)
    assert fingerprint(left) == fingerprint(right)
    assert not list(differences(plain(left), plain(right)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (0, False),
        (1, "1"),
        (-1, -2),
        (None, "null"),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": None}, {}),
        ({"a": 1}, {"b": 1}),
        (0.1, 0.2),
    ],
    ids=str,
)
def test_different_values_have_different_forms(left, right):
    assert canonical(left) != canonical(right)
    assert fingerprint(left) != fingerprint(right)
    assert list(differences(plain(left), plain(right)))


@given(JSON, JSON)
@settings(max_examples=200, deadline=None)
def test_values_differ_somewhere_just_when_their_forms_do(left, right):
    has_differences = any(differences(plain(left), plain(right)))

    assert has_differences == (canonical(left) != canonical(right))


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_a_form_reads_back_as_an_equal_value(value):
    assert canonical(msgspec.json.decode(canonical(value))) == canonical(value)


@pytest.mark.parametrize(
    ("paths", "value", "left"),
    [
        (["a"], {"a": 1, "b": 2}, {"b": 2}),
        (["/a"], {"a": 1, "b": 2}, {"b": 2}),
        (["a/b"], {"a": {"b": 1, "c": 2}, "b": 3}, {"a": {"c": 2}, "b": 3}),
        (["a/*/b"], {"a": [{"b": 1, "c": 2}, {"b": 3}]}, {"a": [{"c": 2}, {}]}),
        (["a/*/b"], {"a": {"x": {"b": 1}, "y": {"c": 1}}}, {"a": {"x": {}, "y": {"c": 1}}}),
        (["a/1"], {"a": [1, 2, 3]}, {"a": [1, 3]}),
        (["a", "a/b"], {"a": {"b": 1}, "c": 1}, {"c": 1}),
        (["a/b", "*/c"], {"a": {"b": 1, "c": 2, "d": 3}}, {"a": {"d": 3}}),
        (["time_*"], {"time_a": 1, "time_": 2, "atime_b": 3}, {"atime_b": 3}),
        (["a/time_*"], {"a": {"time_x": 1, "b": 2}, "time_x": 3}, {"a": {"b": 2}, "time_x": 3}),
        (["a/?"], {"a": {"b": 1, "bc": 2}}, {"a": {"bc": 2}}),
        (["*"], {"a": 1}, {}),
        (["a"], {"": {"a": 1}, "b": 2}, {"": {"a": 1}, "b": 2}),
        (["x"], {"a": {"x": 1}}, {"a": {"x": 1}}),
        ([], {"a": 1}, {"a": 1}),
    ],
    ids=str,
)
def test_ignored_paths_are_left_out(paths, value, left):
    assert plain(value, ignore(paths)) == left
    assert without(value, [path.strip("/").split("/") for path in paths]) == left


def test_the_value_itself_is_not_changed():
    value = {"a": {"b": 1.0}}
    plain(value, ignore(["a/b"]))

    assert value == {"a": {"b": 1.0}}


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ({"a": 1}, {"a": 2}, [(("a",), "another value")]),
        ({"a": 1, "b": 2}, {"a": 1}, [(("b",), "no such field")]),
        ({"a": 1}, {"a": 1, "b": 2},
         [(("b",), "a field that the expected record doesn't have")]),
        ({"a": [1, 2]}, {"a": [1]}, [(("a",), "a list of another length")]),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]},
         [(("a", 1, "b"), "another value")]),
        ({"a": 1, "b": 1}, {"a": 2, "b": 2}, [(("a",), "another value"), (("b",), "another value")]),
    ],
    ids=str,
)  # fmt: skip
def test_every_difference_is_named(left, right, found):
    assert list(differences(left, right)) == found


def test_extra_fields_are_no_difference_where_they_are_allowed_at_any_depth():
    left = {"a": {"b": 1}, "c": [{"d": 1}]}
    right = {"a": {"b": 1, "x": 1}, "c": [{"d": 1, "y": 2}], "z": 3}

    assert not list(differences(left, right, extra_fields=True))
    assert len(list(differences(left, right))) == 3
    assert list(differences({"b": 1}, {"a": 1}, extra_fields=True)) == [(("b",), "no such field")]
