"""What a JSON schema says of the places in a record: which there are, of which type.

Schemas come from connectors, so anything may stand where a schema should; what
isn't one says nothing. `$ref` is followed inside the schema only, never to a file
or a host. Paths are those of `hydrotest_core.protocol.paths`.
"""

from __future__ import annotations

import collections
import functools
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from hydrotest_core.protocol.paths import ITEM, MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hydrotest_core.protocol.paths import Item, Missing

__all__ = [
    "Types",
    "children",
    "listed",
    "own_types",
    "resolve",
    "schema_at",
    "schema_types",
    "types_at",
]

_DEEPEST = 64
_INDEX = re.compile("[0-9]{1,9}")
_JSON_TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def schema_at(schema: Any, path: Sequence[str | int | Item]) -> dict[str, Any] | Missing:
    """Return the schema of a place in the data, or `MISSING` if none is declared.

    It follows `properties`, `items`, `$ref` and the parts of `allOf`, `oneOf` and
    `anyOf`. Where several schemas declare the place, `{"anyOf": [...]}` of them is
    returned. A `$ref` in what is returned is still relative to `schema`.
    """
    nodes = [schema]
    for step in path:
        nodes = [
            child
            for part in _parts(nodes, schema)
            for child in children(part, step)
            if child is not False
        ]
    found = [each if isinstance(each, dict) else {} for each in nodes]
    if not found:
        return MISSING
    return found[0] if len(found) == 1 else {"anyOf": found}


def schema_types(schema: Any, root: Any = None) -> set[str]:
    """Return the JSON types that a schema allows; empty where it doesn't say.

    Args:
        schema: A schema, or a part of one.
        root: The whole schema, which a `$ref` is relative to; by default `schema`.
    """
    return set(Types(schema if root is None else root).of(schema) or ())


def types_at(schema: Any, path: Sequence[str | int | Item]) -> set[str] | Missing:
    """Return the JSON types that a schema allows at a place, or `MISSING`."""
    found = schema_at(schema, path)
    return MISSING if found is MISSING else schema_types(found, schema)


def resolve(reference: Any, root: Any) -> Any:
    """Return what a local `$ref` points to, or `None`. Source: RFC 6901, section 6."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    pointer = urllib.parse.unquote(reference[1:])
    if pointer and not pointer.startswith("/"):
        return None
    node: Any = root
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(name)
        elif isinstance(node, list) and _INDEX.fullmatch(name) and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return node


def listed(node: dict[str, Any], *keywords: str) -> Iterator[Any]:
    """Yield the members of those keywords that are lists, as `oneOf` is."""
    for keyword in keywords:
        value = node.get(keyword)
        if isinstance(value, list):
            yield from value


def _parts(nodes: Iterable[Any], root: Any) -> Iterator[dict[str, Any]]:
    """Yield the schemas and all that they are composed of at the same place."""
    seen: set[int] = set()
    waiting = collections.deque(nodes)
    while waiting:
        node = waiting.popleft()
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting.append(resolve(node.get("$ref"), root))
        waiting += listed(node, "allOf", "oneOf", "anyOf")


def children(node: dict[str, Any], step: str | int | Item) -> list[Any]:
    """Return the schemas that a schema itself has for one step down, booleans included."""
    if isinstance(step, str):
        properties = node.get("properties")
        if isinstance(properties, dict) and step in properties:
            return [properties[step]]
        return []
    by_position = list(listed(node, "prefixItems", "items"))
    if step is not ITEM and step < len(by_position):
        return [by_position[step]]
    others = node.get("items")
    for_others = [others] if isinstance(others, (dict, bool)) else []
    return by_position + for_others if step is ITEM else for_others


class Types:
    """The types that the parts of one schema allow, each looked at once."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, frozenset[str] | None] = {}

    def of(self, node: Any, depth: int = 0) -> frozenset[str] | None:
        """Return the types, or `None` where the schema doesn't say."""
        if not isinstance(node, dict) or depth > _DEEPEST:
            return None
        if id(node) not in self._known:
            self._known[id(node)] = None  # What a schema says by containing itself.
            self._known[id(node)] = self._look(node, depth + 1)
        return self._known[id(node)]

    def _look(self, node: dict[str, Any], depth: int) -> frozenset[str] | None:
        said = [own_types(node), self.of(resolve(node.get("$ref"), self._root), depth)]
        said += [self.of(part, depth) for part in listed(node, "allOf")]
        for keyword in ("oneOf", "anyOf"):
            variants = [self.of(variant, depth) for variant in listed(node, keyword)]
            said.append(_any_of(variants))
        all_said = [types for types in said if types is not None]
        return functools.reduce(_both, all_said) if all_said else None


def own_types(node: dict[str, Any]) -> frozenset[str] | None:
    """Return the types that a schema itself names, or those of its `const` or `enum`."""
    declared = node.get("type")
    if isinstance(declared, str):
        return frozenset((declared,))
    if isinstance(declared, list):
        return frozenset(each for each in declared if isinstance(each, str))
    values = [node["const"]] if "const" in node else list(listed(node, "enum"))
    types = frozenset(_JSON_TYPES[type(each)] for each in values if type(each) in _JSON_TYPES)
    return types or None


def _any_of(variants: list[frozenset[str] | None]) -> frozenset[str] | None:
    said = [types for types in variants if types is not None]
    # A variant that doesn't say allows everything.
    return frozenset().union(*said) if said and len(said) == len(variants) else None


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    is_integer = "integer" in one | other and all(
        types & {"integer", "number"} for types in (one, other)
    )
    return (one & other) | ({"integer"} if is_integer else set())
