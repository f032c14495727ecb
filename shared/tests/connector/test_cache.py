from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
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
    Network,
)
from hydrotest_core.connector.seal import SEAL_FILE, seal
from hydrotest_core.errors import InfrastructureError, UsageError
from hydrotest_core.protocol import MessageType
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing import Script, ScriptedRunner, a_record, a_spec, a_state

FAR_FUTURE_MS = 10**14
READ = Script([a_record("users", id=1), a_record("pets", id=1), a_state("users", {"id": 1})])
SPEC = Script([a_spec()])
SCRIPTS = {Command.READ: READ, Command.SPEC: SPEC, Command.CHECK: Script()}
CONNECTOR = ConnectorUnderTest(name="source-x", version="dev", identity="env:1")
INPUTS = ExecutionInputs(
    connector=CONNECTOR,
    command=Command.READ,
    config=SecretDict(api_key="s3cr3t-value"),
    configured_catalog={"streams": []},
    output_dir=Path(),
    timeout_s=10,
)
CHECK = replace(INPUTS, command=Command.CHECK, configured_catalog=None)


@pytest.fixture
def runner():
    return ScriptedRunner(SCRIPTS)


@pytest.fixture
def cache_of(tmp_path, runner):
    """Return a function that makes a cache of a session, all in one home."""

    def make(session="one", by=None, *, accept_since_ms=0, **more):
        return ExecutionCache(
            tmp_path / "home",
            by or runner,
            session=session,
            accept_since_ms=accept_since_ms,
            **more,
        )

    return make


@pytest.fixture
def cache(cache_of):
    return cache_of()


def entries(cache):
    """The folders of finished executions, the oldest first."""
    return sorted(path.parent for path in cache.root.glob(f"*/*/{SEAL_FILE}"))


def drafts(cache):
    return list(cache.root.glob("*/draft-*"))


def quarantined(cache):
    return list(cache.root.glob("quarantine/*"))


class TestReuse:
    def test_the_first_call_runs_and_the_second_does_not(self, cache, runner):
        first, second = cache.run(INPUTS), cache.run(INPUTS)

        assert (first.is_reused, second.is_reused) == (False, True)
        assert len(runner.calls) == 1
        assert second.directory == first.directory
        assert second.manifest == first.manifest
        assert second.key == first.key == first.directory.parent.name
        assert second.waited_s >= 0

    def test_what_was_said_can_be_read(self, cache):
        evidence = Evidence(cache.run(INPUTS).directory)

        assert [stream.stream for stream in evidence.streams] == ["users", "pets"]
        assert len(list(evidence.messages(MessageType.STATE))) == 1
        assert evidence.manifest.session == "one"
        assert evidence.manifest.key == evidence.directory.parent.name

    @pytest.mark.parametrize(
        "other",
        [
            replace(INPUTS, config=SecretDict(api_key="another")),
            replace(INPUTS, config=SecretDict()),
            replace(INPUTS, configured_catalog={}),
            replace(INPUTS, state=[]),
            replace(INPUTS, environment={"A": "1"}),
            replace(INPUTS, network=Network.NONE),
            replace(INPUTS, attempt=2),
            CHECK,
            replace(INPUTS, connector=replace(CONNECTOR, identity="env:2")),
        ],
        ids=[
            "config", "empty config", "catalog", "empty state", "variables", "network", "attempt",
            "command", "identity",
        ],
    )  # fmt: skip
    def test_each_distinct_execution_runs_once(self, cache, runner, other):
        for inputs in (INPUTS, other, INPUTS, other):
            cache.run(inputs)

        assert len(runner.calls) == 2

    def test_output_goes_where_the_cache_says(self, cache, runner, tmp_path):
        (tmp_path / "mine").mkdir()

        found = cache.run(replace(INPUTS, output_dir=tmp_path / "mine"))

        assert list((tmp_path / "mine").iterdir()) == []
        assert found.directory.parent.parent == cache.root

    def test_everything_is_private(self, cache):
        cache.run(INPUTS)

        modes = {
            (path.is_dir(), path.stat().st_mode & 0o777)
            for path in [cache.root.parent, *cache.root.parent.rglob("*")]
        }
        assert modes == {(True, 0o700), (False, 0o600)}

    def test_it_tells_what_runs_and_when_it_is_over(self, cache_of):
        told: list[tuple[object, ...]] = []
        cache = cache_of(
            on_start=lambda key, inputs: told.append(("start", key, inputs.command)),
            on_end=lambda key: told.append(("end", key)),
        )

        key = cache.run(INPUTS).key
        cache.run(INPUTS)

        assert told == [("start", key, Command.READ), ("end", key)]


