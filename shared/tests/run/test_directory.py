from __future__ import annotations

import dataclasses
import errno
import re
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from hydrotest_core.connector.cache import CachedExecution
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
    ExecutionManifest,
    StreamCount,
)
from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.run.directory import RunDirectory, RunningExecution
from hydrotest_core.testing.fault_plan import FaultPlan, files_below

KEY = "1f" * 32
OTHER = "2e" * 32
CONNECTOR = ConnectorUnderTest(name="source-x", version="dev", identity="env:1")
INPUTS = ExecutionInputs(connector=CONNECTOR, command=Command.READ, output_dir=Path())
MANIFEST = ExecutionManifest(
    key=KEY,
    connector="source-x",
    version="dev",
    identity="env:1",
    runner="scripted",
    command=Command.READ,
    argv=["read"],
    ending=Ending.EXITED,
    exit_code=0,
    started_at_ms=1000,
    ended_at_ms=3000,
    duration_s=2.0,
    timeout_s=60,
    line_count=3,
    message_counts={"RECORD": 3},
    streams=[StreamCount(stream="users", records=3, path="records/000.jsonl")],
)


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "home")


@pytest.fixture
def execution(tmp_path):
    """Return a function that makes a finished execution, with a folder of its own."""

    def make(entry="1-s", *, reused=False, stderr=b"", **changes):
        manifest = msgspec.structs.replace(MANIFEST, **changes)
        directory = tmp_path / "home" / "executions" / manifest.key / entry
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "stderr.log").write_bytes(stderr)
        return CachedExecution(manifest.key, directory, manifest, is_reused=reused, waited_s=0.1)

    return make


class TestFolder:
    def test_is_named_by_the_time_and_chance(self, run, tmp_path):
        assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", run.run_id)
        assert run.path == tmp_path / "home" / "runs" / run.run_id
        assert RunDirectory.create(tmp_path / "home").path != run.path

    def test_is_private(self, run, execution, tmp_path):
        run.started(KEY, INPUTS)
        run.log(execution())

        home = tmp_path / "home"
        made = [home, home / "runs", run.path, *run.path.rglob("*")]
        assert {(path.is_dir(), path.stat().st_mode & 0o777) for path in made} == {
            (True, 0o700),
            (False, 0o600),
        }

    def test_is_shared_by_who_knows_its_path(self, run, execution):
        worker = RunDirectory(run.path)
        worker.log(execution())

        assert worker.run_id == run.run_id
        assert len(run.asked()) == 1
        assert str(run.path) in repr(worker)

    def test_that_cannot_be_made_is_the_machines_fault(self, tmp_path):
        (tmp_path / "home").touch()

        with pytest.raises(InfrastructureError, match="can't be written") as caught:
            RunDirectory.create(tmp_path / "home")

        assert "HYDROTEST_HOME" in caught.value.hint


