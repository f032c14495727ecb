"""Places inside JSON data, as tuples of steps.

A path is a tuple, never a text with separators: a property may be called `a/b`,
`a.b` or `*`. `ITEM` stands for "each element of the list", a number for one of
them. A schema's own walker is `hydrotest_core.protocol.schema`.
"""

from __future__ import annotations

import enum
import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "ITEM",
    "MISSING",
    "Item",
    "Missing",
    "Path",
    "find_keys",
    "path_text",
    "record_paths",
    "value_at",
]


class Item(enum.Enum):
    """The type of `ITEM`: an enum, so that a type checker knows the one value."""

    ITEM = "[]"


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


ITEM: Final = Item.ITEM
"""The step into a list, to each of its elements."""

MISSING: Final = Missing.MISSING
"""What is found where nothing is; `None` is JSON's null, which is something."""

Path: TypeAlias = tuple[str | int | Item, ...]
"""Steps from the outside in: `("address", "zip")`, `("items", ITEM, "id")`."""

_PLAIN_NAME = re.compile(r"[\w$-]+")


def path_text(path: Sequence[str | int | Item]) -> str:
    """Write a path for people: `items[].address.zip`, `["a.b"][0]`.

    Names that aren't plain words are quoted as JSON, so different paths never look
    the same and no control character gets through.
    """
    text = ""
    for step in path:
        if step is ITEM:
            text += "[]"
        elif isinstance(step, str) and _PLAIN_NAME.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{json.dumps(step)}]"
    return text.removeprefix(".")


def value_at(data: Any, path: Sequence[str | int]) -> Any | Missing:
    """Return what stands at a path in JSON data, or `MISSING`.

    Names step into objects and numbers into lists, never the other way round; the
    empty path is the data itself.
    """
    for step in path:
        if isinstance(step, str):
            data = data.get(step, MISSING) if isinstance(data, dict) else MISSING
        else:
            is_there = isinstance(data, list) and 0 <= step < len(data)
            data = data[step] if is_there else MISSING
    return data


def record_paths(record: Any) -> set[Path]:
    """Return the paths of everything a record has, objects and lists included.

    A key whose value is null is there. A list adds `ITEM` if it isn't empty, and
    the paths in all of its elements.

    Source: CAT 3.9.8, `get_object_structure`, which looks at a list's first element only.
    """
    found: set[Path] = set()
    open_ends: list[tuple[Path, Any]] = [((), record)]
    while open_ends:
        path, value = open_ends.pop()
        inner: list[tuple[Path, Any]] = []
        if isinstance(value, dict):
            inner = [((*path, key), each) for key, each in value.items()]
        elif isinstance(value, list) and value:
            below = (*path, ITEM)
            inner = [(below, each) for each in value]
        found.update(step for step, _ in inner)
        open_ends += (end for end in inner if isinstance(end[1], (dict, list)))
    return found


def find_keys(data: Any, key: str) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Find all objects in JSON data that have a key, from the top, in their order.

    In a schema it finds properties of that name as well as the keyword; where only
    the keyword is meant, walk `hydrotest_core.protocol.subschemas`.

    Yields:
        The path of each object, for `value_at`, and the object itself.
    """
    open_ends: list[tuple[tuple[str | int, ...], Any]] = [((), data)]
    while open_ends:
        path, value = open_ends.pop()
        if isinstance(value, dict):
            if key in value:
                yield path, value
            open_ends += [((*path, name), each) for name, each in reversed(value.items())]
        elif isinstance(value, list):
            open_ends += [((*path, n), value[n]) for n in reversed(range(len(value)))]