class TestAge:
    def test_what_others_ran_before_is_run_anew(self, cache_of, runner):
        cache_of("old").run(INPUTS)

        assert not cache_of("new", accept_since_ms=FAR_FUTURE_MS).run(INPUTS).is_reused
        assert len(runner.calls) == 2

    def test_what_others_ran_since_is_taken(self, cache_of, runner):
        since = time.time_ns() // 1_000_000
        cache_of("other").run(INPUTS)

        assert cache_of("new", accept_since_ms=since).run(INPUTS).is_reused

    def test_what_this_session_ran_is_taken_whatever_the_clock_says(self, cache_of, runner):
        cache_of("one", accept_since_ms=FAR_FUTURE_MS).run(INPUTS)

        assert cache_of("one", accept_since_ms=FAR_FUTURE_MS).run(INPUTS).is_reused

    @pytest.mark.parametrize(
        ("ahead_s", "is_reused"), [(1, True), (86_400, False)], ids=["a second", "a day"]
    )
    def test_what_others_will_have_run_is_believed_as_far_as_clocks_differ(
        self, cache_of, monkeypatch, ahead_s, is_reused
    ):
        now = time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now + ahead_s * 10**9)
        cache_of("ahead").run(INPUTS)
        monkeypatch.setattr(time, "time_ns", lambda: now)

        assert cache_of("new").run(INPUTS).is_reused is is_reused

    def test_the_answer_to_spec_is_taken_at_any_age(self, cache_of, runner):
        spec = replace(INPUTS, command=Command.SPEC)
        cache_of("old").run(spec)

        assert cache_of("new", accept_since_ms=FAR_FUTURE_MS).run(spec).is_reused

    @pytest.mark.parametrize(
        "script",
        [
            Script([a_spec()], exit_code=1),
            Script(),
            Script([a_spec()], signal=11),
            Script([a_spec()], hangs=True),
            Script([a_spec()], runs_out_of_memory=True),
        ],
        ids=["exit 1", "no answer", "crash", "hangs", "out of memory"],
    )
    def test_a_bad_answer_to_spec_grows_old(self, cache_of, script):
        spec = replace(INPUTS, command=Command.SPEC)
        runner = ScriptedRunner({Command.SPEC: script})
        cache_of("old", runner).run(spec)

        assert not cache_of("new", runner, accept_since_ms=FAR_FUTURE_MS).run(spec).is_reused
        assert cache_of("new", runner, accept_since_ms=FAR_FUTURE_MS).run(spec).is_reused


class TestSessions:
    def test_two_that_run_the_same_keep_both(self, cache_of, runner):
        one = cache_of("one", accept_since_ms=FAR_FUTURE_MS)
        two = cache_of("two", accept_since_ms=FAR_FUTURE_MS)

        found = [cache.run(INPUTS).directory for cache in (one, two, one, two)]

        assert found[0] == found[2] != found[1] == found[3]
        assert len(entries(one)) == 2
        assert len(runner.calls) == 2

    def test_one_goes_on_with_what_it_ran_itself(self, cache_of, runner):
        one = cache_of("one")
        own = one.run(INPUTS).directory
        cache_of("two", accept_since_ms=FAR_FUTURE_MS).run(INPUTS)

        assert one.run(INPUTS).directory == own

    def test_of_what_others_ran_the_newest_is_taken(self, cache_of, runner):
        for session in ("one", "two"):
            cache_of(session, accept_since_ms=FAR_FUTURE_MS).run(INPUTS)

        assert cache_of("three").run(INPUTS).manifest.session == "two"


