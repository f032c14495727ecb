from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from hydrotest_core.connector import owner
from hydrotest_core.connector.owner import ProcessIdentity


def test_this_process_is_alive():
    assert not ProcessIdentity.current().is_dead()


def test_identity_survives_a_label():
    identity = ProcessIdentity.current()

    assert ProcessIdentity.parse(str(identity)) == identity


@pytest.mark.parametrize("text", ["", "12", "a/1/b/n/h", "1/2/3/4", "1/2/3/4/5/6", "-1/2/3/4/5"])
def test_other_text_is_no_identity(text):
    assert ProcessIdentity.parse(text) is None


def of_child(pid):
    current = ProcessIdentity.current()
    return dataclasses.replace(current, pid=pid, started=owner.started_at(pid) or "")


def test_process_that_ended_is_dead_also_before_its_parent_noticed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = of_child(child.pid)
    assert not identity.is_dead()

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identity.is_dead()

    child.communicate()
    assert identity.is_dead()


def test_another_process_with_the_same_number_is_another_one():
    identity = dataclasses.replace(ProcessIdentity.current(), started="1")

    assert identity.is_dead()


def test_process_of_an_earlier_boot_is_dead():
    identity = dataclasses.replace(ProcessIdentity.current(), boot="earlier")

    assert identity.is_dead()


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param({"namespace": "pid:[1]", "pid": 2**22 + 1}, id="another container"),
        pytest.param({"boot": "other", "host": "other"}, id="another machine"),
    ],
)
def test_of_a_process_elsewhere_nothing_is_known(elsewhere):
    identity = dataclasses.replace(ProcessIdentity.current(), **elsewhere)

    assert not identity.is_dead()


def test_process_of_somebody_else_is_alive(monkeypatch):
    def refuse(_pid, _signal):
        raise PermissionError

    monkeypatch.setattr("os.kill", refuse)

    assert not ProcessIdentity.current().is_dead()


def test_system_without_proc_asks_ps_and_sysctl(monkeypatch):
    answers = {
        "ps -o lstart= -p 1": "Mon Jan  5 10:00:00 2026",
        "sysctl -n kern.boottime": "{ sec = 1767 } 1/5",
    }
    monkeypatch.setattr(owner, "Path", lambda path: __import__("pathlib").Path(f"/nowhere{path}"))
    monkeypatch.setattr(owner, "_say", lambda *argv: answers[" ".join(argv)])

    assert owner.started_at(1) == "Mon Jan  5 10:00:00 2026"
    assert owner._boot() == "{ sec = 1767 } 1-5"
    assert owner._namespace() == ""


def test_missing_tool_says_nothing():
    assert owner._say("no-such-tool-anywhere") == ""
