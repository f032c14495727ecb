"""Gathers what breaks a rule, so that a million bad records come to one finding a place.

A rule calls `Breaches.add` once for each instance. What is kept grows with the number of
places (a path and what was asked for there), never with the number of records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from hydrotest_core.protocol import ITEM, path_text
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Severity, Where
from hydrotest_core.untrusted import as_it_came

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hydrotest_core.protocol import StreamDescriptor

__all__ = [
    "NOTHING",
    "Breaches",
    "Place",
    "Show",
    "as_is",
    "combine",
    "dotted",
    "kind_of",
    "quoted",
    "shortened",
    "shown",
]

MAX_EXAMPLES: Final = 3
MAX_PLACES: Final = 200
MAX_KINDS: Final = 5
MAX_TEXT: Final = 160

NOTHING: Final = object()
"""Stands for "no value to show", where `None` is a value."""

_KINDS: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


class Show(Protocol):
    """Takes secrets out of a text before anybody sees it; `Redactor.redact_text` is one."""

    def __call__(self, text: str, /) -> str:
        """Return `text` without secrets."""
        ...


class Place(Protocol):
    """A line of an artifact that something was seen on; an evidence's `RecordLine` is one."""

    @property
    def line(self) -> int:
        """The line's number, from 1."""
        ...

    @property
    def artifact(self) -> str:
        """The file's path inside the execution's folder."""
        ...


def as_is(text: str, /) -> str:
    """Return the text unchanged: the `Show` for evidence that holds no secret."""
    return text


def kind_of(value: Any) -> str:
    """Return the JSON type of a decoded value: `integer`, `null`, …; a float is a `number`."""
    return _KINDS.get(type(value), type(value).__name__)


def quoted(value: Any) -> str:
    """Return a value as JSON text, which is YAML too."""
    return msgspec.json.encode(value).decode()


def shown(value: Any, show: Show, limit: int = MAX_TEXT) -> str:
    """Return a value as JSON text without secrets, at most `limit` characters of it.

    Redacted first and cut afterwards: half a secret would no longer be recognised.
    """
    return shortened(show(quoted(value)), limit)


