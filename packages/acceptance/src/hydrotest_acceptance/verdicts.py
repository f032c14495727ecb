"""From pytest's report of a test to a verdict, and its way from the worker to the controller."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import msgspec

from hydrotest_acceptance.judge import Judge
from hydrotest_acceptance.parametrize import section_of
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.run.findings import Outcome, Severity, Verdict

if TYPE_CHECKING:
    import pytest

    from hydrotest_acceptance.session import AcceptanceSession

__all__ = ["attach", "carried", "rerun_command"]

# The name under which a verdict travels; xdist carries a report's user properties.
_PROPERTY = "hydrotest.verdict"


def attach(
    item: pytest.Item,
    call: pytest.CallInfo[None],
    report: pytest.TestReport,
    judge: Judge | None,
    session: AcceptanceSession,
    *,
    duration_s: float,
) -> None:
    """Add the verdict to a test's report; a failed machine makes it skipped, not failed."""
    judge = judge or Judge()
    cls = getattr(item, "cls", None)
    outcome, reason = _outcome(report, call, judge)
    verdict = Verdict(
        test=report.nodeid.partition("::")[2] or report.nodeid,
        suite=section_of(cls) if cls else "",
        outcome=outcome,
        reason=reason,
        findings=judge.findings,
        rules=judge.rules,
        duration_s=duration_s,
        executions=tuple(dict.fromkeys(session.executor.seen)),
        rerun=rerun_command(report.nodeid, session.options.folder),
    )
    report.user_properties.append((_PROPERTY, msgspec.json.encode(verdict).decode()))
    if outcome is Outcome.INCONCLUSIVE and report.failed:
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, line or 0, f"Skipped: {reason}")


def carried(report: pytest.TestReport) -> Verdict | None:
    """Return the verdict that a report carries; one made from pytest's word where it has none.

    A test whose worker died carries none, and neither does a tear-down that failed.
    """
    for name, value in report.user_properties:
        if name == _PROPERTY:
            return msgspec.json.decode(str(value), type=Verdict)
    if not report.failed:
        return None
    return Verdict(
        test=report.nodeid.partition("::")[2] or report.nodeid,
        suite="",
        outcome=Outcome.FAILED,
        reason=report.longreprtext or f"{report.when} failed",
        duration_s=report.duration,
    )


def rerun_command(nodeid: str, folder: str) -> str:
    """Return the one command that reruns just this test.

    `HYDROTEST_RERUN` holds the command that ran us, where something did.
    """
    selection = nodeid.partition("::")[2].replace("[", "::").rstrip("]")
    expression = " and ".join(part for part in selection.split("::") if part)
    prefix = os.environ.get("HYDROTEST_RERUN") or shlex.join(
        ["pytest", "-p", "hydrotest_acceptance.plugin", "--acceptance-test-config", folder]
    )
    return f"{prefix} -k {shlex.quote(expression)}"


def _outcome(
    report: pytest.TestReport, call: pytest.CallInfo[None], judge: Judge
) -> tuple[Outcome, str]:
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, InfrastructureError):
        return Outcome.INCONCLUSIVE, str(error)
    if report.skipped:
        inconclusive = bool(judge.judgements) and judge.outcome is Outcome.INCONCLUSIVE
        return (Outcome.INCONCLUSIVE if inconclusive else Outcome.SKIPPED), str(error or "")
    if report.failed:
        has_findings = any(finding.severity is Severity.ERROR for finding in judge.findings)
        return Outcome.FAILED, "" if has_findings else str(error or report.longreprtext)
    return Outcome.PASSED, ""
