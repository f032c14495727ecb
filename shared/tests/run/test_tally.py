from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.connector.execution import Command
from hydrotest_core.run.findings import Finding, Outcome, Rule, Severity
from hydrotest_core.run.tally import (
    PYTEST_INCONCLUSIVE,
    ExitCode,
    evidence_folder,
    exit_code,
    findings_by_rule,
    most_records,
    pytest_exit_code,
    reasons,
    suites,
    unexplained,
)


def found(code, severity=Severity.ERROR, **more):
    rule = Rule(code=code, title="t", why="w", source="s")
    return Finding(rule=rule, expected="a", got="b", severity=severity, **more)


OUTCOMES = [
    pytest.param([], 3, 10, id="nothing ran"),
    pytest.param([Outcome.PASSED], 0, 0, id="passed"),
    pytest.param([Outcome.PASSED, Outcome.SKIPPED], 0, 0, id="passed and skipped"),
    pytest.param([Outcome.PASSED, Outcome.FAILED], 1, 1, id="second failed"),
    pytest.param([Outcome.PASSED, Outcome.INCONCLUSIVE], 3, 10, id="second inconclusive"),
    pytest.param([Outcome.SKIPPED], 3, 10, id="nothing but skipped"),
    pytest.param([Outcome.INCONCLUSIVE, Outcome.FAILED], 1, 1, id="failed and inconclusive"),
]


@pytest.mark.parametrize(("outcomes", "command", "after_pytest"), OUTCOMES)
def test_exit_codes(a_report, a_verdict, outcomes, command, after_pytest):
    report = a_report(verdicts=[a_verdict("spec", "t", outcome) for outcome in outcomes])

    assert command == exit_code(report)
    assert after_pytest == pytest_exit_code(report, 0)


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 6])
def test_pytest_keeps_its_own_exit_codes(passing_report, status):
    assert status == pytest_exit_code(passing_report, status)


def test_our_exit_code_in_pytest_is_none_of_its_own():
    assert PYTEST_INCONCLUSIVE not in {code.value for code in pytest.ExitCode}
    assert {0, 1, 2, 3, 130} == {code.value for code in ExitCode}


def test_findings_are_grouped_by_rule_the_worst_first(a_report, a_verdict):
    first = a_verdict(
        "spec", "a", findings=(found("HT-1", Severity.NOTE), found("HT-2"), found("HT-3"))
    )
    second = a_verdict("spec", "b", findings=(found("HT-3"), found("HT-1", Severity.WARNING)))

    groups = findings_by_rule(a_report(verdicts=[first, second]))

    assert [(group.rule.code, group.severity, len(group.seen)) for group in groups] == [
        ("HT-2", "error", 1),
        ("HT-3", "error", 2),
        ("HT-1", "warning", 2),
    ]
    assert [seen.verdict.test[-1] for seen in groups[2].seen] == ["b", "a"]


def test_only_the_severities_asked_for_are_grouped(failing_report):
    codes = [group.rule.code for group in findings_by_rule(failing_report, Severity.WARNING)]

    assert codes == ["HT-SPEC-021"]


def test_a_failed_test_without_an_error_is_unexplained(a_report, a_verdict):
    explained = a_verdict("spec", "a", Outcome.FAILED, findings=(found("HT-1"),))
    warned = a_verdict("spec", "b", Outcome.FAILED, findings=(found("HT-1", Severity.WARNING),))
    passed = a_verdict("spec", "c")

    found_so = unexplained(a_report(verdicts=[explained, warned, passed]))

    assert found_so == {"no reason was given": [warned]}


def test_failed_tests_with_one_reason_are_one_thing_to_read(a_report, a_verdict):
    verdicts = [
        a_verdict("spec", name, Outcome.FAILED, reason=reason)
        for name, reason in (("a", "no file"), ("b", "a crash"), ("c", "no file"))
    ]

    found_so = unexplained(a_report(verdicts=verdicts))

    assert {reason: [one.test[-1] for one in some] for reason, some in found_so.items()} == {
        "no file": ["a", "c"],
        "a crash": ["b"],
    }


def test_tests_with_one_reason_stand_together(a_report, a_verdict):
    verdicts = [
        a_verdict("spec", name, Outcome.SKIPPED, reason=reason)
        for name, reason in (("a", "no time"), ("b", ""), ("c", "no time"))
    ]

    by_reason = reasons(a_report(verdicts=verdicts), Outcome.SKIPPED)

    assert {
        "no time": [verdicts[0], verdicts[2]],
        "no reason was given": [verdicts[1]],
    } == by_reason


def test_suites_come_in_the_order_of_a_connectors_life(failing_report):
    shuffled = msgspec.structs.replace(failing_report, verdicts=failing_report.verdicts[::-1])

    expected = ["spec", "connection", "discovery", "basic_read", "full_refresh", "incremental"]
    assert expected == [suite.name for suite in suites(shuffled)]


def test_a_suite_of_another_name_comes_last(a_report, a_verdict):
    report = a_report(verdicts=[a_verdict("docs", "a"), a_verdict("spec", "b")])

    assert [suite.name for suite in suites(report)] == ["spec", "docs"]


def test_a_suite_sums_up_its_tests(failing_report):
    read = next(suite for suite in suites(failing_report) if suite.name == "basic_read")

    assert Outcome.FAILED is read.outcome
    assert (
        read.counts[Outcome.FAILED],
        read.counts[Outcome.PASSED],
        read.counts[Outcome.SKIPPED],
        read.counts[Outcome.INCONCLUSIVE],
    ) == (1, 1, 1, 0)
    assert (read.rule_count, round(read.duration_s, 1)) == (5, 11.9)
    assert read.read is not None
    assert read.read.key == "read-4f1c90aa"


def test_a_suite_without_a_read_has_none(failing_report):
    assert suites(failing_report)[0].read is None


def test_a_suite_passes_over_executions_that_the_report_lost(a_report, a_verdict):
    report = a_report(verdicts=[a_verdict("basic_read", "a", executions=("gone",))])

    assert suites(report)[0].read is None


def test_the_read_with_the_most_records_speaks_for_all(an_execution):
    small = an_execution(Command.READ, "small", 0, 1, [("users", 5)])
    large = an_execution(Command.READ, "large", 0, 1, [("users", 4), ("orders", 4)])
    other = an_execution(Command.DISCOVER, "other", 0, 1)

    assert large == most_records([small, other, large])
    assert most_records([other]) is None


@pytest.mark.parametrize(
    ("execution", "folder"),
    [
        pytest.param("read-1", "../../cache/read-1", id="by folder name"),
        pytest.param("key-of-1", "../../cache/read-1", id="by key"),
        pytest.param("read-9", "read-9", id="unknown"),
        pytest.param("", "", id="none"),
    ],
)
def test_evidence_lies_in_the_executions_folder(a_report, an_execution, execution, folder):
    ran = an_execution(Command.READ, "key-of-1", 0, 1, directory="../../cache/read-1")

    assert folder == evidence_folder(a_report(executions=[ran]), found("HT-1", execution=execution))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_run_that_was_cut_short_ends_with_130_whatever_it_found(a_report, a_verdict, outcome):
    report = a_report(verdicts=[a_verdict("spec", "t", outcome)], interrupted="Ctrl-C")

    assert exit_code(report) is ExitCode.INTERRUPTED
    assert pytest_exit_code(report, 2) == 2
