"""From the sections of `acceptance-test-config.yml` to the tests that run.

Each suite's class has a section of its own: `TestBasicRead` reads `basic_read`. Every
entry under `tests:` becomes one parameter named `inputs`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hydrotest_acceptance.config import AcceptanceConfig

__all__ = [
    "MANDATORY_IN_HIGH",
    "SUITES_IN_ORDER",
    "MissingSection",
    "keep_one_per_missing_section",
    "longest_first",
    "parameters",
    "section_named",
    "section_of",
]

# Each needs what the ones before it found out; so it is read, and so one process runs them.
SUITES_IN_ORDER = (
    "spec",
    "connection",
    "discovery",
    "basic_read",
    "full_refresh",
    "incremental",
)
# Source: Airbyte's acceptance tests reference, "Strictness level".
MANDATORY_IN_HIGH = frozenset(SUITES_IN_ORDER)


@dataclass(frozen=True, slots=True)
class MissingSection:
    """Stands for the inputs of a section that must be there and isn't."""

    name: str


def section_of(cls: type) -> str:
    """Return the section of a suite's class."""
    return section_named(cls.__name__)


def section_named(class_name: str) -> str:
    """Return the section of a suite's class by its name: `TestBasicRead` -> `basic_read`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name.removeprefix("Test")).lower()


def parameters(config: AcceptanceConfig, section_name: str) -> list[object]:
    """Return the parameters of a suite's tests: its entries, or one that says why there are none.

    In `high` an empty list is as bad as no section: neither says why nothing is tested.
    """
    section = config.section(section_name)
    if section is not None and section.tests:
        return [pytest.param(entry, id=f"inputs{n}") for n, entry in enumerate(section.tests)]
    if section is not None and section.bypass_reason:
        return [_skipped(f"bypassed: {section.bypass_reason}")]
    if config.is_strict and section_name in MANDATORY_IN_HIGH:
        return [pytest.param(MissingSection(section_name), id="missing")]
    if section is not None:
        return [_skipped(f"{section_name} has an empty list of tests")]
    return [_skipped(f"{section_name} is not in acceptance-test-config.yml")]


def _skipped(reason: str) -> object:
    return pytest.param(None, id="none", marks=pytest.mark.skip(reason=reason))


def keep_one_per_missing_section(items: list[pytest.Item]) -> list[pytest.Item]:
    """Take out of `items`, and return, all but one test of each suite without inputs.

    A section that isn't there is one fact: one failed or skipped test says it,
    twenty-five of them only hide the rest.
    """
    seen: set[object] = set()
    surplus: list[pytest.Item] = []
    for item in items:
        callspec, cls = getattr(item, "callspec", None), getattr(item, "cls", None)
        if callspec is None or cls is None:
            continue
        inputs = callspec.params.get("inputs", item)
        if inputs is not None and not isinstance(inputs, MissingSection):
            continue
        if cls in seen:
            surplus.append(item)
        seen.add(cls)
    dropped = set(map(id, surplus))
    items[:] = [item for item in items if id(item) not in dropped]
    return surplus


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order for several workers: the most executions after each other first.

    In the order of reading, all workers would wait for the same `spec`, then for the same
    `discover`, and the long chains of reads would be left to the end, to one of them.
    """
    return sorted(items, key=_last_suite_first)


def _last_suite_first(item: pytest.Item) -> int:
    cls = getattr(item, "cls", None)
    section = section_of(cls) if cls else ""
    return -SUITES_IN_ORDER.index(section) if section in SUITES_IN_ORDER else 0
