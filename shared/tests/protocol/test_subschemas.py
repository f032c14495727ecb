from __future__ import annotations

from typing import Any

import pytest

from hydrotest_core.protocol.subschemas import subschemas

TEXT = {"type": "string"}


def wheres(schema):
    return [one.where for one in subschemas(schema)]


def nested(keyword, levels):
    """A schema with `levels` levels below its root."""
    schema: dict[str, Any] = dict(TEXT)
    for _ in range(levels):
        schema = {"properties": {"x": schema}} if keyword == "properties" else {keyword: schema}
    return schema


def test_a_schema_is_the_first_inside_itself():
    (root,) = subschemas(TEXT)

    assert root.schema is TEXT
    assert (root.path, root.name, root.is_property, root.where) == ((), None, False, "(root)")


@pytest.mark.parametrize("schema", [True, False, None, [], "object", 1])
def test_what_is_no_object_holds_no_schema(schema):
    assert list(subschemas(schema)) == []


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"properties": {"a": TEXT, "b": TEXT}}, ["a", "b"]),
        ({"patternProperties": {"^a": TEXT}}, ["patternProperties.^a"]),
        ({"definitions": {"a": TEXT}}, ["definitions.a"]),
        ({"$defs": {"a": TEXT}}, ["$defs.a"]),
        ({"dependentSchemas": {"a": TEXT}}, ["dependentSchemas.a"]),
        ({"dependencies": {"a": ["b"], "c": TEXT}}, ["dependencies.c"]),
        ({"oneOf": [TEXT, TEXT]}, ["oneOf[0]", "oneOf[1]"]),
        ({"anyOf": [TEXT, TEXT]}, ["anyOf[0]", "anyOf[1]"]),
        ({"allOf": [TEXT, TEXT]}, ["allOf[0]", "allOf[1]"]),
        ({"prefixItems": [TEXT, TEXT]}, ["prefixItems[0]", "prefixItems[1]"]),
        ({"items": TEXT}, ["items"]),
        ({"items": [TEXT, TEXT]}, ["items[0]", "items[1]"]),
        ({"additionalItems": TEXT}, ["additionalItems"]),
        ({"additionalProperties": TEXT}, ["additionalProperties"]),
        ({"contains": TEXT}, ["contains"]),
        ({"not": TEXT}, ["not"]),
        ({"if": TEXT, "then": TEXT, "else": TEXT}, ["if", "then", "else"]),
        ({"propertyNames": TEXT}, ["propertyNames"]),
        ({"unevaluatedItems": TEXT}, ["unevaluatedItems"]),
        ({"unevaluatedProperties": TEXT}, ["unevaluatedProperties"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_schemas_are_found_under_every_keyword_that_holds_them(schema, found):
    assert wheres(schema) == ["(root)", *found]


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [TEXT], "const": TEXT, "default": TEXT, "examples": [TEXT]},
        {"x-mine": TEXT, "advanced_auth": {"properties": {"a": TEXT}}},
        {"required": ["properties"], "type": "object"},
    ],
    ids=["values", "unknown", "names"],
)
def test_what_only_looks_like_a_schema_is_none(schema):
    assert wheres(schema) == ["(root)"]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": [TEXT], "oneOf": TEXT, "items": "x", "not": True},
        {"properties": {"a": True, "b": None}, "anyOf": [True, 1, "x", [TEXT]]},
        {"properties": None, "oneOf": None, "additionalProperties": False},
    ],
    ids=["wrong kinds", "wrong members", "nothing"],
)
def test_what_is_no_schema_where_one_should_stand_is_passed_over(schema):
    assert wheres(schema) == ["(root)"]


def test_what_follows_something_that_is_no_schema_is_found():
    assert wheres({"anyOf": [True, TEXT], "properties": {"a": 1, "b": TEXT}}) == [
        "(root)",
        "b",
        "anyOf[1]",
    ]


@pytest.mark.parametrize(
    "name", ["type", "enum", "required", "properties", "items", "oneOf", "definitions", "not"]
)
def test_a_property_that_is_called_like_a_keyword_is_a_property(name):
    schema = {"properties": {name: {"properties": {name: TEXT}}}}

    found = list(subschemas(schema))

    assert [one.where for one in found] == ["(root)", name, f"{name}.{name}"]
    assert [one.name for one in found] == [None, name, name]
    assert [one.is_property for one in found] == [False, True, True]


def test_parents_come_before_what_is_in_them():
    schema = {
        "properties": {"a": {"oneOf": [{"properties": {"b": TEXT}}, TEXT]}, "c": TEXT},
        "definitions": {"d": {"items": TEXT}},
    }

    assert wheres(schema) == [
        "(root)",
        "a",
        "a.oneOf[0]",
        "a.oneOf[0].b",
        "a.oneOf[1]",
        "c",
        "definitions.d",
        "definitions.d.items",
    ]


def test_a_part_of_a_property_has_its_name_but_is_not_it():
    schema = {"properties": {"a": {"items": {"oneOf": [TEXT]}}}, "items": TEXT}

    found = {one.where: (one.name, one.is_property) for one in subschemas(schema)}

    assert found == {
        "(root)": (None, False),
        "a": ("a", True),
        "a.items": ("a", False),
        "a.items.oneOf[0]": ("a", False),
        "items": (None, False),
    }


def test_a_path_leads_to_its_schema():
    schema = {
        "properties": {"a": {"items": [TEXT, {"properties": {"properties": TEXT}}]}},
        "$defs": {"b": {"not": TEXT}},
    }

    for one in subschemas(schema):
        node: Any = schema
        for key in one.path:
            node = node[key]
        assert node is one.schema


def test_names_with_dots_and_brackets_are_shown_as_they_are():
    assert wheres({"properties": {"a.b": {"properties": {"[0]": TEXT}}}}) == [
        "(root)",
        "a.b",
        "a.b.[0]",
    ]


@pytest.mark.parametrize("keyword", ["properties", "items", "not"])
@pytest.mark.parametrize(("levels", "found"), [(64, 65), (65, 65), (500, 65)])
def test_nothing_deeper_than_64_levels_is_looked_at(keyword, levels, found):
    assert len(list(subschemas(nested(keyword, levels)))) == found


def test_a_reference_is_not_followed():
    schema = {"$ref": "#/properties/a", "properties": {"a": {"$ref": "#"}}}

    assert wheres(schema) == ["(root)", "a"]


def test_a_schema_that_holds_itself_comes_to_an_end():
    schema: dict[str, object] = {}
    schema["items"] = schema

    assert len(list(subschemas(schema))) == 65
