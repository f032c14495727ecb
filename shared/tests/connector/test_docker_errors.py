from __future__ import annotations

import json

import docker
import pytest
import requests
import urllib3.exceptions

from hydrotest_core.connector import docker_errors
from hydrotest_core.connector.docker_errors import FOREIGN, engine_errors, open_client
from hydrotest_core.connector.docker_stream import StreamBrokenError
from hydrotest_core.errors import EngineUnavailable, ImageUnavailable

NO_EXEC = 'OCI runtime create failed: exec: "gone": executable file not found in $PATH'


def api_error(status, text, kind=docker.errors.APIError):
    response = requests.Response()
    response.status_code = status
    response.reason = "as told"
    return kind("refused", response=response, explanation=text)


# What the SDK may raise, and what it becomes. A new row here goes into the module's table.
MAPPED = {
    "image not found": (
        api_error(404, "No such image: x", docker.errors.ImageNotFound),
        ImageUnavailable,
        "isn't on the engine",
    ),
    "container not found": (
        api_error(404, "No such container: x", docker.errors.NotFound),
        EngineUnavailable,
        "was removed",
    ),
    "bad reference": (
        api_error(400, "invalid reference format"),
        ImageUnavailable,
        "can't be run",
    ),
    "no entrypoint": (api_error(400, NO_EXEC), ImageUnavailable, "entrypoint can't be started"),
    "no exec": (api_error(500, NO_EXEC), ImageUnavailable, "entrypoint can't be started"),
    "server error": (api_error(500, "driver failed"), EngineUnavailable, "refused"),
    "conflict": (api_error(409, "in progress"), EngineUnavailable, "refused"),
    "sdk": (docker.errors.DockerException("?"), EngineUnavailable, "stopped answering"),
    "torn stream": (docker.errors.StreamParseError("?"), EngineUnavailable, "stopped answering"),
    "connection": (requests.ConnectionError("?"), EngineUnavailable, "stopped answering"),
    "read timeout": (requests.ReadTimeout("?"), EngineUnavailable, "stopped answering"),
    "torn json": (
        requests.JSONDecodeError("?", "{", 1),
        EngineUnavailable,
        "stopped answering",
    ),
    "chunked": (
        requests.exceptions.ChunkedEncodingError("?"),
        EngineUnavailable,
        "stopped answering",
    ),
    "urllib3": (urllib3.exceptions.ProtocolError("?"), EngineUnavailable, "stopped answering"),
    "reset": (ConnectionResetError("?"), EngineUnavailable, "stopped answering"),
    "not a stream": (StreamBrokenError("?"), EngineUnavailable, "stopped answering"),
}


@pytest.mark.parametrize(("foreign", "ours", "words"), MAPPED.values(), ids=MAPPED)
def test_what_the_sdk_raises_becomes_ours(foreign, ours, words):
    with pytest.raises(ours, match=words) as caught, engine_errors("source-x:dev", ("gone",)):
        raise foreign

    assert caught.value.facts["image"] == "source-x:dev"
    assert caught.value.hint
    assert caught.value.__cause__ is foreign
    assert caught.value.is_transient == (ours is EngineUnavailable)


def test_every_foreign_kind_has_a_row():
    rows = [foreign for foreign, _, _ in MAPPED.values()]

    assert all(any(isinstance(row, kind) for row in rows) for kind in FOREIGN)
    assert all(isinstance(row, FOREIGN) for row in rows)


def test_entrypoint_is_named_only_where_one_was_to_be_started():
    with pytest.raises(EngineUnavailable, match="refused"), engine_errors("source-x:dev"):
        raise api_error(500, NO_EXEC)

    with pytest.raises(ImageUnavailable) as caught, engine_errors("x", ("python", "/gone.py")):
        raise api_error(500, NO_EXEC)
    assert caught.value.facts["entrypoint"] == ["python", "/gone.py"]


def test_ours_and_the_persons_pass_unchanged():
    ours = ImageUnavailable("as it is")
    with pytest.raises(ImageUnavailable) as caught, engine_errors("x"):
        raise ours
    assert caught.value is ours

    with pytest.raises(KeyboardInterrupt), engine_errors("x"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "?"])
def test_engine_that_is_not_there_is_told_with_the_way_out(address, monkeypatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)

    with pytest.raises(EngineUnavailable, match="No Docker engine answers") as caught:
        open_client(address, 1)

    assert caught.value.facts["engine"] == address
    assert "DOCKER_HOST" in caught.value.hint
    assert json.dumps(str(caught.value))


class _Wrapped(Exception):
    def __init__(self, text, reason):
        super().__init__(text, reason)
        self.reason = reason


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (OSError(111, "Connection refused"), "Connection refused"),
        (docker.errors.DockerException("no", OSError(2, "No such file")), "No such file"),
        (_Wrapped("a", _Wrapped("b", OSError(13, "Permission denied"))), "Permission denied"),
        (docker.errors.DockerException("just text"), "just text"),
    ],
    ids=["itself", "in the arguments", "two reasons deep", "nothing inside"],
)
def test_what_the_system_said_is_found_inside(exc, said):
    assert docker_errors._innermost(exc) == said


def test_an_exception_that_is_its_own_cause_ends():
    exc = _Wrapped("round", None)
    exc.reason = exc

    assert docker_errors._innermost(exc)
