"""A run as text: the end of a pytest run, or what a command prints.

Every outcome is a word; colour only repeats it. Text from the connector is
escaped before it is printed, so no output of a connector can move the cursor.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from hydrotest_core.run.finding_text import finding_text, one_line, plain, summary, wrapped
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.run.tally import (
    evidence_folder,
    findings_by_rule,
    reasons,
    suites,
    unexplained,
)
from hydrotest_core.run.wording import counted, digest, grouped, rate, seconds
from hydrotest_core.untrusted import lines_of, unbroken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hydrotest_core.run.finding_text import Paint
    from hydrotest_core.run.findings import Verdict
    from hydrotest_core.run.report import ExecutionSummary, RunReport
    from hydrotest_core.run.tally import RuleGroup, SuiteSummary
    from hydrotest_core.untrusted import UntrustedText

__all__ = ["render"]

_NARROWEST = 72
_FINDINGS_PER_RULE = 3
_RULES = 25
_WARNINGS = 20
_TESTS_PER_REASON = 5
_STREAMS = 4
_LINES_OF_REASON = 12
_CODES = {"bad": "1;31", "good": "32", "doubt": "33", "dim": "2", "strong": "1"}
_WORDS = {
    Outcome.PASSED: ("ok", "good"),
    Outcome.FAILED: ("FAIL", "bad"),
    Outcome.SKIPPED: ("skipped", "dim"),
    Outcome.INCONCLUSIVE: ("inconclusive", "doubt"),
}
_CLOSING = {
    Outcome.PASSED: "PASSED",
    Outcome.FAILED: "FAILED",
    Outcome.SKIPPED: "NOTHING WAS JUDGED",
    Outcome.INCONCLUSIVE: "INCONCLUSIVE",
}


def render(
    report: RunReport, *, width: int = 100, color: bool = False, report_path: str = ""
) -> str:
    """Return the run as text that ends with a line end.

    Args:
        report: The run.
        width: Columns; less than 72 counts as 72. Commands and waivers are never
            broken, so that they can be copied.
        color: Use ANSI colours. The caller knows the terminal, and `NO_COLOR`.
        report_path: Where the page is, said in the last line. Evidence is named
            beside it, so that what is printed can be opened from here.
    """
    width = max(width, _NARROWEST)
    paint = _ansi if color else plain
    blocks = [
        _header(report, width, paint),
        _suite_lines(report, width, paint),
        *_failures(report, posixpath.dirname(report_path), width, paint),
        _not_judged(report, Outcome.INCONCLUSIVE, width, paint),
        _not_judged(report, Outcome.SKIPPED, width, paint),
        _warnings(report, width, paint),
        _closing(report, report_path, width, paint),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _ansi(text: str, role: str) -> str:
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m"


def _header(report: RunReport, width: int, paint: Paint) -> list[str]:
    what = f"{one_line(report.connector, 80)} {one_line(report.version, 40)}"
    names = [
        f"hydrotest {one_line(report.hydrotest)}",
        one_line(report.kind),
        paint(what, "strong"),
        one_line(report.image or "", 120),
        one_line(digest(report.identity)),
    ]
    why = f" runner: {one_line(report.runner_why)}" if report.runner_why else ""
    facts = [
        ("on", one_line(report.runner) + why),
        ("isolation", one_line(report.isolation)),
        ("settings", one_line(report.settings_file)),
        ("plugins", one_line(", ".join(report.plugins))),
    ]
    told = ["  ".join(name for name in names if name)]
    for label, value in facts:
        if value:
            first, *more = wrapped(value, width - 12)
            told.append(paint(f" {label:<11}", "dim") + first)
            told += [" " * 12 + line for line in more]
    return told


def _suite_lines(report: RunReport, width: int, paint: Paint) -> list[str]:
    rows = [(row, _cells(row)) for row in suites(report)]
    widths = [max(len(cells[column]) for _, cells in rows) for column in range(5)] if rows else []
    lines = []
    for row, (name, word, tests, rules, time) in rows:
        painted = paint(f"{word:<{widths[1]}}", _WORDS[row.outcome][1])
        head = (
            f" {name:<{widths[0]}}  {painted}  {tests:<{widths[2]}}"
            f"  {rules:>{widths[3]}}  {time:>{widths[4]}}"
        )
        streams = _streams(row.read) if row.read else ""
        if sum(widths) + 11 + len(streams) <= width:
            lines.append(f"{head}  {streams}".rstrip())
        else:
            lines += [head, *wrapped(streams, width, first=" " * 6, rest=" " * 6)]
    return [*lines, *_execution_line(report, paint)]


def _cells(row: SuiteSummary) -> tuple[str, str, str, str, str]:
    rules = f"{row.rule_count} rule" + (" " if row.rule_count == 1 else "s")
    word = _WORDS[row.outcome][0]
    return one_line(row.name or "(no suite)", 40), word, _tests(row), rules, seconds(row.duration_s)


def _tests(row: SuiteSummary) -> str:
    words = (
        (Outcome.FAILED, "failed"),
        (Outcome.PASSED, "ok"),
        (Outcome.INCONCLUSIVE, "inconclusive"),
        (Outcome.SKIPPED, "skipped"),
    )
    return ", ".join(
        f"{row.counts[outcome]} {word}" for outcome, word in words if row.counts[outcome]
    )


def _streams(read: ExecutionSummary) -> str:
    if not read.streams:
        return "no records"
    largest = sorted(read.streams, key=lambda stream: -stream.records)
    named = [f"{one_line(each.stream, 40)} {grouped(each.records)}" for each in largest[:_STREAMS]]
    more = len(largest) - _STREAMS
    text = " · ".join(named + ([f"{more} more"] if more > 0 else []))
    return f"{text}  {rate(read.records_per_s)}" if read.records_per_s else text


def _execution_line(report: RunReport, paint: Paint) -> list[str]:
    if not report.executions:
        return []
    reused = sum(execution.reused for execution in report.executions)
    ran = len(report.executions) - reused
    text = f" {counted(ran, 'execution')} run, {reused} taken from the cache"
    return [paint(text, "dim")]


def _failures(report: RunReport, home: str, width: int, paint: Paint) -> Iterator[list[str]]:
    groups = findings_by_rule(report, Severity.ERROR)
    for group in groups[:_RULES]:
        yield from _group(report, group, home, width, paint)
    if len(groups) > _RULES:
        yield [f"{counted(len(groups) - _RULES, 'more rule')} broken; the report has them all."]
    for reason, verdicts in unexplained(report).items():
        yield _unexplained(reason, verdicts, width, paint)


def _unexplained(
    reason: UntrustedText, verdicts: list[Verdict], width: int, paint: Paint
) -> list[str]:
    """Return failed tests with the end of what they said instead of a finding."""
    told = [paint(line, "bad") for line in wrapped(_names(verdicts), width, rest="  ")]
    for line in lines_of(reason)[-_LINES_OF_REASON:]:
        told += wrapped(one_line(line), width, first="    ", rest="      ")
    if verdicts[0].rerun:
        told.append(f"    {paint('Reproduce: ', 'dim')}{one_line(verdicts[0].rerun, 4000)}")
    return told


def _group(
    report: RunReport, group: RuleGroup, home: str, width: int, paint: Paint
) -> Iterator[list[str]]:
    for seen in group.seen[:_FINDINGS_PER_RULE]:
        yield [
            finding_text(
                seen.finding,
                test=seen.verdict.test,
                rerun=seen.verdict.rerun,
                folder=_beside(home, evidence_folder(report, seen.finding)),
                width=width,
                paint=paint,
            )
        ]
    more = len(group.seen) - _FINDINGS_PER_RULE
    if more > 0:
        yield [f"{counted(more, 'more finding')} of {group.rule.code}; the report has them all."]


def _beside(home: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(home, folder)) if folder else ""


def _not_judged(report: RunReport, outcome: Outcome, width: int, paint: Paint) -> list[str]:
    by_reason = reasons(report, outcome)
    if not by_reason:
        return []
    word, role = _WORDS[outcome]
    told = [paint(word.capitalize(), role)]
    for reason, verdicts in by_reason.items():
        text = f"{one_line(unbroken(reason))} ({_names(verdicts)})"
        told += wrapped(text, width, first="  - ", rest="    ")
    return told


def _names(verdicts: list[Verdict]) -> str:
    names = [one_line(verdict.test, 120) for verdict in verdicts[:_TESTS_PER_REASON]]
    more = len(verdicts) - _TESTS_PER_REASON
    return ", ".join(names + ([counted(more, "more test")] if more > 0 else []))


def _warnings(report: RunReport, width: int, paint: Paint) -> list[str]:
    remarks = findings_by_rule(report, Severity.WARNING, Severity.NOTE)
    texts = [
        *(one_line(warning) for warning in report.warnings),
        *(summary(seen.finding) for group in remarks for seen in group.seen),
    ]
    if not texts:
        return []
    return [paint("Warnings", "doubt"), *_listed(texts, width)]


def _listed(texts: Iterable[str], width: int) -> Iterator[str]:
    every = list(texts)
    for text in every[:_WARNINGS]:
        yield from wrapped(text, width, first="  - ", rest="    ")
    if len(every) > _WARNINGS:
        yield f"  - {grouped(len(every) - _WARNINGS)} more; the report has them all."


def _closing(report: RunReport, report_path: str, width: int, paint: Paint) -> list[str]:
    closing, role = _CLOSING[report.outcome], _WORDS[report.outcome][1]
    if report.interrupted:
        closing, role = f"INTERRUPTED by {one_line(report.interrupted, 80)}", "bad"
    words = (
        (Outcome.FAILED, "failed"),
        (Outcome.INCONCLUSIVE, "inconclusive"),
        (Outcome.PASSED, "passed"),
        (Outcome.SKIPPED, "skipped"),
    )
    counted_ = [f"{report.counts[each]} {word}" for each, word in words if report.counts[each]]
    counted_ += [f"{report.not_run} not run"] if report.not_run else []
    text = f"{', '.join(counted_) or 'no tests'} in {seconds(report.duration_s)}"
    line = f"{paint(closing, role)}  {text}"
    if not report_path:
        return [line]
    shown = len(closing) + len(text) + len(report_path) + 14
    place = f"report: {one_line(report_path)}"
    return [f"{line}   {place}"] if shown <= width else [line, place]
