"""What a type checker says of code that shows a connector's words and forgets to escape them."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from hydrotest_core.run import findings, report

pytest.importorskip("mypy", reason="mypy is not installed; the check of types runs there it is")

PREAMBLE = """\
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import StreamCount
from hydrotest_core.run.findings import Example, Finding, Verdict
from hydrotest_core.run.report import ExecutionSummary, RunReport
from hydrotest_core.untrusted import Untrusted, UntrustedText, as_it_came, for_html, for_terminal

def show(text: str) -> None: ...

def page(report: RunReport, verdict: Verdict, finding: Finding, example: Example,
         ran: ExecutionSummary, stream: StreamCount, evidence: Evidence, boxed: Untrusted) -> None:
"""
FORGETS = {
    "a finding's words": "show(finding.got)",
    "a stream's name": "show(stream.stream)",
    "a namespace": "show(stream.namespace or '')",
    "a place": "show(finding.where.name)",
    "a path in a record": "show(finding.where.path or '')",
    "an example": "show(example.text)",
    "a reason": "show(verdict.reason)",
    "a test's id": "show(verdict.test)",
    "a command to copy": "show(verdict.rerun)",
    "a line of stderr": "show(evidence.stderr_tail()[0])",
    "the tail of stderr in the report": "show('\\n'.join(ran.stderr_tail))",
    "an image": "show(report.image or '')",
    "a warning": "show(report.warnings[0])",
    "text in a box": "show(boxed)",
    "an f-string": "show(f'got {finding.got}')",
    "an f-string with a width": "show(f'{stream.stream:>20}')",
    "format": "show('got {}'.format(finding.expected))",
    "a percent sign": "show('got %s' % finding.hint)",
    "a sum": "show('got ' + finding.got)",
    "a join": "show(', '.join([finding.got]))",
    "a method of str": "show(finding.got.upper())",
}
REMEMBERS = {
    "for a terminal": "show(for_terminal(finding.got))",
    "for a page": "show(for_html(stream.stream))",
    "from a box": "show(boxed.for_csv())",
    "into a box": "show(Untrusted(as_it_came(finding.got)).for_markdown())",
    "in an f-string": "show(f'got {for_terminal(example.text)}')",
    "in a join": "show(', '.join(map(for_terminal, ran.stderr_tail)))",
    "where it is judged": "finding.got == 'x' and as_it_came(stream.stream).startswith('x')",
}
OURS = {
    *("code", "title", "why", "source", "rules", "suite"),  # a rule's and a suite's own words
    *("command", "key", "artifact", "execution", "executions", "directory"),  # our names of files
    *("hydrotest", "run_id", "kind", "runner", "isolation", "plugins"),  # what judged
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What mypy says of each snippet, all of them in one file."""
    folder = tmp_path_factory.mktemp("types")
    snippets = [*FORGETS.values(), *REMEMBERS.values()]
    source = PREAMBLE + "".join(f"    {snippet}\n" for snippet in snippets)
    (folder / "shown.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder), "shown.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    first = PREAMBLE.count("\n") + 1
    found: dict[str, str] = {}
    for line, text in re.findall(r"^shown\.py:(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        assert int(line) >= first, text
        found.setdefault(snippets[int(line) - first], text)
    assert found, done.stdout + done.stderr
    return found


@pytest.mark.parametrize("snippet", FORGETS.values(), ids=FORGETS)
def test_a_missing_escape_is_an_error_of_types(complaints, snippet):
    assert snippet in complaints


@pytest.mark.parametrize("snippet", REMEMBERS.values(), ids=REMEMBERS)
def test_an_escaped_text_is_fine(complaints, snippet):
    assert complaints.get(snippet) is None


def test_every_other_text_of_findings_and_reports_is_ours():
    """Whoever adds a field of plain text says here that no connector writes it."""
    fields = {
        name
        for module in (findings, report)
        for name in re.findall(
            r"^    (\w+): (?:str|list\[str\]|tuple\[str, \.\.\.\])",
            inspect.getsource(module),
            re.MULTILINE,
        )
    }

    assert fields == OURS
