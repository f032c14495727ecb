"""A Docker engine that fails when told to: a socket in front of another one, real or fake.

```python
with FaultingEngine(tmp_path, "unix:///var/run/docker.sock") as engine:
    session = Session.open(engine=engine.address)
    ...
    engine.fail(Fault.STALL)
```
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["Fault", "FaultingEngine"]

_CHUNK_BYTES: Final = 64 * 1024
_MISSING: Final = b'{"message": "No such container: 3f2c"}\n'
# A connection closed with this waits for nothing: the other side gets a reset.
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Fault(enum.StrEnum):
    """How an engine fails.

    Attributes:
        CLOSE: All connections end, new ones at once.
        STALL: Nothing passes any more in either direction; new connections get no answer.
        REFUSE: Connections go on, new requests are answered with status 500.
        TEAR: The same, with an answer whose JSON breaks off.
        MISS: The same, with status 404: no such container.
        RESET: All connections are reset, new ones once they ask for something.
        RESTART: All connections end, nobody listens for a while, then all is well.
    """

    CLOSE = "close"
    STALL = "stall"
    REFUSE = "refuse"
    TEAR = "tear"
    MISS = "miss"
    RESET = "reset"
    RESTART = "restart"


_CUTS: Final = {Fault.CLOSE, Fault.RESET, Fault.RESTART}
_CANNED: Final = {
    Fault.REFUSE: (
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ),
    Fault.TEAR: (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"
        b'{"Id": "3f2'
    ),
    Fault.MISS: (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(_MISSING), _MISSING)
    ),
}


class FaultingEngine:
    """Passes everything on until `fail` is called.

    Args:
        folder: Where its socket is made; the path must be short. `None` for a port of this
            machine: a Unix socket can't reset a connection on which nobody asks anything.
        upstream: The engine behind it, `unix:///…`.
        outage_s: How long a restart takes.

    Attributes:
        address: `unix:///…` or `tcp://127.0.0.1:…`.
    """

    def __init__(self, folder: Path | None, upstream: str, *, outage_s: float = 0.5) -> None:
        self._path = folder and folder / "faulting.sock"
        self._port = 0
        self._upstream = urlsplit(upstream).path
        self._outage_s = outage_s
        self._fault: Fault | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._coming_back: threading.Timer | None = None
        self._listener = self._listen()
        self.address = f"unix://{self._path}" if self._path else f"tcp://127.0.0.1:{self._port}"

    def __repr__(self) -> str:
        return f"FaultingEngine({self.address!r}, {self._fault or 'sound'})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def fail(self, fault: Fault) -> None:
        """Fail from now on; a restart ends by itself."""
        if fault is self._fault is Fault.RESTART:
            return
        self._fault = fault
        if fault is Fault.RESTART:
            self._stop_listening()
            self._coming_back = threading.Timer(self._outage_s, self._come_back)
            self._coming_back.start()
        if fault in _CUTS:
            self._cut_all()

    def heal(self) -> None:
        """Pass everything on again; what was stalled is closed."""
        if self._coming_back is not None:
            self._coming_back.join()
        self._fault = None
        self._cut_all()

    def close(self) -> None:
        """End it."""
        self.heal()
        self._stop_listening()

    def _come_back(self) -> None:
        self._fault = None
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        if self._path:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self._path))
        else:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
            self._port = listener.getsockname()[1]
        listener.listen()
        threading.Thread(
            target=self._accept, args=(listener,), name="faulting-engine", daemon=True
        ).start()
        return listener

    def _stop_listening(self) -> None:
        # Closing alone would not wake the thread that waits for a connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._path:
            self._path.unlink(missing_ok=True)

    def _cut_all(self) -> None:
        with self._lock:
            for one in self._open:
                self._cut(one)
            self._open.clear()

    def _cut(self, one: socket.socket) -> None:
        """Close a connection, also for a thread that waits for what comes from it."""
        is_reset = self._fault is Fault.RESET
        with contextlib.suppress(OSError):
            if is_reset and one.family != socket.AF_UNIX:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            one.shutdown(socket.SHUT_RD if is_reset else socket.SHUT_RDWR)
        one.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # It was closed.
            if self._fault in {Fault.CLOSE, Fault.RESTART}:
                client.close()
                continue
            engine = socket.socket(socket.AF_UNIX)
            try:
                engine.connect(self._upstream)
            except OSError:  # The one behind us fails by itself.
                client.close()
                engine.close()
                continue
            with self._lock:
                self._open += [client, engine]
            for ends in ((client, engine), (engine, client)):
                threading.Thread(target=self._copy, args=(*ends, client), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            # Only looked at: what stays unread when a connection is closed resets it.
            while source.recv(1, socket.MSG_PEEK):
                if self._fault is Fault.STALL:
                    return
                if self._fault is Fault.RESET:
                    self._cut(client)
                    return
                data = source.recv(_CHUNK_BYTES)
                canned = _CANNED.get(self._fault) if self._fault else None
                if canned is not None and source is client:
                    client.sendall(canned)
                    client.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)
            if self._fault is not Fault.RESET:
                sink.shutdown(socket.SHUT_WR)
