"""The cache of executions with the disk, the clock and its own processes against it.

Promises O7, O8, C1, C3 and C5 of the ecosystem reference.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
)
from hydrotest_core.disk import NO_ROOM
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing import Script, ScriptedRunner, a_record, a_state
from hydrotest_core.testing.fault_plan import FaultPlan, clock, fault_seeds, files_below

RECORDS = 2000
LINES = [*(a_record("users", id=n, text="x" * 80) for n in range(RECORDS)), a_state("users")]
SMALL = [a_record("users", id=1), a_state("users", {"id": 1})]
INPUTS = ExecutionInputs(
    connector=ConnectorUnderTest(name="source-x", version="dev", identity="env:1"),
    command=Command.READ,
    config=SecretDict(start="2026-01-01"),
    configured_catalog={"streams": []},
    output_dir=Path(),
    timeout_s=10,
)


def cache_in(home, lines=SMALL, session="one", **more):
    runner = ScriptedRunner({Command.READ: Script(lines, stderr="said\n")})
    return ExecutionCache(home, runner, session=session, accept_since_ms=0, **more)


def said_in(found):
    evidence = Evidence(found.directory)
    return [line.raw for line in evidence.walk()], evidence.stderr_tail()


def quarantined(home):
    return list((home / "executions").glob("quarantine/*"))


def assert_is_whole(found, lines=SMALL):
    raws, stderr = said_in(found)
    assert found.manifest.ending is Ending.EXITED
    assert len(raws) == found.manifest.line_count == len(lines)
    assert stderr == ["said"]


def assert_tells_of_a_full_disk(error):
    assert error.exit_code == 3
    assert error.facts["path"]
    assert error.facts["free_bytes"] >= 0
    assert error.facts["needed_bytes"] > 0
    assert any(way_out in error.hint for way_out in NO_ROOM.values())


@contextlib.contextmanager
def files_of_at_most(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestFullDisk:
    @pytest.mark.parametrize("size", [3**n for n in range(14)])
    def test_at_any_byte_is_told_and_poisons_nothing(self, tmp_path, size):
        error = None
        with files_of_at_most(size):
            try:
                cache_in(tmp_path, LINES).run(INPUTS)
            except InfrastructureError as exc:
                error = exc

        if error is not None:
            assert_tells_of_a_full_disk(error)
            assert "ulimit -f" in error.hint
        again = cache_in(tmp_path, LINES).run(INPUTS)
        assert again.is_reused is (error is None)
        assert_is_whole(again, LINES)
        assert quarantined(tmp_path) == []

    def test_is_met_at_small_sizes_and_not_at_large_ones(self, tmp_path):
        with files_of_at_most(3**9), pytest.raises(InfrastructureError):
            cache_in(tmp_path, LINES).run(INPUTS)
        with files_of_at_most(3**13):
            cache_in(tmp_path, LINES).run(INPUTS)

    def test_at_any_call_is_told_and_poisons_nothing(self, tmp_path):
        met = 0
        for plan in FaultPlan.each_call():
            home = tmp_path / str(plan.token)
            found = error = None
            with plan, plan.attached(files_below(home)):
                try:
                    found = cache_in(home).run(INPUTS)
                except InfrastructureError as exc:
                    error = exc
            with plan:
                if found:
                    assert_is_whole(found)
                else:
                    met += 1
                    assert_tells_of_a_full_disk(error)
                    assert_is_whole(cache_in(home).run(INPUTS))
                assert quarantined(home) == []
                assert list(home.rglob(".*.part")) == []
        assert met > 10

    @pytest.mark.parametrize("seed", fault_seeds(24))
    def test_in_any_combination_costs_no_more_than_a_retry(self, tmp_path, seed):
        with FaultPlan(seed) as plan:
            for _ in range(3):
                with (
                    plan.attached(files_below(tmp_path), clock()),
                    contextlib.suppress(InfrastructureError),
                ):
                    cache_in(tmp_path).run(INPUTS)
            assert_is_whole(cache_in(tmp_path).run(INPUTS))
            assert quarantined(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MB, on which a file leaves as much room as is asked for."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    argv = [str(mount), "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    done = mount and subprocess.run(argv, capture_output=True, check=False).returncode == 0
    if os.geteuid() or not done:
        pytest.skip("a disk of 2 MB can't be mounted here: that takes root")
    filler = place / "filler"

    def leave(size):
        filler.unlink(missing_ok=True)
        status = os.statvfs(place)
        filler.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - size)))

    yield place / "home", leave, filler
    subprocess.run(["umount", str(place)], check=True)


class TestSmallDisk:
    def test_that_is_full_is_told_with_what_is_free_and_the_retry_succeeds(self, small_disk):
        home, leave, filler = small_disk
        met = []
        for size in (0, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144):
            leave(size)
            try:
                cache_in(home, LINES).run(INPUTS)
            except InfrastructureError as exc:
                met.append((size, exc))
            filler.unlink()
            assert_is_whole(cache_in(home, LINES).run(INPUTS), LINES)
            assert quarantined(home) == []
            shutil.rmtree(home)

        assert len(met) > 3
        for size, error in met:
            assert_tells_of_a_full_disk(error)
            assert error.facts["free_bytes"] <= size
            assert str(error.facts["path"]).startswith(str(home))


HOUR_S = 3600


class TestClock:
    @pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S, -1, 1], ids=lambda jump: f"{jump:+} s")
    def test_that_jumps_while_a_connector_runs_changes_no_duration(
        self, tmp_path, monkeypatch, jump_s
    ):
        real = time.time_ns
        shift = [0]
        monkeypatch.setattr(time, "time_ns", lambda: real() + shift[0])

        def lines():
            yield SMALL[0]
            shift[0] = jump_s * 10**9
            yield SMALL[1]

        manifest = cache_in(tmp_path, lines()).run(INPUTS).manifest

        assert 0 <= manifest.duration_s < 60
        assert manifest.started_at_ms <= manifest.ended_at_ms < manifest.started_at_ms + 60_000

    @pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S], ids=["back", "forth"])
    def test_that_jumped_since_costs_a_session_none_of_its_executions(
        self, tmp_path, monkeypatch, jump_s
    ):
        now = time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now)
        cache = cache_in(tmp_path)
        first = cache.run(INPUTS)
        monkeypatch.setattr(time, "time_ns", lambda: now + jump_s * 10**9)

        assert cache.run(INPUTS).directory == first.directory
        assert cache_in(tmp_path).run(INPUTS).is_reused

    def test_that_was_an_hour_ahead_makes_no_entry_fresh_for_others(self, tmp_path, monkeypatch):
        now = time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now + HOUR_S * 10**9)
        cache_in(tmp_path, session="ahead").run(INPUTS)
        monkeypatch.setattr(time, "time_ns", lambda: now)

        found = cache_in(tmp_path, session="right").run(INPUTS)

        assert not found.is_reused
        assert cache_in(tmp_path, session="third").run(INPUTS).directory == found.directory

    @pytest.mark.parametrize("jump_s", [-HOUR_S, 0], ids=["back", "stands still"])
    def test_that_goes_back_leaves_the_latest_entry_the_first_choice(
        self, tmp_path, monkeypatch, jump_s
    ):
        now = time.time_ns()
        hangs = ScriptedRunner({Command.READ: Script(SMALL, stderr="said\n", hangs=True)})
        monkeypatch.setattr(time, "time_ns", lambda: now)
        ExecutionCache(tmp_path, hangs, session="one", accept_since_ms=0).run(INPUTS)
        monkeypatch.setattr(time, "time_ns", lambda: now + jump_s * 10**9)
        later = cache_in(tmp_path).run(replace(INPUTS, timeout_s=100))
        assert not later.is_reused

        assert cache_in(tmp_path).run(INPUTS).directory == later.directory

    @pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC-14", "right/UTC"])
    def test_of_another_zone_or_with_leap_seconds_is_the_same_clock(
        self, tmp_path, monkeypatch, zone
    ):
        cache_in(tmp_path, session="here").run(INPUTS)
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            found = cache_in(tmp_path, session="there").run(INPUTS)
        finally:
            monkeypatch.undo()
            time.tzset()

        assert found.is_reused

    @pytest.mark.parametrize("emitted_at", [0, -1, 10**15, 2**62], ids=str)
    def test_of_the_connector_is_its_own(self, tmp_path, emitted_at):
        record = a_record("users", id=1)
        record["record"]["emitted_at"] = emitted_at
        found = cache_in(tmp_path, [record]).run(INPUTS)

        (kept,) = Evidence(found.directory).records("users")
        assert kept.emitted_at == emitted_at
        assert 0 <= found.manifest.duration_s < 60


def move_and_link(path):
    """Leave a link in the place of a file that is elsewhere now, whole."""
    home = next(parent.parent for parent in path.parents if parent.name == "executions")
    path.rename(home / "it")
    path.symlink_to(home / "it")


def replaced(make):
    """Return a function that has `make` put something else in the place of a file or folder."""

    def replace_it(path):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        make(path)

    return replace_it


FILES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "gone": Path.unlink,
    "a folder": replaced(Path.mkdir),
    "a link": replaced(lambda path: path.symlink_to("/etc/hostname")),
    "a link to it": move_and_link,
    "a pipe": replaced(os.mkfifo),
}
ENTRIES = {
    "a file": replaced(lambda entry: entry.write_bytes(b"x")),
    "an empty folder": replaced(Path.mkdir),
    "a dangling link": replaced(lambda entry: entry.symlink_to("nowhere")),
    "a link to it": move_and_link,
    "the key a file": lambda entry: replaced(Path.touch)(entry.parent),
    "the key a link": lambda entry: replaced(lambda key: key.symlink_to("nowhere"))(entry.parent),
}


class TestDamage:
    """Every 97th byte of every file of an entry; what else can stand in the place of one."""

    @pytest.fixture
    def kept(self, tmp_path):
        return cache_in(tmp_path / "home", session="old").run(INPUTS).directory

    @pytest.fixture
    def finds(self, tmp_path, kept):
        """Return a function that says what a new session makes of the entry as it is now."""
        home = tmp_path / "home"
        shutil.copytree(home, tmp_path / "whole", symlinks=True)

        def what_becomes():
            told = []
            cache = cache_in(home, session="new", on_damage=told.append)
            found, again = cache.run(INPUTS), cache.run(INPUTS)
            assert_is_whole(found)
            assert again.directory == found.directory
            shutil.rmtree(home)
            shutil.copytree(tmp_path / "whole", home, symlinks=True)
            return found.is_reused, len(told), *[str(kept) in one for one in told]

        return what_becomes

    def test_none_is_told_of_a_whole_entry(self, finds):
        assert finds() == (True, 0)

    def test_of_any_97th_byte_is_told_once_and_never_trusted(self, kept, finds):
        files = [path for path in kept.rglob("*") if path.is_file() and path.stat().st_size]
        flips = [(path, at) for path in files for at in range(0, path.stat().st_size, 97)]
        believed = []
        for path, at in flips:
            data = bytearray(path.read_bytes())
            data[at] ^= 1 << at % 8
            path.write_bytes(data)
            if finds() != (False, 1, False):
                believed.append((path.name, at))

        assert len(flips) > 20
        assert believed == []

    @pytest.mark.parametrize("does", FILES.values(), ids=FILES)
    def test_of_any_file_is_told_once_and_never_trusted(self, kept, finds, does):
        names = [path.relative_to(kept) for path in kept.rglob("*") if path.is_file()]
        found = []
        for name in names:
            if (kept / name).stat().st_size or name.suffix == ".json":
                does(kept / name)
                found.append(finds())

        assert len(found) > 3
        assert set(found) == {(False, 1, False)}

    @pytest.mark.parametrize("does", ENTRIES.values(), ids=ENTRIES)
    def test_in_the_place_of_an_entry_is_told_once_and_never_trusted(self, kept, finds, does):
        does(kept)

        assert finds()[:2] == (False, 1)

    def test_that_nobody_may_read_is_told_once_and_never_fatal(self, kept, finds, monkeypatch):
        real = Path.open

        def refuse(path, *args, **more):
            if kept in path.parents and path.suffix == ".json":
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args, **more)

        monkeypatch.setattr(Path, "open", refuse)

        assert finds()[:2] == (False, 1)

    def test_of_a_folder_that_nobody_may_enter_is_put_aside(self, kept, finds):
        kept.chmod(0)

        reused, told = finds()[:2]

        # Root may enter any folder, and then the entry is whole.
        assert (reused, told) == ((True, 0) if os.geteuid() == 0 else (False, 1))

    def test_that_cannot_be_put_aside_is_told_too(self, kept, finds, tmp_path):
        (kept / "manifest.json").write_bytes(b"")
        (tmp_path / "home" / "executions" / "quarantine").touch()

        assert finds()[:2] == (False, 1)


PROGRAM = """
import pathlib, random, sys, time
from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import *
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing import Script, ScriptedRunner, a_record

