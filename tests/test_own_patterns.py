"""Our own regular expressions meet texts of connectors and users, and none can hang us (O9)."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hydrotest_acceptance
import hydrotest_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

AT_MOST_S = 0.1
LENGTH = 12_000
SEEDS = [
    "a", "A", "0", "_", "-", "é", " ", "\n", "\t\n", '"', "\\", '\\"', '"a', '"\\', "a-", "a.",
    "1.", "0,", "a/", "//", "://", "a@", "[", "](", "{", "'", "=", "\\u", "%4", "<", "#[", "-1",
    "1-", "a:", "::", "0:", "a a", " a", "##", "`",
]  # fmt: skip
TAILS = ["", "!", '"']
# Methods, and how they are called on a text.
CALLS: dict[str, Callable[[re.Pattern[Any], Any], object]] = {
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "search": lambda pattern, text: pattern.search(text),
    "findall": lambda pattern, text: pattern.findall(text),
    "finditer": lambda pattern, text: list(pattern.finditer(text)),
    "split": lambda pattern, text: pattern.split(text),
    "sub": lambda pattern, text: pattern.sub(text[:0], text),
    "subn": lambda pattern, text: pattern.subn(text[:0], text),
}


def modules() -> Iterator[ModuleType]:
    for package in (hydrotest_core, hydrotest_acceptance):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # What tests are made of meets no text of a stranger; suites need pytest's fixtures.
            if not found.name.endswith(".testing") and not {"testing", "suites"} & set(
                found.name.split(".")
            ):
                yield importlib.import_module(found.name)


def uses(source: str, name: str) -> set[str]:
    """Return the methods by which a module uses a pattern; all of them where nobody can tell."""
    tree = ast.parse(source)
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    read = [node for node in named if isinstance(node.ctx, ast.Load)]
    called = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    ]
    return set(called) if len(called) == len(read) and called else set(CALLS)


def patterns() -> Iterator[tuple[str, re.Pattern[Any], str]]:
    for module in modules():
        source = Path(str(module.__file__)).read_text()
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and f"{name}" in source and "re.compile" in source:
                for method in sorted(uses(source, name) & set(CALLS)):
                    yield f"{module.__name__}.{name}.{method}", value, method


FOUND = {label: (pattern, method) for label, pattern, method in patterns()}


def spent_s(work: Callable[[], object]) -> float:
    """Return the least of three times that this thread computed: others may be at work."""
    times = []
    for _ in range(3):
        begin = time.thread_time()
        work()
        times.append(time.thread_time() - begin)
        if times[-1] <= AT_MOST_S:
            break
    return min(times)


@pytest.mark.parametrize("label", FOUND)
def test_no_pattern_of_ours_takes_longer_than_promised(label):
    pattern, method = FOUND[label]
    slow = {}
    for seed in SEEDS:
        for tail in TAILS:
            text: Any = (seed * LENGTH)[:LENGTH] + tail
            if isinstance(pattern.pattern, bytes):
                text = text.encode()
            took = spent_s(lambda text=text: CALLS[method](pattern, text))
            if took > AT_MOST_S:
                slow[seed + tail] = took
        if slow:
            break

    assert slow == {}


def test_the_patterns_are_found_with_their_uses():
    assert "hydrotest_core.protocol.diagnosis._STRING_OR_NUMBER.finditer" in FOUND
    assert len(FOUND) >= 40


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("P.search(x)\nP.sub('', x)", {"search", "sub"}),
        ("f(P)", set(CALLS)),
        ("P.search(x)\nf(P)", set(CALLS)),
    ],
    ids=["called", "handed on", "both"],
)
def test_how_a_pattern_is_used_is_read_from_the_source(source, found):
    assert uses(source, "P") == found