class TestRunning:
    def test_nothing_runs_at_first(self, run):
        assert run.running() == []

    def test_what_began_runs_until_it_ended(self, run):
        before = time.monotonic()
        run.started(KEY, INPUTS)
        run.started(OTHER, dataclasses.replace(INPUTS, command=Command.CHECK, attempt=2))

        found = run.running()
        assert [one.what for one in found] == [
            "read source-x:dev",
            "check source-x:dev (attempt 2)",
        ]
        assert before <= found[0].since_s <= found[1].since_s

        run.ended(KEY)
        assert [one.what for one in run.running()] == ["check source-x:dev (attempt 2)"]
        run.ended(OTHER)
        assert run.running() == []

    def test_the_longest_comes_first(self, run):
        for name, since in (("a", 30), ("b", 10), ("c", 20)):
            write(run, name, RunningExecution(name, since))

        assert [one.what for one in run.running()] == ["b", "c", "a"]

    def test_what_ended_twice_is_over(self, run):
        run.started(KEY, INPUTS)
        run.ended(KEY)
        run.ended(KEY)

        assert run.running() == []

    def test_what_a_dead_process_waited_for_runs_no_more(self, run):
        dead = str(dataclasses.replace(ProcessIdentity.current(), started="1"))
        alive = str(ProcessIdentity.current())
        for name, owner in (("a", dead), ("b", alive), ("c", dead), ("d", "nobody knows")):
            write(run, name, RunningExecution(name, 1, owner))

        assert {one.what for one in run.running()} == {"b", "d"}

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"what": 1}'])
    def test_what_is_half_written_is_passed_over(self, run, content):
        (run.path / "running" / "a").write_bytes(content)
        run.started(KEY, INPUTS)

        assert [one.what for one in run.running()] == ["read source-x:dev"]

    def test_what_is_still_being_written_is_not_there_yet(self, run):
        write(run, ".x.part", RunningExecution("a", 1))

        assert run.running() == []

    def test_a_folder_in_the_way_stops_nobody(self, run):
        (run.path / "running" / "a").mkdir()

        assert run.running() == []

    def test_a_disk_that_is_full_is_the_machines_fault(self, run, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device", "there")

        monkeypatch.setattr("hydrotest_core.run.directory.atomic_write", full)

        with pytest.raises(InfrastructureError) as caught:
            run.started(KEY, INPUTS)

        assert caught.value.facts["path"] == "there"
        assert caught.value.facts["free_bytes"] > 0


def write(run, name, running):
    (run.path / "running" / name).write_bytes(msgspec.json.encode(running))


class TestLog:
    def test_nothing_was_asked_at_first(self, run):
        assert run.asked() == run.executions() == []

    def test_everything_that_was_asked_for_is_kept_in_order(self, run, execution):
        run.log(execution())
        run.log(execution(key=OTHER, command=Command.CHECK, streams=[], message_counts={}))
        run.log(execution(reused=True))

        asked = run.asked()
        assert [(one.key, one.reused) for one in asked] == [
            (KEY, False),
            (OTHER, False),
            (KEY, True),
        ]
        assert [one.record_count for one in asked] == [3, 0, 3]

    def test_the_folder_is_told_from_the_run(self, run, execution):
        run.log(execution())

        (summary,) = run.asked()
        assert summary.directory == f"../../executions/{KEY}/1-s"
        assert (run.path / summary.directory / "stderr.log").exists()

    def test_the_last_eight_lines_of_stderr_are_kept(self, run, execution):
        run.log(execution(stderr=b"".join(b"line %d\n" % n for n in range(20))))

        assert run.asked()[0].stderr_tail == [f"line {n}" for n in range(12, 20)]

    @pytest.mark.parametrize("torn", [b'{"key": "1', b"\xff\xfe", b"", b"[]", b"null"])
    def test_a_line_that_a_crash_tore_is_passed_over_aloud(self, run, execution, caplog, torn):
        run.log(execution())
        with (run.path / "executions.jsonl").open("ab") as file:
            file.write(torn + b"\n")
        run.log(execution(key=OTHER))

        assert [one.key for one in run.asked()] == [KEY, OTHER]
        assert caplog.text.count("run.torn_line") == 1
        assert "line=2" in caplog.text

    def test_many_processes_write_whole_lines(self, run, execution):
        execution(stderr=b"x" * 50_000)
        script = (
            "import sys, pathlib, msgspec\n"
            "from hydrotest_core.connector.cache import CachedExecution\n"
            "from hydrotest_core.connector.execution import ExecutionManifest\n"
            "from hydrotest_core.run.directory import RunDirectory\n"
            "run = RunDirectory(pathlib.Path(sys.argv[1]))\n"
            "manifest = msgspec.json.decode(sys.argv[2], type=ExecutionManifest)\n"
            "folder = run.path.parents[1] / 'executions' / manifest.key / '1-s'\n"
            "sys.stdin.readline()\n"
            "for _ in range(25):\n"
            "    run.log(CachedExecution(manifest.key, folder, manifest, False, 0.0))\n"
        )
        manifest = msgspec.json.encode(MANIFEST).decode()
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(run.path), manifest],
                stdin=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
        for writer in writers:
            writer.communicate(timeout=60)

        assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
        assert [len(one.stderr_tail[0]) for one in run.asked()] == [50_000] * 100

    def test_a_link_in_its_place_is_the_machines_fault(self, run, execution, tmp_path):
        (run.path / "executions.jsonl").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(InfrastructureError, match="can't be written"):
            run.log(execution())

        assert not (tmp_path / "elsewhere").exists()


