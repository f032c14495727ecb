"""Any call that fails, of files or of the engine, in a run and in the cache of runs.

The n-th call fails for n = 1, 2, 3 … until a run comes through; then calls drawn from
seeds. `HYDROTEST_FAULT_SEED` runs one of them again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

import msgspec
import pytest

from hydrotest_core.connector import docker_container, docker_memory
from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.docker import DockerRunner
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
    ExecutionManifest,
)
from hydrotest_core.connector.seal import is_as_sealed
from hydrotest_core.connector.session import Session
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing import Script, ScriptedRunner, a_log, a_record
from hydrotest_core.testing.fault_plan import (
    FaultPlan,
    FaultyRunner,
    clock,
    engine_calls,
    fault_seeds,
    files_below,
)

SAYS = """
import json
for number in range(3):
    record = {"stream": "users", "data": {"id": number}, "emitted_at": 1}
    print(json.dumps({"type": "RECORD", "record": record}))
print('{"type":"LOG","log":{"level":"INFO","message":"said"}}')
"""
COUNTS = {"RECORD": 3, "LOG": 1}
# The SDK leaves it to the collector to close what it got no answer on.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def inputs(fake_engine):
    identity = fake_engine.add_image("source-x:dev", [sys.executable, "-c", SAYS])
    connector = ConnectorUnderTest(
        name="source-x", version="dev", identity=identity, image="source-x:dev"
    )

    def make(output_dir):
        return ExecutionInputs(
            connector=connector,
            command=Command.CHECK,
            config=SecretDict(),
            output_dir=output_dir,
            timeout_s=20.0,
        )

    return make


@pytest.fixture
def session(fake_engine, monkeypatch):
    monkeypatch.setattr(docker_memory, "_ENDS_WITHIN_S", 0.5)
    monkeypatch.setattr(docker_container, "_LAST_CALL_S", 1)
    with Session.open(engine=fake_engine.address) as session:
        yield session


def until(is_so, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def our_threads():
    return [one.name for one in threading.enumerate() if one.name.startswith("hydrotest-")]


def open_files(folder):
    """Name the files below a folder that this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - not a folder of files
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - as above
    return [path for path in found if path.startswith(str(folder))]


def no_file_is_torn(folder):
    """Say whether all that was written by one stroke is whole, and nothing lies beside."""
    for path in folder.rglob("*"):
        assert not path.name.endswith(".part"), path
        if path.name == "manifest.json":
            msgspec.json.decode(path.read_bytes(), type=ExecutionManifest)
        if path.name in {"seal.json", "session.json"}:
            msgspec.json.decode(path.read_bytes())
    return True


def nothing_is_left(engine, folder):
    things = [name for kind in engine.things.values() for name in kind]
    assert things == [], engine.requests[-8:]
    assert engine.processes() == []
    assert until(lambda: not our_threads()), our_threads()
    assert open_files(folder) == []
    return True


def tried(do):
    """Do it; a failure must be the machine's, and say what to do."""
    result = error = None
    try:
        result = do()
    except InfrastructureError as exc:
        error = exc
    assert error is None or (error.exit_code == 3 and error.hint)
    return result


def is_good(result):
    manifest = result.manifest
    return (
        (manifest.ending, manifest.exit_code) == (Ending.EXITED, 0)
        and manifest.message_counts == COUNTS
        and len(list(Evidence(result.directory).records("users"))) == 3
    )


@pytest.mark.parametrize("is_answer_lost", [False, True], ids=["call lost", "answer lost"])
def test_any_one_call_of_the_engine_that_fails_leaves_nothing(
    fake_engine, session, inputs, tmp_path, is_answer_lost
):
    failed, result = [], None
    for plan in FaultPlan.each_call():
        output_dir = tmp_path / plan.token
        output_dir.mkdir(mode=0o700)
        runner = DockerRunner(session, stop_grace_s=0.2, silence_s=1)
        with plan:
            with plan.attached(engine_calls(is_answer_lost=is_answer_lost)):
                result = tried(lambda: runner.run(inputs(output_dir)))  # noqa: B023 - called here
            is_removal = plan.faults == ["engine DELETE #1"]
            assert (result is None) == (bool(plan.faults) and not is_removal)
            assert no_file_is_torn(output_dir)
            # What couldn't be removed is the session's to remove: it is marked as ours.
            left = fake_engine.labelled("containers", [f"io.hydrotest.session={session.id}"])
            assert len(left) == (is_removal and not is_answer_lost)
            for one in left:
                fake_engine.remove("containers", one, force=True, with_volumes=True)
            assert nothing_is_left(fake_engine, output_dir)
        failed += plan.faults

    assert is_good(result)
    assert {"engine POST #1", "engine POST #3", "engine PUT #1", "engine DELETE #1"} <= {*failed}