class TestEndings:
    @pytest.mark.parametrize(
        "script",
        [Script(exit_code=1), Script(signal=11), Script(runs_out_of_memory=True)],
        ids=["exit 1", "crash", "out of memory"],
    )
    def test_a_bad_end_is_an_answer_too(self, cache_of, script):
        cache = cache_of(by=ScriptedRunner({Command.CHECK: script}))
        cache.run(CHECK)

        assert cache.run(CHECK).is_reused

    @pytest.mark.parametrize(
        ("asked_s", "is_reused"),
        [(10, True), (9, True), (12.5, True), (12.6, False), (100, False)],
    )
    def test_a_hang_is_taken_by_who_would_wait_no_longer(self, cache_of, asked_s, is_reused):
        cache = cache_of(by=ScriptedRunner({Command.CHECK: Script(hangs=True)}))
        cache.run(replace(CHECK, timeout_s=10))

        assert cache.run(replace(CHECK, timeout_s=asked_s)).is_reused is is_reused

    @pytest.mark.parametrize(
        ("asked_bytes", "is_reused"),
        [(10, True), (9, True), (11, False)],
        ids=["same", "less", "more"],
    )
    def test_one_that_said_too_much_is_taken_by_who_would_keep_no_more(
        self, cache_of, asked_bytes, is_reused
    ):
        cache = cache_of(by=ScriptedRunner({Command.CHECK: Script([b"more than ten bytes"])}))
        found = cache.run(replace(CHECK, max_output_bytes=10))

        assert found.manifest.ending is Ending.TOO_MUCH_OUTPUT
        assert cache.run(replace(CHECK, max_output_bytes=asked_bytes)).is_reused is is_reused

    def test_one_of_another_format_is_run_anew_and_stays(self, cache_of, caplog):
        caplog.set_level("INFO")
        old = cache_of().run(CHECK).directory
        raw = (old / "manifest.json").read_bytes()
        (old / "manifest.json").write_bytes(
            raw.replace(b'"format_version":2', b'"format_version":1')
        )
        seal(old, old.parent.name)

        assert not cache_of().run(CHECK).is_reused
        assert old.exists()
        assert f"cache.other_format key={old.parent.name} version=1" in caplog.messages


class Failing(ScriptedRunner):
    """Raises in the middle of its first call."""

    def __init__(self, error):
        super().__init__(self.script)
        self.error = error

    def script(self, inputs):
        return Script(self.lines()) if len(self.calls) == 1 else READ

    def lines(self):
        yield a_record("users", id=1)
        raise self.error


