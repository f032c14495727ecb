"""Did every stream say that it started, ran and came to its end?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hydrotest_acceptance.rules.catalogue import STREAM_STATUSES
from hydrotest_core.connector.layout import MESSAGE_FILES
from hydrotest_core.protocol import AirbyteStreamStatus, MessageType, TraceType
from hydrotest_core.run.findings import Example, Finding, Judgement, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hydrotest_core.protocol import ConfiguredAirbyteCatalog, Line, StreamDescriptor

__all__ = ["judge_stream_statuses"]

# What a stream that never comes to rest says is told by its first turns.
MAX_TURNS: Final = 12

_STARTED: Final = AirbyteStreamStatus.STARTED
_RUNNING: Final = AirbyteStreamStatus.RUNNING
_COMPLETE: Final = AirbyteStreamStatus.COMPLETE
_INCOMPLETE: Final = AirbyteStreamStatus.INCOMPLETE


@dataclass(slots=True)
class _Life:
    """The statuses of one stream in order; equal ones in a row are one turn."""

    turns: list[AirbyteStreamStatus] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    is_cut: bool = False

    def add(self, status: AirbyteStreamStatus, line: int) -> None:
        if self.is_cut:
            return
        if self.turns and self.turns[-1] is status:
            self.counts[-1] += 1
        elif len(self.turns) >= MAX_TURNS:
            self.is_cut = True
        else:
            self.turns.append(status)
            self.counts.append(1)
            self.lines.append(line)

    def __str__(self) -> str:
        turns = zip(self.turns, self.counts, strict=True)
        texts = [f"{status} x{count}" if count > 1 else str(status) for status, count in turns]
        return ", ".join(texts) + (", …" if self.is_cut else "") or "no status at all"


def judge_stream_statuses(
    lines: Iterable[Line],
    catalog: ConfiguredAirbyteCatalog,
    counts: Mapping[StreamDescriptor, int],
    *,
    artifact: str = MESSAGE_FILES[MessageType.TRACE],
) -> Judgement:
    """Judge HT-READ-040: STARTED once, RUNNING once records come, COMPLETE once, at the end.

    A stream without records need not say RUNNING.

    Args:
        lines: The TRACE lines of a read, in order.
        catalog: What was read.
        counts: How many records each stream gave.
        artifact: The file the lines' numbers count in.
    """
    lives: dict[StreamDescriptor, _Life] = {}
    for line in lines:
        trace = line.message.trace if line.message else None
        if trace is None or trace.type is not TraceType.STREAM_STATUS or not trace.stream_status:
            continue
        status = trace.stream_status
        lives.setdefault(status.stream_descriptor, _Life()).add(status.status, line.number)
    declared = [each.stream.descriptor for each in catalog.streams]
    findings = []
    for stream in declared:
        life = lives.get(stream, _Life())
        hint = _what_is_wrong(life, has_records=counts.get(stream, 0) > 0)
        if hint:
            findings.append(_finding(stream, life, hint, artifact))
    findings += [
        _finding(stream, life, "the stream isn't in the configured catalog", artifact)
        for stream, life in lives.items()
        if stream not in declared
    ]
    return Judgement(rule=STREAM_STATUSES, findings=tuple(findings), checked=len(declared))


def _what_is_wrong(life: _Life, *, has_records: bool) -> str:
    """Return what to do about the first thing that is wrong, or ""."""
    turns = life.turns
    once = [count for turn, count in zip(turns, life.counts, strict=True) if turn is not _RUNNING]
    in_order = turns in ([_STARTED, _COMPLETE], [_STARTED, _RUNNING, _COMPLETE])
    checks = (
        (not turns, "emit a TRACE message of type STREAM_STATUS at each stage of the stream"),
        (_INCOMPLETE in turns, "the stream failed or was cut short: see its error trace"),
        (turns[:1] != [_STARTED], "emit STARTED before anything else of the stream"),
        (turns[-1:] != [_COMPLETE], "emit COMPLETE when the last record and state are out"),
        (life.is_cut or not in_order, "a stream goes through its stages once, in this order"),
        (any(count > 1 for count in once), "STARTED and COMPLETE are said once"),
        (has_records and _RUNNING not in turns, "emit RUNNING with the stream's first record"),
    )
    return next((hint for is_wrong, hint in checks if is_wrong), "")


def _finding(stream: StreamDescriptor, life: _Life, hint: str, artifact: str) -> Finding:
    return Finding(
        rule=STREAM_STATUSES,
        where=Where(stream=stream.name, namespace=stream.namespace, command="read"),
        expected="STARTED, RUNNING once it has records, COMPLETE",
        got=str(life),
        hint=hint,
        examples=tuple(
            Example(artifact=artifact, line=line, text=str(status))
            for line, status in [*zip(life.lines, life.turns, strict=True)][-3:]
        ),
        waive="validate_stream_statuses: false",
    )
