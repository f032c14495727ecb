from __future__ import annotations

import builtins
import sys

import pytest

from hydrotest_core.connector.choosing import choose_runner
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.session import Session
from hydrotest_core.errors import EngineUnavailable, UsageError

NOBODY = "unix:///nowhere/docker.sock"


@pytest.fixture
def session():
    with Session.open(engine=NOBODY) as session:
        yield session


def test_process_asked_for_by_name(session):
    runner, why = choose_runner("process", session)

    assert (runner.name, why) == ("process", "asked for by name")


def test_auto_without_an_engine_is_process_and_says_why(session):
    runner, why = choose_runner("auto", session)

    assert isinstance(runner, ProcessRunner)
    assert why.startswith("No Docker engine answers (")


def test_docker_asked_for_by_name_without_an_engine_is_an_error(session):
    with pytest.raises(EngineUnavailable, match="--runner process") as caught:
        choose_runner("docker", session)
    assert caught.value.is_transient
    assert caught.value.facts["engine"] == NOBODY


def test_auto_without_the_sdk_is_process_and_says_why(session, monkeypatch):
    without_the_sdk(monkeypatch)

    runner, why = choose_runner("auto", session)

    assert runner.name == "process"
    assert why.startswith("The Docker SDK is not installed (")


def test_docker_asked_for_without_the_sdk_is_an_error(session, monkeypatch):
    without_the_sdk(monkeypatch)

    with pytest.raises(EngineUnavailable, match="pip install"):
        choose_runner("docker", session)


def test_unknown_name_is_told_with_the_known_ones(session):
    with pytest.raises(UsageError, match="auto, docker or process"):
        choose_runner("podman", session)


def without_the_sdk(monkeypatch):
    for name in list(sys.modules):
        if name == "docker" or name.startswith(("docker.", "hydrotest_core.connector.docker")):
            monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "docker" or name.startswith("docker."):
            message = "No module named 'docker'"
            raise ModuleNotFoundError(message)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
