"""The Docker runner on a real engine; its images are made in a moment and removed afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import subprocess
import sys
import textwrap
import threading
import time

import docker
import msgspec
import pytest

from hydrotest_core.connector.choosing import choose_runner
from hydrotest_core.connector.docker import DockerRunner, describe_engine, host_address, image_id
from hydrotest_core.connector.docker_container import Container
from hydrotest_core.connector.docker_memory import MemoryWatch
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
    Network,
)
from hydrotest_core.connector.isolation import RELAXED, STRICT
from hydrotest_core.connector.reaper import KINDS, SESSION_LABEL, Engine
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.session import Session
from hydrotest_core.errors import (
    EngineUnavailable,
    ImageUnavailable,
    InfrastructureError,
    UsageError,
)
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing.contract import RunnerContract, program
from hydrotest_core.testing.faulting_engine import Fault, FaultingEngine

BASE = "python:3.11-slim-bookworm"
NAME = "hydrotest-test-runner"


def connected():
    return contextlib.closing(docker.APIClient(base_url=engine_address(), timeout=60))


@pytest.fixture
def client():
    with connected() as client:
        yield client


@pytest.fixture(scope="module")
def an_image():
    """Return a function that makes an image with an entrypoint, once each, without a build."""
    made = {}

    def make(*entrypoint, user=""):
        key = (entrypoint, user)
        if key not in made:
            # What isn't said here the base image has, and its command would follow ours.
            settings = {"Entrypoint": list(entrypoint), "Cmd": [], "User": user}
            tag = str(time.time_ns())
            with connected() as client:
                held = client.create_container(BASE, ["true"])["Id"]
                made[key] = client.commit(held, repository=NAME, tag=tag, conf=settings)
                client.remove_container(held)
        return made[key]["Id"]

    yield make
    with connected() as client:
        for one in made.values():
            client.remove_image(one["Id"], force=True)


@pytest.fixture(scope="module")
def python_image(an_image):
    """Return a function that makes an image whose connector is a piece of Python."""
    return lambda code, **more: an_image("python3", "-c", textwrap.dedent(code), **more)


@pytest.fixture
def session():
    with Session.open() as session:
        yield session


@pytest.fixture
def leftovers(session):
    """Return a function that lists what the engine still has of the session."""
    engine = Engine(session.engine)

    def look():
        label = f"{SESSION_LABEL}={session.id}"
        return [name for kind in KINDS for name in engine.labelled(kind, label)]

    return look


@pytest.fixture
def run(session, tmp_path):
    """Return a function that runs an image as a connector, without network if not told."""

    def start(image, *, profile=STRICT, silence_s=12, reference="source-x:dev", **more):
        output_dir = tmp_path / "out"
        output_dir.mkdir(mode=0o700)
        connector = ConnectorUnderTest(
            name="source-x", version="dev", identity=image, image=reference
        )
        asked = {
            "command": Command.CHECK,
            "config": SecretDict(),
            "network": Network.NONE,
            "timeout_s": 60.0,
            **more,
        }
        runner = DockerRunner(
            session, profiles={"strict": profile}, stop_grace_s=0.5, silence_s=silence_s
        )
        return runner.run(ExecutionInputs(connector=connector, output_dir=output_dir, **asked))

    return start


def told(result):
    return msgspec.json.decode(b"".join(Evidence(result.directory).stdout()))


class TestDockerRunner(RunnerContract):
    hang_timeout_s = 6.0

    @pytest.fixture
    def runner(self, session):
        return DockerRunner(session, stop_grace_s=0.5)

    @pytest.fixture
    def launch(self, an_image):
        return lambda behaviour: ConnectorUnderTest(
            name="contract",
            version="dev",
            identity=an_image("python3", "-c", program(), behaviour.value),
            image="contract:dev",
        )

    @pytest.fixture
    def leftovers(self, leftovers):
        return leftovers


PROBE = """
    import json, os, resource, socket

    status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())

    def first(*paths):
        return next(open(path).read().strip() for path in paths if os.path.exists(path))

    def can_write(path):
        try:
            open(path, "w").close()
        except OSError:
            return False
        return True

    def has_name():
        try:
            socket.getaddrinfo("host.docker.internal", 80)
        except OSError:
            return False
        return True

    import multiprocessing
    multiprocessing.Lock()
    print(json.dumps({
        "capabilities": int(status["CapEff"], 16),
        "no_new_privileges": status["NoNewPrivs"],
        "seccomp": status["Seccomp"],
        "user": f"{os.getuid()}:{os.getgid()}",
        "home": os.environ["HOME"],
        "writable": [path for path in ("/x", "/tmp/x", "/dev/shm/x", "/hydrotest/x",
            "/hydrotest/config.json") if can_write(path)],
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "reaches_host": has_name(),
        "memory": first("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
        "processes": first("/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "first_process": open("/proc/1/comm").read().strip(),
        "engine_socket": os.path.exists("/var/run/docker.sock"),
    }))
"""


def test_strict_profile_is_in_force(run, python_image):
    found = told(run(python_image(PROBE)))

    assert found == {
        "capabilities": 0,
        "no_new_privileges": "1",
        "seccomp": "2",
        "user": "1000:1000",
        "home": "/tmp",
        "writable": ["/tmp/x", "/dev/shm/x"],
        "interfaces": ["lo"],
        "reaches_host": False,
        "memory": str(2 * 1024**3),
        "processes": "256",
        "open_files": [4096, 4096],
        "first_process": "docker-init",
        "engine_socket": False,
    }


def test_relaxed_profile_lets_root_write(run, python_image):
    result = run(python_image(PROBE), profile=RELAXED, network=Network.BRIDGE)

    found = told(result)
    assert found["user"] == "0:0"
    assert "/x" in found["writable"]
    assert found["capabilities"] != 0
    assert (found["no_new_privileges"], found["seccomp"], found["processes"]) == ("1", "2", "256")
    assert result.manifest.isolation.startswith("relaxed: writable root, user root,")


def test_bridge_reaches_this_machine_by_name(run, python_image):
    found = told(run(python_image(PROBE), network=Network.BRIDGE))

    assert found["interfaces"] == ["eth0", "lo"]
    assert found["reaches_host"]
    assert host_address() == "host.docker.internal"


def test_user_of_the_image_is_kept_when_it_is_not_root(run, python_image):
    found = told(run(python_image(PROBE, user="1234:1234")))

    assert found["user"] == "1234:1234"


def test_exhausted_memory_is_told_apart(run, python_image):
    small = dataclasses.replace(STRICT, memory_bytes=64 * 1024**2)
    code = "print('before', flush=True); x = b'1' * 500_000_000"
    result = run(python_image(code), profile=small)

    manifest = result.manifest
    assert (manifest.ending, manifest.exit_code) == (Ending.OUT_OF_MEMORY, 137)
    assert manifest.is_out_of_memory
    assert b"".join(Evidence(result.directory).stdout()).decode() == "before\n"


def test_a_container_that_says_too_much_is_stopped(run, python_image):
    code = "while True: print('x' * 99, flush=False)"
    result = run(python_image(code), max_output_bytes=1_000_000)

    manifest = result.manifest
    assert manifest.ending is Ending.TOO_MUCH_OUTPUT
    assert manifest.stdout_bytes == 1_000_000
    assert sum(map(len, Evidence(result.directory).stdout())) == 1_000_000


def test_exhausted_memory_of_a_child_is_told_beside_the_exit(run, python_image):
    small = dataclasses.replace(STRICT, memory_bytes=64 * 1024**2)
    code = """
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "x = b'1' * 500_000_000"])
        sys.exit(5)
    """
    manifest = run(python_image(code), profile=small).manifest

    assert (manifest.ending, manifest.exit_code) == (Ending.EXITED, 5)
    assert manifest.is_out_of_memory


def test_exit_137_cannot_be_told_from_a_signal_and_both_are_said(run, python_image):
    manifest = run(python_image("import sys; sys.exit(137)")).manifest

    assert (manifest.ending, manifest.exit_code, manifest.signal) == (Ending.SIGNALLED, 137, 9)
    assert not manifest.is_out_of_memory


def test_exit_255_is_no_signal(run, python_image):
    manifest = run(python_image("import sys; sys.exit(255)")).manifest

    assert (manifest.ending, manifest.exit_code, manifest.signal) == (Ending.EXITED, 255, None)


def test_connector_that_ends_when_asked_says_its_last_words(run, python_image):
    code = """
        import signal, sys, time
        def stop(*_):
            print("stopping", flush=True)
            sys.exit(4)
        signal.signal(signal.SIGTERM, stop)
        print("ready", flush=True)
        time.sleep(60)
    """
    result = run(python_image(code), timeout_s=5)

    assert b"".join(Evidence(result.directory).stdout()).decode() == "ready\nstopping\n"
    assert (result.manifest.ending, result.manifest.exit_code) == (Ending.TIMED_OUT, 4)


def test_connector_that_closed_its_pipes_is_waited_for(run, python_image):
    code = (
        "import os, time; os.write(1, b'bye'); os.close(1); os.close(2); time.sleep(1); os._exit(5)"
    )
    result = run(python_image(code))

    assert (result.manifest.ending, result.manifest.exit_code) == (Ending.EXITED, 5)
    assert b"".join(Evidence(result.directory).stdout()).decode() == "bye"


def test_peak_memory_is_sampled(run, python_image):
    code = "import time; x = b'1' * 80_000_000; time.sleep(3)"
    peak = run(python_image(code)).manifest.peak_rss_bytes

    assert 80_000_000 < peak < 160_000_000


def test_container_carries_its_marks(session, client, python_image):
    container = Container(client, f"hydrotest-{session.id}-x", "source-x:dev")
    try:
        container.create(
            python_image("1"),
            ("spec",),
            profile=STRICT,
            image_user="",
            network=Network.NONE,
            environment={},
            labels=session.labels("x"),
        )
        inspected = client.inspect_container(container.name)
        volume = client.inspect_volume(inspected["Mounts"][0]["Name"])
    finally:
        container.remove()

    labels = {
        key: value for key, value in inspected["Config"]["Labels"].items() if "hydrotest" in key
    }
    assert labels == session.labels("x")
    assert volume["Labels"] == session.labels("x")
    assert inspected["HostConfig"]["LogConfig"]["Type"] == "none"
    assert client.volumes({"name": volume["Name"]})["Volumes"] in (None, [])


def test_image_that_is_not_there_is_told_and_never_pulled(run):
    with pytest.raises(ImageUnavailable, match="isn't on the engine") as caught:
        run("", reference="hydrotest-no-such-image:dev")

    assert "hydrotest build" in caught.value.hint
    assert "docker pull hydrotest-no-such-image:dev" in caught.value.hint


def test_name_that_is_no_image_name_is_told(run):
    with pytest.raises(ImageUnavailable):
        run("", reference="Not A Name")


def test_connector_without_an_image_is_told(run):
    with pytest.raises(UsageError, match="no image"):
        run("env:1", reference=None)


@pytest.mark.parametrize("program_", ["hydrotest-no-such-program", "/etc/passwd", "/no/such.py"])
def test_entrypoint_that_cannot_be_started_is_named(run, an_image, leftovers, tmp_path, program_):
    with pytest.raises(ImageUnavailable, match="entrypoint can't be started") as caught:
        run(an_image(program_, "--x"))

    assert caught.value.facts["entrypoint"] == [program_, "--x"]
    assert caught.value.facts["image"] == "source-x:dev"
    assert "ENTRYPOINT" in caught.value.hint
    assert leftovers() == []
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_image_without_an_entrypoint_is_told(run, client):
    with pytest.raises(ImageUnavailable, match="no ENTRYPOINT"):
        run(client.inspect_image(BASE)["Id"])


def test_exit_127_of_a_connector_that_started_is_its_own(run, python_image):
    code = "import sys; print('python: not found', file=sys.stderr); sys.exit(127)"
    manifest = run(python_image(code)).manifest

    assert (manifest.ending, manifest.exit_code) == (Ending.EXITED, 127)


def test_interrupted_run_keeps_what_was_said_and_leaves_no_container(
    run, an_image, leftovers, tmp_path, monkeypatch
):
    def interrupted(self, data):
        real(self, data)
        raise KeyboardInterrupt

    real = OutputRecorder.stdout
    monkeypatch.setattr(OutputRecorder, "stdout", interrupted)

    with pytest.raises(KeyboardInterrupt):
        run(an_image("python3", "-c", program(), "hang"))

    assert leftovers() == []
    manifest = Evidence(tmp_path / "out").manifest
    assert manifest.ending is Ending.INTERRUPTED
    assert manifest.line_count >= 1


@pytest.mark.parametrize("stage", ["create", "put", "attach", "start", "wait"])
def test_interrupt_at_any_stage_leaves_no_container(
    run, python_image, leftovers, monkeypatch, stage
):
    real = getattr(Container, stage)

    def interrupted(*args, **more):
        real(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(Container, stage, interrupted)

    with pytest.raises(KeyboardInterrupt):
        run(python_image("print(1)"))

    assert leftovers() == []


def test_session_that_is_over_starts_nothing(run, session, python_image):
    session.close()

    with pytest.raises(InfrastructureError, match="The session is over"):
        run(python_image("1"))


def test_engine_is_described():
    assert describe_engine().startswith("Docker engine ")
    assert describe_engine().endswith(f" at {engine_address()}")


def test_image_id_is_the_engines(client):
    assert image_id(BASE) == client.inspect_image(BASE)["Id"]
    assert image_id("hydrotest-no-such-image:dev") is None


@pytest.mark.parametrize(("name", "why"), [("auto", "Docker engine"), ("docker", "asked for")])
def test_docker_is_chosen_where_an_engine_answers(session, name, why):
    runner, reason = choose_runner(name, session)

    assert runner.name == "docker"
    assert reason.startswith(why)


class TestEngineGone:
    """What was said so far is kept, and nobody waits for an engine that doesn't answer."""

    @pytest.fixture
    def engine(self):
        with FaultingEngine(None, engine_address()) as engine:
            yield engine

    @pytest.fixture
    def session(self, engine):
        with Session.open(engine=engine.address) as session:
            yield session
            engine.heal()

    @pytest.mark.parametrize("fault", list(Fault))
    def test_before_the_run_is_told(self, run, engine, python_image, fault):
        engine.fail(fault)

        with pytest.raises(EngineUnavailable) as caught:
            run(python_image("1"), silence_s=1)
        assert caught.value.is_transient

    @pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.STALL, Fault.RESET, Fault.RESTART])
    def test_mid_run_keeps_what_was_said(
        self, run, engine, an_image, leftovers, tmp_path, monkeypatch, fault
    ):
        real = OutputRecorder.stdout

        def fail_soon(self, data):
            real(self, data)
            if b"still here" in data:
                threading.Timer(0.2, engine.fail, [fault]).start()

        monkeypatch.setattr(OutputRecorder, "stdout", fail_soon)

        with pytest.raises(EngineUnavailable) as caught:
            run(an_image("python3", "-c", program(), "hang"), silence_s=2)

        assert caught.value.is_transient
        manifest = Evidence(tmp_path / "out").manifest
        assert manifest.ending is Ending.INTERRUPTED
        assert manifest.message_counts == {"LOG": 2}
        engine.heal()
        assert len(leftovers()) == 2, "the container and its volume are the session's to remove"

    @pytest.mark.parametrize("fault", [Fault.STALL, Fault.REFUSE, Fault.TEAR, Fault.RESET])
    @pytest.mark.parametrize("stage", ["create", "attach", "start"])
    def test_at_a_stage_is_told(self, run, engine, python_image, monkeypatch, stage, fault):
        real = getattr(Container, stage)

        def failing(*args, **more):
            engine.fail(fault)
            return real(*args, **more)

        monkeypatch.setattr(Container, stage, failing)

        with pytest.raises(EngineUnavailable):
            run(python_image("print(1)"), silence_s=1)

    def test_container_that_somebody_removed_is_told(self, run, client, an_image, monkeypatch):
        real = OutputRecorder.stdout
        name: list[str] = []

        def remove(self, data):
            real(self, data)
            if name:
                client.remove_container(name.pop(), force=True, v=True)

        watch = MemoryWatch.__init__

        def remember(self, address, container, silence_s):
            name.append(container)
            watch(self, address, container, silence_s)

        monkeypatch.setattr(OutputRecorder, "stdout", remove)
        monkeypatch.setattr(MemoryWatch, "__init__", remember)

        with pytest.raises(EngineUnavailable, match="removed while"):
            run(an_image("python3", "-c", program(), "hang"))


