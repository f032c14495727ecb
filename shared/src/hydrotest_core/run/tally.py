"""What follows from a `RunReport`: exit codes, suites, and findings sorted for reading.

Pure functions; nothing here is stored in `report.json`.
"""

from __future__ import annotations

import enum
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydrotest_core.connector.execution import Command
from hydrotest_core.run.findings import Finding, Outcome, Rule, Severity, Verdict
from hydrotest_core.run.report import count_outcomes, overall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hydrotest_core.run.report import ExecutionSummary, RunReport
    from hydrotest_core.untrusted import UntrustedText

__all__ = [
    "PYTEST_INCONCLUSIVE",
    "ExitCode",
    "RuleGroup",
    "Seen",
    "SuiteSummary",
    "evidence_folder",
    "exit_code",
    "findings_by_rule",
    "most_records",
    "pytest_exit_code",
    "reasons",
    "suites",
    "unexplained",
]

PYTEST_INCONCLUSIVE = 10
"""What a pytest run with our plugin exits with when nothing failed but something wasn't judged."""


_LIFE = ("spec", "connection", "discovery", "basic_read", "full_refresh", "incremental")
_ORDER = {name: place for place, name in enumerate(_LIFE)}


class ExitCode(enum.IntEnum):
    """What every `hydrotest` command exits with."""

    PASSED = 0
    FINDINGS = 1
    USAGE = 2
    INCONCLUSIVE = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding and the test that saw it."""

    verdict: Verdict
    finding: Finding


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """All findings of one rule, errors first; `severity` is the worst of them."""

    rule: Rule
    severity: Severity
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSummary:
    """One suite's tests together.

    Attributes:
        name: `basic_read`.
        outcome: What it came to.
        counts: Its tests by outcome.
        rule_count: Distinct rules that had something to judge.
        duration_s: Sum over its tests; with several workers more than wall time.
        read: Of the reads it looked at, the one with the most records.
    """

    name: str
    outcome: Outcome
    counts: Mapping[Outcome, int]
    rule_count: int
    duration_s: float
    read: ExecutionSummary | None


def exit_code(report: RunReport) -> ExitCode:
    """Return what a `hydrotest` command exits with after this run.

    A run in which no test passed or failed has not judged anything and is
    inconclusive, skipped tests or none at all. One that was cut short says so,
    whatever it had found by then.
    """
    if report.interrupted:
        return ExitCode.INTERRUPTED
    match report.outcome:
        case Outcome.PASSED:
            return ExitCode.PASSED
        case Outcome.FAILED:
            return ExitCode.FINDINGS
        case Outcome.INCONCLUSIVE | Outcome.SKIPPED:
            return ExitCode.INCONCLUSIVE


def pytest_exit_code(report: RunReport, status: int) -> int:
    """Return what pytest exits with, given what it would exit with by itself.

    pytest's own failures keep their number. Only its 0 is looked at again, because
    pytest knows no outcome between passed and failed.
    """
    if status != 0:
        return status
    code = exit_code(report)
    return PYTEST_INCONCLUSIVE if code is ExitCode.INCONCLUSIVE else int(code)


def findings_by_rule(report: RunReport, *severities: Severity) -> list[RuleGroup]:
    """Return all findings by rule, the worst rules first, else in order of appearance.

    Args:
        report: The run.
        severities: Only findings that are as bad as this; without any, all.
    """
    groups: dict[str, list[Seen]] = {}
    for verdict in report.verdicts:
        for finding in verdict.findings:
            if not severities or finding.severity in severities:
                groups.setdefault(finding.rule.code, []).append(Seen(verdict, finding))
    ordered = [_rule_group(seen) for seen in groups.values()]
    return sorted(ordered, key=lambda group: _badness(group.severity))


def _rule_group(seen: list[Seen]) -> RuleGroup:
    worst_first = sorted(seen, key=lambda each: _badness(each.finding.severity))
    first = worst_first[0].finding
    return RuleGroup(first.rule, first.severity, tuple(worst_first))


def _badness(severity: Severity) -> int:
    return tuple(Severity).index(severity)


def unexplained(report: RunReport) -> dict[UntrustedText, list[Verdict]]:
    """Return the failed tests without a finding that says why, by their `reason`, which must do."""
    return _by_reason(
        verdict
        for verdict in report.verdicts
        if verdict.outcome is Outcome.FAILED
        and not any(finding.severity is Severity.ERROR for finding in verdict.findings)
    )


def reasons(report: RunReport, outcome: Outcome) -> dict[UntrustedText, list[Verdict]]:
    """Return the tests of one outcome by the reason given, in order of appearance."""
    return _by_reason(verdict for verdict in report.verdicts if verdict.outcome is outcome)


def _by_reason(verdicts: Iterable[Verdict]) -> dict[UntrustedText, list[Verdict]]:
    by_reason: dict[UntrustedText, list[Verdict]] = {}
    for verdict in verdicts:
        by_reason.setdefault(verdict.reason or "no reason was given", []).append(verdict)
    return by_reason


def most_records(executions: Iterable[ExecutionSummary]) -> ExecutionSummary | None:
    """Return the read that yielded the most records, or `None` where nothing was read."""
    reads = [execution for execution in executions if execution.command is Command.READ]
    return max(reads, key=lambda read: read.record_count, default=None)


def suites(report: RunReport) -> list[SuiteSummary]:
    """Return the suites: those of a connector's life first, in its order, then as they appear.

    With several workers the tests come in any order; the reader's should stay.
    """
    by_suite: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        by_suite.setdefault(verdict.suite, []).append(verdict)
    executions = {execution.key: execution for execution in report.executions}
    names = sorted(by_suite, key=lambda name: _ORDER.get(name, len(_ORDER)))
    return [_suite(name, by_suite[name], executions) for name in names]


def _suite(
    name: str, verdicts: list[Verdict], executions: Mapping[str, ExecutionSummary]
) -> SuiteSummary:
    keys = dict.fromkeys(key for verdict in verdicts for key in verdict.executions)
    return SuiteSummary(
        name=name,
        outcome=overall(verdict.outcome for verdict in verdicts),
        counts=count_outcomes(verdicts),
        rule_count=len({code for verdict in verdicts for code in verdict.rules}),
        duration_s=sum(verdict.duration_s for verdict in verdicts),
        read=most_records(executions[key] for key in keys if key in executions),
    )


def evidence_folder(report: RunReport, finding: Finding) -> str:
    """Return the folder a finding's artifacts lie in, relative to the report's folder.

    A finding names its execution by key or by folder name. One that the report
    doesn't list keeps the name the finding gave it.
    """
    for execution in report.executions:
        if finding.execution and finding.execution in (
            execution.key,
            posixpath.basename(execution.directory),
        ):
            return execution.directory
    return finding.execution
