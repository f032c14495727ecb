"""The runner contract on the scripted and the process runner, and on Docker over a fake engine.

On a real engine it stands in `connector/docker/`.
"""

from __future__ import annotations

import json
import sys

import pytest

from hydrotest_core.connector.docker import DockerRunner
from hydrotest_core.connector.execution import ConnectorUnderTest
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.reaper import SESSION_VARIABLE, marked_processes
from hydrotest_core.connector.session import Session
from hydrotest_core.testing import Script, ScriptedRunner, a_log, a_record
from hydrotest_core.testing.contract import Behaviour, RunnerContract, program
from hydrotest_core.testing.fake_engine import FakeEngine


def echo(inputs):
    given = {
        "--config": inputs.config,
        "--catalog": inputs.configured_catalog,
        "--state": inputs.state,
    }
    files = {flag: value for flag, value in given.items() if value is not None}
    heard = {
        "command": inputs.command,
        "files": files,
        "environment": dict(inputs.environment),
    }
    return Script([a_log(json.dumps(heard))])


SCRIPTS = {
    Behaviour.RECORDS: Script([a_record("s", id=number) for number in range(1000)]),
    Behaviour.EXIT_3: Script([a_log("before")], exit_code=3),
    Behaviour.SIGNAL: Script([a_log("before")], signal=9),
    Behaviour.HANG: Script([a_log("before"), a_log("still here")], hangs=True),
    Behaviour.BACKGROUND: Script([a_log("gone")]),
    Behaviour.TWO_VOICES: Script(
        [a_log(f"out {number}") for number in range(500)],
        stderr="".join(f"err {number}\n" for number in range(500)),
    ),
    Behaviour.BIG_LINE: Script([a_log("x" * 5_000_000)]),
    Behaviour.NO_NEWLINE: Script([a_log("last")], ends_line=False),
    Behaviour.UNICODE: Script([a_log("grüße 🚰 \u2028 e\u0301"), b"\xff\xfe broken"]),
}


class TestScriptedRunner(RunnerContract):
    @pytest.fixture
    def runner(self):
        return ScriptedRunner(
            lambda inputs: SCRIPTS.get(Behaviour(inputs.connector.name)) or echo(inputs)
        )

    @pytest.fixture
    def launch(self):
        return lambda behaviour: ConnectorUnderTest(
            name=behaviour.value, version="dev", identity="script"
        )


class TestProcessRunner(RunnerContract):
    @pytest.fixture
    def session(self):
        with Session.open() as session:
            yield session

    @pytest.fixture
    def runner(self, session):
        return ProcessRunner(session, stop_grace_s=0.3)

    @pytest.fixture
    def launch(self):
        return lambda behaviour: ConnectorUnderTest(
            name="contract",
            version="dev",
            identity="env:contract",
            argv=(sys.executable, "-c", program(), behaviour.value),
        )

    @pytest.fixture
    def leftovers(self, session):
        return lambda: [
            *marked_processes(SESSION_VARIABLE, session.id),
            *(path.name for path in session.folder.iterdir() if path.is_dir()),
        ]


class TestDockerRunnerOnAFakeEngine(RunnerContract):
    """What the kernel does for a container is left to the real one."""

    hang_timeout_s = 1.0

    @pytest.fixture
    def engine(self, tmp_path_factory):
        with FakeEngine(tmp_path_factory.mktemp("e")) as engine:
            yield engine

    @pytest.fixture
    def session(self, engine):
        with Session.open(engine=engine.address) as session:
            yield session

    @pytest.fixture
    def runner(self, session):
        return DockerRunner(session, stop_grace_s=0.3)

    @pytest.fixture
    def launch(self, engine):
        def make(behaviour):
            words = (sys.executable, "-c", program(), behaviour.value)
            return ConnectorUnderTest(
                name="contract",
                version="dev",
                identity=engine.add_image("contract:dev", words),
                image="contract:dev",
            )

        return make

    @pytest.fixture
    def leftovers(self, engine):
        return lambda: [
            *(name for things in engine.things.values() for name in things),
            *engine.processes(),
        ]


def test_every_behaviour_is_in_the_program():
    source = program()

    missing = [one for one in Behaviour if f'"{one}": ' not in source]
    assert missing == []
