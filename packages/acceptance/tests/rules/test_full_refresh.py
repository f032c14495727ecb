from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.full_refresh import second_read_holds_the_first
from hydrotest_core.run.findings import Outcome


def records(stream, *data):
    return [
        {"type": "RECORD", "record": {"stream": stream, "data": one, "emitted_at": n}}
        for n, one in enumerate(data)
    ]


A, B, C = {"id": 1, "x": [1, 2]}, {"id": 2, "x": [3]}, {"id": 3, "x": []}


def judge(evidence_of, configured_of, first, second, ignored=None):
    return second_read_holds_the_first(
        evidence_of(*first), evidence_of(*second), configured_of("s", "t"), ignored or {}
    )


@pytest.mark.parametrize(
    "second",
    [records("s", A, B), records("s", B, A), records("s", A, C, B), records("s", A, A, B)],
    ids=["the same", "another order", "more", "one twice"],
)
def test_a_second_read_with_all_of_the_first_passes(evidence_of, configured_of, second):
    judgement = judge(evidence_of, configured_of, records("s", A, B), second)

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 2)


def test_what_is_missing_is_found_in_each_stream(evidence_of, configured_of):
    first = records("s", A, B) + records("t", A, B, C)

    judgement = judge(evidence_of, configured_of, first, records("s", A) + records("t", B))

    assert [(f.where.stream, f.total, f.checked) for f in judgement.findings] == [
        ("s", 1, 2),
        ("t", 2, 3),
    ]
    assert judgement.findings[1].examples[0].line == 1


def test_a_record_that_came_twice_must_come_twice(evidence_of, configured_of):
    judgement = judge(evidence_of, configured_of, records("s", A, A), records("s", A))

    assert judgement.findings[0].total == 1


def test_fields_that_changed_are_named_and_can_be_waived(evidence_of, configured_of):
    first = records("s", {"id": 1, "seen": 1, "deep": {"at": 1, "n": 2}})
    second = records("s", {"id": 1, "seen": 2, "deep": {"at": 9, "n": 2}})

    (finding,) = judge(evidence_of, configured_of, first, second).findings

    assert "in deep/at, seen" in finding.got
    assert "- name: deep/at" in finding.waive
    ignored = {"s": ["seen", "deep/at"]}
    assert judge(evidence_of, configured_of, first, second, ignored).outcome is Outcome.PASSED


def test_a_field_in_every_item_of_a_list_can_be_ignored(evidence_of, configured_of):
    first = records("s", {"id": 1, "items": [{"at": 1}, {"at": 2}]})
    second = records("s", {"id": 1, "items": [{"at": 8}, {"at": 9}]})

    ignored = {"s": ["items/*/at"]}

    assert judge(evidence_of, configured_of, first, second, ignored).outcome is Outcome.PASSED


def test_the_order_in_a_list_and_the_type_of_a_value_matter(evidence_of, configured_of):
    first = records("s", {"id": 1, "x": [1, 2]}, {"id": 2, "x": 1})
    second = records("s", {"id": 1, "x": [2, 1]}, {"id": 2, "x": True})

    assert judge(evidence_of, configured_of, first, second).findings[0].total == 2


def test_without_records_there_is_nothing_to_judge(evidence_of, configured_of):
    assert judge(evidence_of, configured_of, [], []).outcome is Outcome.INCONCLUSIVE
