from __future__ import annotations

import pytest

from hydrotest_core.protocol import ITEM, MISSING, schema_at, schema_types, types_at

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
SCHEMA = {
    "type": "object",
    "definitions": {
        "address": {"type": "object", "properties": {"zip": STRING, "a/b": INTEGER}},
        "a/~b c": STRING,
        "~1": INTEGER,
        "list": [STRING, INTEGER],
        "loop": {"$ref": "#/definitions/loop"},
        "pair": {"anyOf": [{"$ref": "#/definitions/pair"}, INTEGER]},
    },
    "properties": {
        "id": INTEGER,
        "any": True,
        "never": False,
        "nonsense": 5,
        "properties": {"properties": {"properties": STRING}},
        "address": {"$ref": "#/definitions/address"},
        "escaped": {"$ref": "#/definitions/a~1~0b%20c"},
        "tilde": {"$ref": "#/definitions/~01"},
        "second": {"$ref": "#/definitions/list/1"},
        "parent": {"$ref": "#"},
        "loop": {"$ref": "#/definitions/loop"},
        "pair": {"$ref": "#/definitions/pair"},
        "remote": {"$ref": "https://example.com/x.json#/definitions/address"},
        "file": {"$ref": "address.json"},
        "anchor": {"$ref": "#address"},
        "lost": {"$ref": "#/definitions/none/0"},
        "list_lost": {"$ref": "#/definitions/list/9"},
        "hostile": {"$ref": "#/definitions/list/" + "9" * 5000},
        "wrong": {"$ref": 5},
        "either": {
            "oneOf": [
                {"properties": {"kind": {"const": "a"}, "a": STRING}},
                {"properties": {"kind": {"const": 2}, "b": INTEGER}},
            ]
        },
        "all": {"allOf": [{"properties": {"a": STRING}}, {"properties": {"b": INTEGER}}]},
        "items": {"type": "array", "items": {"properties": {"id": INTEGER}}},
        "tuple": {"type": "array", "items": [STRING, INTEGER]},
        "first": {"type": "array", "prefixItems": [STRING], "items": INTEGER},
    },
}


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ((), SCHEMA),
        (("id",), INTEGER),
        (("any",), {}),
        (("nonsense",), {}),
        (("properties", "properties"), STRING),
        (("address", "zip"), STRING),
        (("address", "a/b"), INTEGER),
        (("parent", "parent", "address", "zip"), STRING),
        (("either", "a"), STRING),
        (("either", "b"), INTEGER),
        (("either", "kind"), {"anyOf": [{"const": "a"}, {"const": 2}]}),
        (("all", "a"), STRING),
        (("all", "b"), INTEGER),
        (("items", ITEM, "id"), INTEGER),
        (("items", 7, "id"), INTEGER),
        (("tuple", 1), INTEGER),
        (("tuple", ITEM), {"anyOf": [STRING, INTEGER]}),
        (("first", 0), STRING),
        (("first", 1), INTEGER),
    ],
    ids=str,
)
def test_a_schema_is_found_at(path, schema):
    assert schema_at(SCHEMA, path) == schema


@pytest.mark.parametrize(
    "path",
    [
        ("none",),
        ("never",),
        ("i*",),
        ("address/zip",),
        ("address", "none"),
        ("id", "id"),
        ("any", "id"),
        ("loop", "id"),
        ("remote", "zip"),
        ("file", "zip"),
        ("anchor", "zip"),
        ("either", "c"),
        ("items", "id"),
        ("tuple", 2),
        ("id", ITEM),
    ],
    ids=str,
)
def test_no_schema_is_found_at(path):
    assert schema_at(SCHEMA, path) is MISSING


@pytest.mark.parametrize(
    "schema",
    [None, 5, [], True, {"properties": []}, {"properties": None, "oneOf": 5, "allOf": [5, None]}],
    ids=repr,
)
def test_what_is_no_schema_says_nothing(schema):
    assert schema_at(schema, ("id",)) is MISSING
    assert schema_types(schema) == set()


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"type": "string"}, ["string"]),
        ({"type": ["null", "string"]}, ["null", "string"]),
        ({"type": ["null", 5]}, ["null"]),
        ({"type": 5}, []),
        ({}, []),
        ({"const": None}, ["null"]),
        ({"const": True}, ["boolean"]),
        ({"enum": ["a", 1, 1.5, [], {}]}, ["string", "integer", "number", "array", "object"]),
        ({"enum": "a"}, []),
        ({"type": "string", "enum": ["a", None]}, ["string"]),
        ({"oneOf": [STRING, {"type": "null"}]}, ["string", "null"]),
        ({"anyOf": [STRING, INTEGER]}, ["string", "integer"]),
        ({"anyOf": [STRING, {}]}, []),
        ({"anyOf": []}, []),
        ({"type": ["string", "null"], "anyOf": [STRING, INTEGER]}, ["string"]),
        ({"allOf": [{"type": ["string", "null"]}, {"type": ["null", "object"]}]}, ["null"]),
        ({"allOf": [{"type": "number"}, INTEGER]}, ["integer"]),
        ({"allOf": [{}, STRING]}, ["string"]),
    ],
    ids=repr,
)
def test_a_schema_allows_the_types_of(schema, types):
    assert schema_types(schema) == set(types)


@pytest.mark.parametrize(
    ("path", "types"),
    [
        (("id",), ["integer"]),
        (("address",), ["object"]),
        (("address", "zip"), ["string"]),
        (("escaped",), ["string"]),
        (("tilde",), ["integer"]),
        (("second",), ["integer"]),
        (("parent",), ["object"]),
        (("either", "kind"), ["string", "integer"]),
        (("pair",), []),
        (("any",), []),
        (("loop",), []),
        (("remote",), []),
        (("file",), []),
        (("anchor",), []),
        (("lost",), []),
        (("list_lost",), []),
        (("hostile",), []),
        (("wrong",), []),
    ],
    ids=str,
)
def test_a_place_allows_the_types_of(path, types):
    assert types_at(SCHEMA, path) == set(types)


def test_a_place_that_is_not_declared_has_no_types():
    assert types_at(SCHEMA, ("none",)) is MISSING


def test_a_reference_is_relative_to_the_root():
    part = {"$ref": "#/definitions/address"}

    assert schema_types(part) == set()
    assert schema_types(part, SCHEMA) == {"object"}


def a_bomb(keyword: str) -> dict[str, object]:
    """Build a schema that unfolds to two to the power of 60."""
    twice = {f"d{n}": {keyword: [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(60)}
    return {"definitions": {**twice, "d60": STRING}, "$ref": "#/definitions/d0"}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_a_schema_that_unfolds_without_end_is_walked_once(keyword):
    schema = a_bomb(keyword)

    assert schema_at(schema, ("id",)) is MISSING
    schema_types(schema)


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_a_schema_made_of_itself_says_nothing(keyword):
    schema = {keyword: [{"$ref": "#"}, {"$ref": "#"}]}

    assert schema_types(schema) == set()
    assert schema_at(schema, ("id",)) is MISSING


def test_a_long_chain_of_references_ends():
    chain = {f"d{n}": {"$ref": f"#/definitions/d{n + 1}"} for n in range(5000)}
    schema = {"definitions": {**chain, "d5000": {"properties": {"id": INTEGER}}}, **chain["d0"]}

    assert schema_at(schema, ("id",)) == INTEGER
    assert schema_types(schema) == set()
