r"""Regular expressions of a connector's schema, run so that none can hold us up.

Matching takes at most 100 ms a pattern and text. A pattern without lookaround and
back-references goes to an engine whose time is the product of the program's size and the
text's length, so a larger program gets shorter texts. The others need an engine that steps
back: it gets 512 characters and 10,000 steps, because each step may read the text again.

What doesn't fit counts as matching and is kept in `Patterns.undecided`: nobody knows, and
nobody is blamed.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from hydrotest_core.protocol.subschemas import subschemas

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NATIVE", "PATTERN", "Patterns"]

PATTERN: Final = "hydrotest:pattern"
"""The keyword that stands for `pattern`; the text of its errors is the pattern."""

# Bytes of the compiled program, and the characters of the longest text it is run on. The worst
# patterns that fit took 60 to 85 ms on a slow core.
_PROGRAMS: Final = ((5_000, 32_768), (50_000, 4_096), (200_000, 1_024), (1_000_000, 256))
_STEPS_BACK: Final = 10_000
_STEPS_BACK_CHARS: Final = 512
_LONGEST_PATTERN: Final = 10_000
_UNDECIDED: Final = frozenset({"BacktrackLimitExceeded", "RegexEngineFailure"})

NATIVE: Final = jsonschema_rs.RegexOptions(size_limit=_PROGRAMS[-1][0])
"""How patterns are run that stay where they are: names of fields, and what nobody foresaw."""


@dataclass(frozen=True, slots=True)
class _Matcher:
    """A pattern that can be run."""

    validator: jsonschema_rs.Draft7Validator
    longest: int
    steps_back: bool = False

    def gives_up(self, text: str) -> bool:
        """Say whether it didn't match because its steps were used up."""
        errors = self.validator.iter_errors(text) if self.steps_back else iter(())
        return any(type(error.kind).__name__ in _UNDECIDED for error in errors)


class Patterns:
    """The patterns of one schema.

    Attributes:
        undecided: Patterns that weren't judged at least once, and why, in words.
    """

    def __init__(self) -> None:
        self.undecided: dict[str, str] = {}
        self._matchers: dict[str, _Matcher] = {}
        self._longest_name: int | None = None

    def __repr__(self) -> str:
        return f"<Patterns {len(self._matchers)} undecided={len(self.undecided)}>"

    def guarded(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of a schema in which no pattern is run but by `keyword`."""
        whole = copy.deepcopy(dict(schema))
        for one in list(subschemas(whole)):
            if isinstance(one.schema, dict):
                self.guard(one.schema)
        return whole

    def guard(self, schema: dict[str, Any]) -> None:
        """Do that to one schema, in its place; those inside it are left alone.

        What is no regular expression stays, for the validator to complain of.
        """
        schema.pop(PATTERN, None)
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not self._is_broken(pattern):
            del schema["pattern"]
            if pattern in self._matchers:
                schema[PATTERN] = pattern
        names = schema.get("patternProperties")
        if isinstance(names, dict):
            schema["patternProperties"] = self._runnable(names)
            if len(schema["patternProperties"]) < len(names):
                # Nobody knows any more which fields these were.
                schema.pop("additionalProperties", None)

    @property
    def keyword(self) -> type[_Keyword]:
        """What judges `hydrotest:pattern`; the validator makes one for each place."""
        return type("_KeywordOfThese", (_Keyword,), {"patterns": self})

    def matches(self, pattern: str, text: str) -> bool:
        """Say whether a pattern is found in a text, or can't be looked for."""
        matcher = self._matchers.get(pattern)
        if matcher is None:
            return True
        if len(text) > matcher.longest:
            self.undecided[pattern] = f"a text of more than {matcher.longest} characters"
            return True
        if matcher.validator.is_valid(text):
            return True
        if matcher.gives_up(text):
            self.undecided[pattern] = f"a text that takes more than {_STEPS_BACK} steps back"
            return True
        return False

    def may_judge_names(self, record: Mapping[str, Any]) -> bool:
        """Say whether a record's names are short enough for the patterns of `patternProperties`."""
        if self._longest_name is None or _longest_name(record) <= self._longest_name:
            return True
        why = f"a field's name of more than {self._longest_name} characters"
        self.undecided["patternProperties"] = why
        return False

    def _runnable(self, names: Mapping[str, Any]) -> dict[str, Any]:
        kept = {}
        for name, schema in names.items():
            is_broken = self._is_broken(name)
            matcher = self._matchers.get(name)
            if matcher is not None and not matcher.steps_back:
                self._longest_name = min(matcher.longest, self._longest_name or matcher.longest)
            elif not is_broken:
                self.undecided[name] = "the name of a field, by a pattern that takes too long"
                continue
            kept[name] = schema
        return kept

    def _is_broken(self, pattern: str) -> bool:
        """Say whether it is no regular expression; else find what runs it, if anything does."""
        if pattern in self._matchers or pattern in self.undecided:
            return False
        if len(pattern) > _LONGEST_PATTERN:
            self.undecided[pattern] = "any text: it is too long a pattern"
            return False
        matcher = _matcher(pattern)
        if matcher is not None:
            self._matchers[pattern] = matcher
        elif jsonschema_rs.is_valid({"format": "regex"}, pattern, validate_formats=True):
            self.undecided[pattern] = "any text: it is too large a pattern"
        else:
            return True
        return False


class _Keyword:
    """Judges `hydrotest:pattern`."""

    patterns: Patterns

    def __init__(self, parent: dict[str, Any], value: Any, path: list[str | int]) -> None:
        del parent, path
        self._pattern = value if isinstance(value, str) else ""

    def validate(self, instance: Any) -> None:
        if isinstance(instance, str) and not self.patterns.matches(self._pattern, instance):
            raise ValueError(self._pattern)


def _matcher(pattern: str) -> _Matcher | None:
    for size, longest in _PROGRAMS:
        validator = _compiled(pattern, jsonschema_rs.RegexOptions(size_limit=size))
        if validator is not None:
            return _Matcher(validator, longest)
    options = jsonschema_rs.FancyRegexOptions(
        backtrack_limit=_STEPS_BACK, size_limit=_PROGRAMS[-1][0]
    )
    validator = _compiled(pattern, options)
    return None if validator is None else _Matcher(validator, _STEPS_BACK_CHARS, steps_back=True)


def _compiled(
    pattern: str, options: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
) -> jsonschema_rs.Draft7Validator | None:
    try:
        return jsonschema_rs.Draft7Validator({"pattern": pattern}, pattern_options=options)
    except ValueError:
        return None


def _longest_name(value: Any) -> int:
    longest, pending = 0, [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            longest = max(longest, max(map(len, one), default=0))
            pending += one.values()
        elif isinstance(one, list):
            pending += one
    return longest
