from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hydrotest_core.connector import reaper
from hydrotest_core.connector.reaper import (
    KINDS,
    SESSION_LABEL,
    SESSION_VARIABLE,
    Engine,
    Reaper,
    clear,
    environments_of,
    holders_of,
    kill_marked,
    marked_processes,
    remove_tree,
)

NOBODY = "unix:///nowhere/docker.sock"
# Several workers run these tests at once, and must not find each other's processes.
MINE, THEIRS = f"mine{os.getpid()}", f"theirs{os.getpid()}"
LONGER = f"{MINE}strone"
SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]


@pytest.fixture
def sleeper():
    """Return a function that starts a process with a session's mark."""
    started = []

    def start(session, **more):
        environment = {**os.environ, SESSION_VARIABLE: session}
        child = subprocess.Popen(SLEEP, env=environment, stdout=subprocess.PIPE, **more)
        assert child.stdout is not None
        child.stdout.readline()
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def until(is_so, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def fill(engine):
    for kind in KINDS:
        engine.things[kind] = {
            "a": {SESSION_LABEL: MINE},
            "b": {SESSION_LABEL: MINE, "more": "1"},
            "other": {SESSION_LABEL: THEIRS},
            "plain": {},
        }


def test_labelled_finds_by_name_or_by_value(fake_engine):
    fill(fake_engine)
    engine = Engine(fake_engine.address)

    for kind in KINDS:
        assert set(engine.labelled(kind, f"{SESSION_LABEL}={MINE}")) == {"a", "b"}
        assert set(engine.labelled(kind, SESSION_LABEL)) == {"a", "b", "other"}
        assert engine.labelled(kind, f"{SESSION_LABEL}=nobody") == {}


def test_remove_says_whether_it_is_gone(fake_engine):
    fill(fake_engine)
    engine = Engine(fake_engine.address)

    assert engine.remove("containers", "a")
    assert engine.remove("containers", "a"), "what isn't there any more is gone too"
    fake_engine.refuses = True
    assert not engine.remove("containers", "b")


@pytest.mark.parametrize("address", [NOBODY, "ssh://somewhere", "tcp://127.0.0.1:1", "", "tcp://"])
def test_engine_that_is_not_there_is_an_os_error(address):
    with pytest.raises(OSError, match=r".+"):
        Engine(address).labelled("containers", SESSION_LABEL)


def test_answer_that_is_no_http_is_an_os_error(tmp_path):
    import socket  # noqa: PLC0415

    path = tmp_path.parent / "g"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def answer():
        with listener.accept()[0] as client:
            client.recv(4096)
            client.sendall(b"nonsense\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(OSError, match="can't be read"):
        Engine(f"unix://{path}").labelled("containers", SESSION_LABEL)
    thread.join()
    listener.close()
    path.unlink()


def test_clear_removes_what_is_labelled_and_nothing_else(fake_engine, tmp_path):
    fill(fake_engine)
    folder = tmp_path / "scratch"
    (folder / "deep").mkdir(parents=True)

    gone = clear(MINE, fake_engine.address, [folder, tmp_path / "never made"])

    assert {kind: set(things) for kind, things in fake_engine.things.items()} == {
        kind: {"other", "plain"} for kind in KINDS
    }
    assert sorted(gone) == sorted(
        [f"{kind} {name}" for kind in KINDS for name in "ab"] + [f"folder {folder}"]
    )
    assert not folder.exists()


def test_clear_takes_containers_before_what_they_use(fake_engine):
    fill(fake_engine)

    clear(MINE, fake_engine.address, [])

    asked = [request.split("/") for request in fake_engine.requests]
    kinds = [words[1] for words in asked if words[0] == "DELETE "]
    assert kinds == ["containers", "containers", "networks", "networks", "volumes", "volumes"]


def test_clear_without_an_engine_removes_processes_and_folders(sleeper, tmp_path):
    child = sleeper(MINE)
    apart = sleeper(MINE, start_new_session=True)
    other = sleeper(THEIRS)

    gone = clear(MINE, NOBODY, [tmp_path])

    assert gone == ["processes 2", f"folder {tmp_path}"]
    assert [child.wait(), apart.wait()] == [-signal.SIGKILL] * 2
    assert other.poll() is None


def test_mark_is_a_whole_variable(sleeper):
    longer, exact = sleeper(LONGER), sleeper(MINE)

    assert marked_processes(SESSION_VARIABLE, MINE) == [exact.pid]
    assert marked_processes(SESSION_VARIABLE, LONGER) == [longer.pid]
    assert kill_marked(SESSION_VARIABLE, "nobody's") == 0


def test_own_process_is_never_among_the_marked(monkeypatch):
    code = (
        "import os, sys\n"
        f"from hydrotest_core.connector.reaper import marked_processes\n"
        f"print(marked_processes('{SESSION_VARIABLE}', '{MINE}'))"
    )
    environment = {**os.environ, SESSION_VARIABLE: MINE}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_process_list_with_environments_is_read():
    listing = (
        b"  12 python x.py A=1 HYDROTEST_SESSION=mine B=2\n13 sh HYDROTEST_SESSION=minestrone\n\n"
    )

    assert environments_of(listing, b"HYDROTEST_SESSION=mine") == [12]
    assert environments_of(b"", b"HYDROTEST_SESSION=mine") == []


def test_read_only_folders_are_removed_and_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    tree = tmp_path / "tree"
    (tree / "locked" / "deeper").mkdir(parents=True)
    (tree / "locked" / "deeper" / "file").write_text("x")
    (tree / "link").symlink_to(outside)
    outside.chmod(0o500)
    for folder in (tree / "locked" / "deeper", tree / "locked", tree):
        folder.chmod(0o500)

    assert remove_tree(tree)

    assert not tree.exists()
    assert (outside / "kept").read_text() == "x"
    assert outside.stat().st_mode & 0o777 == 0o500


def test_read_only_folders_are_unlocked_for_who_is_not_root(tmp_path, monkeypatch):
    """As root nothing is locked, so the first attempt is made to fail."""
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    real, calls = shutil.rmtree, []

    def rmtree(path, **more):
        calls.append(path)
        if len(calls) > 1:
            real(path, **more)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    (tree / "a").chmod(0)

    assert remove_tree(tree)
    assert calls == [tree, tree]


def test_folder_that_is_not_there_counts_as_removed(tmp_path):
    assert remove_tree(tmp_path / "never")


def test_child_without_its_mark_is_found_by_its_parent(sleeper):
    code = (
        "import subprocess, sys, time\n"
        "one = subprocess.Popen(['sleep', '60'], env={}, start_new_session=True)\n"
        "print(one.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, SESSION_VARIABLE: MINE}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        stranger = sleeper(THEIRS)

        assert set(marked_processes(SESSION_VARIABLE, MINE)) == {parent.pid, child}
        assert kill_marked(SESSION_VARIABLE, MINE) == 2
    assert until(lambda: has_ended(child))
    assert stranger.poll() is None


def test_who_has_a_pipe_open_is_found_by_it(sleeper):
    child, other = sleeper(MINE), sleeper(MINE)
    pipe = str(Path(f"/proc/{child.pid}/fd/1").readlink())

    assert holders_of({pipe}) == [child.pid]
    assert other.poll() is None
    assert holders_of(set()) == []


def test_reaper_that_was_killed_is_replaced_and_knows_the_folders(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    waiting = Reaper(MINE, NOBODY)
    waiting.watch(folder)
    first = waiting.pid
    waiting.revive()
    assert waiting.pid == first, "it lives"

    os.kill(first, signal.SIGKILL)
    assert until(lambda: has_ended(first))
    waiting.revive()

    assert waiting.pid != first
    waiting._let_go()  # As our death would.
    assert until(lambda: not folder.exists())
    waiting.close()


def a_parent(session, engine, folder, *, last_words):
    """Start a process that has a reaper, and return it once the reaper waits."""
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from hydrotest_core.connector.reaper import Reaper\n"
        f"reaper = Reaper({session!r}, {engine!r})\n"
        f"reaper.watch(Path({str(folder)!r}))\n"
        "print(reaper.pid, flush=True)\n"
        f"{last_words}\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda n: n.name
)
def test_whatever_kills_the_parent_the_session_is_cleared(number, fake_engine, sleeper, tmp_path):
    fill(fake_engine)
    folder = tmp_path / "scratch"
    folder.mkdir()
    left = sleeper(MINE, start_new_session=True)
    parent, child = a_parent(MINE, fake_engine.address, folder, last_words="time.sleep(60)")

    parent.send_signal(number)
    parent.communicate()

    assert left.wait(timeout=5) == -signal.SIGKILL
    assert until(lambda: not folder.exists())
    assert until(lambda: set(fake_engine.things["volumes"]) == {"other", "plain"})
    assert set(fake_engine.things["containers"]) == {"other", "plain"}
    assert until(lambda: has_ended(child))


def test_what_the_engine_made_after_the_first_look_is_cleared_too(fake_engine, tmp_path):
    parent, child = a_parent(MINE, fake_engine.address, tmp_path / "x", last_words="time.sleep(60)")
    parent.kill()
    parent.communicate()
    time.sleep(0.4)

    fake_engine.things["containers"]["late"] = {SESSION_LABEL: MINE}

    assert until(lambda: not fake_engine.things["containers"])
    assert until(lambda: has_ended(child))


def test_done_leaves_everything_as_it_is(fake_engine, tmp_path):
    fill(fake_engine)
    parent, child = a_parent(MINE, fake_engine.address, tmp_path, last_words="reaper.close()")
    parent.communicate()

    assert parent.returncode == 0
    assert has_ended(child)
    assert fake_engine.requests == []
    assert tmp_path.exists()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name
)
def test_reaper_is_deaf_to_signals_meant_for_its_parent(number):
    waiting = Reaper(MINE, NOBODY)
    try:
        # It shows that it listens: then its handlers are set.
        assert until(lambda: _ignores(waiting.pid, number))
        os.kill(waiting.pid, number)

        assert repr(waiting) == f"Reaper(pid={waiting.pid}, waiting)"
    finally:
        waiting.close()
    assert repr(waiting) == f"Reaper(pid={waiting.pid}, ended)"


def _ignores(pid, number):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("SigIgn:"))
    return int(line.split()[1], 16) >> (number - 1) & 1


def test_killed_reaper_is_no_error_for_its_parent(tmp_path):
    waiting = Reaper(MINE, NOBODY)
    os.kill(waiting.pid, signal.SIGKILL)
    assert until(lambda: has_ended(waiting.pid))

    waiting.watch(tmp_path)
    waiting.close()


def test_reaper_runs_on_the_standard_library_alone():
    code = (
        "import runpy, sys\n"
        f"runpy.run_path({reaper.__file__!r}, run_name='looked_at')\n"
        "print(sorted(name for name in ('http.client', 'json', 'subprocess', 'msgspec', 'ssl')"
        " if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
