"""The leaves of a JSON schema: the places where its records hold their values.

Paths are those of `hydrotest_core.protocol.paths`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hydrotest_core.errors import ProtocolViolation
from hydrotest_core.protocol.paths import ITEM, path_text
from hydrotest_core.protocol.schema import Types, children, listed, own_types, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from hydrotest_core.protocol.paths import Path

__all__ = ["Leaf", "leaf_paths", "leaves", "missing_leaves"]

_DEEPEST = 64
_MOST_STEPS = 250_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """A place that a schema lets records have and that has nothing below it.

    Attributes:
        path: Where it is.
        choice: The number of the outermost `oneOf` or `anyOf` it lies in, or `None`.
    """

    path: Path
    choice: int | None = None


def leaves(schema: Any) -> list[Leaf]:
    """Return the places where a schema's records hold their values, in its order.

    An object with properties and a list aren't leaves, what is in them is; an object
    without properties is one, and so is a schema that contains itself, where it
    begins anew. A list of anything is the leaf `(..., ITEM)`. All variants of a
    `oneOf` or `anyOf` count.

    Source: CAT 3.9.8, `get_expected_schema_structure`.

    Raises:
        ProtocolViolation: The schema unfolds to more than can be walked.
    """
    return _Leaves(schema).all()


def leaf_paths(schema: Any) -> set[Path]:
    """Return the paths of `leaves`."""
    return {leaf.path for leaf in leaves(schema)}


def missing_leaves(expected: Iterable[Leaf], seen: AbstractSet[Path]) -> list[Path]:
    """Return which leaves no record had, in the order of their text.

    Of a `oneOf` or `anyOf` one variant is enough: with one leaf of it seen, no other
    is missing.

    Args:
        expected: What `leaves` gave.
        seen: The `record_paths` of all records together.
    """
    expected = list(expected)
    done = {leaf.choice for leaf in expected if leaf.path in seen} - {None}
    missing = {leaf.path for leaf in expected if leaf.path not in seen and leaf.choice not in done}
    return sorted(missing, key=path_text)


class _Spot(NamedTuple):
    """Where a walk has got to: the place, and how it came there."""

    path: Path
    choice: int | None
    references: frozenset[str]
    depth: int

    def leaf(self) -> list[Leaf]:
        return [Leaf(self.path, self.choice)] if self.path else []


class _Leaves:
    """One walk over a schema, which may be as hostile as any connector's output."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._types = Types(root)
        self._choices = itertools.count(1)
        self._steps = 0

    def all(self) -> list[Leaf]:
        return self._below(self._root, _Spot((), None, frozenset("#"), 0))

    def _at(self, node: Any, spot: _Spot) -> list[Leaf]:
        return self._below(node, spot) or spot.leaf()

    def _below(self, node: Any, spot: _Spot) -> list[Leaf]:
        """Return the leaves below the spot; none where the schema has nothing below it."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            msg = "The JSON schema unfolds to more than can be walked."
            hint = "A $ref or a oneOf multiplies what it contains; write it out flat."
            raise ProtocolViolation(msg, hint=hint, most_steps=_MOST_STEPS)
        if not isinstance(node, dict) or spot.depth > _DEEPEST:
            return []
        spot = spot._replace(depth=spot.depth + 1)
        found = self._composed(node, spot)
        found += self._variants(node, spot)
        found += self._inside(node, spot)
        return found

    def _composed(self, node: dict[str, Any], spot: _Spot) -> list[Leaf]:
        found = []
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in spot.references:
            inner = spot._replace(references=spot.references | {reference})
            found += self._below(resolve(reference, self._root), inner)
        for part in listed(node, "allOf"):
            found += self._below(part, spot)
        return found

    def _variants(self, node: dict[str, Any], spot: _Spot) -> list[Leaf]:
        found = []
        for keyword in ("oneOf", "anyOf"):
            inner = spot if spot.choice else spot._replace(choice=next(self._choices))
            for variant in listed(node, keyword):
                leaves_below = self._below(variant, inner)
                # A variant like {"required": ["a"]} has nothing to say of where values are.
                says_type = bool(self._types.of(variant))
                found += leaves_below or (inner.leaf() if says_type else [])
        return found

    def _inside(self, node: dict[str, Any], spot: _Spot) -> list[Leaf]:
        types = own_types(node)
        found = []
        properties = node.get("properties")
        if isinstance(properties, dict) and (not types or "object" in types):
            for name, child in properties.items():
                if child is not False:
                    found += self._at(child, spot._replace(path=(*spot.path, name)))
        if "array" in types if types else "items" in node:
            found += self._elements(node, spot._replace(path=(*spot.path, ITEM)))
        return found

    def _elements(self, node: dict[str, Any], spot: _Spot) -> list[Leaf]:
        if node.get("items") is False:
            return []
        return [
            leaf for child in children(node, ITEM) for leaf in self._at(child, spot)
        ] or spot.leaf()
