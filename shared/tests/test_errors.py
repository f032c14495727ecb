from __future__ import annotations

import inspect
import pickle
import re

import pytest

from hydrotest_core import errors
from hydrotest_core.errors import (
    ConnectorExited,
    HydrotestError,
    InfrastructureError,
    SettingsError,
    UsageError,
)

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, HydrotestError)
]


def drawn_tree() -> dict[str, str | None]:
    """Read parent by class from the drawing in the module's docstring."""
    assert errors.__doc__ is not None
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in errors.__doc__.split("```")[1].strip().splitlines():
        drawing = re.match(r"(?P<branches>[│ ├└─]*)(?P<name>\w+)", line)
        assert drawing is not None
        depth = len(drawing["branches"]) // 4
        above[depth:] = [drawing["name"]]
        parents[drawing["name"]] = above[depth - 1] if depth else None
    return parents


def test_the_drawn_tree_equals_the_classes():
    parents = {
        kind.__name__: kind.__mro__[1].__name__ if kind is not HydrotestError else None
        for kind in CLASSES
    }

    assert drawn_tree() == parents


def test_every_class_is_exported():
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in CLASSES)


def test_there_are_at_most_a_dozen_leaves():
    leaves = [kind for kind in CLASSES if not kind.__subclasses__()]

    assert len(leaves) <= 12


def test_the_message_is_sentence_then_facts_then_hint():
    error = ConnectorExited(
        "Connector exited before the catalog was read.",
        hint="see stderr.log",
        command="discover",
        exit_code=1,
    )

    expected = (
        "Connector exited before the catalog was read. (command=discover exit_code=1)"
        " hint: see stderr.log"
    )
    assert str(error) == expected


def test_a_message_without_facts_and_hint_is_the_sentence():
    assert str(UsageError("No such flag.")) == "No such flag."


def test_a_settings_error_shows_each_mistake_on_its_own_line():
    error = SettingsError(
        "The settings can't be used.", mistakes=["a: 1", "b: 2"], hint="mend them"
    )

    assert str(error) == "The settings can't be used.\n  a: 1\n  b: 2\nhint: mend them"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[HydrotestError]):
    error = kind("It broke.", hint="try again", path="a/b", count=2)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.message, copy.hint, copy.facts) == (error.message, error.hint, error.facts)


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [("UsageError", 2), ("ConnectorError", 1), ("InfrastructureError", 3), ("HydrotestError", 3)],
)
def test_the_exit_code_says_who_must_act(name: str, exit_code: int):
    kind = getattr(errors, name)
    for subclass in (kind, *kind.__subclasses__()):
        if subclass.__base__ is kind and kind is HydrotestError:
            continue
        assert subclass.exit_code == exit_code


def test_only_an_infrastructure_error_can_be_transient():
    assert not InfrastructureError("Disk full.").is_transient
    assert errors.EngineUnavailable("No engine.").is_transient
