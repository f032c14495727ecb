from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from hydrotest_core.connector.execution import Command, Ending, ExecutionManifest, StreamCount
from hydrotest_core.run.findings import Outcome
from hydrotest_core.run.report import RunReport, count_outcomes, overall, summarise

PASSED, FAILED, SKIPPED, UNSURE = (
    Outcome.PASSED,
    Outcome.FAILED,
    Outcome.SKIPPED,
    Outcome.INCONCLUSIVE,
)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param([], UNSURE, id="nothing ran"),
        pytest.param([PASSED, SKIPPED], PASSED, id="one passed, one skipped"),
        pytest.param([SKIPPED, SKIPPED], SKIPPED, id="nothing but skipped"),
        pytest.param([PASSED, UNSURE], UNSURE, id="one in doubt"),
        pytest.param([SKIPPED, UNSURE], UNSURE, id="skipped and in doubt"),
        pytest.param([UNSURE, PASSED, FAILED], FAILED, id="the last one failed"),
    ],
)
def test_many_outcomes_come_to_one(outcomes, expected):
    assert expected is overall(outcomes)


def test_counts_name_every_outcome(a_verdict):
    verdicts = [a_verdict("spec", "a"), a_verdict("spec", "b", FAILED), a_verdict("spec", "c")]

    assert count_outcomes(verdicts) == {PASSED: 2, FAILED: 1, SKIPPED: 0, UNSURE: 0}


def test_counts_in_a_file_are_not_believed(failing_report):
    data = msgspec.to_builtins(failing_report)
    data["counts"] = {"passed": 25, "failed": 0}

    report = msgspec.convert(data, RunReport)

    assert report.counts == {PASSED: 18, FAILED: 2, SKIPPED: 3, UNSURE: 2}
    assert report.outcome is FAILED


def test_an_execution_without_records_has_no_rate(an_execution):
    assert an_execution(Command.SPEC, "s", 0, 2.0).records_per_s is None


def test_an_execution_without_a_duration_has_no_rate(an_execution):
    assert an_execution(Command.READ, "r", 0, 0.0, [("users", 5)]).records_per_s is None


def test_a_rate_counts_all_streams(an_execution):
    read = an_execution(Command.READ, "r", 0, 2.0, [("users", 5), ("orders", 3)])

    assert (read.record_count, read.records_per_s) == (8, 4.0)


def test_a_summary_keeps_what_the_manifest_says():
    manifest = ExecutionManifest(
        key="k", connector="source-x", version="dev", identity="env:1", runner="process",
        command=Command.READ, argv=["read"], attempt=2, ending=Ending.SIGNALLED, exit_code=None,
        signal=11, started_at_ms=5, ended_at_ms=9, duration_s=0.004, timeout_s=60, line_count=3,
        problem_count=1, message_counts={"RECORD": 2}, peak_rss_bytes=7,
        streams=[StreamCount(stream="users", records=2, path="records/000.jsonl")],
    )  # fmt: skip

    summary = summarise(manifest, directory="executions/k", reused=True, stderr_tail=["boom"])

    kept = set(summary.__struct_fields__) - {"directory", "reused", "stderr_tail"}
    assert {name: getattr(manifest, name) for name in kept} == {
        name: getattr(summary, name) for name in kept
    }
    assert (
        summary.directory,
        summary.reused,
        summary.stderr_tail,
    ) == ("executions/k", True, ["boom"])


def test_text_and_json_need_no_template_engine():
    code = (
        "import sys, hydrotest_core.run.report_terminal, hydrotest_core.run.report_json;"
        "sys.exit('jinja2' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
