"""A Docker engine without Docker: a socket that answers as one, and processes for containers.

```python
with FakeEngine(folder) as engine:
    image = engine.add_image("airbyte/source-x:dev", ["python3", "-c", code])
    with Session.open(engine=engine.address) as session:
        DockerRunner(session).run(...)
```

It speaks the part of the Docker Engine API 1.41 that our code uses, with the answers of
a real one: `hydrotest_core.testing.engine_contract` asks both the same questions. What
only a kernel can give isn't there: limits, capabilities, a network, users, a root file
system. Its connectors see this machine, so give it none that you wouldn't start here.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import re
import secrets
import shutil
import signal
import socket
import socketserver
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from hydrotest_core.connector.reaper import marked_processes
from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import UsageError
from hydrotest_core.testing.fake_container import (
    MARK,
    ContainerSettings,
    FakeContainer,
    FakeImage,
    Refused,
    Volume,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["FakeEngine"]

_API_VERSION: Final = "1.41"
_POLL_S: Final = 0.02
_LAST_CHUNK: Final = b"0\r\n\r\n"


class FakeEngine:
    """An engine for tests; a context manager that ends all it started.

    Args:
        folder: Where its socket and its volumes are; the path must be short.
        sample_s: How often `stats` gives a sample, in seconds.

    Attributes:
        address: `unix:///…`.
        things: What is on it, kind → id → labels; put things in that have no life.
        requests: What was asked, `POST /containers/create`, in order.
        refuses: Whether it refuses to remove anything.
    """

    def __init__(self, folder: Path, *, sample_s: float = 0.2) -> None:
        self._path = folder / "engine.sock"
        self._volumes = folder / "volumes"
        self._volumes.mkdir()
        self.address = f"unix://{self._path}"
        self.sample_s = sample_s
        self.things: dict[str, dict[str, dict[str, str]]] = {
            "containers": {},
            "networks": {},
            "volumes": {},
        }
        self.requests: list[str] = []
        self.refuses = False
        self._images: list[FakeImage] = []
        self._containers: dict[str, FakeContainer] = {}
        self._ids: list[str] = []
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._serve()

    def __repr__(self) -> str:
        return f"FakeEngine({self.address!r}, {len(self._containers)} containers)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, its containers and its connections."""
        for one in list(self._containers.values()):
            one.remove()
        self._stop_serving()

    def restart(self, *, keeps_containers: bool = False) -> None:
        """Go and come back: connections end, and containers do unless they are kept.

        Source: Docker's manual, "Keep containers alive during daemon downtime".
        """
        self._stop_serving()
        for one in list(self._containers.values()):
            one.cut()
            if not keeps_containers:
                with contextlib.suppress(Refused):
                    one.signal(signal.SIGKILL)
        self._serve()

    def _serve(self) -> None:
        self._server = _Server(str(self._path), functools.partial(_Conversation, self))
        threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="fake-engine", daemon=True
        ).start()

    def _stop_serving(self) -> None:
        if self._server is not None:
            self._path.unlink()
            self._server.end()
            self._server = None

    def add_image(
        self,
        reference: str,
        entrypoint: Sequence[str],
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """Add an image that is a program of this machine; return its id."""
        image = FakeImage(
            id=f"sha256:{secrets.token_hex(32)}",
            tags=(reference,),
            entrypoint=tuple(entrypoint),
            user=user,
            environment=environment or {},
            labels=labels or {},
        )
        self._images.insert(0, image)
        return image.id

    def image(self, name: str) -> FakeImage:
        """Return an image by its id or what it is called.

        Raises:
            Refused: There is none, or this is no name for one.
        """
        for one in self._images:
            if name in {one.id, *one.tags}:
                return one
        if not name.startswith("sha256:"):
            try:
                ImageRef.parse(name)
            except UsageError as exc:
                raise Refused(400, f"no such image: {name}: invalid reference format") from exc
        raise Refused(404, f"no such image: {name}: No such image: {name}")

    def container(self, name: str) -> FakeContainer:
        """Return a container by its id or its name.

        Raises:
            Refused: There is none.
        """
        for one in list(self._containers.values()):
            if name in {one.id, one.name}:
                return one
        raise Refused(404, f"No such container: {name}")

    @property
    def containers(self) -> list[FakeContainer]:
        """The containers that are there, the oldest first."""
        return list(self._containers.values())

    def processes(self) -> list[int]:
        """Return the numbers of all processes that run in its containers, or outlived one."""
        return [pid for id_ in self._ids for pid in marked_processes(MARK, id_)]

    def create(self, name: str, asked: Mapping[str, Any]) -> FakeContainer:
        """Create a container with its volumes.

        Raises:
            Refused: There is no such image, or another container has that name.
        """
        image = self.image(asked["Image"])
        settings = ContainerSettings.of(image, asked)
        id_ = secrets.token_hex(32)
        with self._lock:
            taken = [one for one in self._containers.values() if one.name == name]
            if taken:
                said = f'Conflict. The container name "/{name}" is already in use by container'
                raise Refused(409, f'{said} "{taken[0].id}".')
            mounts = settings.host.get("Mounts") or ()
            volumes = [self._make_volume(mount) for mount in mounts]
            folder = self._volumes / id_
            folder.mkdir()
            one = FakeContainer(id_, name, settings, volumes, folder)
            self._containers[id_] = one
            self._ids.append(id_)
            self.things["containers"][id_] = dict(settings.labels)
        return one

    def _make_volume(self, mount: Mapping[str, Any]) -> Volume:
        labels = (mount.get("VolumeOptions") or {}).get("Labels") or {}
        volume = Volume(
            name=secrets.token_hex(32),
            destination=mount["Target"],
            folder=self._volumes / secrets.token_hex(8),
            labels=labels,
        )
        volume.folder.mkdir()
        self.things["volumes"][volume.name] = dict(labels)
        return volume

    def remove(self, kind: str, name: str, *, force: bool, with_volumes: bool) -> None:
        """Remove one thing.

        Raises:
            Refused: It isn't there, or it is in use.
        """
        if self.refuses:
            raise Refused(409, "in use")
        if kind == "containers" and name not in self.things[kind]:
            name = self.container(name).id
        one = self._containers.get(name) if kind == "containers" else None
        if one is not None and one.status == "running" and not force:
            raise Refused(409, f"You cannot remove a running container {one.id}.")
        if kind == "volumes" and any(
            name == volume.name for each in self.containers for volume in each.volumes
        ):
            raise Refused(409, f"remove {name}: volume is in use")
        if one is not None:
            one.remove()
            shutil.rmtree(self._volumes / one.id, ignore_errors=True)
            for volume in one.volumes if with_volumes else ():
                shutil.rmtree(volume.folder, ignore_errors=True)
                self.things["volumes"].pop(volume.name, None)
        with self._lock:
            self._containers.pop(name, None)
            if self.things[kind].pop(name, None) is None:
                raise Refused(404, _NOT_THERE[kind].format(name))

    def labelled(self, kind: str, wanted: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return what of a kind has all these labels, `name` or `name=value`."""
        pairs = [label.partition("=") for label in wanted]
        return {
            id_: labels
            for id_, labels in list(self.things[kind].items())
            if all(
                name in labels and (not sign or labels[name] == value)
                for name, sign, value in pairs
            )
        }


_NOT_THERE: Final = {
    "containers": "No such container: {}",
    "networks": "network {} not found",
    "volumes": "get {}: no such volume",
}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, handler: Callable[..., Any]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(path, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        self._open.add(request)
        return request, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about a client that goes while it is answered."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """End it with all its connections."""
        self.shutdown()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Conversation(http.server.BaseHTTPRequestHandler):
    """One connection to the engine."""

    protocol_version = "HTTP/1.1"

    def __init__(self, engine: FakeEngine, *request: Any) -> None:
        self._engine = engine
        super().__init__(*request)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = urlsplit(self.path)
        path = re.sub(r"^/v\d\.\d+", "", unquote(asked.path))
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        self._engine.requests.append(f"{self.command} {path}")
        try:
            for method, pattern, do in _ROUTES:
                found = re.fullmatch(pattern, path)
                if found and method == self.command:
                    do(self, *filter(None, found.groups()), query=query, body=body)
                    return
            raise Refused(404, "page not found")  # noqa: TRY301 - as the routes do
        except Refused as exc:
            self._send(exc.status, {"message": exc.message})

    def _send(self, status: int, answer: Any = None) -> None:
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def version(self, **_: Any) -> None:
        self._send(200, {"Version": "0 (fake)", "ApiVersion": _API_VERSION, "Os": "linux"})

    def inspect_image(self, name: str, **_: Any) -> None:
        self._send(200, self._engine.image(name).inspected())

    def create(self, *, query: Mapping[str, str], body: bytes) -> None:
        name = query.get("name") or secrets.token_hex(6)
        one = self._engine.create(name, json.loads(body))
        self._send(201, {"Id": one.id, "Warnings": []})

    def inspect(self, name: str, **_: Any) -> None:
        self._send(200, self._engine.container(name).inspected())

    def put(self, name: str, *, query: Mapping[str, str], body: bytes) -> None:
        self._engine.container(name).put(query["path"], body)
        self._send(200)

    def start(self, name: str, **_: Any) -> None:
        self._send(204 if self._engine.container(name).start() else 304)

    def kill(self, name: str, *, query: Mapping[str, str], **_: Any) -> None:
        try:
            one = self._engine.container(name)
        except Refused as exc:
            raise Refused(404, f"Cannot kill container: {name}: {exc.message}") from exc
        one.signal(signal.Signals[query.get("signal", "SIGKILL")])
        self._send(204)

    def attach(self, name: str, **_: Any) -> None:
        one = self._engine.container(name)
        self.send_response(101, "UPGRADED")
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        one.attach(self.connection, self.end_headers)
        one.is_over.wait()
        self.close_connection = True

    def stats(self, name: str, **_: Any) -> None:
        one = self._engine.container(name)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not one.is_removed.is_set():
            self._send_chunk(one.sample())
            one.is_removed.wait(self._engine.sample_s)
        self.wfile.write(_LAST_CHUNK)

    def events(self, *, query: Mapping[str, str], **_: Any) -> None:
        """Answer with the signals that were sent through the engine, whenever it was."""
        names = json.loads(query.get("filters", "{}")).get("container", [])
        found = [
            {"Action": "kill", "Actor": {"ID": one.id, "Attributes": {"signal": str(number)}}}
            for one in self._engine.containers
            if one.name in names or one.id in names
            for number in one.signals
        ]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in found:
            self._send_chunk(event)
        self.wfile.write(_LAST_CHUNK)

    def _send_chunk(self, answer: Any) -> None:
        data = json.dumps(answer).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def list_things(self, kind: str, *, query: Mapping[str, str], **_: Any) -> None:
        wanted = json.loads(query.get("filters", "{}")).get("label", [])
        # The SDK sends one label bare.
        wanted = [wanted] if isinstance(wanted, str) else wanted
        key = "Name" if kind == "volumes" else "Id"
        found = [
            {key: id_, "Labels": labels}
            for id_, labels in self._engine.labelled(kind, wanted).items()
        ]
        self._send(200, {"Volumes": found, "Warnings": None} if kind == "volumes" else found)

    def make(self, kind: str, *, body: bytes, **_: Any) -> None:
        asked = json.loads(body)
        name = asked.get("Name") or secrets.token_hex(32)
        id_ = secrets.token_hex(32) if kind == "networks" else name
        self._engine.things[kind][id_] = asked.get("Labels") or {}
        self._send(201, {"Id": id_, "Name": name, "Labels": asked.get("Labels")})

    def remove(self, kind: str, name: str, *, query: Mapping[str, str], **_: Any) -> None:
        is_on = {"1", "true", "True"}
        self._engine.remove(
            kind, name, force=query.get("force") in is_on, with_volumes=query.get("v") in is_on
        )
        self._send(204)


_ROUTES: Final[tuple[tuple[str, str, Callable[..., None]], ...]] = (
    ("GET", r"/version", _Conversation.version),
    ("GET", r"/events", _Conversation.events),
    ("GET", r"/images/(.+)/json", _Conversation.inspect_image),
    ("POST", r"/containers/create", _Conversation.create),
    ("GET", r"/(containers)/json|/(networks|volumes)", _Conversation.list_things),
    ("GET", r"/containers/([^/]+)/json", _Conversation.inspect),
    ("PUT", r"/containers/([^/]+)/archive", _Conversation.put),
    ("POST", r"/containers/([^/]+)/attach", _Conversation.attach),
    ("POST", r"/containers/([^/]+)/start", _Conversation.start),
    ("POST", r"/containers/([^/]+)/kill", _Conversation.kill),
    ("GET", r"/containers/([^/]+)/stats", _Conversation.stats),
    ("POST", r"/(networks|volumes)/create", _Conversation.make),
    ("DELETE", r"/(containers|networks|volumes)/([^/]+)", _Conversation.remove),
)
