"""Floods and ends of containers: what the engine tells apart, and what it can't."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import textwrap
import threading
import time

import docker
import docker.errors
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
from hydrotest_core.connector.isolation import STRICT
from hydrotest_core.connector.reaper import SESSION_LABEL
from hydrotest_core.connector.session import Session
from hydrotest_core.protocol import MessageType
from hydrotest_core.redaction import SecretDict

BASE = "python:3.11-slim-bookworm"
RECORD = '{"type":"RECORD","record":{"stream":"users","emitted_at":1,"data":{}}}'
SMALL = dataclasses.replace(STRICT, memory_bytes=64 * 1024**2)


@pytest.fixture(scope="module")
def client():
    with contextlib.closing(docker.APIClient(base_url=engine_address(), timeout=60)) as client:
        yield client


@pytest.fixture(scope="module")
def image(client):
    """An image whose connector is the piece of Python in the variable CODE."""
    held = client.create_container(BASE, ["true"])["Id"]
    settings = {
        "Entrypoint": ["python3", "-c", "import os; exec(os.environ['CODE'])"],
        "Cmd": [],
    }
    made = client.commit(
        held, repository="hydrotest-test-hostile", tag=str(time.time_ns()), conf=settings
    )
    client.remove_container(held)
    yield made["Id"]
    client.remove_image(made["Id"], force=True)


@pytest.fixture
def session():
    with Session.open() as session:
        yield session


@pytest.fixture
def run(session, image, tmp_path):
    """Return a function that runs a piece of Python as a connector in a container."""

    def start(code, *, profile=STRICT, timeout_s=120.0):
        output_dir = tmp_path / "out"
        output_dir.mkdir(mode=0o700)
        inputs = ExecutionInputs(
            connector=ConnectorUnderTest(
                name="source-x", version="dev", identity=image, image="source-x:dev"
            ),
            command=Command.CHECK,
            config=SecretDict(),
            environment={"CODE": textwrap.dedent(code)},
            network=Network.NONE,
            output_dir=output_dir,
            timeout_s=timeout_s,
        )
        return DockerRunner(session, profiles={"strict": profile}, stop_grace_s=0.5).run(inputs)

    return start


@pytest.fixture
def killed_by_somebody(session):
    """Return a thread that kills the session's container as soon as there is one that runs."""

    def kill():
        filters = {"label": f"{SESSION_LABEL}={session.id}", "status": "running"}
        deadline = time.monotonic() + 30
        with contextlib.closing(docker.APIClient(base_url=engine_address(), timeout=60)) as client:
            while time.monotonic() < deadline:
                # An engine that is busy may list it and not find it any more, or not yet.
                with contextlib.suppress(docker.errors.APIError):
                    for found in client.containers(filters=filters):
                        client.kill(found["Id"], "SIGKILL")
                        return
                time.sleep(0.05)

    thread = threading.Thread(target=kill)
    yield thread
    thread.join()


ENDS = {
    "exit code 3": ("os._exit(3)", {}, (Ending.EXITED, 3, None), ""),
    "exit code 137": ("os._exit(137)", {}, (Ending.SIGNALLED, 137, 9), "no difference"),
    "killed from inside": (
        "os.kill(os.getpid(), 9)",
        {},
        (Ending.SIGNALLED, 137, 9),
        "no difference",
    ),
    "crashed": ("os.kill(os.getpid(), 11)", {}, (Ending.SIGNALLED, 139, 11), "no difference"),
    "out of memory": (
        "x = b'1' * 500_000_000",
        {"profile": SMALL},
        (Ending.OUT_OF_MEMORY, 137, 9),
        "",
    ),
    "timed out, ended when asked": (
        "import time; time.sleep(60)",
        {"timeout_s": 3.0},
        (Ending.TIMED_OUT, 143, 15),
        "",
    ),
    "timed out, killed by us": (
        "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
        {"timeout_s": 3.0},
        (Ending.TIMED_OUT, 137, 9),
        "",
    ),
}


class TestEnds:
    @pytest.mark.parametrize(("code", "more", "expected", "note"), ENDS.values(), ids=ENDS)
    def test_each_end_is_told_as_far_as_the_engine_tells(self, run, code, more, expected, note):
        result = run(f"os.write(1, b'{RECORD}\\n'); {code}", **more)

        manifest = result.manifest
        assert (manifest.ending, manifest.exit_code, manifest.signal) == expected
        assert manifest.is_out_of_memory == (manifest.ending is Ending.OUT_OF_MEMORY)
        assert bool(manifest.ending_note) == bool(note)
        assert note in manifest.ending_note
        assert manifest.message_counts == {"RECORD": 1}

    def test_who_kills_it_through_the_engine_is_told(self, run, killed_by_somebody):
        killed_by_somebody.start()
        manifest = run("import time; time.sleep(60)").manifest

        assert (manifest.ending, manifest.signal) == (Ending.SIGNALLED, 9)
        assert manifest.ending_note == "by somebody, through the engine"


# Two threads, each at full speed; the engine sends both through one stream.
BOTH = """
    import threading
    LOG = b'{"type":"LOG","log":{"level":"INFO","message":"%d"}}\\n'
    def flood(fd, line, end):
        for start in range(0, end, 1000):
            data = b"".join(line % n for n in range(start, start + 1000))
            while data:
                data = data[os.write(fd, data):]
    threads = [
        threading.Thread(target=flood, args=(1, LOG, 100_000)),
        threading.Thread(target=flood, args=(2, b"err %d\\n", 400_000)),
    ]
    for one in threads: one.start()
    for one in threads: one.join()
"""
STDERR = """
    left, line = 200_000_000, (b"something went by on stderr %s\\n" % (b"." * 70)) * 600
    while left > 0:
        left -= os.write(2, line[:left])
"""
FLAT = 40 * 1024**2


class TestFloods:
    def test_both_pipes_at_full_speed_stay_apart_and_in_order(self, run):
        result = run(BOTH)

        manifest = result.manifest
        assert (manifest.ending, manifest.exit_code) == (Ending.EXITED, 0)
        assert (manifest.message_counts, manifest.problem_count) == ({"LOG": 100_000}, 0)
        logs = Evidence(result.directory).messages(MessageType.LOG)
        assert all(one.log is not None and one.log.message == str(n) for n, one in enumerate(logs))
        stderr = b"".join(Evidence(result.directory).stderr())
        assert stderr == b"".join(b"err %d\n" % n for n in range(400_000))

    def test_stderr_alone_takes_no_memory(self, run):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        manifest = run(STDERR).manifest
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024

        assert (manifest.ending, manifest.exit_code) == (Ending.EXITED, 0)
        assert (manifest.stdout_bytes, manifest.stderr_bytes) == (0, 200_000_000)
        assert grown < FLAT
