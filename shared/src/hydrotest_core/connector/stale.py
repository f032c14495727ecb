"""Finding and removing what sessions left behind whose owner is dead, and whose reaper too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydrotest_core.connector import reaper
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.connector.reaper import SESSION_LABEL, Engine, EngineAnswerError
from hydrotest_core.connector.session_record import OWNER_LABEL, read_record, session_folders

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["StaleSession", "clear_stale", "stale_sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleSession:
    """A session whose owner died, and what is left of it.

    Attributes:
        id: Its id.
        engine_things: What is on the engine, `containers 3f2c…`.
        folder: Its scratch folder, if that is still there.
    """

    id: str
    engine_things: tuple[str, ...] = ()
    folder: Path | None = None


def stale_sessions(engine: str | None = None) -> list[StaleSession]:
    """Find the sessions whose owner is known to be dead, on the engine and on the disk.

    Args:
        engine: The engine's address; by default the one Docker itself would take.
            Where none answers, only the disk is looked at.

    Raises:
        EngineAnswerError: One answers, and its answer can't be used.
    """
    things: dict[str, list[str]] = {}
    try:
        client = Engine(engine or engine_address())
        for kind in reaper.KINDS:
            for name, labels in client.labelled(kind, SESSION_LABEL).items():
                owner = ProcessIdentity.parse(labels.get(OWNER_LABEL, ""))
                if owner is not None and owner.is_dead():
                    things.setdefault(labels[SESSION_LABEL], []).append(f"{kind} {name}")
    except EngineAnswerError:
        raise
    except OSError:
        pass  # There is no engine, so nothing is on it.
    folders = _stale_folders()
    return [
        StaleSession(id=id_, engine_things=tuple(things.get(id_, ())), folder=folders.get(id_))
        for id_ in sorted({*things, *folders})
    ]


def clear_stale(engine: str | None = None) -> list[str]:
    """Remove what `stale_sessions` finds, processes too; return a line a thing."""
    address = engine or engine_address()
    gone = []
    for session in stale_sessions(address):
        folders = [session.folder] if session.folder else []
        lines = reaper.clear(session.id, address, folders)
        gone += [f"{line} of session {session.id}" for line in lines]
    return gone


def _stale_folders() -> dict[str, Path]:
    found = {}
    for folder in session_folders():
        record = read_record(folder)
        owner = ProcessIdentity.parse(record.owner) if record else None
        if record is not None and owner is not None and owner.is_dead():
            found[record.id] = folder
    return found
