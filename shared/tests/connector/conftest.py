"""An engine that is only a socket and a table, for what cleans up on engines."""

from __future__ import annotations

import http.server
import json
import socketserver
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest


class FakeEngine(socketserver.ThreadingUnixStreamServer):
    """Answers as an engine does to listing and removing.

    Attributes:
        things: kind → id → labels.
        requests: What was asked, `DELETE /containers/3f2c`.
        refuses: Whether every removal is refused.
    """

    daemon_threads = True

    def __init__(self, path) -> None:
        super().__init__(str(path), _Answer)
        self.address = f"unix://{path}"
        self.things: dict[str, dict[str, dict[str, str]]] = {
            "containers": {},
            "networks": {},
            "volumes": {},
        }
        self.requests: list[str] = []
        self.refuses = False

    def handle_error(self, request, client_address):
        """Keep quiet about a client that was killed while it asked."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Answer(http.server.BaseHTTPRequestHandler):
    server: FakeEngine

    def address_string(self):
        return "a socket"

    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = urlsplit(self.path)
        kind = asked.path.split("/")[1]
        label = json.loads(parse_qs(asked.query)["filters"][0])["label"][0]
        name, _, value = label.partition("=")
        found = [
            {"Name" if kind == "volumes" else "Id": id_, "Labels": labels}
            for id_, labels in self.server.things[kind].items()
            if name in labels and value in ("", labels[name])
        ]
        self._send(200, {"Volumes": found or None} if kind == "volumes" else found)

    def do_DELETE(self):
        _, kind, id_ = urlsplit(self.path).path.split("/")
        self.server.requests.append(f"DELETE /{kind}/{id_}")
        if self.server.refuses:
            self._send(409, {"message": "in use"})
        else:
            known = self.server.things[kind].pop(id_, None) is not None
            self._send(204 if known else 404)

    def _send(self, status, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def fake_engine(tmp_path_factory):
    # A socket's path may have no more than 107 bytes, and a test's own folder has its name.
    with FakeEngine(tmp_path_factory.mktemp("e") / "s") as engine:
        thread = threading.Thread(target=engine.serve_forever, args=(0.02,))
        thread.start()
        yield engine
        engine.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def tiny_package():
    """The files of a package that brings its own build backend: it installs without a network."""
    folder = Path(__file__).parent / "tiny_package"
    return {path.name: path.read_text() for path in sorted(folder.glob("*.*"))}


@pytest.fixture
def own_temporary_folder(tmp_path_factory, monkeypatch):
    """Keep sessions of tests apart from those of whoever runs them."""
    folder = tmp_path_factory.mktemp("tmp")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture
def leave_behind(own_temporary_folder):
    """Return a function that makes what a session leaves when even its reaper is killed."""

    def make(id_, owner):
        folder = own_temporary_folder / f"hydrotest-{id_}"
        folder.mkdir()
        record = {
            "id": id_,
            "owner": owner,
            "created_at_ms": 1,
            "engine": "unix:///nowhere/docker.sock",
            "hash_key": "",
        }
        (folder / "session.json").write_text(json.dumps(record))
        return folder

    return make
