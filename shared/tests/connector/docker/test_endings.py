"""Whatever ends us, at whatever stage of an execution, the engine has nothing of it left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import docker
import pytest

from hydrotest_core.connector.docker import DockerRunner
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
    Network,
)
from hydrotest_core.connector.reaper import KINDS, SESSION_LABEL, Engine
from hydrotest_core.connector.session import Session
from hydrotest_core.connector.stale import stale_sessions
from hydrotest_core.protocol import MessageType
from hydrotest_core.redaction import SecretDict

BASE = "python:3.11-slim-bookworm"
GONE_WITHIN_S = 5.0

STAGES = [
    "session opened", "image looked up", "created", "files put", "attached", "started",
    "first output", "time is up", "ended, not yet removed", "sealed",
]  # fmt: skip
AFTER_OUTPUT = STAGES[6:]

OURS = """
import json
from pathlib import Path
from hydrotest_core.connector import cache, docker, docker_container, recorder, seal, session
from hydrotest_core.connector.execution import *
from hydrotest_core.redaction import SecretDict

PLACES = {
    "session opened": (session.Session, "open"),
    "image looked up": (docker._Image, "of"),
    "created": (docker_container.Container, "create"),
    "files put": (docker_container.Container, "put"),
    "attached": (docker_container.Container, "attach"),
    "started": (docker_container.Container, "start"),
    "first output": (recorder.OutputRecorder, "stdout"),
    "time is up": (docker_container.Container, "signal"),
    "ended, not yet removed": (docker_container.Container, "wait"),
    "sealed": (seal, "seal"),
}

def run(stage, home, mine):
    late = stage == "time is up"
    hangs = late or stage in ("started", "first output")
    connector = ConnectorUnderTest(name="x", version="dev", identity="IMAGE", image="x:dev")
    by = docker.DockerRunner(mine)
    kept = cache.ExecutionCache(home, by, session=mine.id, accept_since_ms=0)
    kept.run(ExecutionInputs(connector=connector, command=Command.CHECK, config=SecretDict(),
        environment={"SLEEPS": "600" if hangs else "0"}, network=Network.NONE,
        output_dir=Path(), timeout_s=2 if late else 600))
