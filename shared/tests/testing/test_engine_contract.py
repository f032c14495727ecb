"""The engine contract on the fake engine; on a real one in `docker/`."""

from __future__ import annotations

import sys

import pytest

from hydrotest_core.testing.engine_contract import EngineContract
from hydrotest_core.testing.fake_engine import FakeEngine


class TestFakeEngine(EngineContract):
    @pytest.fixture
    def fake(self, tmp_path_factory):
        with FakeEngine(tmp_path_factory.mktemp("e")) as fake:
            yield fake

    @pytest.fixture
    def engine(self, fake):
        return fake.address

    @pytest.fixture
    def python_image(self, fake, tmp_path):
        (tmp_path / "python3").symlink_to(sys.executable)

        def make(*entrypoint):
            return fake.add_image("contract:dev", entrypoint, environment={"PATH": str(tmp_path)})

        return make
