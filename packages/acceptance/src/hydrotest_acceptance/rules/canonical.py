"""Two records compared as JSON: key order is nothing, list order is something.

`1` and `1.0` are one number; `1`, `true` and `"1"` are three values; `-1` and `-2` are two.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Ignored", "canonical", "differences", "fingerprint", "ignore", "plain", "without"]

_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode
_GLOB: Final = re.compile(r"[*?\[]")


@dataclass(slots=True)
class Ignored:
    """Paths that are left out, as a tree of their steps.

    Attributes:
        steps: What lies below, by the name of a field or the number of an item.
        patterns: What lies below, by a pattern that names match.
        is_end: A path ends here, and what stands here is left out.
    """

    steps: dict[str, Ignored] = field(default_factory=dict)
    patterns: dict[str, tuple[re.Pattern[str], Ignored]] = field(default_factory=dict)
    is_end: bool = False

    def add(self, path: Sequence[str]) -> None:
        """Take in a path, step by step."""
        node = self
        for step in path:
            if _GLOB.search(step):
                compiled = re.compile(fnmatch.translate(step))
                node = node.patterns.setdefault(step, (compiled, Ignored()))[1]
            else:
                node = node.steps.setdefault(step, Ignored())
        node.is_end = True

    def below(self, step: str) -> Iterator[Ignored]:
        """Yield what the paths say of the field or item of this name."""
        if step in self.steps:
            yield self.steps[step]
        for pattern, node in self.patterns.values():
            if pattern.match(step):
                yield node


def ignore(paths: Iterable[str | Sequence[str]]) -> Ignored:
    """Return a tree of paths, given as `ignored_fields` writes them or as their steps.

    `a/b` is field `b` of `a`. In a step `*` stands for any characters, so that `a/*/b`
    enters each item of a list and `a/time_*` is many fields; a number is one item.
    """
    tree = Ignored()
    for path in paths:
        tree.add(path.strip("/").split("/") if isinstance(path, str) else path)
    return tree


def plain(value: Any, ignored: Ignored | None = None) -> Any:
    """Return a copy of a decoded value with whole floats as integers and ignored paths left out."""
    return _plain(value, (ignored,) if ignored is not None else ())


def _plain(value: Any, trees: tuple[Ignored, ...]) -> Any:
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is dict:
        if not trees:
            return {name: _plain(child, ()) for name, child in value.items()}
        return dict(_kept(value.items(), trees))
    if kind is list:
        if not trees:
            return [_plain(child, ()) for child in value]
        return [child for _, child in _kept(enumerate(value), trees)]
    return value


def _kept(
    parts: Iterable[tuple[Any, Any]], trees: tuple[Ignored, ...]
) -> Iterator[tuple[Any, Any]]:
    for step, child in parts:
        below = tuple(node for tree in trees for node in tree.below(str(step)))
        if not any(node.is_end for node in below):
            yield step, _plain(child, below)


def without(value: Any, paths: Sequence[Sequence[str]]) -> Any:
    """Return a value without what stands at these paths, steps as in `ignore`."""
    return plain(value, _tree(tuple(tuple(path) for path in paths))) if paths else value


@functools.lru_cache(maxsize=256)
def _tree(paths: tuple[tuple[str, ...], ...]) -> Ignored:
    # Asked for once a record, with the same paths for all of a stream.
    return ignore(paths)


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
