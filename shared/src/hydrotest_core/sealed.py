"""Writing to disk so that nobody else reads it and no link leads it astray.

A run directory holds a connector's data and, by mistake of the connector, maybe
its secrets: folders are 0700 and files 0600 whatever the umask says. All
functions raise `OSError`, with the path in it, where the disk or a planted link
is in the way; the caller knows what the failure means, and
`hydrotest_core.disk.disk_error` says it to a person.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hydrotest_core.disk import NO_ROOM, NoRoomError

if TYPE_CHECKING:
    from io import BufferedWriter

__all__ = ["atomic_write", "make_private_dir", "open_private", "path_slug", "sync_folder"]

_FILE_MODE = 0o600
_DIR_MODE = 0o700
_SLUG_LENGTH = 40
_HASH_LENGTH = 12
_FLAGS = {
    "xb": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    # O_NONBLOCK: opening a planted FIFO fails at once instead of waiting for a reader.
    "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK,
}


def open_private(path: str | os.PathLike[str], mode: Literal["xb", "ab"] = "xb") -> BufferedWriter:
    """Open a file for writing that only its owner may read.

    Args:
        path: Where; its folder exists.
        mode: `xb` makes a new file, `ab` appends to a plain file of ours or makes it.

    Returns:
        A buffered binary file, mode 0600.

    Raises:
        FileExistsError: With `xb`, when anything stands there, a dangling link too.
        OSError: With `ab`, when a link, a FIFO, a device, or a file with a second
            name (a hard link) stands there; else what the system says.
    """
    descriptor = os.open(path, _FLAGS[mode] | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
    try:
        _refuse_what_is_not_ours(os.fstat(descriptor), path)
        os.fchmod(descriptor, _FILE_MODE)
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "ab" if mode == "ab" else "wb")
    except BaseException:
        os.close(descriptor)
        raise


def _refuse_what_is_not_ours(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise OSError(errno.EPERM, "not a plain file with one name", os.fspath(path))


def make_private_dir(path: str | os.PathLike[str]) -> Path:
    """Make a folder that only its owner may enter, and return its path.

    Missing parents are made as private. A folder that is there already is made
    private too.

    Raises:
        NotADirectoryError: When something else stands there, a link to a folder too.
        OSError: What the system says, for example for a folder of someone else.
    """
    folder = Path(path)
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for part in reversed(missing):
        with contextlib.suppress(FileExistsError):
            part.mkdir(_DIR_MODE)
        # By descriptor: between a check and a chmod by name, a link could take its place.
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, _DIR_MODE)
        finally:
            os.close(descriptor)
    return folder


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Put `data` at `path`, mode 0600, so that a reader sees the old or the new content.

    The content is written beside, flushed to the disk and renamed over. On any
    failure, a full disk or Ctrl-C, the old content stays and nothing is left beside.
    A link at `path` is replaced, never followed.

    Raises:
        NoRoomError: The disk is full; it says how much was to be written.
        OSError: What the system says.
    """
    target = Path(path)
    try:
        descriptor, beside = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        try:
            try:
                os.fchmod(descriptor, _FILE_MODE)
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(beside, target)  # noqa: PTH105 - the one call, seen as such by the tests
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    except OSError as exc:
        if exc.errno in NO_ROOM:
            raise NoRoomError(exc, target, len(data)) from exc
        exc.filename = os.fspath(target)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        # Nearly full, it takes a part; the next call says what is the matter.
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make a rename in `folder` survive a power cut, where the file system can.

    Raises:
        OSError: The folder can't be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some file systems don't sync folders and say EINVAL; the content is safe there.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def path_slug(name: str) -> str:
    """Return a path part for a name that a connector chose: `users-3f2c9a1b7d04`.

    The part is plain lower-case ASCII, at most 53 characters, never hidden, never
    an option, never a reserved name; `..`, `/`, NUL, case twins and Unicode twins
    can't escape or meet. The hash has 48 bits: nobody meets by accident, but who
    looks for twins finds some, so files named by it are opened with `xb`.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    slug = re.sub(r"[^a-z0-9_]+", "-", name[: 4 * _SLUG_LENGTH].lower())
    slug = slug.strip("-")[:_SLUG_LENGTH].strip("-")
    return f"{slug or 'unnamed'}-{digest[:_HASH_LENGTH]}"
