from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from hydrotest_acceptance.rules.record_pass import RecordPass
from hydrotest_core.connector.records import RecordLine
from hydrotest_core.protocol import StreamDescriptor
from hydrotest_core.run.findings import Judgement, Outcome, Rule

RULE = Rule(code="HT-T-001", title="a title", why="a reason", source="house rule")
STREAM = StreamDescriptor("users", "public")


@dataclass
class Collector:
    seen: list[Any] = field(default_factory=list)

    def see(self, record, place, /):
        self.seen.append((place.line, record))

    def judgements(self):
        return (Judgement(rule=RULE, checked=len(self.seen)),)


def lines(*texts):
    return [
        RecordLine(
            line=n,
            artifact="records/000.jsonl",
            emitted_at=0,
            data=msgspec.Raw(text),
            raw=b"",
        )
        for n, text in enumerate(texts, start=1)
    ]


def test_every_judge_sees_every_record_decoded_once():
    first, second = Collector(), Collector()

    judgements = RecordPass(STREAM, [first, second]).run(lines(b'{"a":1}', b'{"a":2}'))
    assert first.seen == second.seen == [(1, {"a": 1}), (2, {"a": 2})]
    assert first.seen[0][1] is second.seen[0][1]
    assert [one.rule.code for one in judgements] == ["HT-READ-001", "HT-T-001", "HT-T-001"]
    assert judgements[0].outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("text", "got"),
    [
        (b"[1]", "data of type array"),
        (b"null", "data of type null"),
        (b'{"a":1e400}', "data that can't be read as JSON"),
        (b'{"a":"\xff"}', "data that can't be read as JSON"),
        (b'{"a":"\\ud800"}', "data that can't be read as JSON"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "data that can't be read as JSON"),
    ],
    ids=["array", "null", "number out of range", "broken UTF-8", "lone surrogate", "too deep"],
)
def test_a_second_record_that_is_no_object_fails_and_is_shown_to_no_judge(text, got):
    judge = Collector()

    judgement, _ = RecordPass(STREAM, [judge]).run(lines(b'{"a":1}', text, b'{"a":3}'))
    (finding,) = judgement.findings
    assert judgement.outcome is Outcome.FAILED
    assert (finding.got, finding.total, finding.checked) == (got, 1, 3)
    assert finding.examples[0].line == 2
    assert [line for line, _ in judge.seen] == [1, 3]


def test_no_records_are_inconclusive():
    judgements = RecordPass(STREAM, [Collector()]).run([])

    assert {one.outcome for one in judgements} == {Outcome.INCONCLUSIVE}


def test_records_may_come_from_anything_that_can_be_walked_once():
    judge = Collector()
    RecordPass(STREAM, [judge]).run(iter(lines(b"{}")))

    assert len(judge.seen) == 1


def test_it_says_how_far_it_is():
    records = RecordPass(STREAM, [])
    records.run(lines(b"{}", b"{}"))

    assert repr(records) == "<RecordPass readable=2 judges=0>"
