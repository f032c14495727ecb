"""What a fake engine calls a container: a process of this machine, and a folder for a volume."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import struct
import subprocess
import tarfile
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from hydrotest_core.connector.reaper import kill_marked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

__all__ = ["MARK", "ContainerSettings", "FakeContainer", "FakeImage", "Refused", "Volume"]

MARK: Final = "HYDROTEST_FAKE_CONTAINER"
"""The variable that marks the processes of a container, whatever they do."""

_HEADER: Final = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_PIECE_BYTES: Final = 32 * 1024
_BY_SIGNAL: Final = 128
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_NEVER: Final = "0001-01-01T00:00:00Z"


class Refused(Exception):
    """The engine says no.

    Args:
        status: An HTTP status.
        message: What it says of it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeImage:
    """An image: how a program of this machine is started.

    Attributes:
        id: `sha256:…`.
        tags: What it is called.
        entrypoint: The program and its first words.
        user: Who is said to run it; whoever runs the tests does.
        environment: Its variables.
        labels: Its labels.
    """

    id: str
    tags: tuple[str, ...]
    entrypoint: tuple[str, ...]
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def inspected(self) -> dict[str, Any]:
        """Return what the engine says of it."""
        config = {
            "Entrypoint": list(self.entrypoint) or None,
            "User": self.user,
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "Labels": dict(self.labels) or None,
        }
        return {"Id": self.id, "RepoTags": list(self.tags), "Config": config}


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A folder that a container sees at `destination`."""

    name: str
    destination: str
    folder: Path
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """What a container was created with.

    Attributes:
        image: What it runs.
        arguments: The words behind the entrypoint.
        environment: `NAME=value`, after the image's own.
        labels: Its labels.
        host: What was asked of the machine; kept and told, else without effect.
    """

    image: FakeImage
    arguments: tuple[str, ...]
    environment: tuple[str, ...]
    labels: Mapping[str, str]
    host: Mapping[str, Any]

    @classmethod
    def of(cls, image: FakeImage, asked: Mapping[str, Any]) -> Self:
        """Read them from the body of a request to create a container.

        Raises:
            Refused: There is nothing to start.
        """
        settings = cls(
            image=image,
            arguments=tuple(asked.get("Cmd") or ()),
            environment=tuple(asked.get("Env") or ()),
            labels=asked.get("Labels") or {},
            host=asked.get("HostConfig") or {},
        )
        if not (*image.entrypoint, *settings.arguments):
            raise Refused(400, "No command specified")
        return settings


class FakeContainer:
    """One container's life: created, started, ended, removed.

    What needs the kernel's help isn't there: no limits, no capabilities, no file system
    and no network of its own, no user. When its first process ends all others do.
    """

    def __init__(
        self, id_: str, name: str, settings: ContainerSettings, volumes: list[Volume], folder: Path
    ) -> None:
        self.id = id_
        self.name = name
        self.settings = settings
        self.volumes = volumes
        self._folder = folder
        self._lock = threading.RLock()
        self._attached: list[socket.socket] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._exit_code: int | None = None
        self._is_out_of_memory = False
        self._started_at = self._finished_at = _NEVER
        self.signals: list[int] = []
        self.is_over = threading.Event()
        self.is_removed = threading.Event()

    def __repr__(self) -> str:
        return f"FakeContainer({self.name!r}, {self.status})"

    @property
    def status(self) -> str:
        """`created`, `running` or `exited`."""
        if self._exit_code is not None:
            return "exited"
        return "created" if self._process is None else "running"

    def inspected(self) -> dict[str, Any]:
        """Return what the engine says of it."""
        process = self._process
        is_running = self.status == "running"
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Image": self.settings.image.id,
            "State": {
                "Status": self.status,
                "Running": is_running,
                "Pid": process.pid if process and is_running else 0,
                "ExitCode": self._exit_code or 0,
                "OOMKilled": self._is_out_of_memory,
                "StartedAt": self._started_at,
                "FinishedAt": self._finished_at,
            },
            "Config": {
                **self.settings.image.inspected()["Config"],
                "Cmd": list(self.settings.arguments),
                "Labels": dict(self.settings.labels),
            },
            "HostConfig": dict(self.settings.host),
            "Mounts": [
                {"Type": "volume", "Name": one.name, "Destination": one.destination}
                for one in self.volumes
            ],
        }

    def put(self, path: str, archive: bytes) -> None:
        """Unpack the plain files of a tar archive where a volume is.

        Raises:
            Refused: There is no volume.
        """
        volume = next((one for one in self.volumes if one.destination == path), None)
        if volume is None:
            raise Refused(404, f"Could not find the file {path} in container {self.name}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar.getmembers():
                content = tar.extractfile(member)
                if content is not None:
                    target = volume.folder / Path(member.name).name
                    target.write_bytes(content.read())
                    target.chmod(member.mode)

    def attach(self, connection: socket.socket, greet: Callable[[], None]) -> None:
        """Have what it will say sent there, after a greeting."""
        with self._lock:
            greet()
            self._attached.append(connection)

    def start(self) -> bool:
        """Start its process; false where it was started before."""
        with self._lock:
            if self.status != "created":
                return False
            self._started_at = _now()
            try:
                self._process = subprocess.Popen(
                    self._argv(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=self._environment(),
                    cwd=self._folder,
                    start_new_session=True,
                )
            except OSError as exc:
                self._fail_to_start(exc)
                return True
        self._watcher = threading.Thread(target=self._watch, name="fake-container", daemon=True)
        self._watcher.start()
        return True

    def _argv(self) -> list[str]:
        return [
            self._here(word) for word in (*self.settings.image.entrypoint, *self.settings.arguments)
        ]

    def _here(self, word: str) -> str:
        """Return a word that names a file in a volume so that it names our file."""
        for one in self.volumes:
            if word.startswith(f"{one.destination}/"):
                return f"{one.folder}{word.removeprefix(one.destination)}"
        return word

    def _environment(self) -> dict[str, str]:
        given = [line.partition("=") for line in self.settings.environment]
        return {
            "PATH": os.environ["PATH"],
            **self.settings.image.environment,
            **{name: value for name, _, value in given},
            MARK: self.id,
        }

    def _fail_to_start(self, error: OSError) -> None:
        """End as an engine's init does that can't start the entrypoint."""
        program = self._argv()[0]
        said = f"[FATAL tini (7)] exec {program} failed: {error.strerror}\n"
        self._send(_STDERR, said.encode())
        is_absent = isinstance(error, FileNotFoundError)
        self._end(_NOT_FOUND if is_absent else _NOT_EXECUTABLE)

    def _watch(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        voices = {_STDOUT: process.stdout, _STDERR: process.stderr}
        readers = [
            threading.Thread(target=self._pass_on, args=voice, daemon=True)
            for voice in voices.items()
        ]
        for reader in readers:
            reader.start()
        code = process.wait()
        kill_marked(MARK, self.id)
        for reader in readers:
            reader.join()
        self._end(code if code >= 0 else _BY_SIGNAL - code)

    def _pass_on(self, output: int, pipe: BinaryIO) -> None:
        with pipe:
            while piece := os.read(pipe.fileno(), _PIECE_BYTES):
                self._send(output, piece)

    def _send(self, output: int, piece: bytes) -> None:
        with self._lock:
            for connection in list(self._attached):
                try:
                    connection.sendall(_HEADER.pack(output, len(piece)) + piece)
                except OSError:  # Nobody listens there any more.
                    self._attached.remove(connection)

    def _end(self, code: int) -> None:
        with self._lock:
            self._finished_at = _now()
            self._exit_code = code
        self.is_over.set()

    def signal(self, number: int) -> None:
        """Send its first process a signal.

        Raises:
            Refused: It doesn't run.
        """
        process = self._process
        if process is None or self.status != "running":
            raise Refused(
                409, f"Cannot kill container: {self.name}: Container {self.id} is not running"
            )
        self.signals.append(number)
        process.send_signal(number)

    def run_out_of_memory(self) -> None:
        """Kill it as the kernel does when the memory is used up, and have the engine say so."""
        if self._process is not None:
            self._is_out_of_memory = True
            self._process.kill()

    def sample(self) -> dict[str, Any]:
        """Return one sample of `stats`: memory of its first process, none once it has ended."""
        process = self._process
        found = _anonymous_bytes(process.pid) if process and self.status == "running" else None
        stats = {} if found is None else {"usage": found, "stats": {"total_rss": found}}
        return {"id": self.id, "name": f"/{self.name}", "memory_stats": stats}

    def remove(self) -> None:
        """End it, whatever it does, and let go of whoever is attached."""
        self.cut()
        with contextlib.suppress(Refused):
            self.signal(signal.SIGKILL)
        if self._watcher is not None:
            self._watcher.join()
        self.is_over.set()
        self.is_removed.set()

    def cut(self) -> None:
        """Cut off whoever is attached; they may have stopped to listen and hold everything up."""
        for connection in list(self._attached):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "000Z")


def _anonymous_bytes(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    words = [line.split() for line in lines if line.startswith("RssAnon:")]
    return int(words[0][1]) * 1024 if words else None
