"""Each flag of source-hostile turns the right acceptance test red; without flags all is green.

The table in the connector's README says which flag breaks what; it is the list of cases.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOSTILE = Path(__file__).parents[2] / "connectors" / "source-hostile"
ROW = re.compile(r"^\| `(?P<flag>[\w-]+)`[^|]*\|[^|]*\| (?P<red>[^|]*)\|$", re.MULTILINE)
# These need another version to compare with, a container's memory limit, or suites to come.
ELSEWHERE = {
    "spec-backward-break": "compares two versions",
    "catalog-backward-break": "compares two versions",
    "catalog-changed-cursor": "compares two versions",
    "oom": "needs a container's memory limit",
    "pk-not-declared": "a rule for certified connectors",
}
ARGUMENTS = {
    "exit-N": "exit-1",
    "long-line": "long-line:67200000",
    "deep": "deep:2000",
    "slow-drip": "slow-drip:0",
    "garbage": "garbage:50",
}
HANGS = {"never-exits", "never-exits-ignoring-term"}


def rows() -> list[tuple[str, str]]:
    text = (HOSTILE / "README.md").read_text()
    return [(row["flag"], row["red"].strip()) for row in ROW.finditer(text)]


RED = [(flag, red) for flag, red in rows() if red.startswith("`Test") and flag not in ELSEWHERE]
GREEN = [flag for flag, red in rows() if red.startswith("*") and flag != "long-line"]


def judge(tmp_path: Path, *options: str, flags: str = "", timeout_s: int | None = None) -> dict:
    """Run the plugin on a copy of the connector, and return the report and the exit code."""
    folder = tmp_path / "source-hostile"
    shutil.copytree(HOSTILE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (folder / "acceptance-test-config.yml").read_text()
    if "hostile-names" in flags:
        settings = settings.replace("test_strictness_level: high", "test_strictness_level: low")
    if flags:
        settings += f"custom_environment_variables:\n  HOSTILE_FLAGS: {json.dumps(flags)}\n"
    if timeout_s:
        entry = "        fail_on_extra_columns: true\n"
        assert entry in settings
        settings = settings.replace(entry, f"{entry}        timeout_seconds: {timeout_s}\n")
    (folder / "acceptance-test-config.yml").write_text(settings)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder)),
            *("-p", "no:cacheprovider", "-p", "hydrotest_acceptance.plugin"),
            *("--acceptance-test-config", str(folder), "--runner", "process"),
            *("--hydrotest-home", str(tmp_path / "home"), *options),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    reports = sorted((tmp_path / "home" / "runs").glob("*/report.json"))
    assert reports, done.stdout + done.stderr
    report = json.loads(reports[-1].read_text())
    return {"exit": done.returncode, "text": done.stdout + done.stderr, "report": report}


def outcomes(result: dict) -> dict[str, str]:
    return {verdict["test"]: verdict["outcome"] for verdict in result["report"]["verdicts"]}


def test_without_flags_everything_passes(tmp_path):
    result = judge(tmp_path)

    assert set(outcomes(result).values()) <= {"passed", "skipped", "inconclusive"}, result["text"]
    assert "failed" not in result["text"].splitlines()[-1]


@pytest.mark.parametrize(("flag", "red"), RED, ids=[flag for flag, _ in RED])
def test_a_flag_turns_the_right_test_red(tmp_path, flag, red):
    test = re.match(r"`(Test\w+)(?:::(\w+))?`", red)
    assert test is not None
    expression = " and ".join(part for part in test.groups() if part)
    given = ARGUMENTS.get(flag, flag)

    result = judge(tmp_path, "-k", expression, flags=given, timeout_s=4 if flag in HANGS else None)

    failed = [verdict for verdict in result["report"]["verdicts"] if verdict["outcome"] == "failed"]
    assert failed, result["text"]
    assert result["exit"] == 1
    findings = [finding for verdict in failed for finding in verdict["findings"]]
    assert findings, "a red test says what was found"
    assert all(finding["expected"] and finding["got"] for finding in findings)
    assert all(finding["hint"] for finding in findings if finding["severity"] == "error")
    assert all(verdict["rerun"] for verdict in failed)


@pytest.mark.parametrize("flag", GREEN)
def test_what_breaks_no_rule_stays_green(tmp_path, flag):
    result = judge(tmp_path, "-k", "TestBasicRead and test_read", flags=ARGUMENTS.get(flag, flag))

    assert "failed" not in outcomes(result).values(), result["text"]


def test_secrets_of_the_config_are_in_no_file_of_the_run(tmp_path):
    key = json.loads((HOSTILE / "integration_tests" / "config.json").read_text())["api_key"]

    judge(tmp_path, flags="secret-in-log,secret-in-record,secret-in-stderr", timeout_s=None)

    home = tmp_path / "home"
    leaks = [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and key.encode() in path.read_bytes()
    ]
    assert leaks == []
