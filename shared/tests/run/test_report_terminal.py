from __future__ import annotations

import re

import pytest

from hydrotest_core.connector.execution import Command
from hydrotest_core.run.findings import Finding, Outcome, Rule
from hydrotest_core.run.report_terminal import render
from hydrotest_core.testing.payloads import raw_controls, runner_commands

PAGE = ".hydrotest/runs/20261121-0312-k3f/report.html"


def test_a_failing_run(failing_report, golden):
    golden("terminal_failing.txt", render(failing_report, width=100, report_path=PAGE))


def test_a_passing_run_on_a_wide_terminal(passing_report, golden):
    golden("terminal_passing.txt", render(passing_report, width=140, report_path=PAGE))


def test_evidence_is_named_as_seen_from_where_the_report_was_named(
    a_report, a_verdict, a_finding, an_execution
):
    ran = an_execution(Command.READ, "read-4f1c90aa", 0, 1, directory="../../executions/ab/4f")
    failed = a_verdict("spec", "t", Outcome.FAILED, findings=(a_finding,))
    report = a_report(verdicts=[failed], executions=[ran])

    path = "    evidence   .hydrotest/executions/ab/4f/records/000.jsonl:214\n"
    assert path in render(report, report_path=PAGE)


def test_an_empty_run_says_so(a_report):
    report = a_report(verdicts=[], executions=[], warnings=[], plugins=[], isolation="")

    assert render(report).splitlines()[-1] == "INCONCLUSIVE  no tests in 34.1 s"


def test_a_run_of_skipped_tests_says_that_nothing_was_judged(a_report, a_verdict):
    report = a_report(verdicts=[a_verdict("spec", "t", Outcome.SKIPPED, reason="not asked")])

    assert render(report).splitlines()[-1] == "NOTHING WAS JUDGED  1 skipped in 34.1 s"


@pytest.mark.parametrize("width", [0, 72, 80, 200])
def test_only_what_is_copied_is_wider_than_the_terminal(failing_report, width):
    lines = render(failing_report, width=width, report_path=PAGE).splitlines()

    copied = ("evidence", "Reproduce:", "Waive:", "test ", "hydrotest 0.1.0", "report:")
    wide = [line for line in lines if len(line) > max(width, 72)]
    assert [line for line in wide if not line.strip().startswith(copied)] == []


def test_colour_only_repeats_what_words_say(failing_report):
    coloured = render(failing_report, color=True)

    assert "\x1b[1;31mFAIL" in coloured
    assert render(failing_report) == re.sub(r"\x1b\[[\d;]*m", "", coloured)


def test_a_rule_broken_in_many_places_does_not_flood_the_screen(a_report, a_verdict):
    rule = Rule(code="HT-1", title="t", why="w", source="s")
    findings = tuple(Finding(rule=rule, expected="a", got=str(n)) for n in range(200))
    report = a_report(verdicts=[a_verdict("spec", "t", Outcome.FAILED, findings=findings)])

    text = render(report)

    assert text.count("    got ") == 3
    assert "197 more findings of HT-1; the report has them all." in text


def test_many_broken_rules_do_not_flood_the_screen(a_report, a_verdict):
    findings = tuple(
        Finding(rule=Rule(code=f"HT-{n}", title="t", why="w", source="s"), expected="a", got="b")
        for n in range(30)
    )
    report = a_report(verdicts=[a_verdict("spec", "t", Outcome.FAILED, findings=findings)])

    text = render(report)

    assert text.count("    got ") == 25
    assert "5 more rules broken; the report has them all." in text


def test_a_test_that_failed_without_a_finding_shows_the_end_of_what_it_said(a_report, a_verdict):
    reason = "\n".join(f"line {n}" for n in range(40))
    report = a_report(verdicts=[a_verdict("spec", "t", Outcome.FAILED, reason=reason)])

    text = render(report)

    assert "line 27" not in text
    assert "    line 28\n" in text
    assert "    line 39\n    Reproduce: ./run" in text


def test_a_test_that_failed_without_a_word_says_that(a_report, a_verdict):
    report = a_report(verdicts=[a_verdict("spec", "t", Outcome.FAILED, rerun="")])

    assert "TestSpec::t\n    no reason was given\n" in render(report)


def test_long_lists_are_cut_and_say_so(a_report, a_verdict):
    skipped = [a_verdict("spec", f"t{n}", Outcome.SKIPPED, reason="r") for n in range(9)]
    report = a_report(verdicts=skipped, warnings=[f"warning {n}" for n in range(25)])

    text = render(report, width=200)

    assert "TestSpec::t4, 4 more tests)" in text
    assert "  - 5 more; the report has them all." in text


def test_a_read_of_many_streams_names_the_largest(a_report, a_verdict, an_execution):
    streams = [(f"s{n}", n) for n in range(1, 8)]
    read = an_execution(Command.READ, "r", 0, 2.0, streams)
    report = a_report(verdicts=[a_verdict("basic_read", "t", executions=("r",))], executions=[read])

    assert "s7 7 · s6 6 · s5 5 · s4 4 · 3 more  14 rec/s" in render(report)


def test_a_read_without_records_says_so(a_report, a_verdict, an_execution):
    read = an_execution(Command.READ, "r", 0, 2.0)
    report = a_report(verdicts=[a_verdict("basic_read", "t", executions=("r",))], executions=[read])

    assert "no records" in render(report)


def test_a_test_outside_a_suite_has_a_line(a_report, a_verdict):
    report = a_report(verdicts=[a_verdict("spec", "t", suite="")], executions=[])

    assert "\n (no suite)  ok " in render(report)


@pytest.mark.parametrize("color", [False, True], ids=["plain", "coloured"])
def test_no_connector_text_reaches_the_terminal_raw(hostile_report, is_printable, color):
    text = render(hostile_report, width=120, color=color, report_path="r.html\x1b[2J")

    without_ours = re.sub(r"\x1b\[(1;31|32|33|2|1|0)m", "", text) if color else text
    assert is_printable(without_ours)


@pytest.mark.parametrize("width", [72, 100, 171])
def test_no_payload_acts_on_a_terminal_or_a_runner_however_lines_are_broken(hostile_reports, width):
    for report in hostile_reports:
        text = render(report, width=width)

        assert (raw_controls(text), runner_commands(text)) == ([], [])


def test_a_warning_can_not_pass_for_a_line_of_ours(a_report, a_verdict):
    report = a_report(verdicts=[a_verdict("spec", "t")], warnings=["x\nPASSED  all\n::error::y"])

    assert not re.search(r"^(PASSED  all|::error)", render(report), re.MULTILINE)


@pytest.mark.parametrize("verdicts", [None, []], ids=["some verdicts", "none"])
def test_a_run_that_was_cut_short_says_so_before_anything_else(a_report, verdicts):
    changes = {} if verdicts is None else {"verdicts": verdicts}
    report = a_report(interrupted="Ctrl-C", not_run=7, **changes)

    last = render(report, width=200, report_path="r.html").splitlines()[-1]

    assert last.startswith("INTERRUPTED by Ctrl-C  ")
    assert "7 not run in 34" in last


def test_who_interrupted_brings_no_control_character(a_report):
    assert "\x1b" not in render(a_report(interrupted="\x1b[2J"))
