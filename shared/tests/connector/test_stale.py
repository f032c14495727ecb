from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys

import pytest

from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.connector.reaper import SESSION_LABEL, SESSION_VARIABLE
from hydrotest_core.connector.session import Session
from hydrotest_core.connector.session_record import OWNER_LABEL
from hydrotest_core.connector.stale import clear_stale, stale_sessions

pytestmark = pytest.mark.usefixtures("own_temporary_folder")

NOBODY = "unix:///nowhere/docker.sock"
DEAD = str(dataclasses.replace(ProcessIdentity.current(), started="1"))
ALIVE = str(ProcessIdentity.current())
FOREIGN = str(dataclasses.replace(ProcessIdentity.current(), boot="other", host="other"))


@pytest.fixture
def session(fake_engine):
    with Session.open(engine=fake_engine.address) as session:
        yield session


def test_nothing_is_stale_where_the_owner_lives_or_is_unknown(session, fake_engine):
    fake_engine.things["containers"] = {
        "mine": session.labels("e1"),
        "foreign": {SESSION_LABEL: "0123456789ab", OWNER_LABEL: FOREIGN},
        "unlabelled": {SESSION_LABEL: "0123456789ac"},
    }

    assert stale_sessions(fake_engine.address) == []
    assert clear_stale(fake_engine.address) == []
    assert len(fake_engine.things["containers"]) == 3
    assert session.folder.exists()


def test_dead_sessions_are_found_on_engine_and_disk_and_cleared(fake_engine, leave_behind):
    first = leave_behind("aaaaaaaaaaaa", DEAD)
    second = leave_behind("bbbbbbbbbbbb", DEAD)
    fake_engine.things["containers"] = {
        "c1": {SESSION_LABEL: "bbbbbbbbbbbb", OWNER_LABEL: DEAD},
        "c2": {SESSION_LABEL: "cccccccccccc", OWNER_LABEL: DEAD},
        "c3": {SESSION_LABEL: "dddddddddddd", OWNER_LABEL: ALIVE},
    }
    fake_engine.things["volumes"] = {"v1": {SESSION_LABEL: "cccccccccccc", OWNER_LABEL: DEAD}}

    found = stale_sessions(fake_engine.address)

    assert [(one.id, one.engine_things, one.folder) for one in found] == [
        ("aaaaaaaaaaaa", (), first),
        ("bbbbbbbbbbbb", ("containers c1",), second),
        ("cccccccccccc", ("containers c2", "volumes v1"), None),
    ]

    assert clear_stale(fake_engine.address) == [
        f"folder {first} of session aaaaaaaaaaaa",
        "containers c1 of session bbbbbbbbbbbb",
        f"folder {second} of session bbbbbbbbbbbb",
        "containers c2 of session cccccccccccc",
        "volumes v1 of session cccccccccccc",
    ]
    assert set(fake_engine.things["containers"]) == {"c3"}
    assert stale_sessions(fake_engine.address) == []


def test_stale_folders_are_found_without_an_engine(leave_behind):
    folder = leave_behind("aaaaaaaaaaaa", DEAD)

    assert clear_stale(NOBODY) == [f"folder {folder} of session aaaaaaaaaaaa"]


def test_processes_of_a_stale_session_are_killed(leave_behind):
    leave_behind("aaaaaaaaaaaa", DEAD)
    environment = {**os.environ, SESSION_VARIABLE: "aaaaaaaaaaaa"}
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(sleep, env=environment, stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        left.stdout.readline()

        assert clear_stale(NOBODY)[0] == "processes 1 of session aaaaaaaaaaaa"
        assert left.wait() == -signal.SIGKILL
