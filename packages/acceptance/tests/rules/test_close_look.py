from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.close_look import judge_closely
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.untrusted import as_it_came

LOG = {"type": "LOG", "log": {"level": "INFO", "message": "hello"}}
STATE = b'{"type":"STATE","state":{"data":{"c":%b}}}'


def a_record(data: bytes, stream: bytes = b"s") -> bytes:
    head = b'{"type":"RECORD","record":{"stream":"%b","emitted_at":1,"data":' % stream
    return head + data + b"}}"


@pytest.fixture
def judge(evidence_of):
    """Return a function that gives one of the judgements on what was said."""

    def look(code, *messages, **manifest):
        judgements = judge_closely(evidence_of(*messages, **manifest))
        [found] = [one for one in judgements if one.rule.code == code]
        return found

    return look


def places(judgement):
    return [(f.where.path, f.examples[0].place) for f in judgement.findings]


class TestKeys:
    def test_each_key_that_an_object_has_twice_is_found(self, judge):
        state = b'{"type":"STATE","state":{"data":{"c":1,"c":2}}}'
        found = judge(
            "HT-RUN-006",
            a_record(b'{"a":1,"b":1}'),
            a_record(b'{"a":1,"a":1}'),
            a_record(b'{"a":1,"x":[{"b":1,"b":2}]}'),
            state,
        )

        assert places(found) == [
            ("c", "messages/states.jsonl:1"),
            ("a", "records/000.jsonl:2"),
            ("b", "records/000.jsonl:3"),
        ]
        assert (found.checked, found.outcome) == (4, Outcome.FAILED)

    @pytest.mark.parametrize(
        "message",
        [
            b'{"type":"SPEC","spec":{"connectionSpecification":{"x":1,"x":2}}}',
            b'{"type":"CATALOG","catalog":{"streams":[],"x":1,"x":2}}',
            b'{"type":"CONNECTION_STATUS","connectionStatus":{"status":"FAILED","x":1,"x":2}}',
            b'{"type":"STATE","state":{"data":{}},"x":1,"x":2}',
        ],
        ids=["SPEC", "CATALOG", "CONNECTION_STATUS", "STATE"],
    )
    def test_every_answer_is_looked_at(self, judge, message):
        assert [path for path, _ in places(judge("HT-RUN-006", message))] == ["x"]

    def test_the_same_key_in_two_objects_is_fine(self, judge):
        read = a_record(b'{"a":{"a":[{"a":1},{"a":1}]}}')

        assert judge("HT-RUN-006", read).outcome is Outcome.PASSED
        assert judge("HT-RUN-006", LOG).outcome is Outcome.INCONCLUSIVE

    def test_the_first_thousand_records_of_each_stream_are_looked_at(self, judge):
        good, bad = (a_record(data) for data in (b"{}", b'{"a":1,"a":1}'))
        other = a_record(b'{"b":1,"b":1}', b"t")

        assert places(judge("HT-RUN-006", *[good] * 999, bad, other)) == [
            ("a", "records/000.jsonl:1000"),
            ("b", "records/001.jsonl:1"),
        ]
        assert judge("HT-RUN-006", *[good] * 1000, bad).outcome is Outcome.PASSED

    def test_a_hundred_thousand_fields_come_to_fifty_findings_and_the_rest(self, judge):
        twice = b",".join(b'"k%d":1,"k%d":2' % (n, n) for n in range(100_000))
        found = judge("HT-RUN-006", a_record(b"{%b}" % twice))

        assert len(found.findings) == 51
        assert found.findings[-1].total == 100_000 - 50
        assert "further keys" in as_it_came(found.findings[-1].got)


class TestNumbers:
    @pytest.mark.parametrize(
        ("number", "is_big"),
        [
            (b"9223372036854775807", False),
            (b"9223372036854775808", True),
            (b"-9223372036854775808", False),
            (b"-9223372036854775809", True),
            (b"18446744073709551616", True),
            (b"9" * 40, True),
            (b"[1,[%b]]" % (b"9" * 40), True),
            (b"999999999999999999", False),
            (b"1e300", False),
        ],
        ids=["2^63-1", "2^63", "-2^63", "-2^63-1", "2^64", "40", "listed", "18", "float"],
    )
    def test_a_whole_number_beyond_64_bits_is_a_warning(self, judge, number, is_big):
        found = judge("HT-RUN-007", a_record(b'{"a":1}'), a_record(b'{"a":1,"n":%b}' % number))

        assert places(found) == ([("n", "records/000.jsonl:2")] if is_big else [])
        assert all(finding.severity is Severity.WARNING for finding in found.findings)
        assert found.outcome is Outcome.PASSED

    def test_states_are_looked_at_too(self, judge):
        assert places(judge("HT-RUN-007", STATE % b"1", STATE % (b"9" * 20))) == [
            ("c", "messages/states.jsonl:2")
        ]


class TestEnds:
    def test_lines_as_they_should_be_pass(self, judge):
        assert judge("HT-RUN-008", STATE % b"1").findings == ()
        assert judge("HT-RUN-008", STATE % b"1").outcome is Outcome.PASSED

    @pytest.mark.parametrize(
        ("raw", "got"),
        [(STATE % b"1" + b"\r", "carriage return"), (b" \t" + STATE % b"1", "blanks")],
        ids=["carriage return", "blanks"],
    )
    def test_what_surrounds_the_json_is_noted_once(self, judge, raw, got):
        [finding] = judge("HT-RUN-008", STATE % b"1", raw, raw).findings

        assert got in as_it_came(finding.got)
        assert finding.severity is Severity.NOTE
        assert (finding.total, finding.examples[0].place) == (2, "messages/states.jsonl:2")

    @pytest.mark.parametrize(
        ("exit_code", "severity", "got"),
        [(0, Severity.NOTE, "line feed"), (1, Severity.WARNING, "cut off")],
        ids=["a good end", "a bad end"],
    )
    def test_a_last_line_without_its_end_may_have_been_cut_off(
        self, evidence_of, exit_code, severity, got
    ):
        evidence = evidence_of(STATE % b"1", unended=STATE % b"2", exit_code=exit_code)

        [finding] = judge_closely(evidence)[-1].findings

        assert got in as_it_came(finding.got)
        assert (finding.severity, finding.examples[0].line) == (severity, 2)
