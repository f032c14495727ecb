from __future__ import annotations

import pytest

from hydrotest_core.protocol.schema_size import LARGEST, unfolded_size


def doubling(steps: int, inner: str = "allOf") -> dict:
    """Return a schema that doubles `steps` times."""

    def twice(n: int) -> dict:
        reference = {"$ref": f"#/definitions/a{n + 1}"}
        below = {"properties": {"x": reference}} if inner == "properties" else reference
        return {"anyOf" if inner == "properties" else inner: [below, below]}

    steps_of = {f"a{n}": twice(n) for n in range(steps)}
    return {"$ref": "#/definitions/a0", "definitions": {**steps_of, f"a{steps}": {}}}


def deep(levels: int) -> dict:
    schema: dict = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "size"),
    [
        (True, 1),
        ({}, 1),
        ({"properties": {"a": {}, "b": {"items": {}}}}, 4),
        ({"items": [{}, {}], "not": {}, "definitions": {"unused": {}}}, 4),
        ({"$ref": "#"}, 2),
        ({"$ref": "http://evil.invalid/x"}, 1),
        ({"$ref": "#/nowhere", "properties": [1], "allOf": {"a": {}}}, 1),
        ({"properties": {"child": {"$ref": "#"}, "more": {"items": {"$ref": "#"}}}}, 6),
        (deep(5000), 5001),
    ],
    ids=["true", "empty", "nested", "lists", "itself", "remote", "odd", "a tree", "deep"],
)
def test_a_schema_counts_all_that_it_comes_to(schema, size):
    assert unfolded_size(schema) == size


@pytest.mark.parametrize("inner", ["allOf", "anyOf", "oneOf", "properties"])
def test_a_schema_that_doubles_forty_times_is_told_at_once(inner):
    assert unfolded_size(doubling(40, inner)) > 2**40 > LARGEST


def test_a_schema_that_doubles_twice_is_small():
    assert unfolded_size(doubling(2)) == 1 + 1 + 2 * (1 + 1 + 2 * (1 + 1))
