"""Two records compared as JSON: key order is nothing, list order is something.

`1` and `1.0` are one number; `1`, `true` and `"1"` are three values; `-1` and `-2` are two.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Ignored", "canonical", "differences", "fingerprint", "ignore", "plain", "without"]

_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode
_END: Final = ""
_ANY: Final = "*"

Ignored: TypeAlias = dict[str, Any]
"""A tree of path steps; the step "" marks the end of a path that is ignored."""


def ignore(paths: Iterable[str | Sequence[str]]) -> Ignored:
    """Return a tree of paths, given as `ignored_fields` writes them or as their steps.

    `a/b` is field `b` of `a`. `*` stands for any one field or any place in an array,
    a number for that place.
    """
    tree: Ignored = {}
    for path in paths:
        node = tree
        for step in path.strip("/").split("/") if isinstance(path, str) else path:
            node = node.setdefault(step, {})
        node[_END] = {}
    return tree


def plain(value: Any, ignored: Ignored | None = None) -> Any:
    """Return a copy of a decoded value with whole floats as integers and ignored paths left out."""
    return _plain(value, (ignored,) if ignored else ())


def _plain(value: Any, trees: tuple[Ignored, ...]) -> Any:
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is dict:
        if not trees:
            return {name: _plain(child, ()) for name, child in value.items()}
        below = ((name, child, _below(trees, name)) for name, child in value.items())
        return {name: _plain(child, sub) for name, child, sub in below if not _ends(sub)}
    if kind is list:
        if not trees:
            return [_plain(child, ()) for child in value]
        items = ((child, _below(trees, str(n))) for n, child in enumerate(value))
        return [_plain(child, sub) for child, sub in items if not _ends(sub)]
    return value


def _below(trees: tuple[Ignored, ...], step: str) -> tuple[Ignored, ...]:
    # A field may be called "", which is the mark of an end: it can't be ignored by name.
    steps = (step, _ANY) if step != _END else (_ANY,)
    return tuple(tree[one] for tree in trees for one in steps if one in tree)


def _ends(trees: tuple[Ignored, ...]) -> bool:
    return any(_END in tree for tree in trees)


def without(value: Any, paths: Sequence[Sequence[str]]) -> Any:
    """Return a value without what stands at these paths; `*` as a step is any one."""
    return plain(value, ignore(paths)) if paths else value


def canonical(value: Any, ignored: Ignored | None = None) -> bytes:
    """Return the one form that all equal values share, as JSON."""
    return _ENCODE(plain(value, ignored))


def fingerprint(value: Any) -> bytes:
    """Return 16 bytes that all equal values share, and in practice no others."""
    return hashlib.blake2b(canonical(value), digest_size=16).digest()


def differences(
    expected: Any, actual: Any, *, extra_fields: bool = False
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (path, in what way) for each place where `actual` isn't as expected.

    Both values have gone through `plain`. A list of another length is one difference.

    Args:
        expected: What is expected.
        actual: What came.
        extra_fields: Fields that the expected value doesn't have are fine.
    """
    yield from _differences(expected, actual, (), extra_fields=extra_fields)


def _differences(
    expected: Any, actual: Any, path: tuple[str | int, ...], *, extra_fields: bool
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if type(expected) is not type(actual):
        yield path, "another value"
    elif type(expected) is dict:
        yield from _of_fields(expected, actual, path, extra_fields=extra_fields)
    elif type(expected) is list and len(expected) != len(actual):
        yield path, "a list of another length"
    elif type(expected) is list:
        for n, (left, right) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(left, right, (*path, n), extra_fields=extra_fields)
    elif expected != actual:
        yield path, "another value"


def _of_fields(
    expected: dict[str, Any],
    actual: dict[str, Any],
    path: tuple[str | int, ...],
    *,
    extra_fields: bool,
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name, child in expected.items():
        if name in actual:
            yield from _differences(child, actual[name], (*path, name), extra_fields=extra_fields)
        else:
            yield (*path, name), "no such field"
    if not extra_fields:
        for name in actual:
            if name not in expected:
                yield (*path, name), "a field that the expected record doesn't have"