home, seed, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def script(inputs):
    n = inputs.config["n"]
    with (home / "calls").open("a") as file:
        file.write(f"begin {n}\\n")
    return Script([a_record("users", n=n, id=one) for one in range(200)])

class Runner(ScriptedRunner):
    def run(self, inputs):
        result = super().run(inputs)
        with (home / "calls").open("a") as file:
            file.write(f"end {inputs.config['n']}\\n")
        return result

cache = ExecutionCache(home, Runner(script), session="s", accept_since_ms=0)
connector = ConnectorUnderTest(name="source-x", version="dev", identity="env:1")
numbers = random.Random(seed)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(rounds):
    n = numbers.randrange(10)
    inputs = ExecutionInputs(
        connector=connector, command=Command.CHECK, config=SecretDict(n=n),
        output_dir=pathlib.Path(),
    )
    found = cache.run(inputs)
    ids = [line.message.record.data for line in Evidence(found.directory).walk()]
    assert len(ids) == 200, len(ids)
    assert all(f'"n":{n},'.encode() in bytes(one) for one in ids), ids[0]
    print("ok", flush=True)
"""


class TestEightProcesses:
    @pytest.fixture
    def start(self, tmp_path):
        processes = []

        def begin(seed, rounds):
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(tmp_path), str(seed), str(rounds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
            return process

        yield begin
        for process in processes:
            process.kill()
            process.communicate()

    @staticmethod
    def go(processes):
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()

    @pytest.mark.parametrize(
        "rounds", [40, pytest.param(400, marks=pytest.mark.soak)], ids=["40", "400"]
    )
    def test_read_nothing_torn_and_run_each_execution_once(self, start, tmp_path, rounds):
        workers = [start(seed, rounds) for seed in range(8)]
        self.go(workers)

        said = [worker.communicate(timeout=250)[0].split() for worker in workers]

        assert [len(lines) for lines in said] == [rounds] * 8
        assert [worker.returncode for worker in workers] == [0] * 8
        calls = Counter((tmp_path / "calls").read_text().splitlines())
        assert set(calls.values()) == {1}
        assert quarantined(tmp_path) == []

    def test_of_which_some_are_killed_leave_the_others_at_work(self, start, tmp_path):
        workers = [start(seed, 40) for seed in range(8)]
        self.go(workers)
        for seed, worker in enumerate(workers[:4]):
            for _ in range(3 * seed):
                worker.stdout.readline()
            worker.kill()

        said = [worker.communicate(timeout=250)[0].split() for worker in workers[4:]]

        assert [len(lines) for lines in said] == [40] * 4
        assert [worker.returncode for worker in workers[4:]] == [0] * 4
        calls = Counter((tmp_path / "calls").read_text().splitlines())
        # Only what a killed one began may have been begun again, or kept by nobody.
        assert sum(calls.values()) <= 2 * 10 + 2 * 4
        assert quarantined(tmp_path) == []


CRASHING = """
import itertools, os, pathlib, random, signal, sys
from dataclasses import replace
sys.path.insert(0, sys.argv[1])
import test_cache_attacked as ours
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.sealed import atomic_write

