"""Appending to many private files from a thread of its own, with bounded memory.

A write is a call into the kernel that lets other threads run: one thread decodes
while the other one writes. Handing over megabytes at once is what makes it pay;
with single buffers the two wait for each other longer than the writing takes.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from hydrotest_core.errors import InfrastructureError
from hydrotest_core.sealed import open_private

__all__ = ["Appender"]

_CACHED_BYTES: Final = 32 * 1024 * 1024
"""How much of a file may stay in the page cache; small ones are soon read again."""

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
    """

    def __init__(
        self,
        *,
        batch_bytes: int = 4 * 1024 * 1024,
        interval_s: float = 1.0,
        open_files: int = 64,
    ) -> None:
        self._batch_bytes = batch_bytes
        self._interval_s = interval_s
        self._files = _OpenFiles(open_files)
        self._changed = threading.Condition()
        self._pending: dict[str, list[bytes]] = {}
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
            self._changed.wait_for(lambda: self._size < 2 * self._batch_bytes or self._failure)
            self._raise_failure()
            self._pending.setdefault(path, []).extend(pieces)
            self._size += sum(map(len, pieces))
            if self._size >= self._batch_bytes:
                self._changed.notify_all()

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
        path = str(self._failure.filename or "")
        message = "What the connector said can't be written down."
        raise InfrastructureError(
            message,
            path=path,
            reason=self._failure.strerror,
            free_bytes=_free_bytes(path),
            needed_bytes=self._size,
            hint="free some space on that disk, or choose another folder",
        ) from self._failure

    def _run(self) -> None:
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

    def _write(self, batch: dict[str, list[bytes]]) -> None:
        for path, pieces in batch.items():
            try:
                self._files.write(path, pieces)
            except OSError as exc:
                self._fail(exc, path)
                return

    def _close_files(self) -> None:
        try:
            self._files.close()
        except OSError as exc:  # Network file systems tell only now that there was no room.
            self._fail(exc, "")

    def _fail(self, failure: OSError, path: str) -> None:
        with self._changed:
            failure.filename = path
            self._failure = self._failure or failure
            self._changed.notify_all()


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


def _free_bytes(path: str) -> int | None:
    try:
        return shutil.disk_usage(Path(path).parent).free
    except OSError:
        return None
