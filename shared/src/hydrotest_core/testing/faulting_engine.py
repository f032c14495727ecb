"""A Docker engine that fails when told to: a socket in front of the real one.

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
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["Fault", "FaultingEngine"]

_CHUNK_BYTES = 64 * 1024
_REFUSAL = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TORN = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"Id": "3f2'
)


class Fault(enum.StrEnum):
    """How an engine fails.

    Attributes:
        CLOSE: All connections end, new ones at once.
        STALL: Nothing passes any more in either direction; new connections get no answer.
        REFUSE: Connections go on, new requests are answered with status 500.
        TEAR: The same, with an answer whose JSON breaks off.
    """

    CLOSE = "close"
    STALL = "stall"
    REFUSE = "refuse"
    TEAR = "tear"


class FaultingEngine:
    """Passes everything on until `fail` is called.

    Args:
        folder: Where its socket is made; the path must be short.
        upstream: The real engine, `unix:///…`.
    """

    def __init__(self, folder: Path, upstream: str) -> None:
        path = folder / "engine.sock"
        self.address = f"unix://{path}"
        self._upstream = urlsplit(upstream).path
        self._fault: Fault | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, name="faulting-engine", daemon=True).start()

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
        """Fail from now on."""
        self._fault = fault
        if fault is Fault.CLOSE:
            self._close_all()

    def heal(self) -> None:
        """Pass everything on again; what was stalled is closed."""
        self._fault = None
        self._close_all()

    def close(self) -> None:
        """End it."""
        self._listener.close()
        self._close_all()

    def _close_all(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # It was closed.
            with self._lock:
                self._open.append(client)
            if self._fault is Fault.CLOSE:
                self._close_all()
                continue
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._upstream)
            with self._lock:
                self._open.append(engine)
            for ends in ((client, engine), (engine, client)):
                threading.Thread(target=self._copy, args=(*ends, client), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                if self._fault is Fault.STALL:
                    return
                canned = {Fault.REFUSE: _REFUSAL, Fault.TEAR: _TORN}.get(self._fault or Fault.CLOSE)
                if canned is not None and source is client:
                    client.sendall(canned)
                    client.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
