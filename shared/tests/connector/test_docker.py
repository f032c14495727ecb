"""The Docker runner over a fake engine: how runs end, and what an engine that fails does to them.

What the kernel does for a container is asked of a real engine, in `docker/`.
"""

from __future__ import annotations

import gc
import shutil
import signal
import sys
import textwrap
import threading
import time

import docker
import pytest
import requests

from hydrotest_core.connector import docker as docker_module
from hydrotest_core.connector import docker_container
from hydrotest_core.connector import docker_memory as docker_memory_module
from hydrotest_core.connector.docker import DockerRunner, describe_engine
from hydrotest_core.connector.docker_container import Container
from hydrotest_core.connector.docker_errors import SILENCE_S
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
)
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.session import Session
from hydrotest_core.errors import EngineUnavailable, ImageUnavailable
from hydrotest_core.protocol.messages import MessageType
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing.faulting_engine import Fault, FaultingEngine

LINE = '{"type":"LOG","log":{"level":"INFO","message":"%s"}}'
# It ends soon after it has said that it runs: some faults show only then.
TALKER = f"""
import time
print('{LINE % "before"}', flush=True)
print('{LINE % "running"}', flush=True)
time.sleep(0.5)
print('{LINE % "after"}', flush=True)
"""
WAITS = "import time; print('waiting', flush=True); time.sleep(60)"


@pytest.fixture
def image(fake_engine):
    """Return a function that makes an image whose connector is a piece of Python."""
    return lambda code: fake_engine.add_image(
        "source-x:dev", [sys.executable, "-c", textwrap.dedent(code)]
    )


@pytest.fixture
def address(fake_engine):
    """Where the runner looks for the engine."""
    return fake_engine.address


@pytest.fixture
def session(address):
    with Session.open(engine=address) as session:
        yield session


@pytest.fixture
def run(session, tmp_path):
    """Return a function that runs an image as a connector, into a folder of its own."""

    def start(image, *, silence_s=1, into="out", runner=None, **more):
        output_dir = tmp_path / into
        output_dir.mkdir(mode=0o700)
        connector = ConnectorUnderTest(
            name="source-x", version="dev", identity=image, image="source-x:dev"
        )
        asked = {"command": Command.CHECK, "config": SecretDict(), "timeout_s": 20.0, **more}
        runner = runner or DockerRunner(session, stop_grace_s=0.3, silence_s=silence_s)
        return runner.run(ExecutionInputs(connector=connector, output_dir=output_dir, **asked))

    return start


@pytest.fixture
def sockets_of_the_sdk():
    """Have it let go of a Unix socket that nobody listened on: it leaves that to the collector."""
    yield
    gc.collect()


leaves_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def said(folder):
    logs = Evidence(folder).messages(MessageType.LOG)
    return [one.log.message for one in logs if one.log is not None]


