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
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    "many-streams": "many-streams:300",
}
HANGS = {"hang", "never-exits", "never-exits-ignoring-term"}
Result = dict[str, Any]


def rows() -> list[tuple[str, str]]:
    text = (HOSTILE / "README.md").read_text()
    return [(row["flag"], row["red"].strip()) for row in ROW.finditer(text)]


RED = [(flag, red) for flag, red in rows() if red.startswith("`Test") and flag not in ELSEWHERE]
# Rows have one line a flag; these hit another command, or come one behind the other.
RED += [
    ("dup-keys:state", "`TestBasicRead::test_read`"),
    ("dup-keys@spec", "`TestSpec::test_spec`"),
    ("dup-keys@discover", "`TestDiscovery::test_discover`"),
    ("bad-line:20,garbage:1500", "`TestBasicRead::test_read`"),
]
GREEN = [flag for flag, red in rows() if red.startswith("*") and flag != "long-line"]
NOTED = {
    "noise-line": ("HT-RUN-003", "warning", 1),
    "garbage:1500": ("HT-RUN-003", "warning", 1500),
    "empty-lines": ("HT-RUN-003", "warning", 122),
    "bigint": ("HT-RUN-007", "warning", 1),
    "crlf": ("HT-RUN-008", "note", 51),
    "mixed-ends": ("HT-RUN-008", "note", None),
    "no-newline": ("HT-RUN-008", "note", 1),
}


class Sessions:
    """Runs pytest sessions, each a fork of one process that has all of it imported."""

    def __init__(self) -> None:
        folder = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "warm_pytest.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, folder: Path, argv: list[str]) -> tuple[int, str]:
        """Run a session and return its exit code and what it printed."""
        output = folder / "output.txt"
        request = {"argv": argv, "folder": str(folder), "output": str(output)}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "it died"
        return int(answer), output.read_text()

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


@pytest.fixture(scope="session")
def sessions() -> Iterator[Sessions]:
    """One for all tests of this worker."""
    found = Sessions()
    yield found
    found.close()


@pytest.fixture
def judge(tmp_path: Path, sessions: Sessions) -> Callable[..., Result]:
    """Run the plugin on a copy of the connector, and return the report and the exit code."""

    def run(*options: str, flags: str = "", timeout_s: int | None = None) -> Result:
        folder = tmp_path / "source-hostile"
        shutil.copytree(HOSTILE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "acceptance-test-config.yml").write_text(_settings(folder, flags, timeout_s))
        argv = [
            *("-c", os.devnull, "--rootdir", str(folder)),
            *("-p", "no:cacheprovider", "-p", "hydrotest_acceptance.plugin"),
            *("--acceptance-test-config", str(folder), "--runner", "process"),
            *("--hydrotest-home", str(tmp_path / "home"), *options),
        ]
        code, text = sessions.run(tmp_path, argv)
        reports = sorted((tmp_path / "home" / "runs").glob("*/report.json"))
        assert reports, text
        return {"exit": code, "text": text, "report": json.loads(reports[-1].read_text())}

    return run


def _settings(folder: Path, flags: str, timeout_s: int | None) -> str:
    settings = (folder / "acceptance-test-config.yml").read_text()
    if "hostile-names" in flags or "many-streams" in flags:
        settings = settings.replace("test_strictness_level: high", "test_strictness_level: low")
    if flags:
        settings += f"custom_environment_variables:\n  HOSTILE_FLAGS: {json.dumps(flags)}\n"
    if timeout_s:
        entry = "        fail_on_extra_columns: true\n"
        assert entry in settings
        settings = settings.replace(entry, f"{entry}        timeout_seconds: {timeout_s}\n")
    return settings


def outcomes(result: Result) -> dict[str, str]:
    return {verdict["test"]: verdict["outcome"] for verdict in result["report"]["verdicts"]}


def test_without_flags_everything_passes(judge):
    result = judge()

    assert set(outcomes(result).values()) <= {"passed", "skipped", "inconclusive"}, result["text"]
    assert "failed" not in result["text"].splitlines()[-1]


@pytest.mark.parametrize(("flag", "red"), RED, ids=[flag for flag, _ in RED])
def test_a_flag_turns_the_right_test_red(judge, flag, red):
    test = re.match(r"`(Test\w+)(?:::(\w+))?`", red)
    assert test is not None
    expression = " and ".join(part for part in test.groups() if part)
    given = ARGUMENTS.get(flag, flag)

    result = judge("-k", expression, flags=given, timeout_s=2 if flag in HANGS else None)

    failed = [verdict for verdict in result["report"]["verdicts"] if verdict["outcome"] == "failed"]
    assert failed, result["text"]
    assert result["exit"] == 1
    findings = [finding for verdict in failed for finding in verdict["findings"]]
    assert findings, "a red test says what was found"
    assert all(finding["expected"] and finding["got"] for finding in findings)
    assert all(finding["hint"] for finding in findings if finding["severity"] == "error")
    assert all(verdict["rerun"] for verdict in failed)


@pytest.mark.parametrize("flag", GREEN)
def test_what_breaks_no_rule_stays_green(judge, flag):
    result = judge("-k", "TestBasicRead and test_read", flags=ARGUMENTS.get(flag, flag))

    assert set(outcomes(result).values()) == {"passed"}, result["text"]


@pytest.mark.parametrize(("flag", "expected"), NOTED.items(), ids=NOTED)
def test_what_is_green_and_odd_is_told_once(judge, flag, expected):
    result = judge("-k", "TestBasicRead and test_read", flags=flag)

    code, severity, total = expected
    [finding] = [
        finding
        for verdict in result["report"]["verdicts"]
        for finding in verdict["findings"]
        if finding["rule"]["code"] == code
    ]
    assert finding.get("severity", "error") == severity
    assert total in {None, finding.get("total", 1)}


def test_references_that_fan_out_without_end_keep_nobody_busy(judge):
    result = judge("-k", "TestDiscovery or (TestBasicRead and test_read)", flags="bomb")

    failed = {test for test, outcome in outcomes(result).items() if outcome == "failed"}
    assert any("test_defined_refs_exist_in_schema" in test for test in failed)
    assert result["exit"] == 1


def test_secrets_of_the_config_are_in_no_file_of_the_run(judge, tmp_path):
    key = json.loads((HOSTILE / "integration_tests" / "config.json").read_text())["api_key"]

    judge(flags="secret-in-log,secret-in-record,secret-in-stderr")

    home = tmp_path / "home"
    leaks = [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and key.encode() in path.read_bytes()
    ]
    assert leaks == []
