from __future__ import annotations

import msgspec
import pytest

from hydrotest_acceptance.crash import obituary
from hydrotest_core.run.directory import RunDirectory, RunningExecution


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return RunDirectory.create(tmp_path / "home")


@pytest.fixture
def left(run, tmp_path):
    """Return a function that leaves what a worker leaves that died while a command ran."""

    def leave(stderr, what="read source-x:dev"):
        folder = tmp_path / "draft-1"
        if stderr is not None:
            folder.mkdir()
            (folder / "stderr.log").write_text(stderr)
        note = RunningExecution(what, 1.0, "", "gw0", str(folder))
        (run.path / "running" / "key.gw0").write_bytes(msgspec.json.encode(note))

    return leave


def test_the_last_fifty_lines_the_command_and_the_place_are_told(run, left):
    left("".join(f"line {n}\n" for n in range(70)))

    lines = obituary(run, "gw0", 0.0).splitlines()

    assert lines[0] == "The connector's last words on stderr (50 lines):"
    assert lines[1:51] == [f"  line {n}" for n in range(20, 70)]
    assert lines[51:] == ["command: read source-x:dev", "artifacts: draft-1"]


def test_a_silent_connector_is_told(run, left):
    left("")

    assert obituary(run, "gw0", 0.0).splitlines()[0] == "The connector said nothing on stderr."


def test_output_that_is_no_more_is_told(run, left):
    left(None)

    assert obituary(run, "gw0", 0.0).endswith("artifacts: nothing: it hadn't said a word")


def test_another_workers_doings_are_not_told(run, left):
    left("words\n")

    assert obituary(run, "gw1", 0.0) == "It had run no command of the connector for this test."


def test_words_of_the_connector_bring_no_control_character(run, left):
    left("\x1b[2J\u202e\n", what="read \x1b]0;x\x07")

    text = obituary(run, "gw0", 0.0)

    assert all(each.isprintable() or each == "\n" for each in text)
    assert "\\x1b[2J\\u202e" in text