"""
SAYS = """echo '{"type":"LOG","log":{"level":"INFO","message":"word"}}'; sleep "$SLEEPS" """


def a_client():
    return contextlib.closing(docker.APIClient(base_url=engine_address(), timeout=60))


@pytest.fixture(scope="module")
def an_image():
    """Return a function that makes an image with an entrypoint, once each, without a build."""
    made = {}

    def make(*entrypoint):
        if entrypoint not in made:
            settings = {"Entrypoint": list(entrypoint), "Cmd": []}
            where = {"repository": "hydrotest-test-endings", "tag": str(time.time_ns())}
            with a_client() as client:
                held = client.create_container(BASE, ["true"])["Id"]
                made[entrypoint] = client.commit(held, conf=settings, **where)
                client.remove_container(held)
        return made[entrypoint]["Id"]

    yield make
    with a_client() as client:
        for one in made.values():
            client.remove_image(one["Id"], force=True)


@pytest.fixture(scope="module")
def engine():
    return Engine(engine_address())


@pytest.fixture
def of_session(engine):
    """Return a function that lists what the engine has of a session."""

    def look(session):
        label = f"{SESSION_LABEL}={session}"
        return [f"{kind} {name}" for kind in KINDS for name in engine.labelled(kind, label)]

    return look


@pytest.fixture
def ours(ours_at, an_image):
    """Return a function that starts one of us for each stage."""
    script = OURS.replace("IMAGE", an_image("/bin/sh", "-c", SAYS, "x"))
    return lambda stages: ours_at(script, stages, engine_address())


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL],
    ids=lambda one: one.name,
)
@pytest.mark.parametrize("stages", [STAGES[:5], STAGES[5:]], ids=["first", "last"])
def test_whatever_ends_us_at_any_stage_nothing_is_left(
    ours, of_session, tmp_path, own_temporary_folder, until, is_alive, stages, number
):
    children = ours(stages)
    sessions = {stage: (tmp_path / stage / "session").read_text() for stage in stages}
    assert all(of_session(sessions[stage]) for stage in stages if stage in STAGES[2:-1])

    for pid in children.values():
        os.kill(pid, number)

    def left():
        found = {stage: of_session(sessions[stage]) for stage in stages}
        return {stage: things for stage, things in found.items() if things}

    def nothing():
        return not left() and not list(own_temporary_folder.iterdir())

    assert until(nothing, GONE_WITHIN_S), (left(), list(own_temporary_folder.iterdir()))
    assert until(lambda: not any(map(is_alive, children.values())), GONE_WITHIN_S)
    if number is not signal.SIGKILL:
        endings = {
            stage: Evidence(manifest.parent).manifest.ending
            for stage in stages
            for manifest in (tmp_path / stage / "home").glob("executions/*/*/manifest.json")
        }
        kept = [stage for stage in stages if stage in AFTER_OUTPUT]
        assert {stage: endings.get(stage) for stage in kept} == dict.fromkeys(
            kept, Ending.INTERRUPTED
        )


@pytest.fixture
def session():
    with Session.open() as session:
        yield session


@pytest.fixture
def run(session, tmp_path, an_image):
    """Return a function that runs a piece of Python as a connector, for a short time."""

    def start(code):
        image = an_image("python3", "-c", textwrap.dedent(code))
        output_dir = tmp_path / "out"
        output_dir.mkdir(mode=0o700)
        connector = ConnectorUnderTest(name="x", version="dev", identity=image, image="x:dev")
        inputs = ExecutionInputs(
            connector=connector,
            command=Command.CHECK,
            config=SecretDict(),
            network=Network.NONE,
            output_dir=output_dir,
            timeout_s=TIMEOUT_S,
        )
        return DockerRunner(session, stop_grace_s=GRACE_S).run(inputs)

    return start


TIMEOUT_S, GRACE_S = 3.0, 0.5
SAY = """
import os, signal, sys, time
def say(word):
    os.write(1, ('{"type":"LOG","log":{"level":"INFO","message":"%s"}}\\n' % word).encode())
say('x')
"""
STUBBORN = {
    "ignores SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    "forks and both stay": "os.fork(); time.sleep(600)",
    "has a grandchild in a session of its own": """
if not os.fork():
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
""",
    "waits for its input": "sys.stdin.read(); time.sleep(600)",
    "writes after it closed stderr": "os.close(2)\nwhile True: say('more'), time.sleep(0.05)",
    "is stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "floods": "while True: say('y' * 1000)",
}


@pytest.mark.parametrize("how", STUBBORN)
def test_time_is_up_for_whoever_does_not_end(run, session, of_session, how):
    result = run(SAY + STUBBORN[how])

    assert of_session(session.id) == []
    assert result.manifest.ending is Ending.TIMED_OUT
    # Its clock begins when the engine says that it was started.
    assert TIMEOUT_S <= result.manifest.duration_s < TIMEOUT_S + GRACE_S + 5
    said = Evidence(result.directory).messages(MessageType.LOG)
    assert str(next(iter(said)).log.message) == "x"


def test_who_forks_and_exits_has_ended_and_its_child_is_not_waited_for(run, session, of_session):
    result = run(SAY + "if os.fork(): os._exit(3)\ntime.sleep(600)")

    assert (result.manifest.ending, result.manifest.exit_code) == (Ending.EXITED, 3)
    assert of_session(session.id) == []


class TestStale:
    """A session whose owner and reaper were both killed is found by the next start, no other."""

    OWNER = """
import sys, time
from pathlib import Path
from hydrotest_core.connector.docker_container import Container
from hydrotest_core.connector.docker_errors import open_client
from hydrotest_core.connector.execution import Network
from hydrotest_core.connector.isolation import STRICT
from hydrotest_core.connector.session import Session

