from __future__ import annotations

import dataclasses
import time
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from hydrotest_core.connector import runner as runner_module
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
    ExecutionManifest,
)
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.runner import Ended, Execution, prepare
from hydrotest_core.connector.session import Session
from hydrotest_core.errors import InfrastructureError, UsageError
from hydrotest_core.redaction import Redactor, SecretDict

CATALOG: dict[str, list[str]] = {"streams": []}
NOBODY = "unix:///nowhere/docker.sock"


def inputs_of(command, **more):
    connector = ConnectorUnderTest(name="source-x", version="dev", identity="env:1")
    return ExecutionInputs(
        connector=connector, command=command, output_dir=Path("/nowhere"), **more
    )


@pytest.fixture
def session():
    with Session.open(engine=NOBODY) as session:
        yield session


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (Command.SPEC, "spec"),
        (Command.CHECK, "check --config /in/config.json"),
        (Command.DISCOVER, "discover --config /in/config.json"),
        (
            Command.READ,
            "read --config /in/config.json --catalog /in/catalog.json --state /in/state.json",
        ),
        (Command.WRITE, "write --config /in/config.json --catalog /in/catalog.json"),
    ],
)
def test_each_command_has_its_arguments(command, arguments):
    inputs = inputs_of(command, config=SecretDict(), configured_catalog=CATALOG, state=[])

    assert " ".join(prepare(inputs, PurePosixPath("/in")).arguments) == arguments


def test_only_what_the_command_takes_is_written():
    inputs = inputs_of(
        Command.CHECK, config=SecretDict(a={"b": 1}), configured_catalog=CATALOG, state=[]
    )

    assert prepare(inputs, PurePosixPath("/in")).files == {"config.json": b'{"a":{"b":1}}'}


def test_empty_files_are_written():
    inputs = inputs_of(
        Command.READ, config=SecretDict(), configured_catalog={"streams": []}, state=[]
    )

    assert prepare(inputs, PurePosixPath("/in")).files == {
        "config.json": b"{}",
        "catalog.json": b'{"streams":[]}',
        "state.json": b"[]",
    }


def test_absent_state_is_left_out():
    inputs = inputs_of(Command.READ, config=SecretDict(), configured_catalog=CATALOG)

    assert set(prepare(inputs, PurePosixPath("/in")).files) == {"config.json", "catalog.json"}


@pytest.mark.parametrize(
    ("command", "given", "lacking"),
    [
        (Command.CHECK, {}, "config"),
        (Command.READ, {"config": SecretDict()}, "catalog"),
        (Command.WRITE, {"config": SecretDict()}, "catalog"),
    ],
)
def test_missing_input_is_told_by_its_name(command, given, lacking):
    with pytest.raises(UsageError, match=f"needs a {lacking}") as caught:
        prepare(inputs_of(command, **given), PurePosixPath("/in"))
    assert caught.value.facts == {"command": command}


class TestExecution:
    @pytest.fixture
    def begin(self, tmp_path, session):
        opened = []

        def make(redactor=None, **more):
            folder = tmp_path / "out"
            folder.mkdir(mode=0o700, exist_ok=True)
            redactor = redactor or Redactor()
            inputs = inputs_of(Command.CHECK, config=SecretDict(), redactor=redactor, **more)
            recorder = OutputRecorder(folder, redactor)
            opened.append(recorder)
            return Execution(
                dataclasses.replace(inputs, output_dir=folder),
                runner="process",
                isolation="none",
                argv=("run", "--token", "s3cr3t-value-1", "check"),
                files={"config.json": b'{"pin": 1234}'},
                recorder=recorder,
                session=session,
            )

        yield make
        for recorder in opened:
            recorder.close()

    def test_manifest_is_on_the_disk_as_it_is_returned(self, begin, tmp_path):
        execution = begin(environment={"B": "hunter2", "A": ""})
        execution.start_clock()

        result = execution.finish(Ended(ending=Ending.EXITED, exit_code=0))

        raw = (tmp_path / "out" / "manifest.json").read_bytes()
        assert msgspec.json.decode(raw, type=ExecutionManifest) == result.manifest
        assert result.manifest.environment_names == ["A", "B"]
        assert b"hunter2" not in raw

    def test_hash_of_a_file_needs_the_sessions_key(self, begin, session, monkeypatch):
        execution = begin()
        execution.start_clock()
        hashes = execution._hashes()
        monkeypatch.setattr(session, "hash_key", b"another")

        assert hashes["config.json"].startswith("hmac-sha256:")
        assert execution._hashes() != hashes

    def test_secret_in_the_command_line_is_replaced(self, begin):
        execution = begin(Redactor({"token": "s3cr3t-value-1"}))
        execution.start_clock()

        argv = execution.finish(Ended(ending=Ending.EXITED, exit_code=0)).manifest.argv

        assert argv[:2] == ["run", "--token"]
        assert "s3cr3t" not in argv[2]

    def test_duration_is_from_start_to_end_by_the_monotonic_clock(self, begin, monkeypatch):
        now = [100.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        execution = begin(timeout_s=30)
        execution.start_clock()
        assert execution.deadline == 130.0
        now[0] = 107.5
        execution.stop_clock()
        now[0] = 120.0
        monkeypatch.setattr(time, "time_ns", lambda: 0)

        manifest = execution.finish(Ended(ending=Ending.EXITED, exit_code=0)).manifest

        assert manifest.duration_s == 7.5
        assert manifest.ended_at_ms - manifest.started_at_ms == 7500

    def test_abandoned_execution_is_an_interrupted_one(self, begin, tmp_path):
        execution = begin()
        execution.start_clock()

        execution.abandon()

        raw = (tmp_path / "out" / "manifest.json").read_bytes()
        assert msgspec.json.decode(raw)["ending"] == "interrupted"

    def test_execution_that_never_started_leaves_no_manifest(self, begin, tmp_path):
        begin().abandon()

        assert not (tmp_path / "out" / "manifest.json").exists()

    def test_finished_execution_cannot_be_abandoned(self, begin, tmp_path):
        execution = begin()
        execution.start_clock()
        execution.finish(Ended(ending=Ending.EXITED, exit_code=0))

        execution.abandon()

        raw = (tmp_path / "out" / "manifest.json").read_bytes()
        assert msgspec.json.decode(raw)["ending"] == "exited"
        assert repr(execution) == "Execution(source-x check, over)"

    def test_full_disk_is_told(self, begin, monkeypatch):
        def fail(_path, _data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(runner_module, "atomic_write", fail)
        execution = begin()
        execution.start_clock()

        with pytest.raises(InfrastructureError, match="No space left on device"):
            execution.finish(Ended(ending=Ending.EXITED, exit_code=0))

    def test_full_disk_keeps_quiet_behind_a_worse_error(self, begin, monkeypatch):
        def fail(_path, _data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(runner_module, "atomic_write", fail)
        execution = begin()
        execution.start_clock()

        execution.abandon()
