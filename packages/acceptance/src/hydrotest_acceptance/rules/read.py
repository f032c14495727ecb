"""All rules about one full read, put together: each stream's records are looked at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydrotest_acceptance.rules.breaches import combine
from hydrotest_acceptance.rules.columns import ExtraColumnsJudge
from hydrotest_acceptance.rules.expected import expected_judge
from hydrotest_acceptance.rules.expected_file import judge_expected_streams
from hydrotest_acceptance.rules.keys import PrimaryKeyJudge
from hydrotest_acceptance.rules.presence import (
    judge_declared_streams,
    judge_empty_streams,
    record_counts,
)
from hydrotest_acceptance.rules.record_pass import RecordPass
from hydrotest_acceptance.rules.records import SchemaJudge
from hydrotest_acceptance.rules.states import judge_states
from hydrotest_acceptance.rules.statuses import judge_stream_statuses
from hydrotest_acceptance.rules.structure import DataPointsJudge, StructureJudge
from hydrotest_core.protocol import MessageType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from hydrotest_acceptance.rules.breaches import Show
    from hydrotest_acceptance.rules.expected_file import ExpectedRecords
    from hydrotest_acceptance.rules.record_pass import RecordJudge
    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.protocol import AirbyteStream, ConfiguredAirbyteCatalog
    from hydrotest_core.run.findings import Judgement

__all__ = ["ReadRules", "judge_read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRules:
    """Which rules are applied to a read; the names are those of `basic_read`.

    Attributes:
        expected: The expected records, or `None`.
        must_cover: Every stream must be in the expected records: strictness `high`.
    """

    empty_streams: Collection[str] = ()
    validate_schema: bool = True
    fail_on_extra_columns: bool | None = None
    validate_primary_keys_data_type: bool = True
    validate_data_points: bool = False
    validate_stream_statuses: bool = False
    validate_state_messages: bool = True
    expected: ExpectedRecords | None = None
    extra_fields: bool = False
    exact_order: bool = False
    extra_records: bool = True
    must_cover: bool = False
    ignored_fields: dict[str, list[str]] = field(default_factory=dict)


def judge_read(
    evidence: Evidence, catalog: ConfiguredAirbyteCatalog, rules: ReadRules, show: Show
) -> Sequence[Judgement]:
    """Judge all that a read said; one judgement a rule, each with the findings of all streams.

    Args:
        evidence: The read.
        catalog: What was read.
        rules: Which rules are applied.
        show: Takes secrets out of example texts.
    """
    judgements = [
        judge_declared_streams(evidence.streams, catalog),
        judge_empty_streams(evidence.streams, catalog, rules.empty_streams),
    ]
    if rules.expected is not None:
        judgements.append(
            judge_expected_streams(
                rules.expected, catalog, rules.empty_streams, must_cover=rules.must_cover
            )
        )
    for configured in catalog.streams:
        stream = configured.stream
        records = evidence.records(stream.name, stream.namespace)
        judges = list(_judges(stream, rules, show))
        judgements += RecordPass(stream.descriptor, judges, show=show).run(records)
    counts = record_counts(evidence.streams)
    if rules.validate_stream_statuses:
        traces = evidence.lines(MessageType.TRACE)
        judgements.append(judge_stream_statuses(traces, catalog, counts))
    if rules.validate_state_messages:
        judgements += judge_states(evidence.lines(MessageType.STATE), catalog, counts)
    return combine(judgements)


def _judges(stream: AirbyteStream, rules: ReadRules, show: Show) -> Iterator[RecordJudge]:
    if rules.validate_schema:
        yield StructureJudge(stream, show=show)
        yield SchemaJudge(stream, show=show)
        yield ExtraColumnsJudge(stream, fail=rules.fail_on_extra_columns, show=show)
    if rules.validate_primary_keys_data_type:
        yield PrimaryKeyJudge(stream, show=show)
    if rules.validate_data_points:
        yield DataPointsJudge(stream, show=show)
    expected = rules.expected.of(stream.descriptor) if rules.expected else []
    if expected:
        yield expected_judge(
            stream,
            expected,
            extra_fields=rules.extra_fields,
            exact_order=rules.exact_order,
            extra_records=rules.extra_records,
            ignored_fields=rules.ignored_fields.get(stream.name, ()),
            show=show,
        )
