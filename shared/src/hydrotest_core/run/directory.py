"""The folder of one run: what was asked, what is running, what ran, and the reports.

```
<home>/runs/<id>/executions.jsonl   one line an execution that was asked for
<home>/runs/<id>/running/<key>      what runs right now; gone when it ends
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
from typing import TYPE_CHECKING

import msgspec

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.run.report import ExecutionSummary, summarise
from hydrotest_core.sealed import atomic_write, make_private_dir, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hydrotest_core.connector.cache import CachedExecution
    from hydrotest_core.connector.execution import ExecutionInputs

__all__ = ["RunDirectory", "RunningExecution"]

logger = logging.getLogger(__name__)


class RunningExecution(msgspec.Struct, frozen=True):
    """What runs right now.

    Attributes:
        what: In words: `read source-faker:dev`.
        since_ms: Since when, ms since epoch.
        owner: The process that waits for it; when that is dead, nothing runs any more.
    """

    what: str
    since_ms: int
    owner: str = ""


class RunDirectory:
    """The folder of one run, `<home>/runs/<id>`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        self._log = path / "executions.jsonl"
        self._running = path / "running"

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
        running = RunningExecution(what, time.time_ns() // 1_000_000, owner)
        with _disk_errors(self._running):
            atomic_write(self._running / key, msgspec.json.encode(running))

    def ended(self, key: str) -> None:
        """Note that an execution is over, however it ended."""
        with _disk_errors(self._running):
            (self._running / key).unlink(missing_ok=True)

    def running(self) -> list[RunningExecution]:
        """Return what runs right now, the longest first."""
        found = []
        for path in self._running.glob("[!.]*"):  # What is hidden is still being written.
            try:
                one = msgspec.json.decode(path.read_bytes(), type=RunningExecution)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
                continue  # It ended between the look into the folder and into the file.
            owner = ProcessIdentity.parse(one.owner)
            if owner is None or not owner.is_dead():
                found.append(one)
        return sorted(found, key=lambda one: one.since_ms)

    def log(self, execution: CachedExecution) -> None:
        """Append what an execution came to; safe from many processes at once."""
        summary = summarise(
            execution.manifest,
            directory=os.path.relpath(execution.directory, self.path).replace(os.sep, "/"),
            reused=execution.is_reused,
            stderr_tail=Evidence(execution.directory).stderr_tail(8),
        )
        with _disk_errors(self._log), open_private(self._log, "ab") as file:
            file.write(msgspec.json.encode(summary) + b"\n")

    def asked(self) -> list[ExecutionSummary]:
        """Return every execution that was asked for, reused ones included, in order.

        A line that a crash or a full disk left torn is passed over, aloud.
        """
        if not self._log.exists():
            return []
        decoder = msgspec.json.Decoder(ExecutionSummary)
        found = []
        for number, line in enumerate(self._log.read_bytes().splitlines(), 1):
            try:
                found.append(decoder.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
                logger.warning("run.torn_line path=%s line=%d reason=%s", self._log, number, exc)
        return found

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


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        message = "The run's folder can't be written."
        raise InfrastructureError(
            message,
            path=exc.filename or path,
            reason=exc.strerror or exc,
            hint="make room on its disk, or choose another folder with HYDROTEST_HOME",
        ) from exc
