"""Appending to many private files from a thread of its own, with bounded memory.

A write is a call into the kernel that lets other threads run: one thread decodes
while the other one writes. Handing over megabytes at once is what makes it pay;
with single buffers the two wait for each other longer than the writing takes.

Once much has come, files are packed, see `hydrotest_core.connector.stored`: packing lets
other threads run, too, and what it saves in writing it nearly costs.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hydrotest_core.connector.stored import FRAME_BYTES, Packer, chunks, packed_name
from hydrotest_core.disk import disk_error
from hydrotest_core.sealed import open_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Appender"]

_CACHED_BYTES: Final = 32 * 1024 * 1024
"""How much of a file may stay in the page cache; small ones are soon read again."""

_LINE_BYTES: Final = 48
"""How much memory a line takes beside its bytes."""

_END: Final = (b"",)

_PLAIN_BYTES: Final = 64 * 1024
"""A file this small stays plain in any case: packing it gains nothing that counts."""

_BUFFERS_AT_ONCE: Final = 1024
"""How many buffers `writev` takes; `IOV_MAX` is 1,024 wherever we run."""


class Appender:
    """Appends bytes to files, mode 0600, and makes those that aren't there.

    What was handed over is on its way to the disk after `interval_s` at the latest,
    or once `batch_bytes` have come together. Memory holds at most three batches.

    Args:
        batch_bytes: How much is written at once.
        interval_s: How long bytes may wait for more, in seconds.
        open_files: How many files are kept open; the one unused longest is closed.
        pack_from_bytes: Once more than this has come in all, files larger than 64 KiB
            are packed, what they hold already included.
    """

    def __init__(
        self,
        *,
        batch_bytes: int = 4 * 1024 * 1024,
        interval_s: float = 1.0,
        open_files: int = 64,
        pack_from_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._batch_bytes = batch_bytes
        self._interval_s = interval_s
        self._files = _Files(open_files, pack_from_bytes)
        self._changed = threading.Condition()
        self._pending: dict[str, list[bytes | list[bytes]]] = {}
        self._size = 0
        self._is_closing = False
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="hydrotest-appender", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        state = "closed" if self._is_closing else "failed" if self._failure else "open"
        return f"Appender({state}, {self._size} bytes pending)"

    def append(self, path: str, *pieces: bytes) -> None:
        """Append `pieces` to the file at `path`, in order; waits while the disk is behind.

        Raises:
            InfrastructureError: When a file can't be opened or written, now or in any
                call before. Nothing is written any more from then on.
        """
        with self._changed:
            self._wait()
            self._pending.setdefault(path, []).extend(pieces)
            self._add(sum(map(len, pieces)))

    def append_lines(self, groups: Mapping[str, list[bytes]], size_bytes: int) -> None:
        """Append lines to files, each with a line feed after it.

        They are joined when they are written: once, and not while others wait.

        Args:
            groups: The lines by the path of their file; the lists are kept.
            size_bytes: How much they are in all.

        Raises:
            InfrastructureError: As `append`.
        """
        with self._changed:
            self._wait()
            for path, lines in groups.items():
                self._pending.setdefault(path, []).append(lines)
                size_bytes += _LINE_BYTES * len(lines)
            self._add(size_bytes)

    def _wait(self) -> None:
        self._changed.wait_for(lambda: self._size < 2 * self._batch_bytes or self._failure)
        self._raise_failure()

    def _add(self, size: int) -> None:
        self._size += size
        if self._size >= self._batch_bytes:
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what `append` would.

        Raises:
            InfrastructureError: When a file couldn't be opened or written.
        """
        with self._changed:
            self._raise_failure()

    def close(self) -> None:
        """Write what is pending and close all files; again is fine.

        Raises:
            InfrastructureError: When not all of it could be written.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is None:
            return
        message = "What the connector said can't be written down."
        raise disk_error(message, self._failure, "", needed_bytes=self._size) from self._failure

    def _run(self) -> None:
        is_whole = False
        try:
            self._write_all()
            is_whole = True
        finally:
            if not is_whole:  # Nobody may wait for a thread that is no more.
                self._fail(OSError(errno.EIO, "the writing thread ended"), "")

    def _write_all(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                self._changed.wait_for(self._is_due, timeout=self._interval_s)
                is_last = self._is_closing
                batch = self._pending
                if self._failure is None:
                    self._pending, self._size = {}, 0
                self._changed.notify_all()
            if self._failure is None:
                self._write(batch)
        self._close_files()

    def _is_due(self) -> bool:
        return self._is_closing or self._size >= self._batch_bytes

    def _write(self, batch: dict[str, list[bytes | list[bytes]]]) -> None:
        for path, entries in batch.items():
            try:
                self._files.write(path, list(_joined(entries)))
            except OSError as exc:
                self._fail(exc, path)
                return

    def _close_files(self) -> None:
        try:
            if self._failure is None:
                self._files.pack_rest()
        except OSError as exc:
            self._fail(exc, str(exc.filename or ""))
        try:
            self._files.close()
        except OSError as exc:  # Network file systems tell only now that there was no room.
            self._fail(exc, "")

    def _fail(self, failure: OSError, path: str) -> None:
        with self._changed:
            failure.filename = path
            self._failure = self._failure or failure
            self._changed.notify_all()


def _joined(entries: list[bytes | list[bytes]]) -> Iterator[bytes]:
    held: list[list[bytes]] = []
    for entry in entries:
        if isinstance(entry, list):
            held.append(entry)
            continue
        if held:
            yield b"\n".join(itertools.chain(*held, _END))
            held.clear()
        yield entry
    if held:
        yield b"\n".join(itertools.chain(*held, _END))


class _Files:
    """The files being appended to, plain ones and packed ones."""

    def __init__(self, open_at_most: int, pack_from_bytes: int) -> None:
        self._open = _OpenFiles(open_at_most)
        self._pack_from_bytes = pack_from_bytes
        self._total_bytes = 0
        self._plain: dict[str, int] = {}
        self._packed: set[str] = set()
        self._packer: Packer | None = None

    def write(self, path: str, pieces: list[bytes]) -> None:
        size = sum(map(len, pieces))
        self._total_bytes += size
        if path not in self._packed:
            self._plain[path] = self._plain.get(path, 0) + size
            if not self._is_to_be_packed(path):
                self._open.write(path, pieces)
                return
            self._pack(path)
        for chunk in chunks(pieces):
            self._write_packed(path, chunk)

    def pack_rest(self) -> None:
        """Pack the files that grew large before so much had come in all."""
        for path in [path for path in self._plain if self._is_to_be_packed(path)]:
            self._pack(path)

    def close(self) -> None:
        self._open.close()

    def _is_to_be_packed(self, path: str) -> bool:
        return self._total_bytes > self._pack_from_bytes and self._plain[path] > _PLAIN_BYTES

    def _pack(self, path: str) -> None:
        """Pack what a file holds; the plain one is there until all of it is packed."""
        self._open.close_file(path)
        if Path(path).exists():
            with Path(path).open("rb", buffering=0) as file:
                while data := file.read(FRAME_BYTES):
                    self._write_packed(path, data)
            Path(path).unlink()
        self._packed.add(path)
        del self._plain[path]

    def _write_packed(self, path: str, data: bytes | memoryview) -> None:
        self._packer = self._packer or Packer()
        self._open.write(packed_name(path), [self._packer.frame(data)])


class _OpenFiles:
    """Files opened for appending, as many as fit; a connector may have thousands of streams."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._files: OrderedDict[str, _OpenFile] = OrderedDict()

    def write(self, path: str, pieces: list[bytes]) -> None:
        if path in self._files:
            self._files.move_to_end(path)
        else:
            if len(self._files) >= self._at_most:
                self._files.popitem(last=False)[1].close()
            self._files[path] = _OpenFile(path)
        self._files[path].write(pieces)

    def close_file(self, path: str) -> None:
        if path in self._files:
            self._files.pop(path).close()

    def close(self) -> None:
        while self._files:
            self._files.popitem()[1].close()


class _OpenFile:
    """A file being appended to."""

    def __init__(self, path: str) -> None:
        self._file = open_private(path, "ab")
        self._unadvised = 0

    def write(self, pieces: list[bytes]) -> None:
        descriptor = self._file.fileno()
        for start in range(0, len(pieces), _BUFFERS_AT_ONCE):
            part = pieces[start : start + _BUFFERS_AT_ONCE]
            written = os.writev(descriptor, part)
            self._unadvised += written
            if written < sum(map(len, part)):
                # Nearly full, or a limit is near: the next write says what is the matter.
                rest = memoryview(b"".join(part))[written:]
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
        if self._unadvised >= _CACHED_BYTES:
            self._unadvised = 0
            _drop_from_cache(descriptor)

    def close(self) -> None:
        self._file.close()


def _drop_from_cache(descriptor: int) -> None:
    """Let the kernel reuse the memory of what is on the disk already.

    Otherwise a large output takes all free memory for pages that nobody reads soon,
    pushes out what others need, and on virtual machines, where untouched memory has
    to be fetched from the host, is written three to six times slower.
    """
    if hasattr(os, "posix_fadvise"):  # Not on macOS.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
