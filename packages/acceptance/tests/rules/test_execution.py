from __future__ import annotations

import pytest

from hydrotest_acceptance.rules import execution as rules
from hydrotest_core.connector.execution import Ending
from hydrotest_core.protocol import MessageType
from hydrotest_core.run.findings import Outcome, Severity

LOG = {"type": "LOG", "log": {"level": "INFO", "message": "hello"}}
SPEC = {"type": "SPEC", "spec": {"connectionSpecification": {}}}
ERROR = {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.0, "error": {"message": "no"}}}


@pytest.mark.parametrize(
    ("manifest", "got"),
    [
        ({"exit_code": 1}, "exit code 1"),
        ({"exit_code": 137}, "exit code 137"),
        ({"ending": Ending.SIGNALLED, "exit_code": None, "signal": 11}, "killed by SIGSEGV"),
        ({"ending": Ending.SIGNALLED, "exit_code": None, "signal": 99}, "killed by signal 99"),
        ({"ending": Ending.OUT_OF_MEMORY, "exit_code": 137}, "killed for using more memory"),
    ],
)
def test_a_bad_end_is_found(evidence_of, manifest, got):
    judgement = rules.ended_well(evidence_of(LOG, stderr=b"Traceback\nboom\n", **manifest))

    assert judgement.outcome is Outcome.FAILED
    assert got in judgement.findings[0].got
    assert [example.text for example in judgement.findings[0].examples] == ["Traceback", "boom"]


def test_a_good_end_passes(evidence_of):
    assert rules.ended_well(evidence_of(LOG)).outcome is Outcome.PASSED


def test_each_error_trace_is_found_though_the_exit_code_is_0(evidence_of):
    judgement = rules.ended_well(evidence_of(LOG, ERROR, ERROR))

    assert [finding.examples[0].line for finding in judgement.findings] == [1, 2]


def test_a_run_that_was_stopped_is_judged_by_its_time(evidence_of):
    stopped = evidence_of(LOG, ending=Ending.TIMED_OUT, exit_code=None, signal=9)

    assert rules.ended_well(stopped).outcome is Outcome.SKIPPED
    assert rules.ended_in_time(stopped).outcome is Outcome.FAILED
    assert rules.ended_in_time(evidence_of(LOG)).outcome is Outcome.PASSED


def test_text_on_stdout_is_a_warning_and_a_broken_message_an_error(evidence_of):
    judgement = rules.speaks_protocol(
        evidence_of(LOG, b"starting up", b'{"type": "RECORD", "rec', b"going on", b'{"type":"ODD"}')
    )

    assert [(f.severity, f.total, f.examples[0].line) for f in judgement.findings] == [
        (Severity.WARNING, 2, 2),
        (Severity.ERROR, 1, 3),
        (Severity.ERROR, 1, 5),
    ]


def test_only_messages_pass(evidence_of):
    assert rules.speaks_protocol(evidence_of(LOG, SPEC)).outcome is Outcome.PASSED
    assert rules.speaks_protocol(evidence_of()).outcome is Outcome.INCONCLUSIVE


def test_each_key_that_an_object_has_twice_is_found(evidence_of):
    record = b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"a":1,%b}}}'
    state = b'{"type":"STATE","state":{"data":{"c":1,"c":2}}}'

    judgement = rules.has_keys_once(
        evidence_of(record % b'"b":1', record % b'"a":1', record % b'"x":{"b":1,"b":2}', state)
    )

    assert [(f.where.path, str(f.examples[0])) for f in judgement.findings] == [
        ("c", "messages/states.jsonl:1"),
        ("a", "records/000.jsonl:2"),
        ("b", "records/000.jsonl:3"),
    ]
    assert judgement.checked == 4


def test_the_same_key_in_two_objects_is_fine(evidence_of):
    read = evidence_of(
        b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"a":{"a":[{"a":1}]}}}}'
    )

    assert rules.has_keys_once(read).outcome is Outcome.PASSED
    assert rules.has_keys_once(evidence_of()).outcome is Outcome.INCONCLUSIVE


def test_each_secret_that_was_taken_out_is_found(evidence_of):
    judgement = rules.keeps_secrets(evidence_of(LOG, redactions={"api_key": 2, "b": 0, "token": 1}))

    assert [(f.where.path, f.total) for f in judgement.findings] == [("api_key", 2), ("token", 1)]
    assert rules.keeps_secrets(evidence_of(LOG)).outcome is Outcome.PASSED


@pytest.mark.parametrize(("times", "outcome"), [(0, "failed"), (1, "passed"), (2, "failed")])
def test_a_command_is_answered_once(evidence_of, times, outcome):
    judgement = rules.one_message(evidence_of(LOG, *[SPEC] * times), MessageType.SPEC)

    assert judgement.outcome == outcome


def test_a_run_that_may_fail_is_not_judged_by_its_exit_code(evidence_of):
    failed = evidence_of(ERROR, exit_code=1)

    codes = [one.rule.code for one in rules.judge_execution(failed, must_succeed=False)]

    assert "HT-RUN-001" not in codes
    assert [one.outcome for one in rules.judge_execution(failed)].count(Outcome.FAILED) == 1
