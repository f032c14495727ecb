from __future__ import annotations

from hydrotest_acceptance.rules.canonical import ignore
from hydrotest_acceptance.rules.expected_file import ExpectedRecord
from hydrotest_acceptance.rules.expected_in_order import ExpectedInOrderJudge
from hydrotest_acceptance.testing import declared_stream, see
from hydrotest_core.run.findings import Outcome

PRESENT, OTHERS = "HT-READ-030", "HT-READ-031"
A, B, C = {"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}


def judged(expected, actual, *, ignored=()):
    written = [ExpectedRecord(data, n, "expected.jsonl") for n, data in enumerate(expected, 1)]
    return see(ExpectedInOrderJudge(declared_stream(), written, ignored=ignore(ignored)), *actual)


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