def test_any_one_call_of_the_engine_that_fails_is_made_good_by_the_sessions_end(
    fake_engine, inputs, tmp_path
):
    for plan in FaultPlan.each_call():
        output_dir = tmp_path / plan.token
        output_dir.mkdir(mode=0o700)
        with plan:
            with Session.open(engine=fake_engine.address) as session:
                runner = DockerRunner(session, stop_grace_s=0.2, silence_s=1)
                with plan.attached(engine_calls()):
                    tried(lambda: runner.run(inputs(output_dir)))  # noqa: B023 - called here
            assert nothing_is_left(fake_engine, output_dir)
            assert not session.folder.exists()


def test_any_one_write_that_fails_tears_nothing(fake_engine, session, inputs, tmp_path):
    failed, result = [], None
    for plan in FaultPlan.each_call():
        output_dir = tmp_path / plan.token
        output_dir.mkdir(mode=0o700)
        runner = DockerRunner(session, stop_grace_s=0.2, silence_s=1)
        with plan:
            with plan.attached(files_below(output_dir)):
                result = tried(lambda: runner.run(inputs(output_dir)))  # noqa: B023 - called here
            assert no_file_is_torn(output_dir)
            assert nothing_is_left(fake_engine, output_dir)
            assert result is None or is_good(result)
        failed += plan.faults

    assert is_good(result)
    assert {"os.mkdir #1", "os.open #1", "os.writev #1", "os.write #1"} <= {*failed}


@pytest.fixture
def cache(tmp_path):
    """Return a function that opens the one cache of this test anew, as the next process would."""

    def open_it(runner):
        return ExecutionCache(tmp_path / "home", runner, session="s", accept_since_ms=0)

    return open_it


def scripted():
    script = Script([*(a_record("users", id=number) for number in range(3)), a_log("said")])
    return ScriptedRunner({Command.CHECK: script})


def kept(tmp_path):
    """Return the finished executions of the cache."""
    executions = (tmp_path / "home" / "executions").glob("*/[0-9]*-s")
    return [one for one in executions if is_as_sealed(one)]


@pytest.mark.parametrize("fault", ["files", "runner", "clock"])
def test_any_one_failure_in_the_cache_is_forgotten_by_the_next_run(inputs, tmp_path, cache, fault):
    """The seams: the files of the cache and of the run, the runner, the clock."""
    home = tmp_path / "home"
    seams = {"files": [files_below(home)], "runner": [], "clock": [clock()]}[fault]
    for number, plan in enumerate(FaultPlan.each_call()):
        asked = inputs(tmp_path)
        with plan:
            runner = scripted()
            faulty = FaultyRunner(runner, plan) if fault == "runner" else runner
            with plan.attached(*seams):
                tried(lambda: cache(faulty).run(asked))  # noqa: B023 - called here
            assert no_file_is_torn(home)
            again = cache(scripted()).run(asked)
            assert is_good(again)
            assert is_as_sealed(again.directory)
            assert open_files(home) == []
            assert until(lambda: not our_threads()), our_threads()
        for path in kept(tmp_path):
            path.rename(tmp_path / f"seen {number} {path.name}")

    assert number >= {"files": 15, "runner": 2, "clock": 2}[fault]


@pytest.mark.parametrize("seed", fault_seeds(24))
def test_failures_drawn_from_a_seed_are_survived(
    fake_engine, session, inputs, tmp_path, cache, seed
):
    """Engine, files and clock at once; then all is well again, and a retry succeeds."""
    home = tmp_path / "home"
    runner = DockerRunner(session, stop_grace_s=0.2, silence_s=1)
    with FaultPlan(seed, rate=0.08) as plan:
        with plan.attached(files_below(home), engine_calls(), clock()):
            tried(lambda: cache(runner).run(inputs(tmp_path)))
        assert no_file_is_torn(home)

        again = cache(runner).run(inputs(tmp_path))
        assert is_good(again)
        assert is_as_sealed(again.directory)
        session.close()
        assert nothing_is_left(fake_engine, home)