def until(is_so, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def things(engine):
    return [name for kind in engine.things.values() for name in kind]


def our_threads():
    names = ("hydrotest-stats", "hydrotest-appender", "hydrotest-forward")
    return [one.name for one in threading.enumerate() if one.name in names]


@pytest.fixture
def when_it_runs(monkeypatch):
    """Return a function that has something done once the connector says that it runs."""

    def arrange(do):
        real, todo = OutputRecorder.stdout, [do]

        def stdout(self, data):
            real(self, data)
            if todo and (b"running" in data or b"waiting" in data):
                todo.pop()()

        monkeypatch.setattr(OutputRecorder, "stdout", stdout)

    return arrange


def test_exhausted_memory_is_told_apart(run, image, fake_engine, when_it_runs):
    def run_out():
        (one,) = fake_engine.containers
        one.run_out_of_memory()

    when_it_runs(run_out)

    manifest = run(image(WAITS)).manifest

    assert (manifest.ending, manifest.exit_code) == (Ending.OUT_OF_MEMORY, 137)


def test_signal_of_a_bystander_is_told(run, image, fake_engine, when_it_runs):
    when_it_runs(lambda: fake_engine.containers[0].signal(signal.SIGKILL))

    manifest = run(image(WAITS)).manifest

    assert (manifest.ending, manifest.exit_code, manifest.signal) == (Ending.SIGNALLED, 137, 9)


def test_peak_memory_is_sampled(run, image):
    code = "import time; x = b'1' * 80_000_000; time.sleep(1)"

    assert 80_000_000 < run(image(code)).manifest.peak_rss_bytes < 160_000_000


@pytest.mark.parametrize("program", ["/hydrotest-no-such-program", "/etc/passwd"])
def test_entrypoint_that_cannot_be_started_is_named(run, fake_engine, program):
    with pytest.raises(ImageUnavailable, match="entrypoint can't be started") as caught:
        run(fake_engine.add_image("source-x:dev", [program]))

    assert caught.value.facts["entrypoint"] == [program]
    assert things(fake_engine) == []


def test_container_that_somebody_removed_is_told(run, image, fake_engine, when_it_runs):
    def remove():
        one = fake_engine.containers[0]
        fake_engine.remove("containers", one.id, force=True, with_volumes=True)

    when_it_runs(remove)

    with pytest.raises(EngineUnavailable, match="removed while"):
        run(image(WAITS))


def test_engine_is_described(address):
    assert describe_engine(address) == f"Docker engine 0 (fake) at {address}"


def test_an_engine_that_goes_silent_is_given_up_within_thirty_seconds():
    """In the worst case: silence, then the removal that nobody answers, and the last sample."""
    tick_s = 0.5

    waits = (SILENCE_S, tick_s, docker_container._LAST_CALL_S, docker_memory_module._ENDS_WITHIN_S)
    assert sum(waits) < 30


@pytest.mark.parametrize(
    "error",
    [docker.errors.APIError("500"), requests.ConnectionError("reset")],
    ids=["refused", "reset"],
)
def test_without_samples_of_its_memory_an_engine_counts_as_gone(run, image, monkeypatch, error):
    """They are the sign of life: without them a silence would last until the timeout."""

    def stats(*_, **__):
        raise error

    monkeypatch.setattr(docker.APIClient, "stats", stats)

    with pytest.raises(EngineUnavailable):
        run(image(WAITS), timeout_s=3.0)


@leaves_sockets
@pytest.mark.timeout(40, method="signal")
@pytest.mark.usefixtures("sockets_of_the_sdk")
class TestEngineGone:
    """Whatever an engine does and whenever: told in time, nothing torn, the retry succeeds."""

    @pytest.fixture(params=["unix", "tcp"])
    def engine(self, request, fake_engine, tmp_path_factory):
        folder = tmp_path_factory.mktemp("e") if request.param == "unix" else None
        with FaultingEngine(folder, fake_engine.address, outage_s=0.3) as engine:
            yield engine

    @pytest.fixture
    def address(self, engine):
        return engine.address

    @pytest.fixture(autouse=True)
    def _short_last_calls(self, monkeypatch):
        monkeypatch.setattr(docker_container, "_LAST_CALL_S", 0.3)
        monkeypatch.setattr(docker_memory_module, "_ENDS_WITHIN_S", 0.3)

    @pytest.fixture
    def runner(self, session, monkeypatch):
        monkeypatch.setattr(docker_module, "KNOCK_S", 1)
        return DockerRunner(session, stop_grace_s=0.3, silence_s=1)

    @pytest.fixture
    def recovers(self, session, run, image, engine, fake_engine):
        """Return a function that sees that a retry succeeds, and that then nothing is left."""

        def look():
            engine.heal()
            again = run(image(TALKER), into="again", silence_s=5)
            assert (again.manifest.ending, again.manifest.exit_code) == (Ending.EXITED, 0)
            assert said(again.directory) == ["before", "running", "after"]
            session.close()
            assert things(fake_engine) == []
            assert fake_engine.processes() == []
            assert not session.folder.exists()
            assert until(lambda: our_threads() == []), our_threads()

        return look

    @pytest.mark.parametrize("engine", ["tcp"], indirect=True)
    @pytest.mark.parametrize("fault", list(Fault))
    def test_before_the_run_is_told(self, run, image, engine, fault, recovers):
        engine.fail(fault)

        with pytest.raises(EngineUnavailable, match="No Docker engine answers") as caught:
            run(image(TALKER))

        assert (caught.value.exit_code, caught.value.is_transient) == (3, True)
        assert caught.value.hint
        recovers()

    @pytest.mark.parametrize("engine", ["tcp"], indirect=True)
    @pytest.mark.parametrize("fault", list(Fault))
    @pytest.mark.parametrize("stage", ["create", "put", "attach", "start", "state"])
    def test_at_a_stage_is_told(
        self, run, image, engine, monkeypatch, tmp_path, stage, fault, recovers
    ):
        real = getattr(Container, stage)
        failed: list[str] = []

        def failing(*args, **more):
            if not failed:
                failed.append(stage)
                engine.fail(fault)
            return real(*args, **more)

        monkeypatch.setattr(Container, stage, failing)

        with pytest.raises(EngineUnavailable) as caught:
            run(image(TALKER))

        assert (caught.value.exit_code, caught.value.is_transient) == (3, True)
        assert caught.value.hint
        if fault is not Fault.TEAR:  # Its answers begin as if all were well.
            has_run = (tmp_path / "out" / "manifest.json").exists()
            assert has_run == (stage == "state")
        recovers()

    @pytest.mark.parametrize("fault", list(Fault))
    def test_mid_run_keeps_what_was_said(
        self, run, image, engine, tmp_path, when_it_runs, fault, recovers
    ):
        when_it_runs(lambda: engine.fail(fault))

        with pytest.raises(EngineUnavailable) as caught:
            run(image(TALKER), timeout_s=600.0)

        assert (caught.value.exit_code, caught.value.is_transient) == (3, True)
        assert caught.value.hint
        manifest = Evidence(tmp_path / "out").manifest
        assert manifest.ending is Ending.INTERRUPTED
        assert said(tmp_path / "out")[:2] == ["before", "running"]
        assert manifest.problem_count == 0
        recovers()

    @pytest.mark.parametrize("engine", ["tcp"], indirect=True)
    @pytest.mark.parametrize("fault", [Fault.STALL, Fault.REFUSE, Fault.RESET])
    def test_when_the_time_is_up_is_told(self, run, image, engine, monkeypatch, fault, recovers):
        real = Container.signal

        def failing(*args):
            engine.fail(fault)
            real(*args)

        monkeypatch.setattr(Container, "signal", failing)

        with pytest.raises(EngineUnavailable):
            run(image(WAITS), timeout_s=0.5)

        recovers()

    @pytest.mark.parametrize("engine", ["tcp"], indirect=True)
    @pytest.mark.parametrize("fault", list(Fault))
    def test_in_the_end_costs_nothing(
        self, run, image, engine, monkeypatch, fake_engine, fault, recovers
    ):
        """The connector has said all and its end is known: only the removal is left."""
        real = Container.remove

        def failing(self):
            engine.fail(fault)
            real(self)

        monkeypatch.setattr(Container, "remove", failing)
        result = run(image(TALKER))
        monkeypatch.setattr(Container, "remove", real)

        assert (result.manifest.ending, result.manifest.exit_code) == (Ending.EXITED, 0)
        assert len(things(fake_engine)) == 2, "the container and its volume are the session's"
        recovers()

    @pytest.mark.parametrize("engine", ["tcp"], indirect=True)
    def test_runs_that_follow_fail_at_once_by_the_same_cause(
        self, run, image, engine, runner, when_it_runs, recovers
    ):
        """Each of them would wait for as long, and tell another half of the story."""
        when_it_runs(lambda: engine.fail(Fault.STALL))
        told = set()
        for into in ("first", "second", "third"):
            with pytest.raises(EngineUnavailable) as caught:
                run(image(TALKER), into=into, runner=runner)
            told.add(str(caught.value))

        assert len(told) == 1, told
        engine.heal()
        runner._loss._ask_again_at = 0.0
        assert run(image(TALKER), into="fourth", runner=runner).manifest.exit_code == 0
        recovers()

    @pytest.mark.parametrize("engine", ["tcp"], indirect=True)
    @pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.REFUSE, Fault.TEAR, Fault.RESET])
    def test_a_session_ends_without_its_engine(self, session, engine, fault):
        engine.fail(fault)

        session.close()
        assert not session.folder.exists()

    @pytest.mark.parametrize("engine", ["tcp"], indirect=True)
    @pytest.mark.soak
    def test_silence_is_given_up_within_thirty_seconds(
        self, run, image, engine, when_it_runs, monkeypatch
    ):
        monkeypatch.setattr(docker_container, "_LAST_CALL_S", 5)
        monkeypatch.setattr(docker_memory_module, "_ENDS_WITHIN_S", 5)
        when_it_runs(lambda: engine.fail(Fault.STALL))
        begin = time.monotonic()

        with pytest.raises(EngineUnavailable):
            run(image(WAITS), silence_s=SILENCE_S, timeout_s=600)

        assert time.monotonic() - begin < 30


@leaves_sockets
@pytest.mark.usefixtures("sockets_of_the_sdk")
@pytest.mark.parametrize("keeps_containers", [False, True], ids=["ended", "kept"])
def test_a_restart_of_the_engine_is_not_the_connectors_end(
    run, image, fake_engine, tmp_path, when_it_runs, session, keeps_containers
):
    """A container that the restart ended has exit code 137, as if the connector had crashed."""
    when_it_runs(lambda: fake_engine.restart(keeps_containers=keeps_containers))

    with pytest.raises(EngineUnavailable):
        run(image(WAITS))

    assert Evidence(tmp_path / "out").manifest.ending is Ending.INTERRUPTED
    shutil.rmtree(tmp_path / "out")
    assert run(image("print(1)")).manifest.exit_code == 0
    session.close()
    assert things(fake_engine) == []
