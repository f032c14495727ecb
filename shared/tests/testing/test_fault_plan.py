from __future__ import annotations

import contextlib
import os
import time

import pytest

from hydrotest_core.connector.execution import Command, ConnectorUnderTest, ExecutionInputs
from hydrotest_core.connector.reaper import SESSION_LABEL, Engine
from hydrotest_core.errors import EngineUnavailable
from hydrotest_core.sealed import atomic_write
from hydrotest_core.testing import Script, ScriptedRunner
from hydrotest_core.testing.fake_engine import FakeEngine
from hydrotest_core.testing.fault_plan import (
    SEED_VARIABLE,
    FaultPlan,
    FaultyRunner,
    clock,
    engine_calls,
    fault_seeds,
    files_below,
)


@pytest.fixture(autouse=True)
def _asked_for_nothing(monkeypatch):
    monkeypatch.delenv(SEED_VARIABLE, raising=False)


def test_each_call_fails_in_turn_until_a_run_passes(tmp_path):
    path = tmp_path / "file"
    atomic_write(path, b"old")
    failed = []

    for plan in FaultPlan.each_call():
        with plan, plan.attached(files_below(tmp_path)):
            with contextlib.suppress(OSError):
                atomic_write(path, b"new")
            failed += plan.faults
        assert path.read_bytes() in (b"old", b"new")
        assert list(tmp_path.iterdir()) == [path]

    assert path.read_bytes() == b"new"
    assert failed[0] == "os.open #1"
    assert {"os.write #1", "os.fsync #1", "os.rename #1"} & set(failed) >= {"os.write #1"}


def test_a_write_that_fails_has_written_half(tmp_path):
    plan = FaultPlan(nth=2)
    with plan.attached(files_below(tmp_path)):
        descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="No space"):
            os.write(descriptor, b"123456")
        os.close(descriptor)

    assert (tmp_path / "file").read_bytes() == b"123"


def test_files_elsewhere_and_reading_never_fail(tmp_path):
    ours = tmp_path / "ours"
    ours.mkdir()
    plan = FaultPlan(nth=1)

    with plan.attached(files_below(ours)):
        (tmp_path / "theirs").mkdir()
        os.close(os.open(ours, os.O_RDONLY))

    assert plan.calls == []


def test_nothing_stays_patched(tmp_path):
    before = (os.open, os.write, os.fdopen, time.time_ns, Engine._call)
    with FaultPlan(1).attached(files_below(tmp_path), clock(), engine_calls()):
        assert os.open is not before[0]

    assert (os.open, os.write, os.fdopen, time.time_ns, Engine._call) == before


def faults(seed):
    plan = FaultPlan(seed, rate=0.2)
    for number in range(40):
        plan.fails(f"call {number % 3}")
    return plan.faults


def test_a_seed_draws_the_same_again():
    drawn = [faults(seed) for seed in range(20)]

    assert drawn == [faults(seed) for seed in range(20)]
    assert len({tuple(each) for each in drawn}) > 10
    assert max(len(each) for each in drawn) == 2


def test_other_names_between_do_not_change_what_a_seed_draws():
    plan = FaultPlan(3, rate=0.3, at_most=99)
    mixed = FaultPlan(3, rate=0.3, at_most=99)
    for _ in range(20):
        plan.fails("a")
        mixed.fails("b")
        mixed.fails("a")

    assert [one for one in mixed.faults if one.startswith("a ")] == plan.faults


def test_a_failure_tells_how_to_see_it_again():
    def check(plan):
        with plan:
            plan.fails("os.write")
            pytest.fail("torn")

    with pytest.raises(pytest.fail.Exception) as drawn:
        check(FaultPlan(17))
    with pytest.raises(pytest.fail.Exception) as counted:
        check(FaultPlan(nth=1))

    assert drawn.value.__notes__[0].endswith(f"{SEED_VARIABLE}=17")
    assert counted.value.__notes__[0].endswith(f"{SEED_VARIABLE}=call-1")
    assert "os.write #1" in counted.value.__notes__[0]


def test_one_that_was_told_is_run_alone(monkeypatch):
    monkeypatch.setenv(SEED_VARIABLE, "17")
    assert fault_seeds(3) == [17]
    monkeypatch.setenv(SEED_VARIABLE, "call-5")
    assert fault_seeds(3) == [0, 1, 2]
    assert [plan.token for plan in FaultPlan.each_call()] == ["call-5"]


def test_calls_without_end_are_told():
    plans = FaultPlan.each_call()

    def fail_each():
        for plan in plans:
            while not plan.faults:
                plan.fails("x")

    with pytest.raises(AssertionError, match="is this one run"):
        fail_each()


@pytest.mark.parametrize("is_answer_lost", [False, True], ids=["call lost", "answer lost"])
def test_an_engine_did_as_asked_where_only_its_answer_is_lost(tmp_path_factory, is_answer_lost):
    with FakeEngine(tmp_path_factory.mktemp("e")) as fake:
        fake.things["volumes"]["v"] = {SESSION_LABEL: "mine"}
        plan = FaultPlan(nth=1)
        with (
            plan.attached(engine_calls(is_answer_lost=is_answer_lost)),
            pytest.raises(ConnectionResetError),
        ):
            Engine(fake.address).remove("volumes", "v")

        assert (fake.things["volumes"] == {}) == is_answer_lost
        assert plan.faults == ["reaper DELETE #1"]


def test_a_clock_jumps_by_an_hour_and_stays_there():
    jumps = set()
    for seed in range(10):
        plan = FaultPlan(seed, rate=1.0, at_most=1)
        before = time.time_ns()
        with plan.attached(clock()):
            first, second = time.time_ns(), time.time_ns()
        assert 0 <= second - first < 60 * 10**9
        jumps.add(round((first - before) / 3600e9))

    assert jumps == {-1, 1}


def test_a_runner_fails_before_and_after_its_run(tmp_path):
    connector = ConnectorUnderTest(name="x", version="dev", identity="script")
    seen = []
    for plan in FaultPlan.each_call():
        scripted = ScriptedRunner({Command.SPEC: Script()})
        output_dir = tmp_path / plan.token
        output_dir.mkdir(mode=0o700)
        inputs = ExecutionInputs(connector=connector, command=Command.SPEC, output_dir=output_dir)
        try:
            FaultyRunner(scripted, plan).run(inputs)
        except EngineUnavailable as exc:
            seen.append((exc.facts["when"], len(scripted.calls)))

    assert seen == [("before", 0), ("after", 1)]
