from __future__ import annotations

import msgspec

from hydrotest_acceptance.rules.canonical import ignore
from hydrotest_acceptance.rules.expected_file import ExpectedRecord
from hydrotest_acceptance.rules.expected_in_order import ExpectedInOrderJudge
from hydrotest_acceptance.rules.record_pass import RecordPass
from hydrotest_core.connector.records import RecordLine
from hydrotest_core.protocol import AirbyteStream, StreamDescriptor, SyncMode
from hydrotest_core.run.findings import Outcome

PRESENT, OTHERS = "HT-READ-030", "HT-READ-031"
A, B, C = {"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}


def a_stream(schema=None, key=None, **properties):
    return AirbyteStream(
        name="users",
        json_schema=schema or {"type": "object", "properties": properties},
        supported_sync_modes=[SyncMode.FULL_REFRESH],
        source_defined_primary_key=key,
    )


def see(judge, *records):
    """Show records to a judge, the way a read does; return its judgements by code.

    A record is given as Python data, or as JSON in bytes where the spelling counts.
    """
    lines = [
        RecordLine(
            line=n,
            artifact="records/000.jsonl",
            emitted_at=0,
            data=msgspec.Raw(one if isinstance(one, bytes) else msgspec.json.encode(one)),
            raw=b"",
        )
        for n, one in enumerate(records, start=1)
    ]
    readable, *judgements = RecordPass(StreamDescriptor("users"), [judge]).run(lines)
    assert not readable.findings
    return {judgement.rule.code: judgement for judgement in judgements}


def judged(expected, actual, *, ignored=()):
    written = [ExpectedRecord(data, n, "expected.jsonl") for n, data in enumerate(expected, 1)]
    return see(ExpectedInOrderJudge(a_stream(), written, ignored=ignore(ignored)), *actual)


def test_records_with_the_expected_fields_in_their_places_pass():
    found = judged([A, B], [{**A, "x": 1}, {**B, "y": {"z": 1}}])

    assert {one.outcome for one in found.values()} == {Outcome.PASSED}
    assert {one.checked for one in found.values()} == {2}


def test_all_differences_of_the_second_record_are_shown():
    found = judged([A, B], [A, {"id": 3, "v": "x", "more": 1}])[PRESENT]

    assert found.outcome is Outcome.FAILED
    assert [finding.where.path for finding in found.findings] == ["id", "v"]
    assert found.findings[0].examples[0].line == 2


def test_a_field_that_is_missing_inside_something_is_shown():
    found = judged([{"a": [{"b": 1, "c": 2}]}], [{"a": [{"b": 1, "d": 3}]}])[PRESENT]

    assert [(one.where.path, one.got) for one in found.findings] == [("a[].c", "no such field")]


def test_fewer_records_are_counted():
    (finding,) = judged([A, B, C], [A])[PRESENT].findings

    assert (finding.got, finding.total, finding.checked) == ("fewer records", 2, 3)
    assert finding.examples[0].line == 2


def test_more_records_are_counted():
    (finding,) = judged([A], [A, B, C])[OTHERS].findings

    assert (finding.got, finding.total, finding.checked) == ("more records", 2, 3)
    assert [example.line for example in finding.examples] == [2, 3]


def test_ignored_fields_are_left_out():
    assert judged([A], [{**A, "v": "x"}], ignored=["v"])[PRESENT].outcome is Outcome.PASSED


def test_nothing_to_judge_is_inconclusive():
    assert {one.outcome for one in judged([], []).values()} == {Outcome.INCONCLUSIVE}
