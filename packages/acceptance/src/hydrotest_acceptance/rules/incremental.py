"""Rules about incremental reads: what comes after a state, and only that, and all of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_acceptance.rules.cursors import comes_before, state_cursor
from hydrotest_core.connector.layout import STDOUT
from hydrotest_core.connector.records import read_data
from hydrotest_core.protocol import MISSING, MessageType, Problem, value_at
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.protocol import ConfiguredAirbyteStream

__all__ = [
    "Checkpoint",
    "StreamKey",
    "checkpoints",
    "cursors_never_go_back",
    "final_state",
    "has_records_and_states",
    "nothing_after_future_state",
    "records_follow_state",
    "rest_is_read",
    "sample",
    "streams_of",
]

FOLLOWS = Rule(
    code="HT-INCR-001",
    title="a read from a state gives no record from before that state",
    why="Every sync would load old records again.",
    source="Airbyte acceptance tests reference, TestTwoSequentialReads and TestReadSequentialSlices",
)
SOMETHING = Rule(
    code="HT-INCR-002",
    title="the first incremental read gives records and states",
    why="Without a state the next sync can't go on from here.",
    source="Airbyte acceptance tests reference, TestTwoSequentialReads",
)
REST = Rule(
    code="HT-INCR-003",
    title="a read from a state gives all that came after that state",
    why="Records between two syncs would be lost for good.",
    source="CAT TestIncremental::test_read_sequential_slices",
)
FUTURE = Rule(
    code="HT-INCR-004",
    title="a read from a state in the far future gives no records",
    why="A connector that ignores its state reads everything in every sync.",
    source="Airbyte acceptance tests reference, TestStateWithAbnormallyLargeValues",
)
BACK = Rule(
    code="HT-INCR-005",
    title="a stream's cursor in its states never goes back",
    why="After an interruption the sync starts from too early, or from too late.",
    source="Airbyte protocol, state and checkpointing",
)

StreamKey = tuple[str | None, str]
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of all streams at one STATE message, and what came after it.

    Attributes:
        line: The STATE message's line on stdout.
        stream: The stream it is about; `None` for a global or legacy state.
        state: The state to hand to the next read: a JSON list of state messages.
        after: Records that came later, by stream.
    """

    line: int
    stream: StreamKey | None
    state: list[Any]
    after: Mapping[StreamKey, int]


@dataclass(slots=True)
class _States:
    """The latest state of each stream, as the platform would keep it."""

    streams: dict[StreamKey, Any] = field(default_factory=dict)
    whole: Any = None

    def take(self, message: Mapping[str, Any]) -> StreamKey | None:
        """Keep a state message; return its stream, or `None` for a whole state."""
        kept = {key: value for key, value in message.items() if not key.endswith("Stats")}
        stream = kept.get("stream")
        if kept.get("type") == "STREAM" and isinstance(stream, dict):
            descriptor = stream["stream_descriptor"]
            key = (descriptor.get("namespace"), descriptor["name"])
            self.streams[key] = kept
            return key
        self.whole = kept
        return None

    def as_input(self) -> list[Any]:
        """Return what `read --state` takes. Source: Airbyte protocol, state input."""
        if self.streams:
            return list(self.streams.values())
        if self.whole is None:
            return []
        is_legacy = self.whole.get("type") not in {"GLOBAL", "STREAM"}
        return [{"type": "LEGACY", **self.whole}] if is_legacy else [self.whole]


def _state_of(raw: bytes) -> Mapping[str, Any]:
    state: Mapping[str, Any] = msgspec.json.decode(raw)["state"]
    return state


def final_state(evidence: Evidence) -> list[Any]:
    """Return the state a read ended with, as input for the next one."""
    states = _States()
    for line in evidence.lines(MessageType.STATE):
        states.take(_state_of(line.raw))
    return states.as_input()


def checkpoints(evidence: Evidence) -> list[Checkpoint]:
    """Return every state of a read in order, with the records that came after it.

    One pass over stdout; memory grows with the states, not with the records.
    """
    states, seen = _States(), Counter[StreamKey]()
    found: list[tuple[int, StreamKey | None, list[Any], Counter[StreamKey]]] = []
    for line in evidence.walk():
        message = line.message
        if message is None:
            continue
        if message.record is not None:
            seen[message.record.namespace, message.record.stream] += 1
        elif message.state is not None:
            stream = states.take(_state_of(line.raw))
            found.append((line.number, stream, states.as_input(), seen.copy()))
    return [
        Checkpoint(number, stream, state, {key: seen[key] - before[key] for key in seen})
        for number, stream, state, before in found
    ]


