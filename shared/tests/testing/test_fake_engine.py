"""What a test can do to a fake engine; that it answers as a real one is the contract's affair."""

from __future__ import annotations

import contextlib
import os
import sys

import docker
import pytest

from hydrotest_core.connector.reaper import Engine
from hydrotest_core.testing.fake_container import Refused
from hydrotest_core.testing.fake_engine import FakeEngine

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def fake(tmp_path_factory):
    with FakeEngine(tmp_path_factory.mktemp("e")) as fake:
        yield fake


@pytest.fixture
def client(fake):
    with contextlib.closing(docker.APIClient(base_url=fake.address, timeout=10)) as client:
        yield client


@pytest.fixture
def running(fake, client):
    """Return a container that runs."""
    id_ = client.create_container(fake.add_image("x:dev", SLEEPS), "x", name="one")["Id"]
    client.start(id_)
    return fake.container("one")


def test_things_without_life_are_listed_and_removed(fake):
    fake.things["networks"]["n"] = {"label": "mine"}
    engine = Engine(fake.address)

    assert engine.labelled("networks", "label=mine") == {"n": {"label": "mine"}}
    assert engine.remove("networks", "n")
    assert fake.things["networks"] == {}
    assert fake.requests == ["GET /networks", "DELETE /networks/n"]


def test_it_refuses_to_remove_when_told_to(fake):
    fake.things["volumes"]["v"] = {}
    fake.refuses = True

    assert not Engine(fake.address).remove("volumes", "v")
    assert fake.things["volumes"] == {"v": {}}


def test_its_containers_end_with_it(tmp_path_factory):
    with FakeEngine(tmp_path_factory.mktemp("e")) as fake:
        with contextlib.closing(docker.APIClient(base_url=fake.address)) as client:
            client.start(client.create_container(fake.add_image("x:dev", SLEEPS), "x")["Id"])
        (pid,) = fake.processes()

    assert fake.processes() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("keeps_containers", [True, False], ids=["kept", "ended"])
def test_it_comes_back_at_the_same_place(fake, running, keeps_containers):
    fake.restart(keeps_containers=keeps_containers)
    if not keeps_containers:
        assert running.is_over.wait(5)

    with contextlib.closing(docker.APIClient(base_url=fake.address)) as client:
        state = client.inspect_container("one")["State"]
    assert (state["Running"], state["ExitCode"]) == (
        keeps_containers,
        0 if state["Running"] else 137,
    )


def test_exhausted_memory_is_told(running):
    running.run_out_of_memory()

    assert running.is_over.wait(5)
    state = running.inspected()["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
    with pytest.raises(Refused, match="is not running"):
        running.signal(9)


def test_what_it_does_not_know_is_told(client):
    with pytest.raises(docker.errors.APIError, match="page not found"):
        client.info()