class TestErrors:
    @pytest.mark.parametrize(
        "error",
        [InfrastructureError("It broke."), KeyboardInterrupt(), UsageError("Not so.")],
        ids=lambda error: type(error).__name__,
    )
    def test_of_the_runner_leave_what_was_said_and_the_next_call_runs(
        self, cache_of, error, caplog
    ):
        told = []
        runner = Failing(error)
        cache = cache_of(by=runner, on_end=told.append)

        with pytest.raises(type(error)):
            cache.run(INPUTS)
        (cut,) = entries(cache)
        again = cache.run(INPUTS)

        assert Evidence(cut).manifest.ending is Ending.INTERRUPTED
        assert Evidence(cut).manifest.key == again.key == cut.parent.name
        assert [stream.records for stream in Evidence(cut).streams] == [1]
        assert not again.is_reused
        assert again.manifest.ending is Ending.EXITED
        assert cache.run(INPUTS).is_reused
        assert told == [again.key, again.key]
        assert drafts(cache) == quarantined(cache) == []
        assert caplog.text == ""

    @pytest.mark.parametrize(
        ("does", "left"),
        [
            (lambda _: None, {}),
            (lambda folder: (folder / "stderr.log").touch(), {}),
            (
                lambda folder: (folder / "stderr.log").write_text("half a li"),
                {"stderr.log": "half a li"},
            ),
            (
                lambda folder: (folder / "stderr.log").write_text("boom"),
                {"stderr.log": "boom"},
            ),
        ],
        ids=["nothing", "an empty file", "stdout", "stderr"],
    )
    def test_that_leave_no_manifest_leave_the_output(self, cache_of, does, left):
        class Torn(ScriptedRunner):
            def run(self, inputs):
                does(inputs.output_dir)
                message = "The disk is full."
                raise InfrastructureError(message)

        cache = cache_of(by=Torn({}))

        with pytest.raises(InfrastructureError):
            cache.run(INPUTS)

        found = [path for draft in drafts(cache) for path in draft.iterdir()]
        assert {path.name: path.read_text() for path in found} == left
        assert not cache_of().run(INPUTS).is_reused

    def test_after_the_manifest_was_written_make_it_interrupted(self, cache_of):
        class Late(ScriptedRunner):
            def run(self, inputs):
                super().run(inputs)
                message = "The container can't be removed."
                raise InfrastructureError(message)

        with pytest.raises(InfrastructureError):
            cache_of(by=Late(SCRIPTS)).run(INPUTS)

        assert not cache_of().run(INPUTS).is_reused

    def test_of_who_wants_to_be_told_end_the_run_too(self, cache_of, runner):
        def on_start(key, inputs):
            message = "The run's folder can't be written."
            raise InfrastructureError(message)

        told = []
        cache = cache_of(on_start=on_start, on_end=told.append)

        with pytest.raises(InfrastructureError, match="run's folder"):
            cache.run(INPUTS)

        assert len(told) == 1
        assert drafts(cache) == []
        assert runner.calls == []

    @pytest.mark.parametrize("nth", range(4))
    def test_of_the_disk_at_any_write_are_the_machines_and_poison_nothing(
        self, cache, monkeypatch, nth
    ):
        """The manifest, again with its key, the seal, and the folders they lie in."""
        writes = []
        known = os.fsync

        def fsync(descriptor):
            writes.append(descriptor)
            if len(writes) == nth + 1:
                raise OSError(errno.ENOSPC, "No space left on device", "there")
            known(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with contextlib.suppress(InfrastructureError):
            cache.run(INPUTS)
        monkeypatch.undo()

        assert len(writes) > nth
        again = cache.run(INPUTS)
        assert again.manifest.ending is Ending.EXITED
        assert len(list(Evidence(again.directory).walk())) == 3
        assert quarantined(cache) == []

    def test_of_a_full_disk_say_where_and_what_helps(self, cache, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device", "there")

        monkeypatch.setattr("hydrotest_core.connector.seal.atomic_write", full)

        with pytest.raises(InfrastructureError) as caught:
            cache.run(INPUTS)

        assert caught.value.facts["path"] == "there"
        assert caught.value.facts["reason"] == "No space left on device"
        assert caught.value.facts["free_bytes"] > 0
        assert "free some space" in caught.value.hint

    def test_of_a_folder_that_is_a_file(self, tmp_path, runner):
        (tmp_path / "home").touch()

        with pytest.raises(InfrastructureError, match="can't be used") as caught:
            ExecutionCache(tmp_path / "home", runner, session="one", accept_since_ms=0)

        assert str(caught.value.facts["path"]) == str(tmp_path / "home")
        assert "HYDROTEST_HOME" in caught.value.hint

    def test_of_a_lock_that_is_a_folder_are_mended(self, cache):
        key = cache.run(INPUTS).key
        (cache.root / f"{key}.lock").unlink()
        (cache.root / f"{key}.lock").mkdir()

        found = cache.run(INPUTS)

        assert found.is_reused
        assert (cache.root / f"{key}.lock").is_file()
        assert len(quarantined(cache)) == 1


class TestDamage:
    @pytest.fixture
    def kept(self, cache_of):
        """An entry of another session; whoever finds it damaged runs it anew."""
        return cache_of("old").run(CHECK).directory

    @pytest.fixture
    def finds(self, cache_of, kept, tmp_path, caplog):
        """Return a function that says what a new process makes of the entry as it is now.

        `reused`, `quarantined` or what else is wrong; the entry is as it was afterwards.
        """
        whole = tmp_path / "whole"
        shutil.copytree(kept, whole)
        caplog.set_level(logging.WARNING)

        def what_becomes():
            caplog.clear()
            cache = cache_of("new")
            found = cache.run(CHECK)
            came_to = "reused" if found.is_reused else "quarantined"
            if not found.is_reused:
                assert found.directory != kept
                assert not kept.exists()
                assert len(quarantined(cache)) == 1
                assert caplog.text.count("cache.quarantined") == 1
                assert found.manifest.ending is Ending.EXITED
                shutil.rmtree(found.directory)
                shutil.rmtree(cache.root / "quarantine")
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(whole, kept)
            return came_to

        return what_becomes

    def test_none_is_no_reason_to_run_anew(self, finds):
        assert finds() == "reused"
        assert finds() == "reused"

    @pytest.mark.parametrize("step", [13, -37], ids=["flipped", "cut"])
    @pytest.mark.parametrize("name", ["manifest.json", SEAL_FILE])
    def test_of_manifest_or_seal_is_seen(self, kept, finds, name, step):
        """Each byte of each file is the seal's own test; here it is what follows from it."""
        data = (kept / name).read_bytes()

        believed = []
        for place in range(0, len(data), abs(step)):
            flipped = data[:place] + bytes([data[place] ^ 1 << (place % 8)]) + data[place + 1 :]
            (kept / name).write_bytes(flipped if step > 0 else data[:place])
            if finds() == "reused":
                believed.append(place)

        assert believed == []

    @pytest.mark.parametrize("name", ["manifest.json", SEAL_FILE, "stderr.log"])
    def test_of_what_stands_there_is_seen(self, kept, finds, name):
        (kept / name).unlink()
        assert finds() == "quarantined"

        (kept / name).unlink()
        (kept / name).mkdir()
        assert finds() == "quarantined"

    def test_of_the_output_is_seen(self, cache_of, caplog):
        path = cache_of("old").run(INPUTS).directory / "records" / "001.jsonl"
        path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))

        found = cache_of("new").run(INPUTS)

        assert not found.is_reused
        assert "cache.quarantined" in caplog.text
        assert len(quarantined(cache_of())) == 1

    def test_of_the_output_while_we_run_is_seen(self, cache, caplog):
        first = cache.run(INPUTS).directory
        assert cache.run(INPUTS).is_reused

        (first / "stderr.log").write_bytes(b"x")

        assert not cache.run(INPUTS).is_reused
        assert "cache.quarantined" in caplog.text

    def test_of_the_second_entry_leaves_the_first(self, cache_of):
        first = cache_of("one").run(INPUTS).directory
        second = cache_of("two", accept_since_ms=FAR_FUTURE_MS).run(INPUTS).directory
        (second / SEAL_FILE).write_bytes(b"")

        found = cache_of("three").run(INPUTS)

        assert found.directory == first
        assert not second.exists()

    def test_by_another_executions_entry_is_seen(self, cache_of, caplog):
        cache = cache_of("old")
        read, check = cache.run(INPUTS).directory, cache.run(CHECK).directory
        shutil.rmtree(check)
        shutil.copytree(read, check)

        assert not cache_of("new").run(CHECK).is_reused
        assert "cache.quarantined" in caplog.text

    @pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(path.parent)])
    def test_of_the_keys_folder_itself_is_no_end(self, cache_of, caplog, make):
        folder = cache_of("old").run(INPUTS).directory.parent
        shutil.rmtree(folder)
        make(folder)

        found = cache_of("new").run(INPUTS)

        assert found.directory.parent == folder
        assert not folder.is_symlink()
        assert caplog.text.count("cache.quarantined") == 1

    @pytest.mark.parametrize("stray", ["a file", "an empty folder"])
    def test_by_what_does_not_belong_there_is_put_aside(self, cache, caplog, stray):
        folder = cache.run(INPUTS).directory.parent
        path = folder / "99999999999999999999-one"
        path.touch() if stray == "a file" else path.mkdir()

        assert cache.run(INPUTS).is_reused
        assert not path.exists()
        assert caplog.text.count("cache.quarantined") == 1

    def test_that_cannot_be_put_aside_is_passed_over(self, cache_of, caplog):
        old = cache_of("old").run(INPUTS).directory
        (old / SEAL_FILE).write_bytes(b"")
        cache = cache_of("new")
        (cache.root / "quarantine").touch()

        found = cache.run(INPUTS)

        assert not found.is_reused
        assert "cache.damaged" in caplog.text
        assert old.exists()
        assert cache.run(INPUTS).is_reused

    def test_of_what_would_not_be_taken_anyway_costs_no_reading(self, cache_of, monkeypatch):
        cache_of("old").run(INPUTS)
        read = []
        monkeypatch.setattr("hydrotest_core.connector.seal.is_as_sealed", read.append)

        cache_of("new", accept_since_ms=FAR_FUTURE_MS).run(INPUTS)

        assert read == []

    def test_is_looked_for_once_a_process(self, cache_of, monkeypatch):
        cache_of("old").run(INPUTS)
        cache, read = cache_of("new"), []

        def is_as_sealed(directory):
            read.append(directory)
            return True

        monkeypatch.setattr("hydrotest_core.connector.seal.is_as_sealed", is_as_sealed)
        for _ in range(3):
            cache.run(INPUTS)

        assert len(read) == 1


