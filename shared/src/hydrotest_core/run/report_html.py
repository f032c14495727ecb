"""A run as one HTML page that needs nothing else: no server, no network, no script even.

The content-security policy in the page allows our one style sheet and our one
script by their hashes and nothing besides. Text is escaped in one place, the
environment's `finalize`, so no template can forget it.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import re
from typing import TYPE_CHECKING, Any

import jinja2
import msgspec
from markupsafe import Markup

from hydrotest_core.run import timeline, wording
from hydrotest_core.run.findings import Outcome, Severity, Verdict
from hydrotest_core.run.tally import (
    evidence_folder,
    findings_by_rule,
    reasons,
    suites,
    unexplained,
)
from hydrotest_core.sealed import atomic_write
from hydrotest_core.untrusted import for_html, for_terminal, shortened, unbroken

if TYPE_CHECKING:
    from pathlib import Path

    from hydrotest_core.run.report import RunReport
    from hydrotest_core.untrusted import UntrustedText

__all__ = ["load", "page", "write_html"]

# What is put on the page as HTML. Beyond it the page says how many more there are,
# and tests go into a packed island that the script shows a part of.
_LIMITS = {
    "findings": 200,
    "findings_per_rule": 50,
    "executions": 200,
    "streams": 40,
    "reasons": 100,
    "tests_per_reason": 20,
    "warnings": 100,
    "stderr_lines": 20,
    "value": 1500,
    "said": 6000,
    "example": 400,
}
_ROWS = 500
_ROWS_BESIDE_ISLAND = 200
_WORST_FIRST = (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.SKIPPED, Outcome.PASSED)
# A path of ours below the report's folder; no scheme, host or query can be in it.
_PATH = re.compile(r"(?:\.\./)*[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)*")


def write_html(report: RunReport, path: Path) -> None:
    """Write the run's page, readable by its owner alone, in one step."""
    atomic_write(path, page(report).encode())


def load() -> None:
    """Get ready to write a page, for who has the time now and will not have it then."""
    environment = _environment()
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def page(report: RunReport) -> str:
    """Return the run as one HTML page."""
    environment = _environment()
    style, script = _asset("report.css"), _asset("report.js")
    rows = sorted(report.verdicts, key=lambda each: _WORST_FIRST.index(each.outcome))
    is_packed = len(rows) > _ROWS
    return environment.get_template("report.html").render(
        report=report,
        suites=suites(report),
        failures=findings_by_rule(report, Severity.ERROR),
        remarks=findings_by_rule(report, Severity.WARNING, Severity.NOTE),
        unexplained=unexplained(report),
        not_judged=[
            (each, reasons(report, each)) for each in (Outcome.INCONCLUSIVE, Outcome.SKIPPED)
        ],
        timeline=timeline.timeline(report, _LIMITS["executions"]),
        stream_bars=timeline.stream_bars(report.executions),
        rows=rows[:_ROWS_BESIDE_ISLAND] if is_packed else rows,
        island=_packed(rows) if is_packed else "",
        folder=functools.partial(evidence_folder, report),
        limits=_LIMITS,
        order=_WORST_FIRST,
        style=style,
        script=script,
        policy=_policy(style, script),
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hydrotest_core.run"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "counted": wording.counted,
        "digest": wording.digest,
        "ended": timeline.ended,
        "grouped": wording.grouped,
        "note": _note,
        "pct": _percent,
        "rate": wording.rate,
        "seconds": wording.seconds,
        "shortened": shortened,
        "size": wording.size,
        "when": wording.when,
    }
    environment.tests |= {"clean": timeline.is_clean, "linkable": _is_path_of_ours}
    environment.globals["tokens"] = _tokens
    return environment


def _visible(value: Any) -> Any:
    """Escape what a template puts out, and make control characters visible."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return Markup(for_html(value, multiline=True))  # noqa: S704 - for_html has escaped it
    return value


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _is_path_of_ours(path: str) -> bool:
    return _PATH.fullmatch(path) is not None


def _asset(name: str) -> Markup:
    loader = _environment().loader
    assert loader is not None
    return Markup(loader.get_source(_environment(), name)[0])  # noqa: S704 - our own file


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _tokens(verdict: Verdict) -> str:
    """Return the words that the page's search finds besides what is to be seen."""
    codes = dict.fromkeys(finding.rule.code for finding in verdict.findings)
    words = [f"is:{verdict.outcome}", f"suite:{verdict.suite}", *(f"rule:{code}" for code in codes)]
    return " ".join(words)


def _packed(rows: list[Verdict]) -> str:
    """Return the tests as base64 of gzipped JSON: a list of lists in the table's order."""
    cells = [
        [
            row.outcome,
            for_terminal(shortened(row.test, _LIMITS["example"])),
            for_terminal(row.suite),
            len(row.rules),
            round(row.duration_s, 3),
            for_terminal(shortened(_note(row), _LIMITS["example"])),
            for_terminal(row.rerun),
            for_terminal(_tokens(row)),
        ]
        for row in rows
    ]
    return base64.b64encode(gzip.compress(msgspec.json.encode(cells), mtime=0)).decode()


def _note(verdict: Verdict) -> UntrustedText:
    """Return what the table says beside a test: its reason, or the rules it broke."""
    codes = dict.fromkeys(finding.rule.code for finding in verdict.findings)
    return unbroken(verdict.reason) or ", ".join(codes)
