"""The rule about each line on stdout: a message, or one of the things that lines become instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hydrotest_core.connector.layout import STDOUT
from hydrotest_core.protocol import ProblemKind, looks_like_message
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Severity, Where

if TYPE_CHECKING:
    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.connector.execution import ExecutionManifest
    from hydrotest_core.protocol import Line

__all__ = ["speaks_protocol"]

PROTOCOL = Rule(
    code="HT-RUN-003",
    title="every line on stdout is a message of the Airbyte protocol",
    why="The platform drops what it can't parse: a broken record is a lost record.",
    source="Airbyte protocol, AirbyteMessage; CAT dropped such lines",
)

_EXAMPLES: Final = 5
_SHOWN: Final = 160
_TEXT: Final = frozenset({ProblemKind.NOT_JSON, ProblemKind.NOT_AN_OBJECT})


@dataclass(slots=True)
class _Group:
    """The lines that have one kind of problem.

    Attributes:
        lines: The first five.
        count: How many there are.
        is_broken: They look like messages, so the recorder kept them apart from text.
    """

    is_broken: bool
    lines: list[Line] = field(default_factory=list)
    count: int = 0


def speaks_protocol(evidence: Evidence) -> Judgement:
    """Judge every line of stdout; noise is a warning, a broken message an error.

    All lines are counted, also those beyond the first that are kept: they are added to
    the kind that most of their like have.
    """
    manifest = evidence.manifest
    groups: dict[tuple[ProblemKind, bool], _Group] = {}
    for line in evidence.problems():
        if line.problem is None:
            continue
        key = (line.problem.kind, _is_noise(line.problem.kind, line.raw))
        group = groups.setdefault(key, _Group(looks_like_message(line.raw)))
        group.count += 1
        if len(group.lines) < _EXAMPLES:
            group.lines.append(line)
    _count_the_rest(list(groups.values()), manifest.problem_count)
    findings = tuple(
        _finding(manifest, group, is_noise=is_noise) for (_, is_noise), group in groups.items()
    )
    return Judgement(rule=PROTOCOL, findings=findings, checked=manifest.line_count)


def _count_the_rest(groups: list[_Group], problem_count: int) -> None:
    """Count the lines that weren't kept.

    The recorder keeps the first of text and the first of broken messages, as many of
    each: what it didn't keep is like that of which there is most.
    """
    rest = problem_count - sum(group.count for group in groups)
    if rest <= 0 or not groups:
        return
    broken = [group for group in groups if group.is_broken]
    text = [group for group in groups if not group.is_broken]
    likely = max(broken, text, key=lambda some: sum(group.count for group in some))
    max(likely, key=lambda group: group.count).count += rest


def _is_noise(kind: ProblemKind, raw: bytes) -> bool:
    """Say whether a line is text that the platform logs; a broken message is data it loses."""
    return kind is ProblemKind.EMPTY or (kind in _TEXT and not looks_like_message(raw))


def _finding(manifest: ExecutionManifest, group: _Group, *, is_noise: bool) -> Finding:
    return Finding(
        rule=PROTOCOL,
        where=Where(command=manifest.command),
        expected="a message of the Airbyte protocol on every line",
        got=_in_words(group.lines[0]),
        hint=(
            "print to stderr, or send a LOG message"
            if is_noise
            else "write each message as one line of JSON, as the protocol's schema says"
        ),
        severity=Severity.WARNING if is_noise else Severity.ERROR,
        examples=tuple(map(_example, group.lines)),
        total=group.count,
        checked=manifest.line_count,
    )


def _example(line: Line) -> Example:
    text = line.raw[:_SHOWN].decode("utf-8", "backslashreplace")
    return Example(artifact=STDOUT, line=line.number, text=text)


def _in_words(line: Line) -> str:
    assert line.problem is not None
    return f"{str(line.problem.kind).replace('_', ' ')}: {line.problem.detail}"