with Session.open() as session:
    container = Container(open_client(session.engine), f"hydrotest-{session.id}-x", "x:dev")
    container.create(sys.argv[1], ("x",), profile=STRICT, image_user="", network=Network.NONE,
        environment={"SLEEPS": "600"}, labels=session.labels("x"))
    container.start()
    print(session.id, session._reaper.pid, flush=True)
    sys.stdin.read()
"""

    @pytest.fixture
    def an_owner(self, an_image, own_temporary_folder):
        """Return a function that starts a session with a container: process, id, reaper."""
        started = []

        def start():
            argv = [sys.executable, "-c", self.OWNER, an_image("/bin/sh", "-c", SAYS)]
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            started.append(process)
            assert process.stdout is not None
            id_, reaper = process.stdout.readline().split()
            return process, id_, int(reaper)

        yield start
        for process in started:
            process.communicate()

    @pytest.fixture
    def doctor(self):
        """Return a function that runs `hydrotest doctor` and gives what it said of that."""
        program = "from hydrotest_core.cli.main import main; main()"

        def ask(option):
            argv = [sys.executable, "-c", program, "doctor", option]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            return (
                json.dumps(json.loads(done.stdout)["findings"])
                if done.stdout[0] == "{"
                else done.stderr
            )

        return ask

    def test_it_is_cleared_and_one_that_lives_is_not_touched(
        self, an_owner, of_session, own_temporary_folder, doctor
    ):
        dead, dead_id, reaper = an_owner()
        _, alive_id, _ = an_owner()
        assert len(of_session(dead_id)) == len(of_session(alive_id)) == 2
        os.kill(reaper, signal.SIGKILL)
        dead.kill()
        dead.wait()

        found = {one.id: one for one in stale_sessions()}
        assert alive_id not in found
        assert len(found[dead_id].engine_things) == 2
        assert found[dead_id].folder == own_temporary_folder / f"hydrotest-{dead_id}"
        (told,) = [one for one in json.loads(doctor("--json")) if one["what"] == "dead sessions"]
        assert told["status"] == "WARN"
        gone = [line for line in doctor("--clear").splitlines() if line.endswith(dead_id)]

        assert [line.split()[:2] for line in gone] == [
            ["removed", "containers"],
            ["removed", "folder"],
        ]
        assert of_session(dead_id) == []
        assert len(of_session(alive_id)) == 2
        assert [path.name for path in own_temporary_folder.iterdir()] == [f"hydrotest-{alive_id}"]


WORKER = """
import os, signal, sys
from hydrotest_core.connector.docker_container import Container
from hydrotest_core.connector.docker_errors import open_client
from hydrotest_core.connector.execution import Network
from hydrotest_core.connector.isolation import STRICT
from hydrotest_core.connector.session import Session

session = Session.join(sys.argv[1])
container = Container(open_client(session.engine), f"hydrotest-{session.id}-{sys.argv[3]}", "x:dev")
container.create(sys.argv[2], ("x",), profile=STRICT, image_user="", network=Network.NONE,
    environment={"SLEEPS": "600"}, labels=session.labels(sys.argv[3]))
container.start()
print("started", flush=True)
sys.stdin.read()
"""


def test_containers_of_a_dead_worker_are_removed_and_those_of_live_ones_kept(
    session, an_image, of_session
):
    image = an_image("/bin/sh", "-c", SAYS)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, session.id, image, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("dies", "lives")
    ]
    try:
        assert [worker.stdout.readline() for worker in workers] == ["started\n"] * 2
        assert len(of_session(session.id)) == 4
        workers[0].kill()
        workers[0].wait()

        gone = session.clear_orphans()

        assert [line.split()[0] for line in gone] == ["containers"]
        assert len(of_session(session.id)) == 2
    finally:
        for worker in workers:
            worker.communicate()
