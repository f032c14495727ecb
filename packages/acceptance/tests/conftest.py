"""A small connector in a folder of its own, and the plugin run on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# It answers from files beside it, so that a test changes an answer by writing a file.
PROGRAM = """\
#!/bin/sh
here=$(dirname "$0")
echo "$1" >>"$here/calls"
if [ -f "$here/$1.sh" ]; then . "$here/$1.sh"; fi
cat "$here/$1.jsonl"
"""
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "at": {"type": "string"}}}
STREAM = {
    "name": "users",
    "json_schema": SCHEMA,
    "supported_sync_modes": ["full_refresh"],
    "source_defined_primary_key": [["id"]],
}
SETTINGS = """\
connector_image: airbyte/source-tiny:dev
acceptance_tests:
  spec:
    tests:
      - config_path: config.json
  connection:
    tests:
      - config_path: config.json
  discovery:
    tests:
      - config_path: config.json
  basic_read:
    tests:
      - config_path: config.json
        expect_trace_message_on_failure: false
  full_refresh:
    tests:
      - config_path: config.json
"""


def trace(status):
    body = {"stream_descriptor": {"name": "users"}, "status": status}
    return {
        "type": "TRACE",
        "trace": {"type": "STREAM_STATUS", "emitted_at": 1.0, "stream_status": body},
    }


def record(**data):
    return {"type": "RECORD", "record": {"stream": "users", "data": data, "emitted_at": 1}}


def state(count):
    stream = {"stream_descriptor": {"name": "users"}, "stream_state": {"done": True}}
    stats = {"recordCount": float(count)}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": stream, "sourceStats": stats}}


class TinyConnector:
    """A connector's folder whose answers are files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "source.sh").write_text(PROGRAM)
        (folder / "hydrotest.yaml").write_text("kind: image\ncommand: [sh, source.sh]\n")
        (folder / "config.json").write_text('{"api_key": "s3cr3t-value-of-the-key"}')
        self.settings(SETTINGS)
        key = {"type": "string", "airbyte_secret": True}
        schema = {"type": "object", "properties": {"api_key": key}}
        self.answers("spec", {"type": "SPEC", "spec": {"connectionSpecification": schema}})
        status = {"status": "SUCCEEDED"}
        self.answers("check", {"type": "CONNECTION_STATUS", "connectionStatus": status})
        self.answers("discover", {"type": "CATALOG", "catalog": {"streams": [STREAM]}})
        self.answers(
            "read", trace("STARTED"), trace("RUNNING"), record(id=1, at="x"), record(id=2, at="y"),
            state(2), trace("COMPLETE"),
        )  # fmt: skip

    def answers(self, command, *messages):
        """Let a command answer with these messages, or with text as it is."""
        lines = [one if isinstance(one, str) else json.dumps(one) for one in messages]
        (self.folder / f"{command}.jsonl").write_text("".join(f"{line}\n" for line in lines))

    def does(self, command, script):
        """Let a command run a piece of shell before it answers."""
        (self.folder / f"{command}.sh").write_text(script)

    def settings(self, text):
        """Write acceptance-test-config.yml."""
        (self.folder / "acceptance-test-config.yml").write_text(textwrap.dedent(text))

    @property
    def calls(self):
        """The commands that were run, in order."""
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []


class Run:
    """What a run of the plugin came to."""

    def __init__(self, done, home):
        self.exit_code = done.returncode
        self.text = done.stdout + done.stderr
        reports = sorted((home / "runs").glob("*/report.json")) if home.exists() else []
        self.folder = reports[-1].parent if reports else None
        self.report = json.loads(reports[-1].read_text()) if reports else None

    @property
    def outcomes(self):
        assert self.report is not None, self.text
        return {one["test"]: one["outcome"] for one in self.report["verdicts"]}

    def verdict(self, test):
        assert self.report is not None, self.text
        (found,) = [one for one in self.report["verdicts"] if one["test"] == test]
        return found


@pytest.fixture
def tiny(tmp_path):
    return TinyConnector(tmp_path / "source-tiny")


@pytest.fixture
def command(tmp_path, tiny):
    """Return a function that gives the command line that judges the tiny connector."""

    def make(*options):
        return [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path)),
            *("-p", "no:cacheprovider", "-p", "hydrotest_acceptance.plugin"),
            *("--acceptance-test-config", str(tiny.folder), "--runner", "process"),
            *("--hydrotest-home", str(tmp_path / "home"), *options),
        ]

    return make


@pytest.fixture
def run(tmp_path, command):
    """Return a function that judges the tiny connector and returns what came of it."""

    def judge(*options, **environment):
        done = subprocess.run(
            command(*options),
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )
        return Run(done, tmp_path / "home")

    return judge