PARENT = """
import sys, time
from pathlib import Path
from hydrotest_core.connector.docker import DockerRunner
from hydrotest_core.connector.docker_container import Container
from hydrotest_core.connector.execution import *
from hydrotest_core.connector.session import Session
from hydrotest_core.redaction import SecretDict

image, output_dir, stage = sys.argv[1:]
if stage != "wait":
    real = getattr(Container, stage)
    def then_wait(*args, **more):
        real(*args, **more)
        print("reached", flush=True)
        time.sleep(60)
    setattr(Container, stage, then_wait)
with Session.open() as session:
    print(session.id, flush=True)
    connector = ConnectorUnderTest(name="x", version="dev", identity=image, image="x:dev")
    if stage == "wait":
        print("reached", flush=True)
    DockerRunner(session).run(ExecutionInputs(connector=connector, command=Command.CHECK,
        config=SecretDict(), output_dir=Path(output_dir)))
"""


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("create", signal.SIGKILL),
        ("start", signal.SIGKILL),
        ("wait", signal.SIGKILL),
        ("wait", signal.SIGTERM),
        ("wait", signal.SIGINT),
    ],
)
def test_whatever_kills_us_nothing_is_left(an_image, tmp_path, stage, number):
    output_dir = tmp_path / "out"
    output_dir.mkdir(mode=0o700)
    image = an_image("python3", "-c", program(), "hang")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, image, str(output_dir), stage],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert parent.stdout is not None
    session = parent.stdout.readline().decode().strip()
    assert parent.stdout.readline() == b"reached\n"
    engine, label = Engine(engine_address()), f"{SESSION_LABEL}={session}"
    assert until(lambda: engine.labelled("containers", label), 20)

    parent.send_signal(number)
    parent.communicate()

    def what_is_left():
        return [name for kind in KINDS for name in engine.labelled(kind, label)]

    assert until(lambda: not what_is_left(), 5), what_is_left()


def until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
