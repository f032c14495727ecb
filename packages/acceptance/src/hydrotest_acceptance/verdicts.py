"""From pytest's report of a test to a verdict, and its way from the worker to the controller."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hydrotest_acceptance.judge import Judge
from hydrotest_acceptance.parametrize import section_named, section_of
from hydrotest_core.connector.isolation import STRICT
from hydrotest_core.errors import HydrotestError, InfrastructureError
from hydrotest_core.run.findings import Outcome, Verdict
from hydrotest_core.untrusted import for_json, for_terminal

if TYPE_CHECKING:
    from hydrotest_acceptance.session import AcceptanceSession, Options

__all__ = ["attach", "carried", "rerun_command"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
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
    """Add the verdict to a test's report, and make pytest's word agree with it.

    A failed machine makes the test skipped, not failed; a failure that was only noted
    makes it failed. What pytest prints of it is safe for a terminal.
    """
    judge = judge or Judge()
    cls = getattr(item, "cls", None)
    error = call.excinfo.value if call.excinfo else None
    outcome, reason = _outcome(report, error, judge)
    verdict = Verdict(
        test=_test(report),
        suite=section_of(cls) if cls else "",
        outcome=outcome,
        reason=reason,
        findings=judge.findings,
        rules=judge.rules,
        duration_s=duration_s,
        executions=tuple(dict.fromkeys(session.executor.seen)),
        rerun=rerun_command(report.nodeid, session.options),
    )
    report.user_properties.append((_PROPERTY, _encoded(verdict)))
    if outcome is Outcome.INCONCLUSIVE and report.failed:
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {reason}")
    elif outcome is Outcome.FAILED and not report.failed:
        report.outcome = "failed"
        report.longrepr = judge.complaint
    _make_printable(report, error)


def carried(report: pytest.TestReport, options: Options | None = None) -> Verdict | None:
    """Return the verdict that a report carries; one made from pytest's word where it has none.

    A test whose worker died carries none, and neither does a tear-down that failed.
    """
    for name, value in report.user_properties:
        if name == _PROPERTY:
            return msgspec.json.decode(str(value), type=Verdict)
    if not report.failed:
        return None
    test = _test(report)
    class_name, _, function = test.partition("::")
    return Verdict(
        test=test,
        suite=section_named(class_name) if function else "",
        outcome=Outcome.FAILED,
        reason=report.longreprtext or f"{report.when} failed",
        duration_s=report.duration,
        rerun=rerun_command(report.nodeid, options),
    )


def rerun_command(nodeid: str, options: Options | None = None) -> str:
    """Return the one command that reruns just this test; "" where nobody knows it.

    Args:
        nodeid: pytest's name of the test.
        options: What was asked for. Not needed where `HYDROTEST_RERUN` holds the
            command that ran us.
    """
    prefix = os.environ.get("HYDROTEST_RERUN") or (_own_command(options) if options else "")
    return f"{prefix} -k {shlex.quote(_expression(nodeid))}" if prefix else ""


def _own_command(options: Options) -> str:
    words = ["pytest", "-p", "hydrotest_acceptance.plugin"]
    words += ["--acceptance-test-config", options.folder, "--runner", options.runner]
    if options.isolation != STRICT.name:
        words += ["--isolation", options.isolation]
    if options.version is not None:
        words += ["--connector-version", options.version]
    return shlex.join(words)


def _expression(nodeid: str) -> str:
    """Return the expression for `-k` that selects just this test."""
    class_name, _, function = nodeid.partition("::")[2].partition("::")
    name, _, parameters = function.partition("[")
    words = [class_name, name, parameters.removesuffix("]")]
    if name and name in f"test_{section_named(class_name)}.py":
        # pytest looks at the name of the suite's file, too: `test_spec` would mean all in it.
        words = [class_name, function]
    return " and ".join(filter(None, words))


def _test(report: pytest.TestReport) -> str:
    return report.nodeid.partition("::")[2] or report.nodeid


def _outcome(
    report: pytest.TestReport, error: BaseException | None, judge: Judge
) -> tuple[Outcome, str]:
    if isinstance(error, InfrastructureError):
        return Outcome.INCONCLUSIVE, str(error)
    said = _said(error)
    if report.failed:
        # Where it is what the judge said, the findings say it better.
        is_judges = bool(said) and said == judge.complaint
        return Outcome.FAILED, "" if is_judges else said or report.longreprtext
    if judge.complaint:
        return Outcome.FAILED, ""
    if report.skipped:
        # Any other reason is the test's own: it had no wish to judge.
        is_judges = said == judge.reason and judge.outcome is Outcome.INCONCLUSIVE
        return (Outcome.INCONCLUSIVE if is_judges else Outcome.SKIPPED), said
    return Outcome.PASSED, ""


def _said(error: BaseException | None) -> str:
    """Return an error in words; one that nobody raised on purpose with its name."""
    if error is None:
        return ""
    is_meant = isinstance(error, (HydrotestError, pytest.fail.Exception, pytest.skip.Exception))
    return str(error) if is_meant else f"{type(error).__name__}: {error}".removesuffix(": ")


def _make_printable(report: pytest.TestReport, error: BaseException | None) -> None:
    """Keep what a connector wrote from reaching the terminal raw: pytest prints what it is given.

    An error of ours says what to do; where it was raised helps nobody.
    """
    report.sections = [(title, _plain(text)) for title, text in report.sections]
    if isinstance(report.longrepr, tuple):
        path, line, text = report.longrepr
        report.longrepr = (path, line, for_terminal(text))
    elif report.failed and isinstance(error, HydrotestError):
        report.longrepr = for_terminal(str(error), multiline=True)
    elif report.failed:
        text = report.longreprtext
        safe = for_terminal(text, multiline=True)
        # Only then: as text it has no colours any more.
        report.longrepr = report.longrepr if safe == text else safe


def _plain(text: str) -> str:
    """Return captured output without colours, and the rest of it visible."""
    return for_terminal(_COLOUR.sub("", text), multiline=True)


def _encoded(verdict: Verdict) -> str:
    """Return the verdict as JSON; pytest's own JUnit file shows it, so nothing in it acts."""
    try:
        data = msgspec.json.encode(verdict)
    except UnicodeEncodeError:
        data = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(verdict)))
    return for_json(data).decode()


def _without_surrogates(value: Any) -> Any:
    """Make halves of characters visible: a user's JSON file may hold them, ours can't."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _without_surrogates(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(child) for child in value]
    return value
