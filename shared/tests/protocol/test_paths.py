from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.protocol import ITEM, MISSING, find_keys, path_text, record_paths, value_at

few = settings(max_examples=50, deadline=None, derandomize=True, database=None)
names = st.text(max_size=5) | st.sampled_from(["a", "a.b", "a/b", "[]", "*", "[0]", "~1", '"', ""])
json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)

DATA = {
    "id": 1,
    "none": None,
    "address": {"zip": "x", "a/b": {"*": 2}, "0": "zero"},
    "tags": ["x", {"id": 3}],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), DATA),
        (("id",), 1),
        (("none",), None),
        (("address", "zip"), "x"),
        (("address", "a/b", "*"), 2),
        (("address", "0"), "zero"),
        (("tags", 0), "x"),
        (["tags", 1, "id"], 3),
    ],
    ids=str,
)
def test_a_value_is_found_at(path, value):
    assert value_at(DATA, path) == value


@pytest.mark.parametrize(
    "path",
    [
        ("x",),
        ("address", "x"),
        ("address/zip",),
        ("addr*",),
        ("address", 0),
        ("tags", "0"),
        ("tags", 2),
        ("tags", -1),
        ("id", "x"),
        ("none", "x"),
        ("tags", 0, 0),
        ("x", "y", "z"),
    ],
    ids=str,
)
def test_nothing_is_found_at(path):
    assert value_at(DATA, path) is MISSING


@pytest.mark.parametrize(
    ("record", "paths"),
    [
        ({}, set()),
        (None, set()),
        ([], set()),
        ({"a": 1, "b": None}, {("a",), ("b",)}),
        ({"a": {"b": {"c": 1}}}, {("a",), ("a", "b"), ("a", "b", "c")}),
        ({"a": {}}, {("a",)}),
        ({"a": []}, {("a",)}),
        ({"a": [1, 2]}, {("a",), ("a", ITEM)}),
        ({"a": [[1]]}, {("a",), ("a", ITEM), ("a", ITEM, ITEM)}),
        (
            {"a": [{"x": 1}, {"y": 1}]},
            {("a",), ("a", ITEM), ("a", ITEM, "x"), ("a", ITEM, "y")},
        ),
        ({"a/b": {"*": 1}, "[]": 1}, {("a/b",), ("a/b", "*"), ("[]",)}),
    ],
    ids=[
        *("nothing", "null", "a list", "scalars", "objects", "an empty object", "an empty list"),
        *("a list of scalars", "a list of lists", "the second element", "strange names"),
    ],
)
def test_a_record_has_the_paths_of(record, paths):
    assert record_paths(record) == paths


def test_a_record_may_be_as_deep_as_a_line():
    record: dict[str, object] = {}
    for _ in range(512):
        record = {"a": record}

    assert len(record_paths(record)) == 512


@few
@given(record=st.dictionaries(names, json_data, max_size=4))
def test_each_path_of_a_record_leads_somewhere(record):
    for path in record_paths(record):
        value = record
        elements = [value]
        for step in path:
            if step is ITEM:
                elements = [each for one in elements if isinstance(one, list) for each in one]
            else:
                dicts = [one for one in elements if isinstance(one, dict) and step in one]
                elements = [one[step] for one in dicts]
        assert elements


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("id",), "id"),
        (("address", "zip"), "address.zip"),
        (("items", ITEM, "größe", 0, "$ref-x_1"), "items[].größe[0].$ref-x_1"),
        ((ITEM, "id"), "[].id"),
        (("a.b", "c"), '["a.b"].c'),
        (("a/*", ""), '["a/*"][""]'),
        (("\x1b\u202e\n",), '["\\u001b\\u202e\\n"]'),
        (("[]",), '["[]"]'),
        (("0",), "0"),
    ],
    ids=[
        *("the root", "a name", "names", "lists", "a list first", "a dot", "glob and nothing"),
        *("control characters", "brackets", "a number as a name"),
    ],
)
def test_a_path_is_written_as(path, text):
    assert path_text(path) == text


@few
@given(
    one=st.lists(names | st.integers(0, 9) | st.just(ITEM)),
    other=st.lists(names | st.integers(0, 9) | st.just(ITEM)),
)
def test_different_paths_are_written_differently(one, other):
    assert (one == other) == (path_text(one) == path_text(other))


SCHEMA = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["a"]},
        "list": {"type": "array", "items": [{"enum": [1]}, {"enum": [2]}]},
    },
    "enum": None,
}


def test_all_objects_with_a_key_are_found_from_the_top():
    assert [path for path, _ in find_keys(SCHEMA, "enum")] == [
        (),
        ("properties", "type"),
        ("properties", "list", "items", 0),
        ("properties", "list", "items", 1),
    ]


def test_a_property_of_the_same_name_is_found_too():
    assert ("properties",) in [path for path, _ in find_keys(SCHEMA, "type")]


@pytest.mark.parametrize("data", [None, 5, "enum", [], ["enum"], {}], ids=json.dumps)
def test_nothing_is_found_where_there_is_no_such_key(data):
    assert list(find_keys(data, "enum")) == []


@few
@given(data=json_data, key=names)
def test_each_found_path_leads_to_its_holder(data, key):
    for path, holder in find_keys(data, key):
        assert value_at(data, path) is holder
        assert key in holder
