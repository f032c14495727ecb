"""Do the state messages cover every stream, and count its records right?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hydrotest_acceptance.rules.breaches import Breaches
from hydrotest_acceptance.rules.catalogue import STATE_COUNTS, STATE_MESSAGES
from hydrotest_core.connector.layout import MESSAGE_FILES
from hydrotest_core.protocol import (
    AirbyteStateType,
    MessageType,
    StreamDescriptor,
)
from hydrotest_core.run.findings import Finding, Judgement, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hydrotest_core.protocol import (
        AirbyteStateMessage,
        ConfiguredAirbyteCatalog,
        Line,
    )

__all__ = ["judge_states"]

_WAIVE: Final = "validate_state_messages: false"


@dataclass(frozen=True, slots=True)
class _Place:
    line: int
    artifact: str


@dataclass(slots=True)
class _Tally:
    """What the states of one stream, or the global ones, come to."""

    states: int = 0
    records: float = 0.0
    is_complete: bool = True
    """False once one of them has no count: then the sum says nothing."""

    def add(self, records: float | None) -> None:
        self.states += 1
        if records is None:
            self.is_complete = False
        else:
            self.records += records


@dataclass(slots=True)
class _Seen:
    """All states of a read."""

    by_stream: dict[StreamDescriptor, _Tally] = field(default_factory=dict)
    shared: _Tally = field(default_factory=_Tally)
    legacy: int = 0


def judge_states(
    lines: Iterable[Line],
    catalog: ConfiguredAirbyteCatalog,
    counts: Mapping[StreamDescriptor, int],
    *,
    artifact: str = MESSAGE_FILES[MessageType.STATE],
) -> tuple[Judgement, Judgement]:
    """Judge the states of a read: HT-READ-041, and their record counts, HT-READ-042.

    A global state covers every stream; a legacy one is a finding of its own, and the
    streams are then not reported as stateless too.

    Args:
        lines: The STATE lines of a read, in order.
        catalog: What was read.
        counts: How many records each stream gave.
        artifact: The file the lines' numbers count in.
    """
    seen = _Seen()
    odd: dict[StreamDescriptor | None, Breaches] = {}
    for line in lines:
        state = line.message.state if line.message else None
        if state is not None:
            stream = _count(state, seen)
            _note(
                state,
                odd.setdefault(stream, Breaches(STATE_MESSAGES, stream)),
                _Place(line.number, artifact),
            )
    declared = [each.stream.descriptor for each in catalog.streams]
    findings = [finding for breaches in odd.values() for finding in breaches.findings()]
    if not seen.legacy and not seen.shared.states:
        findings += [_stateless(each) for each in declared if each not in seen.by_stream]
    findings += [_unknown(each) for each in seen.by_stream if each not in declared]
    messages = Judgement(rule=STATE_MESSAGES, findings=tuple(findings), checked=len(declared))
    return messages, _judge_counts(seen, declared, counts)


def _count(state: AirbyteStateMessage, seen: _Seen) -> StreamDescriptor | None:
    """Add a state to what was seen; return the stream it is of, `None` for one of all streams."""
    records = state.source_stats.record_count if state.source_stats else None
    if state.type is AirbyteStateType.STREAM and state.stream is not None:
        stream = state.stream.stream_descriptor
        seen.by_stream.setdefault(stream, _Tally()).add(records)
        return stream
    if state.type is AirbyteStateType.GLOBAL and state.global_ is not None:
        seen.shared.add(records)
    elif state.type in (None, AirbyteStateType.LEGACY):
        seen.legacy += 1
    return None


def _note(state: AirbyteStateMessage, breaches: Breaches, place: _Place) -> None:
    """Add what is wrong with one state message by itself."""
    if state.type in (None, AirbyteStateType.LEGACY):
        breaches.add(
            expected="state messages of type STREAM or GLOBAL",
            got="type LEGACY" if state.type else "no type, which means LEGACY",
            place=place,
            hint="emit one STREAM state a stream; the platform is giving up LEGACY",
            waive=_WAIVE,
        )
        return
    payload = state.stream if state.type is AirbyteStateType.STREAM else state.global_
    if payload is None:
        breaches.add(
            expected="the state that belongs to the message's type",
            got=f"type {state.type} without it",
            place=place,
            hint="put the state under `stream` or `global`, as the type says",
        )
    if state.source_stats is None or state.source_stats.record_count is None:
        breaches.add(
            "sourceStats.recordCount",
            expected="the number of records since the last state",
            got="no such field",
            place=place,
            hint="count the records of each checkpoint; a CDK of 2024 or later does it for you",
            waive=_WAIVE,
        )


def _stateless(stream: StreamDescriptor) -> Finding:
    return Finding(
        rule=STATE_MESSAGES,
        where=_where(stream),
        expected="at least one state message",
        got="none",
        hint="emit a state at the end of every stream, full refresh ones included",
        waive=_WAIVE,
    )


def _unknown(stream: StreamDescriptor) -> Finding:
    return Finding(
        rule=STATE_MESSAGES,
        where=_where(stream),
        expected="states of streams of the configured catalog",
        got="a state of a stream that isn't in it",
        hint="check the name and the namespace in its stream_descriptor",
        severity=Severity.WARNING,
    )


def _judge_counts(
    seen: _Seen, declared: list[StreamDescriptor], counts: Mapping[StreamDescriptor, int]
) -> Judgement:
    findings = []
    checked = 0
    for stream, reported, actual in _sums(seen, declared, counts):
        checked += 1
        if reported != actual:
            findings.append(_miscounted(stream, reported, actual))
    return Judgement(rule=STATE_COUNTS, findings=tuple(findings), checked=checked)


def _sums(
    seen: _Seen, declared: list[StreamDescriptor], counts: Mapping[StreamDescriptor, int]
) -> Iterator[tuple[StreamDescriptor | None, float, int]]:
    """Yield (stream, records by its states, records that came) where both can be known."""
    if seen.shared.states:
        # A global state counts records of any stream, so only the totals can be compared.
        tallies = [seen.shared, *seen.by_stream.values()]
        if all(tally.is_complete for tally in tallies):
            total = sum(counts.get(stream, 0) for stream in declared)
            yield None, sum(tally.records for tally in tallies), total
        return
    for stream in declared:
        tally = seen.by_stream.get(stream)
        if tally is not None and tally.is_complete:
            yield stream, tally.records, counts.get(stream, 0)


def _miscounted(stream: StreamDescriptor | None, reported: float, actual: int) -> Finding:
    return Finding(
        rule=STATE_COUNTS,
        where=_where(stream),
        expected=f"{actual} records counted, as many as came",
        got=f"{reported:.15g} records counted by the states' sourceStats.recordCount",
        hint="each state counts the records since the one before it; the last state comes "
        "after the last record",
        waive=_WAIVE,
    )


def _where(stream: StreamDescriptor | None) -> Where:
    if stream is None:
        return Where(command="read")
    return Where(stream=stream.name, namespace=stream.namespace, command="read")
