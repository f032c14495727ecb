"""What a person is told when the disk is in the way: where, how much is free, how much it takes.

A full disk, a used-up quota and a limit on file sizes are three reasons with three ways out,
and any write can meet them; so the sentence is made here, once.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hydrotest_core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NO_ROOM", "NoRoomError", "disk_error", "disk_errors"]

NO_ROOM: Final = {
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "delete something of yours there: your quota on that disk is used up",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
}
"""What helps, by the error that says there is no room."""

_NO_MORE_FILES: Final = "delete files on that disk: it has no place for another one, however small"


class NoRoomError(OSError):
    """A write failed for want of room.

    Attributes:
        needed_bytes: How much was to be written.
    """

    def __init__(self, cause: OSError, path: str | os.PathLike[str], needed_bytes: int) -> None:
        super().__init__(cause.errno, cause.strerror, os.fspath(path))
        self.needed_bytes = needed_bytes


def disk_error(
    message: str,
    failure: OSError,
    path: str | os.PathLike[str],
    *,
    elsewhere: str = "choose another folder",
    otherwise: str = "see that the folder is there and yours",
    needed_bytes: int = 0,
) -> InfrastructureError:
    """Return the error that says what the disk refused, and what helps.

    Its facts are `path` and `reason`, and where there was no room `free_bytes` and
    `needed_bytes`: what was to be written, a block of the disk where nobody knows.

    Args:
        message: What couldn't be done, one sentence.
        failure: What the system said; the path in it is believed before `path`.
        path: What was to be written.
        elsewhere: How to use another disk.
        otherwise: What helps where room isn't what is missing.
        needed_bytes: How much was to be written, where the failure doesn't say.
    """
    named = failure.filename
    where = os.fsdecode(named if named and isinstance(named, (str, bytes)) else path)
    facts: dict[str, Any] = {"path": where, "reason": failure.strerror or str(failure)}
    if failure.errno not in NO_ROOM:
        return InfrastructureError(message, hint=f"{otherwise}, or {elsewhere}", **facts)
    way_out = NO_ROOM[failure.errno]
    status = _disk_of(Path(where))
    if status is not None:
        known = needed_bytes or getattr(failure, "needed_bytes", 0)
        facts["free_bytes"] = status.f_bavail * status.f_frsize
        facts["needed_bytes"] = known or status.f_frsize
        if status.f_files and not status.f_favail and failure.errno == errno.ENOSPC:
            way_out = _NO_MORE_FILES
    return InfrastructureError(message, hint=f"{way_out}, or {elsewhere}", **facts)


@contextlib.contextmanager
def disk_errors(
    message: str,
    path: str | os.PathLike[str],
    *,
    elsewhere: str = "choose another folder",
    otherwise: str = "see that the folder is there and yours",
) -> Iterator[None]:
    """Turn what the disk refuses inside into an `InfrastructureError`; see `disk_error`."""
    try:
        yield
    except OSError as exc:
        raise disk_error(message, exc, path, elsewhere=elsewhere, otherwise=otherwise) from exc


def _disk_of(path: Path) -> os.statvfs_result | None:
    """Return how the disk stands, asked at the nearest folder that is there."""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError, ValueError):
            return os.statvfs(folder)
    return None
