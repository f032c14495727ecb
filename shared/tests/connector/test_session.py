from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hydrotest_core.connector import session as session_module
from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.connector.reaper import SESSION_LABEL, SESSION_VARIABLE, Reaper
from hydrotest_core.connector.session import Session
from hydrotest_core.connector.session_record import (
    CREATOR_LABEL,
    EXECUTION_LABEL,
    EXECUTION_VARIABLE,
    OWNER_LABEL,
    RECORD_FILE,
    folder_of,
)
from hydrotest_core.errors import InfrastructureError

pytestmark = pytest.mark.usefixtures("own_temporary_folder")

NOBODY = "unix:///nowhere/docker.sock"
DEAD = str(dataclasses.replace(ProcessIdentity.current(), started="1"))
ALIVE = str(ProcessIdentity.current())
FOREIGN = str(dataclasses.replace(ProcessIdentity.current(), boot="other", host="other"))


@pytest.fixture
def session(fake_engine):
    with Session.open(engine=fake_engine.address) as session:
        yield session


@pytest.fixture
def a_worker(session):
    """Return a function that has another process do something in the session and die."""

    def do(code):
        script = "from hydrotest_core.connector.session import Session\n"
        script += f"session = Session.join({session.id!r})\n" + textwrap.dedent(code)
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )

    return do


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_scratch_folder_is_private(session):
    assert session.folder == folder_of(session.id)
    assert mode(session.folder) == 0o700
    assert mode(session.folder / RECORD_FILE) == 0o600


def test_joined_session_is_the_same_one(session):
    joined = Session.join(session.id)

    for name in ("id", "owner", "engine", "folder", "hash_key"):
        assert getattr(joined, name) == getattr(session, name)
    assert repr(session) == f"Session({session.id}, owner)"
    assert repr(joined) == f"Session({session.id}, joined)"


def test_pickled_session_has_joined(session):
    assert repr(pickle.loads(pickle.dumps(session))) == f"Session({session.id}, joined)"


@pytest.mark.parametrize("name", ["", "0123456789ab", "../x", "a/b"])
def test_session_that_is_not_there_cannot_be_joined(name):
    with pytest.raises(InfrastructureError, match="no such session"):
        Session.join(name)


def test_closed_session_is_gone(session):
    joined = Session.join(session.id)
    assert not joined.is_over

    session.close()
    session.close()

    assert session.is_over
    assert joined.is_over
    assert not session.folder.exists()
    with pytest.raises(InfrastructureError, match="The session is over"):
        joined.require_open()


def test_session_whose_owner_died_is_over(session, monkeypatch):
    monkeypatch.setattr(session, "owner", ProcessIdentity.parse(DEAD))

    with pytest.raises(InfrastructureError, match="run the command again"):
        session.require_open()


def test_session_without_room_for_its_folder_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file" / "folder"))
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(InfrastructureError, match="can't be begun") as caught:
        Session.open(engine=NOBODY)
    assert "TMPDIR" in caught.value.hint


def test_marks_tell_session_execution_owner_and_creator(session):
    assert session.labels("e1") == {
        SESSION_LABEL: session.id,
        OWNER_LABEL: str(session.owner),
        CREATOR_LABEL: ALIVE,
        EXECUTION_LABEL: "e1",
    }
    assert session.variables("e1") == {SESSION_VARIABLE: session.id, EXECUTION_VARIABLE: "e1"}


def test_scratch_of_an_execution_is_private_and_removed(session):
    with session.scratch("e1") as folder:
        (folder / "file").write_text("x")
        assert mode(folder) == 0o700
        assert folder.parent == session.folder

    assert not folder.exists()


def test_scratch_is_removed_after_a_failure_too(session):
    with pytest.raises(KeyboardInterrupt), session.scratch("e1") as folder:
        raise KeyboardInterrupt

    assert not folder.exists()


def test_scratch_of_the_same_execution_is_refused_twice(session):
    with (
        session.scratch("e1"),
        pytest.raises(InfrastructureError, match="scratch folder"),
        session.scratch("e1"),
    ):
        pass


def test_closing_removes_what_the_session_left_on_the_engine(session, fake_engine):
    fake_engine.things["containers"] = {
        "a": {SESSION_LABEL: session.id},
        "b": {SESSION_LABEL: session.id},
        "other": {SESSION_LABEL: "0123456789ab"},
    }

    session.close()

    assert set(fake_engine.things["containers"]) == {"other"}


def test_worker_that_leaves_takes_only_its_own_things_along(session, fake_engine):
    own, others = {**session.labels("e1")}, {**session.labels("e2"), CREATOR_LABEL: FOREIGN}
    fake_engine.things["containers"] = {"own": own, "others": others}

    Session.join(session.id).close()

    assert set(fake_engine.things["containers"]) == {"others"}
    assert session.folder.exists()


def test_orphans_of_a_dead_worker_are_cleared_and_those_of_live_ones_kept(
    session, fake_engine, a_worker
):
    dead = a_worker("""
        import os, signal, subprocess, sys
        scratch = session.scratch("e1")
        scratch.__enter__()
        environment = {**os.environ, **session.variables("e1")}
        sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
        left = subprocess.Popen(sleep, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(session.labels("e1")["io.hydrotest.creator"], left.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert dead.returncode == -signal.SIGKILL
    creator, _, left = dead.stdout.strip().rpartition(" ")
    fake_engine.things["containers"] = {
        "dead": {SESSION_LABEL: session.id, CREATOR_LABEL: creator},
        "alive": {SESSION_LABEL: session.id, CREATOR_LABEL: ALIVE},
        "unknown": {SESSION_LABEL: session.id},
    }
    with session.scratch("e2") as kept:
        gone = session.clear_orphans()

        assert kept.exists()
    assert gone == ["processes 1", f"folder {session.folder / 'e1'}", "containers dead"]
    assert set(fake_engine.things["containers"]) == {"alive", "unknown"}
    assert not (session.folder / "e1").exists()
    assert _is_gone(int(left))


def _is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_worker_joins_by_the_id(session, a_worker):
    assert a_worker("print(session.id)").stdout.strip() == session.id


def test_doctor_finds_what_it_needs_here():
    assert {"stale_sessions", "clear_stale"} <= set(session_module.__all__)


def test_workers_learn_that_the_end_is_near(session):
    joined = Session.join(session.id)
    assert not joined.is_ending

    session.announce_end()
    session.announce_end()

    assert joined.is_ending
    assert mode(session.folder / "ending") == 0o600
    session.close()
    session.announce_end()
    assert not joined.is_ending


def test_reaper_that_was_killed_is_replaced(session):
    first = session._reaper.pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)

    session.keep_guarded()

    assert session._reaper.pid != first
    Session.join(session.id).keep_guarded()


def test_session_that_is_closed_needs_no_reaper(session):
    session.close()
    last = session._reaper.pid

    session.keep_guarded()

    assert session._reaper.pid == last


def test_reaper_is_there_before_anything_is_to_be_removed(fake_engine, monkeypatch):
    told = []
    monkeypatch.setattr(Reaper, "watch", lambda self, folder: told.append(folder.exists()))

    with Session.open(engine=fake_engine.address):
        assert told == [False]
