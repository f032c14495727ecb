from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hydrotest_core.errors import ProtocolViolation
from hydrotest_core.protocol import (
    ITEM,
    leaf_paths,
    leaves,
    missing_leaves,
    record_paths,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

STRING = {"type": "string"}
NULL = {"type": "null"}


def an_object(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ({}, set()),
        ({"type": "object"}, set()),
        ({"properties": {"a": {}, "b": True}}, {("a",), ("b",)}),
        (an_object(a=STRING, b=an_object(c=STRING, d=STRING)), {("a",), ("b", "c"), ("b", "d")}),
        (an_object(a={"type": "object"}), {("a",)}),
        (an_object(a={"type": "object", "properties": {}}), {("a",)}),
        (an_object(a={"type": ["null", "object"], "properties": {"b": STRING}}), {("a", "b")}),
        (an_object(a={"type": "string", "properties": {"b": STRING}}), {("a",)}),
        (an_object(a=STRING, b=False), {("a",)}),
        (an_object(a={"type": "array"}), {("a", ITEM)}),
        (an_object(a={"type": "array", "items": STRING}), {("a", ITEM)}),
        (an_object(a={"items": {}}), {("a", ITEM)}),
        (
            an_object(a={"type": ["null", "array"], "items": an_object(b=STRING, c=STRING)}),
            {("a", ITEM, "b"), ("a", ITEM, "c")},
        ),
        (an_object(a={"type": "array", "items": {"type": "array"}}), {("a", ITEM, ITEM)}),
        (
            an_object(a={"type": "array", "items": [an_object(b=STRING), an_object(c=STRING)]}),
            {("a", ITEM, "b"), ("a", ITEM, "c")},
        ),
        (an_object(a={"type": "array", "items": False}), {("a",)}),
        (
            an_object(a={"oneOf": [an_object(b=STRING), an_object(c=STRING)]}),
            {("a", "b"), ("a", "c")},
        ),
        (an_object(a={"anyOf": [STRING, NULL]}), {("a",)}),
        (an_object(a={"anyOf": [an_object(b=STRING), NULL]}), {("a", "b"), ("a",)}),
        (
            {**an_object(a=STRING, b=STRING), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {("a",), ("b",)},
        ),
        (
            an_object(x={**an_object(a=STRING), "oneOf": [{"required": ["a"]}, {}]}),
            {("x", "a")},
        ),
        ({"oneOf": [an_object(a=STRING), an_object(b=STRING)]}, {("a",), ("b",)}),
        ({"allOf": [an_object(a=STRING), an_object(b=STRING)]}, {("a",), ("b",)}),
        (an_object(**{"a/b": STRING, "*": an_object(**{"[]": STRING})}), {("a/b",), ("*", "[]")}),
        (an_object(properties=an_object(type=STRING)), {("properties", "type")}),
        (None, set()),
        ({"properties": [], "oneOf": 5}, set()),
        (an_object(a=5, b=[]), {("a",), ("b",)}),
    ],
    ids=[
        *("nothing said", "an object of anything", "no types", "nested", "an object inside"),
        *("no properties inside", "nullable", "properties of a string", "a forbidden one"),
        *("a list", "a list of strings", "items alone", "a list of objects", "a list of lists"),
        *("a tuple", "an empty list", "variants", "nullable by variant", "an object or null"),
        *("requirements", "requirements inside", "variants at the root", "parts", "strange names"),
        *("names like keywords", "no schema", "a broken schema", "broken properties"),
    ],
)
def test_a_schema_has_the_leaves_of(schema, paths):
    assert leaf_paths(schema) == paths


def test_leaves_come_in_the_order_of_the_schema():
    schema = an_object(z=STRING, a=an_object(y=STRING, b=STRING), m=STRING)

    assert [leaf.path for leaf in leaves(schema)] == [("z",), ("a", "y"), ("a", "b"), ("m",)]


def test_references_are_followed():
    schema = {
        "definitions": {"address": an_object(zip=STRING)},
        **an_object(
            home={"$ref": "#/definitions/address"},
            work={"$ref": "#/definitions/address"},
            other={"$ref": "https://example.com/address.json"},
        ),
    }

    assert leaf_paths(schema) == {("home", "zip"), ("work", "zip"), ("other",)}


def test_a_schema_that_contains_itself_ends_where_it_begins_anew():
    schema = {
        "definitions": {"node": an_object(name=STRING, next={"$ref": "#/definitions/node"})},
        **an_object(
            id=STRING,
            children={"type": "array", "items": {"$ref": "#"}},
            node={"$ref": "#/definitions/node"},
        ),
    }

    assert leaf_paths(schema) == {
        ("id",),
        ("children", ITEM),
        ("node", "name"),
        ("node", "next"),
    }


def test_a_schema_deeper_than_any_sane_one_is_cut():
    schema: Mapping[str, object] = STRING
    for _ in range(250):
        schema = an_object(a=schema)

    (path,) = leaf_paths(schema)

    assert 60 < len(path) < 70


def test_many_fields_are_no_trouble():
    schema = an_object(**{f"f{n}": STRING for n in range(100_000)})

    assert len(leaf_paths(schema)) == 100_000


@pytest.mark.parametrize("keyword", ["allOf", "oneOf", "anyOf"])
def test_a_schema_that_unfolds_without_end_is_refused(keyword, monkeypatch):
    monkeypatch.setattr("hydrotest_core.protocol.schema_leaves._MOST_STEPS", 10_000)
    twice = {f"d{n}": {keyword: [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(60)}
    schema = {"definitions": twice, "$ref": "#/definitions/d0"}

    with pytest.raises(ProtocolViolation, match="more than can be walked"):
        leaves(schema)


def missing(schema, *records):
    seen = set().union(*map(record_paths, records))
    return missing_leaves(leaves(schema), seen)


def test_a_leaf_is_missing_if_no_record_has_it():
    schema = an_object(a=STRING, b=STRING, c=an_object(d=STRING, e=STRING))

    assert missing(schema, {"a": 1}, {"c": {"d": 1}}) == [("b",), ("c", "e")]


def test_no_leaf_is_missing_if_the_records_have_them_all_together():
    schema = an_object(a=STRING, b=an_object(c=STRING))

    assert missing(schema, {"a": None}, {"b": {"c": None}}) == []


def test_all_leaves_are_missing_without_records():
    assert missing(an_object(b=STRING, a=STRING)) == [("a",), ("b",)]


def test_an_empty_list_has_no_elements():
    schema = an_object(a={"type": "array", "items": STRING})

    assert missing(schema, {"a": []}) == [("a", ITEM)]
    assert missing(schema, {"a": []}, {"a": ["x"]}) == []


def test_the_second_element_of_a_list_counts():
    schema = an_object(a={"type": "array", "items": an_object(b=STRING, c=STRING)})

    assert missing(schema, {"a": [{"b": 1}, {"c": 1}]}) == []


def test_one_variant_is_enough():
    variants = [an_object(kind=STRING, a=STRING), an_object(kind=STRING, b=STRING)]
    schema = an_object(x={"oneOf": variants}, y={"anyOf": variants}, z=STRING)

    assert missing(schema, {"x": {"b": 1}}) == [("y", "a"), ("y", "b"), ("y", "kind"), ("z",)]


def test_only_its_own_choice_is_satisfied_by_a_variant():
    variants = [an_object(a=STRING), an_object(b=STRING)]
    schema = an_object(x={"oneOf": variants}, x_other=STRING, xy={"oneOf": variants})

    assert missing(schema, {"x": {"a": 1}}) == [("x_other",), ("xy", "a"), ("xy", "b")]


def test_the_outermost_choice_decides():
    inner = {"oneOf": [an_object(b=STRING), an_object(c=STRING)]}
    schema = an_object(x={"oneOf": [an_object(a=STRING), an_object(inner=inner)]})

    assert missing(schema, {"x": {"a": 1}}) == []
    assert missing(schema, {"y": 1}) == [("x", "a"), ("x", "inner", "b"), ("x", "inner", "c")]


def test_properties_beside_variants_are_still_expected():
    schema = {**an_object(id=STRING), "oneOf": [an_object(a=STRING), an_object(b=STRING)]}

    assert missing(schema, {"a": 1}) == [("id",)]
