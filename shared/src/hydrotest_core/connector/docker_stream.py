"""Telling stdout from stderr in the one stream that an engine sends for an attached container.

Each piece comes behind eight bytes: which output (1 or 2), three zeros, the piece's
length as a big-endian number. Source: Docker Engine API, "Attach to a container".
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Readable(Protocol):
        """A socket-like thing that has no usable descriptor."""

        def recv(self, size: int, /) -> bytes:
            """Return what is there; empty at the end."""
            ...


__all__ = ["DemuxStream", "StreamBrokenError", "forward"]

_HEADER: Final = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_CHUNK_BYTES = 64 * 1024


class StreamBrokenError(ValueError):
    """The bytes aren't what an engine sends."""


class DemuxStream:
    """Takes the engine's bytes, however they are cut, and passes the pieces on.

    It keeps nothing but an unfinished header. The pieces of one `feed` go on together:
    a connector that writes line by line sends a piece a line.

    Args:
        stdout: Takes what came on stdout.
        stderr: Takes what came on stderr.
    """

    def __init__(self, stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]) -> None:
        self._sinks = {_STDOUT: stdout, _STDERR: stderr}
        self._header = b""
        self._output = _STDOUT
        self._left = 0

    def __repr__(self) -> str:
        return f"DemuxStream(left={self._left}, header={len(self._header)})"

    @property
    def is_complete(self) -> bool:
        """True where the stream may end: not inside a piece or a header."""
        return self._left == 0 and not self._header

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            StreamBrokenError: They name an output that doesn't exist.
        """
        pieces: dict[int, list[memoryview]] = {output: [] for output in self._sinks}
        view, at = memoryview(data), 0
        while at < len(data):
            if self._left == 0:
                at = self._take_header(data, at)
                continue
            piece = view[at : at + self._left]
            pieces[self._output].append(piece)
            at += len(piece)
            self._left -= len(piece)
        for output, found in pieces.items():
            if found:
                self._sinks[output](b"".join(found))

    def _take_header(self, data: bytes, at: int) -> int:
        end = at + _HEADER.size - len(self._header)
        self._header += data[at:end]
        if len(self._header) == _HEADER.size:
            self._output, self._left = _HEADER.unpack(self._header)
            if self._output not in self._sinks:
                message = f"there is no output number {self._output}"
                raise StreamBrokenError(message)
            self._header = b""
        return min(end, len(data))


def forward(source: Readable) -> int:
    """Return a descriptor that gives what `source` gives, for one that has none of its own.

    TLS and SSH connections keep bytes to themselves, so waiting for the descriptor below
    them would wait too long. A thread copies until the source ends.
    """
    mine, theirs = socket.socketpair()

    def copy() -> None:
        with mine:
            try:
                while data := source.recv(_CHUNK_BYTES):
                    mine.sendall(data)
            except OSError:
                return  # Either end was closed: the reader sees the end of its stream.

    threading.Thread(target=copy, name="hydrotest-forward", daemon=True).start()
    return theirs.detach()