class TestExecutions:
    def test_each_stands_once_in_the_order_of_its_start(self, run, execution):
        late = execution(started_at_ms=5000)
        early = execution(key=OTHER, started_at_ms=4000)
        for one in (late, early, late, early):
            run.log(one)

        assert [one.key for one in run.executions()] == [OTHER, KEY]

    def test_one_that_this_run_started_is_not_reused_whoever_says_so_first(self, run, execution):
        run.log(execution(reused=True))
        run.log(execution())
        run.log(execution(reused=True))

        assert [one.reused for one in run.executions()] == [False]

    def test_one_that_others_ran_is_reused(self, run, execution):
        run.log(execution(reused=True))
        run.log(execution(reused=True))

        assert [one.reused for one in run.executions()] == [True]

    def test_two_of_one_key_are_two(self, run, execution):
        """The first was stopped by a test that had less time; both were judged."""
        run.log(execution("1-s", ending=Ending.TIMED_OUT, exit_code=None, started_at_ms=1))
        run.log(execution("2-s", started_at_ms=2))

        assert [one.ending for one in run.executions()] == [Ending.TIMED_OUT, Ending.EXITED]


class TestLastOf:
    """What a worker was at when it died."""

    @pytest.fixture
    def of(self, run):
        """Return a function that gives a worker's own view of the run's folder."""
        return lambda worker: RunDirectory(run.path, worker)

    def test_is_what_it_ran(self, run, of, execution):
        of("gw0").log(execution())
        of("gw0").started(KEY, dataclasses.replace(INPUTS, output_dir=Path("/draft")))

        last = run.last_of("gw0", 0.0)

        assert (last.what, last.directory) == ("read source-x:dev", "/draft")
        assert run.last_of("gw1", 0.0) is None

    def test_is_not_wiped_out_by_who_takes_over(self, run, of):
        of("gw0").started(KEY, dataclasses.replace(INPUTS, output_dir=Path("/first")))
        of("gw1").started(KEY, dataclasses.replace(INPUTS, output_dir=Path("/second")))
        of("gw1").ended(KEY)

        assert run.last_of("gw0", 0.0).directory == "/first"

    def test_else_is_what_it_looked_at_since_its_test_began(self, run, of, execution):
        first = execution()
        of("gw0").log(first)
        began = time.monotonic()
        assert run.last_of("gw0", began) is None
        of("gw0").log(dataclasses.replace(first, is_reused=True))
        of("gw1").log(execution("2-s"))

        last = run.last_of("gw0", began)

        assert (last.what, last.directory) == ("read", str(first.directory))


class TestFullDisk:
    def test_at_any_call_is_told_and_the_next_call_succeeds(self, tmp_path, execution):
        first, second = execution(), execution("2-s", key=OTHER)
        met = 0
        for plan in FaultPlan.each_call():
            home = tmp_path / str(plan.token)
            run = error = None
            with plan, plan.attached(files_below(home)):
                try:
                    run = RunDirectory.create(home)
                    run.started(KEY, INPUTS)
                    run.log(first)
                    run.warn("mind the gap")
                except InfrastructureError as exc:
                    error = exc
            with plan:
                if error is not None:
                    met += 1
                    assert error.exit_code == 3
                    assert str(error.facts["path"]).startswith(str(home))
                    assert error.facts["free_bytes"] >= 0
                    assert error.facts["needed_bytes"] > 0
                run = run or RunDirectory.create(home)
                run.started(OTHER, INPUTS)
                run.log(second)
                run.warn("mind the step")
                assert run.asked()[-1].key == OTHER
                assert run.warnings()[-1] == "mind the step"
                assert run.running()
        assert met > 5


class TestWarnings:
    def test_there_are_none_at_first(self, run):
        assert run.warnings() == []

    def test_of_all_workers_are_kept_each_once(self, run):
        for text in ("a", "b", "a"):
            RunDirectory(run.path).warn(text)

        assert run.warnings() == ["a", "b"]

    def test_that_were_torn_are_passed_over(self, run):
        run.warn("a")
        with (run.path / "warnings.jsonl").open("ab") as file:
            file.write(b'"to')
        run.warn("b")

        assert run.warnings() == ["a", "b"]


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_clock_that_jumps_makes_nothing_run_longer(run, monkeypatch, jump_s):
    begin = time.monotonic()
    run.started(KEY, INPUTS)
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + jump_s * 10**9)
    run.started(OTHER, INPUTS)

    first, second = run.running()
    assert begin <= first.since_s <= second.since_s <= time.monotonic()
