from __future__ import annotations

import pytest

from hydrotest_core.testing.payloads import BY_KIND, PAYLOADS, raw_controls, runner_commands


def test_there_are_at_least_sixty_and_none_stands_twice():
    assert len(PAYLOADS) >= 60
    assert len(set(PAYLOADS)) == len(PAYLOADS)
    assert all(BY_KIND.values())


@pytest.mark.parametrize("kind", ["terminal", "unicode"])
def test_what_moves_a_readers_view_is_found(kind):
    assert [text for text in BY_KIND[kind][:-1] if not raw_controls(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain\n\ttext é用", []),
        ("\x1b[2J and \u202e", ["\x1b", "\u202e"]),
        ("a\rb", ["\r"]),
    ],
    ids=["plain", "two", "a return"],
)
def test_characters_that_act_are_told(text, found):
    assert raw_controls(text) == found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("std::string", 0),
        ("x\n  ::error::y", 1),
        ("##[error] ##vso[x]", 2),
        ("\\x3a:error", 0),
    ],
    ids=["inside", "the second line", "two", "broken up"],
)
def test_commands_to_a_runner_are_told(text, count):
    assert len(runner_commands(text)) == count