PROGRAM = """
import pathlib, sys, time
from dataclasses import replace
from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.execution import *
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing import Script, ScriptedRunner, a_record

home, action = pathlib.Path(sys.argv[1]), sys.argv[2]

def script(inputs):
    with (home / "calls").open("a") as file:
        file.write(inputs.config["n"] + "\\n")
    return Script(lines())

def lines():
    yield a_record("users", id=1)
    if action == "hang":
        print("hanging", flush=True)
        time.sleep(600)
    time.sleep(0.01)

cache = ExecutionCache(home, ScriptedRunner(script), session="s", accept_since_ms=0)
connector = ConnectorUnderTest(name="source-x", version="dev", identity="env:1")
if action == "wait":
    sys.stdin.readline()
for n in sys.argv[3:]:
    inputs = ExecutionInputs(
        connector=connector, command=Command.CHECK, config=SecretDict(n=n),
        output_dir=pathlib.Path(),
    )
    found = cache.run(inputs)
    print(n, found.is_reused, found.manifest.message_counts, flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a process which runs executions by their number."""
    processes = []

    def begin(action, *numbers):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), action, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


class TestProcesses:
    def test_run_each_execution_once_together(self, start, tmp_path):
        workers = [start("wait", *numbers) for numbers in ("01234", "43210", "20413", "01234")]
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()

        said = [worker.communicate(timeout=60)[0].splitlines() for worker in workers]

        assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
        assert [len(lines) for lines in said] == [5, 5, 5, 5]
        assert all(line.endswith("{'RECORD': 1}") for lines in said for line in lines)
        assert Counter((tmp_path / "calls").read_text().split()) == Counter("01234")
        assert sum("False" in line for lines in said for line in lines) == 5

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    def test_that_wait_take_over_when_the_one_that_runs_dies(self, start, tmp_path, number):
        producer = start("hang", 7)
        assert producer.stdout.readline() == "hanging\n"
        runner = ScriptedRunner(SCRIPTS)
        cache = ExecutionCache(tmp_path, runner, session="s", accept_since_ms=0)
        inputs = replace(CHECK, config=SecretDict(n="7"))
        found = []
        waiter = threading.Thread(target=lambda: found.append(cache.run(inputs)))
        waiter.start()
        waiter.join(0.2)
        assert waiter.is_alive()
        assert runner.calls == []

        producer.send_signal(number)
        producer.wait()
        at_once = time.monotonic() + 1
        while not runner.calls and time.monotonic() < at_once:
            time.sleep(0.005)
        assert len(runner.calls) == 1, "it takes over within a second"
        waiter.join(60)

        assert [one.is_reused for one in found] == [False]
        assert len(runner.calls) == 1
        assert cache.run(inputs).is_reused

    @pytest.mark.parametrize(("said", "left"), [(b"", []), (b"half a li", ["draft-2"])])
    def test_that_were_killed_leave_what_was_said_and_no_more(self, cache, said, left):
        folder = cache.run(INPUTS).directory.parent
        shutil.rmtree(folder)
        for name, text in (("draft-1", b""), ("draft-2", said)):
            (folder / name).mkdir(parents=True)
            (folder / name / "stderr.log").write_bytes(text)
            (folder / name / "stderr.log").touch()

        found = cache.run(INPUTS)

        assert not found.is_reused
        assert [draft.name for draft in drafts(cache)] == left