def sample(points: Sequence[Checkpoint], most: int) -> list[Checkpoint]:
    """Choose checkpoints to start from: the middle one of each stream, then evenly spread.

    The last one is left out where others are there: nothing comes after it.
    """
    useful = [point for point in points if any(point.after.values())] or list(points[-1:])
    by_stream: dict[StreamKey | None, list[Checkpoint]] = {}
    for point in useful:
        by_stream.setdefault(point.stream, []).append(point)
    chosen = {group[len(group) // 2].line: group[len(group) // 2] for group in by_stream.values()}
    step = max(1, len(useful) // most)
    for point in useful[step // 2 :: step]:
        if len(chosen) >= most:
            break
        chosen.setdefault(point.line, point)
    return [chosen[line] for line in sorted(chosen)][:most]


def has_records_and_states(evidence: Evidence) -> Judgement:
    """Judge that a first read gave at least one record and one state."""
    counts = evidence.manifest.message_counts
    findings = tuple(
        Finding(
            rule=SOMETHING,
            where=Where(command="read"),
            expected=f"at least one {kind} message",
            got="none",
            hint="does the account hold data? does the stream send states?",
        )
        for kind in (MessageType.RECORD, MessageType.STATE)
        if not counts.get(kind)
    )
    return Judgement(rule=SOMETHING, findings=findings, checked=1)


def _blobs(state: Iterable[Any]) -> dict[StreamKey, Any]:
    """Return each stream's own part of a state, out of STREAM and GLOBAL messages alike."""
    blobs: dict[StreamKey, Any] = {}
    for message in state:
        parts = [message["stream"]] if message.get("stream") else []
        parts += (message.get("global") or {}).get("stream_states") or []
        for part in parts:
            descriptor = part["stream_descriptor"]
            blobs[descriptor.get("namespace"), descriptor["name"]] = part.get("stream_state")
    return blobs


def streams_of(state: Iterable[Any]) -> list[StreamKey]:
    """Return the streams that a state speaks of."""
    return list(_blobs(state))


def _cursor_bounds(
    streams: Iterable[ConfiguredAirbyteStream], state: Sequence[Any]
) -> dict[StreamKey, tuple[Sequence[str], Any]]:
    """Return, for each stream whose state holds its cursor, the cursor's path and value."""
    blobs = _blobs(state)
    bounds: dict[StreamKey, tuple[Sequence[str], Any]] = {}
    for one in streams:
        key = (one.stream.namespace, one.stream.name)
        path = one.cursor_field or one.stream.default_cursor_field
        if path and blobs.get(key):
            value = state_cursor(blobs[key], path)
            if value is not MISSING and value is not None:
                bounds[key] = (path, value)
    return bounds


def records_follow_state(
    evidence: Evidence, streams: Iterable[ConfiguredAirbyteStream], state: Sequence[Any]
) -> Judgement:
    """Judge every record of a read by the cursor of the state it started from.

    A read without records is fine: all had been read. A stream whose state doesn't
    hold its cursor, or whose values can't be compared, isn't counted as checked.
    """
    bounds = _cursor_bounds(streams, state)
    if not bounds:
        return Judgement(rule=FOLLOWS, skipped="no stream's state holds its cursor's value")
    findings, checked = [], 0
    for (namespace, name), (path, bound) in bounds.items():
        examples: list[Example] = []
        early = here = 0
        for record in evidence.records(name, namespace):
            data = read_data(record)
            value = MISSING if isinstance(data, Problem) else value_at(data, path)
            is_early = None if value is MISSING else comes_before(value, bound)
            here += is_early is not None
            if is_early:
                early += 1
                if len(examples) < _EXAMPLES:
                    text = f"{'.'.join(path)} = {value!r}"
                    examples.append(Example(artifact=record.artifact, line=record.line, text=text))
        # No record at all answers the question as well: nothing old came again.
        checked += here or int(not evidence.manifest.message_counts.get(MessageType.RECORD))
        if early:
            findings.append(
                Finding(
                    rule=FOLLOWS,
                    where=Where(
                        stream=name, namespace=namespace, path=".".join(path), command="read"
                    ),
                    expected=f"values from {bound!r} on",
                    got=f"{early} records with smaller ones",
                    hint="filter by the state's cursor, in the request or after it",
                    examples=tuple(examples),
                    total=early,
                    checked=here,
                )
            )
    return Judgement(rule=FOLLOWS, findings=tuple(findings), checked=checked)


def rest_is_read(evidence: Evidence, point: Checkpoint) -> Judgement:
    """Judge that a read from a checkpoint gave at least as many records as came after it."""
    got = {(count.namespace, count.stream): count.records for count in evidence.streams}
    findings = tuple(
        Finding(
            rule=REST,
            where=Where(stream=name, namespace=namespace, command="read"),
            expected=f"at least the {wanted} records that came after this state",
            got=f"{got.get((namespace, name), 0)} records",
            hint=f"the state is the one on line {point.line} of stdout of the first read",
        )
        for (namespace, name), wanted in sorted(point.after.items(), key=str)
        if got.get((namespace, name), 0) < wanted
    )
    return Judgement(rule=REST, findings=findings, checked=len(point.after))


def nothing_after_future_state(evidence: Evidence, streams: Iterable[StreamKey]) -> Judgement:
    """Judge that a read from the far future gave no record."""
    got = {(count.namespace, count.stream): count for count in evidence.streams}
    known = list(streams)
    findings = tuple(
        Finding(
            rule=FUTURE,
            where=Where(stream=key[1], namespace=key[0], command="read"),
            expected="no records",
            got=f"{got[key].records} records",
            hint="does the connector use the state it is given?",
            examples=(Example(artifact=got[key].path, line=1),),
            total=got[key].records,
        )
        for key in known
        if key in got and got[key].records
    )
    return Judgement(rule=FUTURE, findings=findings, checked=len(known))


def cursors_never_go_back(
    points: Sequence[Checkpoint], streams: Iterable[ConfiguredAirbyteStream]
) -> Judgement:
    """Judge the states of one read against each other, stream by stream."""
    configured = list(streams)
    latest: dict[StreamKey, Any] = {}
    findings, checked = [], 0
    for point in points:
        for key, (path, value) in _cursor_bounds(configured, point.state).items():
            if key in latest and key == point.stream:
                is_back = comes_before(value, latest[key])
                checked += is_back is not None
                if is_back:
                    findings.append(
                        Finding(
                            rule=BACK,
                            where=Where(
                                stream=key[1], namespace=key[0], path=".".join(path), command="read"
                            ),
                            expected=f"a cursor from {latest[key]!r} on",
                            got=repr(value),
                            hint="send the largest cursor seen so far, whatever the records' order",
                            examples=(Example(artifact=STDOUT, line=point.line),),
                        )
                    )
            latest[key] = value
    return Judgement(rule=BACK, findings=tuple(findings), checked=checked)
