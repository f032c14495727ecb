"""The folder of one run: what was asked, what is running, what ran, and the reports.

```
<home>/runs/<id>/executions.jsonl   one line an execution that was asked for
<home>/runs/<id>/running/<key>.*    what runs right now; gone when it ends
<home>/runs/<id>/warnings.jsonl     what a worker wants the person to know; one text a line
<home>/runs/<id>/report.{json,html} junit.xml
```

All workers of a run share it; each writes whole lines or whole files only. Whatever
writes raises `InfrastructureError` where the disk is in the way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.disk import disk_errors
from hydrotest_core.run.report import ExecutionSummary, summarise
from hydrotest_core.sealed import atomic_write, make_private_dir, open_private
from hydrotest_core.untrusted import UntrustedText

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hydrotest_core.connector.cache import CachedExecution
    from hydrotest_core.connector.execution import ExecutionInputs

__all__ = ["RunDirectory", "RunningExecution"]

logger = logging.getLogger(__name__)

_Line = TypeVar("_Line", bound=ExecutionSummary)


class RunningExecution(msgspec.Struct, frozen=True):
    """What runs right now.

    Attributes:
        what: In words: `read source-faker:dev`; the name is whatever a file says.
        since_s: Since when, by the monotonic clock, which all processes of a machine share:
            the other one may be set meanwhile.
        owner: The process that waits for it; when that is dead, nothing runs any more.
        asker: The worker that waits for it.
        directory: Where its output goes.
    """

    what: UntrustedText
    since_s: float
    owner: str = ""
    asker: str = ""
    directory: str = ""


class _Asked(ExecutionSummary, frozen=True, kw_only=True):
    """A line of `executions.jsonl`: by whom it was asked for, and when by the monotonic clock."""

    asker: str = ""
    asked_at_s: float = 0.0


class RunDirectory:
    """The folder of one run, `<home>/runs/<id>`.

    Args:
        path: The folder.
        asker: Who asks for executions here: a worker's name, so that what it was at can be
            told when it has died. "" for the only one, or the controller.
    """

    def __init__(self, path: Path, asker: str = "") -> None:
        self.path = path
        self.run_id = path.name
        self._asker = asker
        self._log = path / "executions.jsonl"
        self._running = path / "running"
        self._warnings = path / "warnings.jsonl"

    def __repr__(self) -> str:
        return f"<RunDirectory {self.path}>"

    @classmethod
    def create(cls, home: Path) -> RunDirectory:
        """Make a new folder, named by the time (UTC) and a few random digits."""
        run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        path = home / "runs" / run_id
        with _disk_errors(path):
            for folder in (home, path.parent, path, path / "running"):
                make_private_dir(folder)
        return cls(path)

    def started(self, key: str, inputs: ExecutionInputs) -> None:
        """Note that an execution began."""
        what = f"{inputs.command} {inputs.connector.name}:{inputs.connector.version}"
        if inputs.attempt > 1:
            what += f" (attempt {inputs.attempt})"
        owner = str(ProcessIdentity.current())
        output_dir = str(inputs.output_dir)
        running = RunningExecution(what, time.monotonic(), owner, self._asker, output_dir)
        with _disk_errors(self._running):
            # A link in the folder's place would take the note elsewhere.
            make_private_dir(self._running)
            atomic_write(self._note_of(key), msgspec.json.encode(running))

    def ended(self, key: str) -> None:
        """Note that an execution is over, however it ended."""
        with _disk_errors(self._running):
            self._note_of(key).unlink(missing_ok=True)

    def _note_of(self, key: str) -> Path:
        # Whoever takes over from a worker that died must not wipe out what that was at.
        return self._running / f"{key}.{self._asker or 'only'}"

    def running(self) -> list[RunningExecution]:
        """Return what runs right now, the longest first."""
        found = []
        for one in self._notes():
            owner = ProcessIdentity.parse(one.owner)
            if owner is None or not owner.is_dead():
                found.append(one)
        return sorted(found, key=lambda one: one.since_s)

    def _notes(self) -> Iterator[RunningExecution]:
        for path in self._running.glob("[!.]*"):  # What is hidden is still being written.
            # It may end between the look into the folder and into the file.
            with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                yield msgspec.json.decode(path.read_bytes(), type=RunningExecution)

    def last_of(self, asker: str, since_s: float) -> RunningExecution | None:
        """Return what a worker was at when it died: what it ran, else what it looked at last.

        Args:
            asker: The worker, by its name.
            since_s: What it had looked at before, by the monotonic clock, isn't meant.
        """
        mine = [one for one in self._notes() if one.asker == asker]
        if mine:
            return max(mine, key=lambda one: one.since_s)
        for one in reversed(self._lines(_Asked)):
            if one.asker == asker and one.asked_at_s >= since_s:
                folder = str((self.path / one.directory).resolve())
                return RunningExecution(str(one.command), one.asked_at_s, "", asker, folder)
        return None

    def log(self, execution: CachedExecution) -> None:
        """Append what an execution came to; safe from many processes at once."""
        summary = summarise(
            execution.manifest,
            directory=os.path.relpath(execution.directory, self.path).replace(os.sep, "/"),
            reused=execution.is_reused,
            stderr_tail=Evidence(execution.directory).stderr_tail(8),
        )
        asked = _Asked(
            **msgspec.structs.asdict(summary), asker=self._asker, asked_at_s=time.monotonic()
        )
        _append(self._log, asked)

    def asked(self) -> list[ExecutionSummary]:
        """Return every execution that was asked for, reused ones included, in order.

        A line that a crash or a full disk left torn is passed over, aloud.
        """
        return self._lines(ExecutionSummary)

    def _lines(self, kind: type[_Line]) -> list[_Line]:
        if not self._log.exists():
            return []
        decoder = msgspec.json.Decoder(kind)
        found = []
        for number, line in enumerate(self._log.read_bytes().splitlines(), 1):
            try:
                found.append(decoder.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
                logger.warning("run.torn_line path=%s line=%d reason=%s", self._log, number, exc)
        return found

    def warn(self, text: str) -> None:
        """Keep a warning for the report; safe from many processes at once."""
        _append(self._warnings, text)

    def warnings(self) -> list[str]:
        """Return what `warn` was told, each once, in order; a torn line is passed over."""
        found = []
        if self._warnings.exists():
            for line in self._warnings.read_bytes().splitlines():
                with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                    found.append(msgspec.json.decode(line, type=str))
        return list(dict.fromkeys(found))

    def executions(self) -> list[ExecutionSummary]:
        """Return each distinct execution once, in the order of its start.

        It counts as reused only where this run didn't start it at all. Two of one key
        are two: the first may have been stopped before its time.
        """
        distinct: dict[str, ExecutionSummary] = {}
        for summary in self.asked():
            known = distinct.get(summary.directory)
            if known is None or (known.reused and not summary.reused):
                distinct[summary.directory] = summary
        return sorted(distinct.values(), key=lambda summary: summary.started_at_ms)


def _append(path: Path, value: object) -> None:
    with _disk_errors(path), open_private(path, "ab") as file:
        # What a full disk left of another line must not swallow this one.
        end = b"\n" if _is_torn(path) else b""
        file.write(end + msgspec.json.encode(value) + b"\n")


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    message = "The run's folder can't be written."
    with disk_errors(message, path, elsewhere="choose another folder with HYDROTEST_HOME"):
        yield
