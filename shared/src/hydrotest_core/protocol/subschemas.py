"""Walk the schemas inside a JSON schema, telling keywords from properties of the same name.

A property may be called `type`, `enum` or `required`. Searching a schema for such a key
as text finds the property too; walking from schema to schema doesn't.

Source: JSON Schema, Draft 7 and 2020-12: which keywords hold schemas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Subschema", "subschemas"]

_PROPERTIES = "properties"
# Of `dependencies` only what is a schema counts; the other form is a list of names.
_MAPS = (
    _PROPERTIES, "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies",
)  # fmt: skip
_LISTS = ("oneOf", "anyOf", "allOf", "prefixItems", "items")
_SINGLE = (
    "items", "additionalItems", "additionalProperties", "contains", "not", "if", "then", "else",
    "propertyNames", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Subschema:
    """One schema inside another.

    Attributes:
        path: Keys and indexes from the root: `("properties", "auth", "oneOf", 0)`.
        schema: The schema itself.
        name: The nearest property's name above it; `None` at the root.
        is_property: True where it is the schema of the property `name` itself,
            not of a part of it.
    """

    path: tuple[str | int, ...]
    schema: Mapping[str, Any]
    name: str | None
    is_property: bool

    @property
    def where(self) -> str:
        """The path as people read it: `auth.oneOf[0].token`; the root is `(root)`.

        The word `properties` is left out, other keywords are not.
        """
        text = ""
        keys = iter(self.path)
        for key in keys:
            if isinstance(key, int):
                text += f"[{key}]"
                continue
            if key != _PROPERTIES:
                text += f".{key}"
            if key in _MAPS:
                text += f".{next(keys)}"
        return text.removeprefix(".") or "(root)"


def subschemas(schema: Any) -> Iterator[Subschema]:
    """Yield a schema and every schema inside it, parents first.

    What isn't an object where a schema should stand is passed over, and nothing
    deeper than 64 levels is looked at. `$ref` isn't followed.
    """
    if isinstance(schema, dict):
        yield from _walk(Subschema((), schema, None, is_property=False), depth=0)


def _walk(here: Subschema, depth: int) -> Iterator[Subschema]:
    yield here
    if depth == _DEEPEST:
        return
    for key, child in _children(here.schema):
        if isinstance(child, dict):
            is_property = key[0] == _PROPERTIES
            name = str(key[1]) if is_property else here.name
            yield from _walk(Subschema((*here.path, *key), child, name, is_property), depth + 1)


def _children(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield what stands where a schema may stand, with its keys from here."""
    for keyword in _MAPS:
        members = schema.get(keyword)
        if isinstance(members, dict):
            yield from (((keyword, name), child) for name, child in members.items())
    for keyword in _LISTS:
        members = schema.get(keyword)
        if isinstance(members, list):
            yield from (((keyword, n), child) for n, child in enumerate(members))
    yield from (((keyword,), schema.get(keyword)) for keyword in _SINGLE)
