from __future__ import annotations

import subprocess
import sys

import pytest

from hydrotest_core.connector.folder import ConnectorFolder
from hydrotest_core.connector.image import build_image, ensure_image, image_state, resolve_image
from hydrotest_core.errors import ConnectorFolderError, EngineUnavailable, UsageError

pytest.importorskip("docker")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "setup.py").touch()
    return ConnectorFolder.load(tmp_path)


@pytest.fixture
def no_engine(monkeypatch):
    # By TCP: the SDK leaves a socket open where a Unix socket isn't there.
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize(
    "work",
    [
        build_image,
        image_state,
        resolve_image,
        lambda folder: resolve_image("airbyte/source-x:dev"),
        lambda folder: ensure_image(folder, build_if_missing=True),
        lambda folder: ensure_image("airbyte/source-x:dev", build_if_missing=True),
    ],
    ids=["build", "state", "resolve", "resolve reference", "ensure", "ensure reference"],
)
def test_without_an_engine_the_way_out_is_named(folder, work):
    with pytest.raises(EngineUnavailable) as caught:
        work(folder)

    assert "start Docker" in caught.value.hint


@pytest.mark.usefixtures("no_engine")
def test_a_version_that_can_not_be_needs_no_engine_to_be_refused(folder):
    with pytest.raises(ConnectorFolderError):
        build_image(folder, "not a version")


@pytest.mark.usefixtures("no_engine")
def test_a_reference_that_is_none_is_refused():
    with pytest.raises(UsageError, match="no image reference"):
        resolve_image("Not A Reference")


def test_the_docker_sdk_stays_away_until_an_image_is_asked_for():
    code = "import sys, hydrotest_core.connector.image; sys.exit('docker' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
