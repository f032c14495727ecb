"""A fake engine, what sessions leave behind, and hydrotests that stop at a stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hydrotest_core.testing.fake_engine import FakeEngine


@pytest.fixture
def fake_engine(tmp_path_factory):
    """An engine that is only a socket; it runs containers as processes."""
    # A socket's path may have no more than 107 bytes, and a test's own folder has its name.
    with FakeEngine(tmp_path_factory.mktemp("e")) as engine:
        yield engine


@pytest.fixture(scope="session")
def tiny_package():
    """The files of a package that brings its own build backend: it installs without a network."""
    folder = Path(__file__).parent / "tiny_package"
    return {path.name: path.read_text() for path in sorted(folder.glob("*.*"))}


@pytest.fixture
def own_temporary_folder(tmp_path_factory, monkeypatch):
    """Keep sessions of tests apart from those of whoever runs them."""
    folder = tmp_path_factory.mktemp("tmp")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture
def leave_behind(own_temporary_folder):
    """Return a function that makes what a session leaves when even its reaper is killed."""

    def make(id_, owner):
        folder = own_temporary_folder / f"hydrotest-{id_}"
        folder.mkdir()
        record = {
            "id": id_,
            "owner": owner,
            "created_at_ms": 1,
            "engine": "unix:///nowhere/docker.sock",
            "hash_key": "",
        }
        (folder / "session.json").write_text(json.dumps(record))
        return folder

    return make


# A program that imports what is needed once, and forks for each stage: each of its children
# is a hydrotest of its own, with its own session and reaper, and stops at its stage. What
# comes before it has `PLACES`, stage -> what is called there, and `run(stage, home, session)`.
OURS = """
import os, sys, time, traceback
from hydrotest_core.connector.interrupts import Interrupts

top, engine, stages = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]

def stop_at(stage, folder):
    where, name = PLACES[stage]
    real = getattr(where, name)
    def then_wait(*args, **more):
        result = real(*args, **more)
        if (folder / "reached").exists():  # On the way out it is passed again.
            return result
        if stage == "session opened":
            (folder / "session").write_text(result.id)
        if stage == "first output":
            time.sleep(1.1)  # What was said a second ago is on the disk.
        (folder / "reached").touch()
        time.sleep(600)
    setattr(where, name, then_wait)

def be(stage):
    folder = top / stage
    folder.mkdir()
    stop_at(stage, folder)
    Interrupts().listen()
    with session.Session.open(engine=engine) as mine:
        (folder / "session").write_text(mine.id)
        run(stage, folder / "home", mine)

children = []
for stage in stages:
    children.append(os.fork())
    if not children[-1]:
        try:
            be(stage)
        except KeyboardInterrupt:
            os._exit(130)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
print(*children, flush=True)
for pid in children:
    os.waitpid(pid, 0)
"""


@pytest.fixture(scope="session")
def until():
    """Return a function that waits until something is so, and says whether it came to be."""

    def wait(is_so, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    return wait


@pytest.fixture(scope="session")
def is_alive():
    """Return a function that says whether a process runs."""

    def look(pid):
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        return text.rpartition(")")[2].split()[0] not in "ZX"

    return look


@pytest.fixture
def ours_at(tmp_path, until, is_alive):
    """Return a function that starts one of us for each stage: stage -> process number.

    `<tmp_path>/<stage>/` holds `home`, and the session's id in `session`.
    """
    started = []

    def start(script, stages, engine="unix:///nowhere/docker.sock"):
        parent = subprocess.Popen(
            [sys.executable, "-c", script + OURS, str(tmp_path), engine, *stages],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert parent.stdout is not None
        children = dict(zip(stages, map(int, parent.stdout.readline().split()), strict=True))
        started.extend([parent, *children.values()])

        def missing():
            return [stage for stage in stages if not (tmp_path / stage / "reached").exists()]

        assert until(lambda: not missing()), missing()
        return children

    yield start
    for pid in started[1:]:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    for parent in started[:1]:
        parent.communicate()
