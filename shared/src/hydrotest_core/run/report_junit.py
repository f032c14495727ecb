"""A run as JUnit XML, for CI servers.

One `testsuite` a suite, one `testcase` a test. JUnit knows no inconclusive test:
it is an `error`, because a server that shows it green would say what nobody found out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hydrotest_core.run.finding_text import finding_text, one_line, summary
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.run.report import count_outcomes
from hydrotest_core.run.tally import evidence_folder
from hydrotest_core.run.wording import counted
from hydrotest_core.sealed import atomic_write
from hydrotest_core.untrusted import as_it_came, for_terminal, lines_of, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hydrotest_core.run.findings import Verdict
    from hydrotest_core.run.report import RunReport
    from hydrotest_core.untrusted import UntrustedText

__all__ = ["junit_xml", "write_junit"]

_FINDINGS_PER_TEST = 50
_LONGEST_NAME = 1000
_LINES_OF_REASON = 100


def write_junit(report: RunReport, path: Path) -> None:
    """Write the run as a JUnit file, readable by its owner alone, in one step."""
    atomic_write(path, junit_xml(report))


def junit_xml(report: RunReport) -> bytes:
    """Return the run as JUnit XML in UTF-8."""
    root = _element("testsuites", name=f"hydrotest {report.kind}", **_totals(report.verdicts))
    by_suite: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        by_suite.setdefault(verdict.suite, []).append(verdict)
    for name, verdicts in by_suite.items():
        root.append(_suite(report, name, verdicts))
    if report.interrupted:
        root.append(_interruption(report))
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _interruption(report: RunReport) -> ET.Element:
    """Return a suite of one error: what shows JUnit files knows no other way to say "partial"."""
    by = for_terminal(report.interrupted)
    message = f"interrupted by {by}; {counted(report.not_run, 'test')} not run"
    name = f"{for_terminal(report.connector)}.run"
    suite = _element("testsuite", name=name, tests="1", failures="0", errors="1", skipped="0")
    case = _element("testcase", classname=name, name="interrupted", time="0.000")
    case.append(_element("error", type="interrupted", message=message))
    suite.append(case)
    return suite


def _suite(report: RunReport, name: str, verdicts: list[Verdict]) -> ET.Element:
    started = datetime.fromtimestamp(report.started_at_ms / 1000, UTC)
    suite = _element(
        "testsuite",
        name=f"{for_terminal(report.connector)}.{name}",
        timestamp=f"{started:%Y-%m-%dT%H:%M:%S}",
        **_totals(verdicts),
    )
    suite.append(_properties(report))
    suite.extend(_case(report, verdict) for verdict in verdicts)
    return suite


def _properties(report: RunReport) -> ET.Element:
    facts = {
        "hydrotest.version": report.hydrotest,
        "hydrotest.run": report.run_id,
        "connector.name": report.connector,
        "connector.version": report.version,
        "connector.image": report.image or "",
        "connector.digest": report.identity,
        "runner": report.runner,
        "runner.why": report.runner_why,
        "runner.isolation": report.isolation,
    }
    properties = _element("properties")
    properties.extend(
        _element("property", name=name, value=value) for name, value in facts.items() if value
    )
    return properties


def _case(report: RunReport, verdict: Verdict) -> ET.Element:
    test_class, _, test = as_it_came(verdict.test).rpartition("::")
    classes = [as_it_came(report.connector), verdict.suite, test_class]
    case = _element(
        "testcase",
        classname=".".join(filter(None, classes)),
        name=test,
        time=f"{verdict.duration_s:.3f}",
    )
    match verdict.outcome:
        case Outcome.FAILED:
            case.append(_failure(report, verdict))
        case Outcome.INCONCLUSIVE:
            case.append(_element("error", type="inconclusive", message=verdict.reason))
        case Outcome.SKIPPED:
            case.append(_element("skipped", message=verdict.reason))
        case Outcome.PASSED:
            pass
    return case


def _failure(report: RunReport, verdict: Verdict) -> ET.Element:
    errors = [each for each in verdict.findings if each.severity is Severity.ERROR]
    if not errors:
        told = [one_line(line) for line in lines_of(verdict.reason)] or ["no reason was given"]
        failure = _element("failure", type="failed", message=told[-1])
        failure.text = "\n".join(told[-_LINES_OF_REASON:])
        return failure
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    failure = _element("failure", type=errors[0].rule.code, message=summary(errors[0]) + more)
    texts = [
        finding_text(finding, rerun=verdict.rerun, folder=evidence_folder(report, finding))
        for finding in errors[:_FINDINGS_PER_TEST]
    ]
    if len(errors) > _FINDINGS_PER_TEST:
        texts.append(f"{len(errors) - _FINDINGS_PER_TEST} more findings stand in report.json.")
    failure.text = "\n\n".join(texts)
    return failure


def _totals(verdicts: Iterable[Verdict]) -> dict[str, str]:
    every = list(verdicts)
    counts = count_outcomes(every)
    return {
        "tests": str(len(every)),
        "failures": str(counts[Outcome.FAILED]),
        "errors": str(counts[Outcome.INCONCLUSIVE]),
        "skipped": str(counts[Outcome.SKIPPED]),
        "time": f"{sum(verdict.duration_s for verdict in every):.3f}",
    }


def _element(tag: str, **attributes: UntrustedText) -> ET.Element:
    # ElementTree escapes markup itself; what is left to do is what XML can't hold at all.
    safe = {name: for_terminal(shortened(text, _LONGEST_NAME)) for name, text in attributes.items()}
    return ET.Element(tag, safe)
