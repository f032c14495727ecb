from __future__ import annotations

from typing import Any

import pytest

from hydrotest_acceptance.rules import execution as rules
from hydrotest_core.connector.execution import Ending
from hydrotest_core.protocol import MessageType
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.untrusted import as_it_came

LOG = {"type": "LOG", "log": {"level": "INFO", "message": "hello"}}
SPEC = {"type": "SPEC", "spec": {"connectionSpecification": {}}}
RECORD = {"type": "RECORD", "record": {"stream": "s", "emitted_at": 1, "data": {"a": 1}}}
ERROR = {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.0, "error": {"message": "no"}}}


@pytest.mark.parametrize(
    ("manifest", "got"),
    [
        ({"exit_code": 1}, "exit code 1"),
        ({"exit_code": 137}, "exit code 137"),
        ({"ending": Ending.SIGNALLED, "exit_code": None, "signal": 11}, "killed by SIGSEGV"),
        ({"ending": Ending.SIGNALLED, "exit_code": None, "signal": 99}, "killed by signal 99"),
        ({"ending": Ending.OUT_OF_MEMORY, "exit_code": 137}, "killed for using more memory"),
        (
            {"ending": Ending.SIGNALLED, "exit_code": 137, "signal": 9, "ending_note": "or not"},
            "killed by SIGKILL (or not)",
        ),
    ],
)
def test_a_bad_end_is_found(evidence_of, manifest, got):
    judgement = rules.ended_well(evidence_of(LOG, stderr=b"Traceback\nboom\n", **manifest))

    assert judgement.outcome is Outcome.FAILED
    assert got in as_it_came(judgement.findings[0].got)
    assert [example.text for example in judgement.findings[0].examples] == ["Traceback", "boom"]


def test_a_good_end_passes(evidence_of):
    assert rules.ended_well(evidence_of(LOG)).outcome is Outcome.PASSED


def test_each_error_trace_is_found_though_the_exit_code_is_0(evidence_of):
    judgement = rules.ended_well(evidence_of(LOG, ERROR, ERROR))

    assert [finding.examples[0].line for finding in judgement.findings] == [1, 2]


@pytest.mark.parametrize("ending", [Ending.TIMED_OUT, Ending.INTERRUPTED])
def test_a_run_that_was_stopped_is_judged_by_its_time(evidence_of, ending):
    stopped = evidence_of(LOG, ending=ending, exit_code=None, signal=9)

    assert rules.ended_well(stopped).outcome is Outcome.SKIPPED
    assert rules.ended_by_itself(stopped).outcome is Outcome.SKIPPED
    assert rules.ended_in_time(stopped).outcome is Outcome.FAILED
    assert rules.ended_in_time(evidence_of(LOG)).outcome is Outcome.PASSED


ENDINGS: dict[str, dict[str, Any]] = {
    "exit code": {"exit_code": 137},
    "signal": {"ending": Ending.SIGNALLED, "exit_code": None, "signal": 9},
    "signal told by number": {"ending": Ending.SIGNALLED, "exit_code": 139, "signal": 11},
    "out of memory": {"ending": Ending.OUT_OF_MEMORY, "exit_code": 137, "signal": 9},
    "timeout": {"ending": Ending.TIMED_OUT, "exit_code": None, "signal": 9},
    "interrupted": {"ending": Ending.INTERRUPTED, "exit_code": None},
}


def test_each_way_to_end_badly_is_told_in_other_words(evidence_of):
    """However many good records came before: `RECORD` is one of them."""
    told = {
        name: [
            finding.got
            for judgement in rules.judge_execution(evidence_of(RECORD, **manifest))
            for finding in judgement.findings
        ]
        for name, manifest in ENDINGS.items()
    }

    assert all(len(got) == 1 for got in told.values()), told
    assert len({got[0] for got in told.values()}) == len(ENDINGS)


@pytest.mark.parametrize("manifest", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("must_succeed", [True, False], ids=["must succeed", "may fail"])
def test_good_records_never_outweigh_a_bad_end(evidence_of, manifest, must_succeed):
    read = evidence_of(RECORD, RECORD, **manifest)

    outcomes = [one.outcome for one in rules.judge_execution(read, must_succeed=must_succeed)]

    may_be = manifest == ENDINGS["exit code"] and not must_succeed
    assert (Outcome.FAILED in outcomes) != may_be


def test_memory_that_ran_out_beside_a_good_end_is_a_warning(evidence_of):
    judgement = rules.ended_well(evidence_of(LOG, is_out_of_memory=True))

    assert judgement.outcome is Outcome.PASSED
    assert [finding.severity for finding in judgement.findings] == [Severity.WARNING]


def test_each_secret_that_was_taken_out_is_found(evidence_of):
    judgement = rules.keeps_secrets(evidence_of(LOG, redactions={"api_key": 2, "b": 0, "token": 1}))

    assert [(f.where.path, f.total) for f in judgement.findings] == [("api_key", 2), ("token", 1)]
    assert rules.keeps_secrets(evidence_of(LOG)).outcome is Outcome.PASSED


def test_each_secret_that_was_not_looked_for_is_a_warning(evidence_of):
    reasons = {"pin": "shorter than 6 characters", "b.key": "a common word"}

    judgement = rules.keeps_secrets(evidence_of(LOG, unsearched_secrets=reasons))

    assert [finding.where.path for finding in judgement.findings] == ["b.key", "pin"]
    assert {finding.severity for finding in judgement.findings} == {Severity.WARNING}
    assert judgement.outcome is Outcome.PASSED


@pytest.mark.parametrize(("times", "outcome"), [(0, "failed"), (1, "passed"), (2, "failed")])
def test_a_command_is_answered_once(evidence_of, times, outcome):
    judgement = rules.one_message(evidence_of(LOG, *[SPEC] * times), MessageType.SPEC)

    assert judgement.outcome == outcome


def test_a_run_that_may_fail_is_not_judged_by_its_exit_code(evidence_of):
    failed = evidence_of(ERROR, exit_code=1)

    assert rules.ended_by_itself(failed).outcome is Outcome.PASSED
    assert rules.ended_well(failed).outcome is Outcome.FAILED
    assert (
        rules.ended_by_itself(
            evidence_of(ERROR, ending=Ending.SIGNALLED, exit_code=None, signal=11)
        ).outcome
        is Outcome.FAILED
    )
