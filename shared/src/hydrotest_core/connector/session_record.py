"""What marks all that belongs to a session, and the file that says who owns it."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Final

import msgspec

__all__ = [
    "CREATOR_LABEL",
    "EXECUTION_LABEL",
    "EXECUTION_VARIABLE",
    "OWNER_LABEL",
    "RECORD_FILE",
    "SessionRecord",
    "folder_of",
    "read_record",
    "session_folders",
]

OWNER_LABEL: Final = "io.hydrotest.owner"
CREATOR_LABEL: Final = "io.hydrotest.creator"
EXECUTION_LABEL: Final = "io.hydrotest.execution"
EXECUTION_VARIABLE: Final = "HYDROTEST_EXECUTION"
RECORD_FILE: Final = "session.json"

_PREFIX = "hydrotest-"
_ID = re.compile(r"[0-9a-f]{12}")


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`session.json`, 0600 in the session's folder.

    Attributes:
        id: Twelve hex digits.
        owner: The process that opened the session, as `ProcessIdentity` writes it.
        created_at_ms: When it did, ms since epoch, UTC.
        engine: The address of the engine.
        hash_key: The key for hashes of what may be secret.
    """

    format_version: int = 1
    id: str
    owner: str
    created_at_ms: int
    engine: str
    hash_key: bytes


def folder_of(session: str) -> Path:
    """Return where the scratch folder of a session is or would be."""
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{session}"


def session_folders() -> list[Path]:
    """Return what may be the folders of sessions."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))


def read_record(folder: Path) -> SessionRecord | None:
    """Return who owns a session of this user; `None` for a folder that isn't one's."""
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return None
        found = msgspec.json.decode((folder / RECORD_FILE).read_bytes(), type=SessionRecord)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if _ID.fullmatch(found.id) and folder == folder_of(found.id) else None
