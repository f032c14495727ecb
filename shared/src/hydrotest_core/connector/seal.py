"""Seals on folders of finished executions: is it still what was put there?

```
seal.json   {"key": "…", "files": {"stderr.log": [1024, 3735928559], …}}
```

Each file stands with its size and its CRC-32, which finds every flipped bit, every cut and
every torn write a disk or a crash can leave. It is no guard against somebody who writes in
the folder on purpose: such a one can write a seal, too.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from hydrotest_core.connector.execution import ExecutionManifest
from hydrotest_core.connector.layout import MANIFEST_FILE
from hydrotest_core.sealed import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["SEAL_FILE", "Fingerprint", "fingerprint", "is_as_sealed", "read_manifest", "seal"]

SEAL_FILE: Final = "seal.json"
_CHUNK_BYTES: Final = 1 << 20

Fingerprint: TypeAlias = "tuple[tuple[str, int, int, int], ...]"
"""Path, inode, size and time of change of each file: what differs after somebody wrote."""


class _Seal(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    files: dict[str, tuple[int, int]]


def seal(directory: Path, key: str) -> None:
    """Write down what the folder holds.

    Args:
        directory: A folder that nobody writes into any more.
        key: What determined the execution; a folder in another one's place is damage.

    Raises:
        OSError: What the system says.
    """
    files = {name: _checksum(directory / name) for name, _ in _files(directory)}
    atomic_write(directory / SEAL_FILE, msgspec.json.encode(_Seal(key=key, files=files)))


def read_manifest(directory: Path, key: str) -> ExecutionManifest | None:
    """Return the manifest of a sealed folder; `None` where it or the seal is damaged.

    Only these two are looked at; the rest, which may be large, is `is_as_sealed`'s.
    """
    found = _read_seal(directory)
    if found is None or found.key != key:
        return None
    try:
        if found.files.get(MANIFEST_FILE) != _checksum(directory / MANIFEST_FILE):
            return None
        raw = (directory / MANIFEST_FILE).read_bytes()
        return msgspec.json.decode(raw, type=ExecutionManifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def is_as_sealed(directory: Path) -> bool:
    """Say whether every file is there, none more, and each has the content it had.

    Reads all of it, at some gigabytes a second.
    """
    found = _read_seal(directory)
    if found is None:
        return False
    try:
        sizes = {name: status.st_size for name, status in _files(directory)}
        if sizes != {name: size for name, (size, _) in found.files.items()}:
            return False
        return all(_checksum(directory / name) == found.files[name] for name in sizes)
    except OSError:
        return False


def fingerprint(directory: Path) -> Fingerprint:
    """Return what tells cheaply whether somebody wrote in the folder since.

    Raises:
        OSError: What the system says.
    """
    return tuple(
        (name, status.st_ino, status.st_size, status.st_mtime_ns)
        for name, status in sorted(_files(directory), key=lambda each: each[0])
    )


def _read_seal(directory: Path) -> _Seal | None:
    path = directory / SEAL_FILE
    try:
        _refuse_what_is_no_file(path)
        return msgspec.json.decode(path.read_bytes(), type=_Seal)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _files(directory: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield all that isn't a folder, links unfollowed, by its path in the folder.

    Raises:
        OSError: What the system says, a folder in it that can't be read included.
    """

    def refuse(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(directory, onerror=refuse):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - this runs for each file, each time
            inside = os.path.relpath(path, directory)
            if inside != SEAL_FILE:
                yield inside, os.lstat(path)


def _checksum(path: Path) -> tuple[int, int]:
    """Return the size and the CRC-32 of a plain file.

    Raises:
        OSError: What the system says; also for a link or anything else that is no plain file.
    """
    _refuse_what_is_no_file(path)
    size = checksum = 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(_CHUNK_BYTES):
            size += len(data)
            checksum = zlib.crc32(data, checksum)
    return size, checksum


def _refuse_what_is_no_file(path: Path) -> None:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.EINVAL, "not a plain file", os.fspath(path))