SEAMS = [
    "open", "write", "writev", "fsync", "fchmod", "rename", "replace", "mkdir", "unlink", "close",
]

def die_at(nth):
    calls = itertools.count(1)
    for name in SEAMS:
        def call(*args, _real=getattr(os, name), **more):
            if next(calls) == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return _real(*args, **more)
        setattr(os, name, call)

def dies(nth, work):
    child = os.fork()
    if child == 0:
        die_at(nth)
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL

def write(home):
    path = home / "file"
    def work():
        atomic_write(path, b"new" * 1000)
    def check():
        found = path.read_bytes()
        assert found in (b"old", b"new" * 1000), found[:10]
        return found == b"old"
    atomic_write(path, b"old")
    return work, check

def keep(home):
    ours.cache_in(home, session="old").run(ours.INPUTS)
    def work():
        cache = ours.cache_in(home, ours.SMALL + [ours.a_state("users", {"id": 2})], session="new")
        cache.accept_since_ms = 10**14
        cache.run(ours.INPUTS)
    def check():
        found = ours.cache_in(home, session="third").run(ours.INPUTS)
        raws, stderr = ours.said_in(found)
        assert found.is_reused and stderr == ["said"], found
        assert len(raws) == found.manifest.line_count == {"old": 2, "new": 3}[found.manifest.session]
        assert ours.quarantined(home) == []
        return found.manifest.session == "old"
    return work, check

