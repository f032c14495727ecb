"""The engine contract on a real engine, whose answers the fake one learnt."""

from __future__ import annotations

import contextlib
import time

import docker
import pytest

from hydrotest_core.connector.engine import engine_address
from hydrotest_core.testing.engine_contract import EngineContract

BASE = "python:3.11-slim-bookworm"
NAME = "hydrotest-test-contract"


def connected():
    return contextlib.closing(docker.APIClient(base_url=engine_address(), timeout=60))


@pytest.fixture(scope="module")
def an_image():
    """Return a function that makes an image with an entrypoint, once each, without a build."""
    made = {}

    def make(*entrypoint):
        if entrypoint not in made:
            settings = {"Entrypoint": list(entrypoint), "Cmd": [], "User": ""}
            tag = str(time.time_ns())
            with connected() as client:
                held = client.create_container(BASE, ["true"])["Id"]
                made[entrypoint] = client.commit(held, repository=NAME, tag=tag, conf=settings)
                client.remove_container(held)
        return made[entrypoint]["Id"]

    yield make
    with connected() as client:
        for one in made.values():
            client.remove_image(one["Id"], force=True)


class TestDockerEngine(EngineContract):
    @pytest.fixture
    def engine(self):
        return engine_address()

    @pytest.fixture
    def python_image(self, an_image):
        return an_image
