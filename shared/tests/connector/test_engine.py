from __future__ import annotations

import hashlib
import json

import pytest

from hydrotest_core.connector.engine import engine_address


@pytest.fixture
def docker_config(tmp_path):
    """A `~/.docker` with a context named colima."""
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(b"colima").hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"Endpoints": {"docker": {"Host": "unix:///home/u/colima.sock"}}}
    (meta / "meta.json").write_text(json.dumps(endpoint))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "colima"}))
    return tmp_path


def test_docker_host_comes_first(docker_config):
    variables = {"DOCKER_HOST": "tcp://10.0.0.1:2375", "DOCKER_CONFIG": str(docker_config)}

    assert engine_address(variables) == "tcp://10.0.0.1:2375"


def test_chosen_context_comes_next(docker_config):
    address = engine_address({"DOCKER_CONFIG": str(docker_config)})

    assert address == "unix:///home/u/colima.sock"


def test_context_of_the_environment_outweighs_the_chosen_one(docker_config):
    variables = {"DOCKER_CONFIG": str(docker_config), "DOCKER_CONTEXT": "default"}

    assert engine_address(variables) == "unix:///var/run/docker.sock"


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"currentContext": 3}'])
def test_broken_configuration_is_dockers_own_business(tmp_path, broken):
    (tmp_path / "config.json").write_text(broken)

    assert engine_address({"DOCKER_CONFIG": str(tmp_path)}) == "unix:///var/run/docker.sock"


def test_context_that_is_not_there_is_passed_over(tmp_path):
    (tmp_path / "config.json").write_text('{"currentContext": "gone"}')

    assert engine_address({"DOCKER_CONFIG": str(tmp_path)}) == "unix:///var/run/docker.sock"


def test_rootless_socket_is_taken_where_there_is_no_other(tmp_path, monkeypatch):
    (tmp_path / "docker.sock").touch()
    monkeypatch.setattr("hydrotest_core.connector.engine._SYSTEM_SOCKET", "/nowhere/docker.sock")
    variables = {"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}

    assert engine_address(variables) == f"unix://{tmp_path}/docker.sock"
