"""Rules for which a message has to be looked at more closely than a parser does.

A key twice, a whole number beyond 64 bits, white space around the JSON: parsers take them
and differ in what they make of them. Of each stream's records the first thousand are
looked at, for records are alike; of all other messages but LOG and TRACE every one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hydrotest_core.connector.layout import MESSAGE_FILES, STDOUT
from hydrotest_core.protocol import MessageType
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.untrusted import UntrustedText

__all__ = ["judge_closely"]

KEYS = Rule(
    code="HT-RUN-006",
    title="no object in a message has a key twice",
    why="Of two values under one key a parser keeps one; which one differs between parsers.",
    source="RFC 8259 section 4; house rule",
)
NUMBERS = Rule(
    code="HT-RUN-007",
    title="whole numbers fit into 64 bits",
    why="Many parsers and destinations turn a larger one into a float and lose its last digits.",
    source="RFC 8259 section 6; house rule",
)
ENDS = Rule(
    code="HT-RUN-008",
    title="each line is the JSON of one message and a line feed, and nothing else",
    why="Readers differ in what else they take, and a last line without its end may be half a line.",
    source="Airbyte protocol, messages as lines of JSON; house rule",
)

_RECORDS_LOOKED_AT: Final = 1000
_EXAMPLES: Final = 5
_KEYS: Final = 50
_BIGGEST: Final = 2**63 - 1
_SURELY_SMALL: Final = 18
_SURELY_BIG: Final = 21
_LOOKED_AT: Final = (
    MessageType.SPEC,
    MessageType.CONNECTION_STATUS,
    MessageType.CATALOG,
    MessageType.STATE,
    MessageType.CONTROL,
)


@dataclass(slots=True)
class _Seen:
    """How often something was seen, and where first."""

    total: int = 0
    examples: list[Example] = field(default_factory=list)

    def at(self, example: Example) -> None:
        self.total += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class _Look:
    """What was seen in one execution; memory grows with neither records nor keys."""

    checked: int = 0
    twice: dict[str, _Seen] = field(default_factory=dict)
    big: dict[str, _Seen] = field(default_factory=dict)
    carriage: _Seen = field(default_factory=_Seen)
    blanks: _Seen = field(default_factory=_Seen)

    def take(self, example: Example, raw: bytes) -> None:
        self.checked += 1
        if raw[-1:] == b"\r":
            self.carriage.at(example)
        if raw[:1] in {b" ", b"\t"}:
            self.blanks.at(example)
        twice, big = _traps(raw)
        for keys, seen in ((twice, self.twice), (big, self.big)):
            for key in sorted(keys):
                place = key if key in seen or len(seen) < _KEYS else ""
                seen.setdefault(place, _Seen()).at(example)


def judge_closely(evidence: Evidence) -> tuple[Judgement, ...]:
    """Judge keys, whole numbers and line ends, by one look at the messages."""
    look = _Look()
    for example, raw in _lines_to_look_at(evidence):
        look.take(example, raw)
    return _keys(evidence, look), _numbers(evidence, look), _ends(evidence, look)


def _lines_to_look_at(evidence: Evidence) -> Iterator[tuple[Example, bytes]]:
    for kind in _LOOKED_AT:
        artifact = evidence.artifact(MESSAGE_FILES[kind])
        for line in evidence.lines(kind):
            yield Example(artifact=artifact, line=line.number), line.raw
    for stream in evidence.streams:
        records = evidence.records(stream.descriptor.name, stream.descriptor.namespace)
        for record in itertools.islice(records, _RECORDS_LOOKED_AT):
            yield Example(artifact=record.artifact, line=record.line), record.raw


_SMALL: Final = object()
_BIG: Final = object()


def _size(digits: str) -> object:
    # Not read where that can be avoided: Python refuses more than 4,300 digits.
    if len(digits) <= _SURELY_SMALL:
        return _SMALL
    if len(digits) >= _SURELY_BIG:
        return _BIG
    return _SMALL if -_BIGGEST - 1 <= int(digits) <= _BIGGEST else _BIG


def _traps(raw: bytes) -> tuple[set[str], set[str]]:
    """Return the keys that stand in one object twice, and those of numbers beyond 64 bits."""
    twice: set[str] = set()
    big: set[str] = set()

    def take(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice.update(key for key, count in counts.items() if count > 1)
        big.update(key for key, value in pairs if _is_big(value))
        return members

    with contextlib.suppress(ValueError, RecursionError):  # Another rule's matter.
        json.loads(raw, object_pairs_hook=take, parse_int=_size)
    return twice, big


def _is_big(value: Any) -> bool:
    if type(value) is list:
        return any(map(_is_big, value))
    return value is _BIG


def _keys(evidence: Evidence, look: _Look) -> Judgement:
    findings = tuple(
        Finding(
            rule=KEYS,
            where=Where(command=evidence.manifest.command, path=key or None),
            expected="each key once in an object",
            got=f"the key {key!r} twice" if key else "further keys twice",
            hint="build the message with a JSON library, not by joining text",
            examples=tuple(seen.examples),
            total=seen.total,
            checked=look.checked,
        )
        for key, seen in look.twice.items()
    )
    return Judgement(rule=KEYS, findings=findings, checked=look.checked)


def _numbers(evidence: Evidence, look: _Look) -> Judgement:
    findings = tuple(
        Finding(
            rule=NUMBERS,
            where=Where(command=evidence.manifest.command, path=key or None),
            expected="whole numbers from -2^63 to 2^63 - 1",
            got="a larger one",
            hint="send it as a string if all its digits matter",
            severity=Severity.WARNING,
            examples=tuple(seen.examples),
            total=seen.total,
            checked=look.checked,
        )
        for key, seen in look.big.items()
    )
    return Judgement(rule=NUMBERS, findings=findings, checked=look.checked)


def _ends(evidence: Evidence, look: _Look) -> Judgement:
    findings = [
        _end(evidence, got, severity=Severity.NOTE, seen=seen, checked=look.checked)
        for got, seen in (
            ("a carriage return before the line feed", look.carriage),
            ("blanks before the JSON", look.blanks),
        )
        if seen.total
    ]
    if not evidence.is_last_line_complete:
        manifest = evidence.manifest
        last = _Seen(1, [Example(artifact=STDOUT, line=manifest.line_count)])
        is_cut = manifest.exit_code != 0
        got = "a last line without a line feed" + (", cut off by the end?" if is_cut else "")
        severity = Severity.WARNING if is_cut else Severity.NOTE
        findings.append(
            _end(evidence, got, severity=severity, seen=last, checked=manifest.line_count)
        )
    return Judgement(rule=ENDS, findings=tuple(findings), checked=look.checked)


def _end(
    evidence: Evidence, got: UntrustedText, *, severity: Severity, seen: _Seen, checked: int
) -> Finding:
    return Finding(
        rule=ENDS,
        where=Where(command=evidence.manifest.command),
        expected="each message on a line of its own, ended by a line feed alone",
        got=got,
        hint="write each message as JSON and a line feed, and flush before the end",
        severity=severity,
        examples=tuple(seen.examples),
        total=seen.total,
        checked=checked,
    )
