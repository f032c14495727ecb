from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hydrotest_acceptance.session import AcceptanceSession, Options, Subject
from hydrotest_core.connector.execution import Command, ConnectorUnderTest
from hydrotest_core.redaction import SecretDict
from hydrotest_core.run.directory import RunDirectory
from hydrotest_core.testing import Script, ScriptedRunner, a_spec

SCRIPTS = {Command.SPEC: Script([a_spec()]), Command.CHECK: Script()}


@pytest.fixture
def begin(tmp_path):
    """Return a function that begins a session in the one home."""

    def make(session_id):
        subject = Subject(
            options=Options(folder="", runner="scripted", version=None, home=str(tmp_path)),
            runner_why="",
            connector=ConnectorUnderTest(name="source-x", version="dev", identity="env:1"),
            session_id=session_id,
            session_key="00" * 32,
            run_path=str(RunDirectory.create(tmp_path).path),
            accept_since_ms=0,
            host_for_connector="",
        )
        session: Any = SimpleNamespace(id=session_id)
        config: Any = SimpleNamespace(environment={})
        return AcceptanceSession(subject, session, ScriptedRunner(SCRIPTS), config)

    return make


def test_a_damaged_execution_is_told_to_the_person_once(begin):
    kept = begin("one").executor.check(SecretDict())
    (kept.cached.directory / "manifest.json").write_bytes(b"")
    session = begin("two")

    found = [session.executor.check(SecretDict()) for _ in range(2)]

    assert found[0].cached.directory != kept.cached.directory
    (told,) = session.run.warnings()
    assert "damaged" in told
    assert "quarantine" in told


def test_whole_executions_are_no_reason_for_a_warning(begin):
    for name in ("one", "two"):
        begin(name).executor.check(SecretDict())

    assert begin("three").run.warnings() == []


def test_an_execution_that_was_deleted_costs_nobody_the_report(begin):
    session = begin("one")
    session.executor.check(SecretDict())
    kept = session.executor.spec()
    (kept.cached.directory / "manifest.json").unlink()

    assert session.isolation() == "scripted: nothing runs"
