"""A session: all that one run of hydrotest starts, under one mark, so that it can be removed.

```
<tmp>/hydrotest-<id>/session.json     who owns the session; 0600 in a folder of 0700
<tmp>/hydrotest-<id>/ending           there as soon as the owner was told to end
<tmp>/hydrotest-<id>/<execution>/     the files, HOME and TMPDIR of one execution
```

Every container, network and volume has the session's label, every process its
variable. The owner starts the reaper (`hydrotest_core.connector.reaper`), which
removes all of it when the owner dies, however it dies. Workers join by the id and
have no reaper of their own. What is left where even the reaper was killed is found by
`stale_sessions`. A session that is alive, or of which nothing is known, is never touched.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Self

import msgspec

from hydrotest_core.connector import reaper
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.connector.reaper import SESSION_LABEL, SESSION_VARIABLE, Engine, Reaper
from hydrotest_core.connector.session_record import (
    CREATOR_LABEL,
    EXECUTION_LABEL,
    EXECUTION_VARIABLE,
    OWNER_LABEL,
    RECORD_FILE,
    SessionRecord,
    folder_of,
    read_record,
)
from hydrotest_core.connector.stale import StaleSession, clear_stale, stale_sessions
from hydrotest_core.disk import disk_error
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.sealed import atomic_write, make_private_dir, open_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

__all__ = ["Session", "StaleSession", "clear_stale", "stale_sessions"]

_CREATOR = "creator"
_ENDING = "ending"
_ELSEWHERE = "choose another temporary folder with TMPDIR"


class Session:
    """One run of hydrotest; open it in the process that lives longest, join it in workers.

    A context manager. It can be pickled: what arrives has joined.

    Attributes:
        id: Twelve hex digits.
        owner: The process that opened it.
        engine: Where its engine is, if there is one.
        folder: Its private scratch folder.
        hash_key: The key for hashes of what may be secret; never to be written down.
    """

    def __init__(self, folder: Path, record: SessionRecord, child: Reaper | None) -> None:
        owner = ProcessIdentity.parse(record.owner)
        assert owner is not None
        self.id = record.id
        self.owner = owner
        self.engine = record.engine
        self.folder = folder
        self.hash_key = record.hash_key
        self._reaper = child
        self._is_closed = False

    def __repr__(self) -> str:
        part = "owner" if self._reaper else "joined"
        return f"Session({self.id}, {part}{', closed' if self._is_closed else ''})"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self).join, (self.id,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @classmethod
    def open(cls, *, engine: str | None = None) -> Self:
        """Begin a session that this process owns, and start its reaper.

        Args:
            engine: The engine's address; by default the one Docker itself would take.

        Raises:
            InfrastructureError: The temporary folder can't be written.
        """
        record = SessionRecord(
            id=secrets.token_hex(6),
            owner=str(ProcessIdentity.current()),
            created_at_ms=time.time_ns() // 1_000_000,
            engine=engine or engine_address(),
            hash_key=secrets.token_bytes(32),
        )
        folder = folder_of(record.id)
        child = None
        try:
            # First the reaper: whatever is made from here on has somebody to remove it.
            child = Reaper(record.id, record.engine)
            child.watch(folder)
            make_private_dir(folder)
            atomic_write(folder / RECORD_FILE, msgspec.json.encode(record))
        except OSError as exc:
            reaper.remove_tree(folder)
            if child is not None:
                child.close()
            message = "A session can't be begun."
            raise disk_error(message, exc, folder, elsewhere=_ELSEWHERE) from exc
        return cls(folder, record, child)

    @classmethod
    def join(cls, session: str) -> Self:
        """Take part in a session of another process on this machine, by its id.

        Raises:
            InfrastructureError: There is no such session (any more).
        """
        record = read_record(folder_of(session))
        if record is None:
            message = "There is no such session on this machine."
            hint = "open a session; a worker needs the same TMPDIR as the one that opened it"
            raise InfrastructureError(message, session=session, hint=hint)
        return cls(folder_of(session), record, None)

    @property
    def is_over(self) -> bool:
        """True when it was closed, here or by its owner, or its owner died."""
        return self._is_closed or not self.folder.is_dir() or self.owner.is_dead()

    @property
    def is_ending(self) -> bool:
        """True once its owner was told to end: workers are to end, too."""
        return (self.folder / _ENDING).exists()

    def announce_end(self) -> None:
        """Tell the workers that the end is near; never fails, for it is called on the way out."""
        with contextlib.suppress(OSError):
            open_private(self.folder / _ENDING).close()

    def keep_guarded(self) -> None:
        """Replace a reaper that was killed; the owner calls it now and then, from one thread."""
        if self._reaper is not None and not self._is_closed:
            self._reaper.revive()

    def require_open(self) -> None:
        """Refuse to start anything that nobody would remove any more.

        Raises:
            InfrastructureError: The session is over.
        """
        if self.is_over:
            message = "The session is over."
            hint = "what opened it has ended; run the command again"
            raise InfrastructureError(message, session=self.id, hint=hint)

    def labels(self, execution: str) -> dict[str, str]:
        """Return the labels of whatever is made on an engine for an execution."""
        return {
            SESSION_LABEL: self.id,
            OWNER_LABEL: str(self.owner),
            CREATOR_LABEL: str(ProcessIdentity.current()),
            EXECUTION_LABEL: execution,
        }

    def variables(self, execution: str) -> dict[str, str]:
        """Return the variables that mark a process started for an execution."""
        return {SESSION_VARIABLE: self.id, EXECUTION_VARIABLE: execution}

    @contextlib.contextmanager
    def scratch(self, execution: str) -> Iterator[Path]:
        """Make a private folder for an execution, and remove it in the end.

        Raises:
            InfrastructureError: The disk is full, or the session is over.
        """
        folder = self.folder / execution
        self.require_open()
        try:
            folder.mkdir(0o700)
            with open_private(folder / _CREATOR) as file:
                file.write(str(ProcessIdentity.current()).encode())
        except OSError as exc:
            reaper.remove_tree(folder)
            message = "The scratch folder of an execution can't be made."
            raise disk_error(message, exc, folder, elsewhere=_ELSEWHERE) from exc
        try:
            yield folder
        finally:
            reaper.remove_tree(folder)

    def clear_orphans(self) -> list[str]:
        """Remove what dead processes of this live session left: call it when a worker crashed.

        Returns:
            A line a thing: `containers 3f2c…`.
        """
        gone: list[str] = []
        for mark in self.folder.glob(f"*/{_CREATOR}"):
            creator = ProcessIdentity.parse(mark.read_text())
            if creator is not None and creator.is_dead():
                killed = reaper.kill_marked(EXECUTION_VARIABLE, mark.parent.name)
                gone += [f"processes {killed}"] if killed else []
                gone += [f"folder {mark.parent}"] if reaper.remove_tree(mark.parent) else []
        return gone + self._remove_labelled(lambda creator: creator.is_dead())

    def close(self) -> None:
        """End it; the owner removes all that still carries its mark, a worker its own things."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._reaper is None:
            own = ProcessIdentity.current()
            self._remove_labelled(lambda creator: creator == own)
            return
        reaper.clear(self.id, self.engine, [self.folder])
        # Only now: were we interrupted above, the reaper would do the rest.
        self._reaper.close()

    def _remove_labelled(self, is_meant: Callable[[ProcessIdentity], bool]) -> list[str]:
        gone: list[str] = []
        engine = Engine(self.engine)
        with contextlib.suppress(OSError):  # No engine: then nothing is left on it.
            for kind in reaper.KINDS:
                for name, labels in engine.labelled(kind, f"{SESSION_LABEL}={self.id}").items():
                    creator = ProcessIdentity.parse(labels.get(CREATOR_LABEL, ""))
                    if creator is not None and is_meant(creator) and engine.remove(kind, name):
                        gone.append(f"{kind} {name}")
        return gone