prepare = {"write": write, "keep": keep}[sys.argv[2]]
home, times = pathlib.Path(sys.argv[3]), int(sys.argv[4])
numbers = itertools.count(1)
if times:
    # As many crashes as asked for, each somewhere, all on one home.
    (home / "one").mkdir()
    work, check = prepare(home / "one")
    somewhere = random.Random(times)
    was_old = [dies(somewhere.randrange(1, 60), work) and check() for _ in range(times)]
    check()
    print(len(was_old))
else:
    states = []
    for nth in numbers:
        (home / str(nth)).mkdir()
        work, check = prepare(home / str(nth))
        crashed = dies(nth, work)
        states.append(check())
        if not crashed:
            break
    assert states == sorted(states, reverse=True), states
    assert states[0] and not states[-1], states
    print(len(states))
"""


class TestKilledAtAnyCall:
    @staticmethod
    def crash(tmp_path, what, times=0):
        argv = [sys.executable, "-c", CRASHING, str(Path(__file__).parent), what, str(tmp_path)]
        # Its forks share our pytest's output otherwise.
        done = subprocess.run(
            [*argv, str(times)], capture_output=True, text=True, timeout=280, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return int(done.stdout)

    def test_a_write_leaves_the_old_or_the_new(self, tmp_path):
        assert self.crash(tmp_path, "write") > 5

    def test_an_execution_that_is_kept_leaves_the_old_or_the_new(self, tmp_path):
        assert self.crash(tmp_path, "keep") > 25

    @pytest.mark.soak
    def test_five_hundred_times_it_leaves_what_is_whole(self, tmp_path):
        assert self.crash(tmp_path, "keep", 500) == 500

    def test_twenty_times_it_leaves_what_is_whole(self, tmp_path):
        assert self.crash(tmp_path, "keep", 20) == 20


class TestOrderOfCalls:
    def test_all_of_it_is_flushed_before_it_gets_its_name(self, tmp_path, monkeypatch):
        """What a power cut may reorder, is in order: content, name, the name's folder."""
        calls = []

        def counted(name):
            real = getattr(os, name)

            def call(what, *args):
                is_place = isinstance(what, int) and stat.S_ISDIR(os.fstat(what).st_mode)
                calls.append(f"{name} folder" if is_place else name)
                return real(what, *args)

            return call

        for name in ("fsync", "replace", "rename"):
            monkeypatch.setattr(os, name, counted(name))
        cache_in(tmp_path).run(INPUTS)

        for at, call in enumerate(calls):
            if call == "replace":
                assert calls[at - 1] == "fsync"
                assert calls[at + 1] == "fsync folder"
        assert calls[-2:] == ["rename", "fsync folder"]
