"""A connector that isolation breaks, on a real engine: run again, and told what it needs."""

from __future__ import annotations

import contextlib
import textwrap
import time

import docker
import pytest

from hydrotest_acceptance.executor import Executor
from hydrotest_acceptance.rules.execution import judge_execution
from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.docker import DockerRunner
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.execution import Command, ConnectorUnderTest
from hydrotest_core.connector.session import Session
from hydrotest_core.redaction import SecretDict
from hydrotest_core.run.directory import RunDirectory

BASE = "python:3.11-slim-bookworm"
# /var/tmp is anybody's, /etc is root's.
WRITES = """
    import sys
    if sys.argv[1] == "spec":
        print('{"type": "SPEC", "spec": {"connectionSpecification": {}}}')
        sys.exit()
    open("PATH", "w").close()
    print('{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}')
"""


@pytest.fixture
def image_of():
    """Return a function that makes an image of root's that runs a piece of Python."""
    with contextlib.closing(docker.APIClient(base_url=engine_address(), timeout=60)) as client:
        made = []

        def make(code):
            held = client.create_container(BASE, ["true"])["Id"]
            entrypoint = ["python3", "-c", textwrap.dedent(code)]
            settings = {"Entrypoint": entrypoint, "Cmd": [], "User": ""}
            tag = str(time.time_ns())
            made.append(
                client.commit(held, repository="hydrotest-test-root", tag=tag, conf=settings)["Id"]
            )
            client.remove_container(held)
            return made[-1]

        yield make
        for one in made:
            client.remove_image(one, force=True)


@pytest.fixture
def executor_of(image_of, tmp_path):
    """Return a function that makes an executor of a piece of Python, under a profile."""
    with Session.open() as session:

        def make(code, isolation="strict"):
            run = RunDirectory.create(tmp_path / "home")
            cache = ExecutionCache(
                tmp_path / "home",
                DockerRunner(session),
                session=session.id,
                accept_since_ms=0,
                on_start=run.started,
                on_end=run.ended,
            )
            connector = ConnectorUnderTest(
                name="source-x", version="dev", identity=image_of(code), image="source-x:dev"
            )
            executor = Executor(
                connector=connector,
                cache=cache,
                run=run,
                session_key=b"k" * 32,
                isolation=isolation,
            )
            executor.begin_test(60)
            return executor

        yield make


def told(executor):
    execution = executor.check(SecretDict())
    judgements = execution.seen(judge_execution(execution.evidence))
    is_bad = any(one.findings for one in judgements)
    return is_bad, [one.rule.code for one in executor.second_look(judgements)]


@pytest.mark.parametrize(
    ("path", "codes"),
    [("/etc/x", ["HT-ISO-001"]), ("/var/tmp/x", ["HT-ISO-003"]), ("/no/such/folder", [])],
    ids=["needs root", "writes", "fails anyway"],
)
def test_connector_that_isolation_breaks_is_told_why(executor_of, path, codes):
    assert told(executor_of(WRITES.replace("PATH", path))) == (True, codes)


def test_connector_that_needs_nothing_is_run_once(executor_of):
    executor = executor_of(WRITES.replace("PATH", "/tmp/x"))

    assert told(executor) == (False, [])
    commands = [one.command for one in executor.run.asked()]
    assert commands.count(Command.CHECK) == 1


def test_relaxed_by_who_asks_it_passes(executor_of):
    executor = executor_of(WRITES.replace("PATH", "/etc/x"), isolation="relaxed")

    assert told(executor) == (False, [])
