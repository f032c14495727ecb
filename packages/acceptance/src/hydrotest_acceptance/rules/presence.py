"""Did every stream that was asked for give records, and no other?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydrotest_acceptance.rules.breaches import quoted
from hydrotest_acceptance.rules.catalogue import DECLARED_STREAMS, NO_EMPTY_STREAMS
from hydrotest_core.run.findings import Example, Finding, Judgement, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hydrotest_core.connector.execution import StreamCount
    from hydrotest_core.protocol import ConfiguredAirbyteCatalog, StreamDescriptor

__all__ = ["judge_declared_streams", "judge_empty_streams", "record_counts"]


def record_counts(streams: Iterable[StreamCount]) -> dict[StreamDescriptor, int]:
    """Return how many records each stream gave, as the rules about a whole read take it."""
    return {one.descriptor: one.records for one in streams}


def judge_declared_streams(
    streams: Iterable[StreamCount], catalog: ConfiguredAirbyteCatalog
) -> Judgement:
    """Judge HT-READ-002: records only of streams that were asked for."""
    declared = {each.stream.descriptor for each in catalog.streams}
    findings = []
    checked = 0
    for count in streams:
        checked += count.records
        stream = count.descriptor
        if count.records and stream not in declared:
            findings.append(_undeclared(count, stream, declared))
    return Judgement(rule=DECLARED_STREAMS, findings=tuple(findings), checked=checked)


def _undeclared(
    count: StreamCount, stream: StreamDescriptor, declared: Collection[StreamDescriptor]
) -> Finding:
    twin = next((each for each in declared if each.name == stream.name), None)
    hint = "emit records of the configured streams only"
    if twin is not None:
        hint = (
            f"the catalog has this name with namespace {quoted(twin.namespace)}, the records have "
            f"it with {quoted(stream.namespace)}: a record carries its stream's namespace"
        )
    return Finding(
        rule=DECLARED_STREAMS,
        where=_where(stream),
        expected="a stream of the configured catalog",
        got="records of a stream that isn't in it",
        hint=hint,
        examples=(Example(artifact=count.path, line=1),),
        total=count.records,
    )


def judge_empty_streams(
    streams: Iterable[StreamCount],
    catalog: ConfiguredAirbyteCatalog,
    empty_streams: Collection[str] = (),
) -> Judgement:
    """Judge HT-READ-003: every stream has records but those that may be empty.

    Args:
        streams: What came.
        catalog: What was asked for.
        empty_streams: Names from `empty_streams` of the test's configuration. One that has
            records after all is a warning.
    """
    counts = record_counts(streams)
    findings = []
    checked = 0
    for configured in catalog.streams:
        stream = configured.stream.descriptor
        may_be_empty = stream.name in empty_streams
        has_records = counts.get(stream, 0) > 0
        checked += not may_be_empty
        if may_be_empty and has_records:
            findings.append(_not_empty(stream, counts[stream]))
        elif not may_be_empty and not has_records:
            findings.append(_empty(stream))
    return Judgement(rule=NO_EMPTY_STREAMS, findings=tuple(findings), checked=checked)


def _empty(stream: StreamDescriptor) -> Finding:
    return Finding(
        rule=NO_EMPTY_STREAMS,
        where=_where(stream),
        expected="at least one record",
        got="no records",
        hint="put data for this stream into the test account, or say why there is none",
        waive=f"empty_streams:\n  - name: {quoted(stream.name)}\n    bypass_reason: …",
    )


def _not_empty(stream: StreamDescriptor, records: int) -> Finding:
    return Finding(
        rule=NO_EMPTY_STREAMS,
        where=_where(stream),
        expected="no records, as empty_streams says",
        got=f"{records} records",
        hint="take the stream out of empty_streams, so that its records are judged",
        severity=Severity.WARNING,
    )


def _where(stream: StreamDescriptor) -> Where:
    return Where(stream=stream.name, namespace=stream.namespace, command="read")
