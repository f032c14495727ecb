"""How large a JSON schema is once every `$ref` is written out: a small file may be a bomb.

`{"a": {"allOf": [{"$ref": "#/b"}, {"$ref": "#/b"}]}, "b": …}` doubles with each step; forty
of them judge one value for hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hydrotest_core.protocol.schema import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LARGEST", "unfolded_size"]

LARGEST: Final = 250_000
"""How many schemas a schema may unfold to; real ones stay below some thousand."""

_MAPS = ("properties", "patternProperties", "dependentSchemas", "dependencies")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLES = (
    "items", "additionalItems", "additionalProperties", "contains", "propertyNames", "not",
    "if", "then", "else", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def unfolded_size(schema: Any) -> int:
    """Return how many schemas `schema` comes to with each local `$ref` written out.

    One that contains itself counts where it begins anew as one. Each schema is looked at once,
    so this takes no longer than reading it. More than `LARGEST` means: don't judge by it.
    """
    return _Sizes(schema).of(schema)


class _Sizes:
    """Sizes of the schemas inside one, by identity."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, int] = {}

    def of(self, top: Any) -> int:
        """Return the size of a schema; a stack of our own, for nesting may be deep."""
        stack: list[tuple[dict[str, Any], Iterator[dict[str, Any]]]] = []
        self._enter(top, stack)
        while stack:
            node, waiting = stack[-1]
            child = next(waiting, None)
            if child is None:
                stack.pop()
                self._known[id(node)] = 1 + sum(self._size(one) for one in self._below(node))
            elif id(child) not in self._known:
                self._enter(child, stack)
        return self._size(top)

    def _enter(
        self, node: Any, stack: list[tuple[dict[str, Any], Iterator[dict[str, Any]]]]
    ) -> None:
        if isinstance(node, dict):
            self._known[id(node)] = 1  # What it counts inside itself.
            stack.append((node, self._below(node)))

    def _size(self, node: Any) -> int:
        return self._known.get(id(node), 1)

    def _below(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        candidates: list[Any] = [resolve(node.get(key), self._root) for key in _REFERENCES]
        for key in _MAPS:
            members = node.get(key)
            candidates += members.values() if isinstance(members, dict) else ()
        for key in _LISTS:
            members = node.get(key)
            candidates += members if isinstance(members, list) else ()
        candidates += (node.get(key) for key in _SINGLES)
        return (one for one in candidates if isinstance(one, dict))