def shortened(text: str, limit: int = MAX_TEXT) -> str:
    """Return at most `limit` characters of a text, the last an ellipsis where it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def dotted(path: Iterable[str | int]) -> str:
    """Return a path into a record for reading: `address.zip`, `tags[].name`.

    Every place in an array reads `[]`, so that its items come to one finding.
    """
    return path_text([ITEM if isinstance(step, int) else step for step in path])


@dataclass(slots=True)
class _Group:
    """All instances of one thing at one place."""

    path: str
    expected: str
    severity: Severity
    hint: str
    waive: str
    got: Counter[str] = field(default_factory=Counter)
    total: int = 0
    examples: list[Example] = field(default_factory=list)
    last: Place | None = None

    def got_text(self) -> str:
        if len(self.got) == 1:
            return next(iter(self.got))
        most = self.got.most_common(MAX_KINDS)
        more = len(self.got) - len(most)
        text = ", ".join(f"{kind} ({count})" for kind, count in most)
        return f"{text} and {more} more" if more else text


class Breaches:
    """What one rule found in one stream, by place.

    Args:
        rule: The rule that is broken.
        stream: The stream, where the rule is about one.
        command: The command whose output is judged.
        show: Takes secrets out of example texts.
        max_places: How many places get a finding of their own; the rest are counted.
    """

    def __init__(
        self,
        rule: Rule,
        stream: StreamDescriptor | None = None,
        *,
        command: str = "read",
        show: Show = as_is,
        max_places: int = MAX_PLACES,
    ) -> None:
        self.rule = rule
        self.show = show
        self._stream = stream
        self._command = command
        self._max_places = max_places
        self._groups: dict[tuple[str, str], _Group] = {}
        self._elsewhere = 0
        self._elsewhere_severity = Severity.NOTE

    def __repr__(self) -> str:
        return f"<Breaches {self.rule.code} {self._stream} places={len(self._groups)}>"

    def __len__(self) -> int:
        return len(self._groups)

    def add(
        self,
        path: str = "",
        *,
        expected: str,
        got: str,
        place: Place | None = None,
        value: Any = NOTHING,
        text: str | None = None,
        severity: Severity = Severity.ERROR,
        hint: str = "",
        waive: str = "",
        times: int = 1,
    ) -> None:
        """Count one instance. One place counts once a path, however often it breaks there.

        Args:
            path: Where in the record, the way `dotted` writes it; part of what makes
                two instances the same.
            expected: What is asked for there, in words; the other part.
            got: What was there instead, in words of few kinds: they are counted.
            place: The line it was seen on.
            value: What stands there; shown redacted and shortened.
            text: What to show instead of `value`, already without secrets.
            severity: Of the finding; the first instance decides.
            hint: What to do next; the first instance decides.
            waive: What waives it; the first instance decides.
            times: How many instances this stands for.
        """
        group = self._groups.get((path, expected))
        if group is None:
            if len(self._groups) >= self._max_places:
                self._elsewhere += times
                if severity is Severity.ERROR or self._elsewhere_severity is Severity.NOTE:
                    self._elsewhere_severity = severity
                return
            group = _Group(path, expected, severity, hint, waive)
            self._groups[path, expected] = group
        elif place is not None and group.last is place:
            return
        group.last = place
        group.total += times
        # A rule that words `got` from hostile values must not make this grow.
        known = got in group.got or len(group.got) < MAX_PLACES
        group.got[got if known else "other"] += times
        if place is not None and len(group.examples) < MAX_EXAMPLES:
            if text is None:
                text = "" if value is NOTHING else shown(value, self.show)
            group.examples.append(Example(artifact=place.artifact, line=place.line, text=text))

    def findings(self, checked: int = 0) -> tuple[Finding, ...]:
        """Return one finding a place, in order of appearance, and one for what didn't fit."""
        found = [self._finding(group, checked) for group in self._groups.values()]
        if self._elsewhere:
            found.append(
                Finding(
                    rule=self.rule,
                    where=self._where(""),
                    expected=f"the rule to hold beyond the first {self._max_places} places too",
                    got="it is broken at more places than are listed",
                    severity=self._elsewhere_severity,
                    total=self._elsewhere,
                    checked=checked,
                )
            )
        return tuple(found)

    def judgement(self, checked: int, skipped: str = "") -> Judgement:
        """Return what the rule came to."""
        return Judgement(
            rule=self.rule, findings=self.findings(checked), checked=checked, skipped=skipped
        )

    def _finding(self, group: _Group, checked: int) -> Finding:
        return Finding(
            rule=self.rule,
            where=self._where(group.path),
            expected=group.expected,
            got=group.got_text(),
            hint=group.hint,
            severity=group.severity,
            examples=tuple(group.examples),
            total=group.total,
            checked=checked,
            waive=group.waive,
        )

    def _where(self, path: str) -> Where:
        stream = self._stream
        return Where(
            stream=stream.name if stream else None,
            namespace=stream.namespace if stream else None,
            # Fields may be named by data: a map of tokens, say.
            path=self.show(path) or None,
            command=self._command,
        )


def combine(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Return one judgement a rule, from those of many streams, in order of appearance.

    A rule that was skipped for some streams counts as skipped only where it was
    applied to none.
    """
    by_rule: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_rule.setdefault(judgement.rule.code, []).append(judgement)
    return [_combined(parts) for parts in by_rule.values()]


def _combined(parts: Sequence[Judgement]) -> Judgement:
    applied = [part for part in parts if not part.skipped]
    reasons = dict.fromkeys(as_it_came(part.skipped) for part in parts if part.skipped)
    return Judgement(
        rule=parts[0].rule,
        findings=tuple(finding for part in parts for finding in part.findings),
        checked=sum(part.checked for part in parts),
        skipped="" if applied else "; ".join(reasons),
    )
