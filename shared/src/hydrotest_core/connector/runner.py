"""What all runners share: the connector's command line, its files, its manifest.

| command | argv after the connector's own words |
|---|---|
| spec | `spec` |
| check | `check --config P` |
| discover | `discover --config P` |
| read | `read --config P --catalog P [--state P]` |
| write | `write --config P --catalog P` |

Source: Airbyte protocol, connector interface. A file is handed over even when what it
holds is empty (`{}`, `[]`); an absent state is no `--state` at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hydrotest_core.connector.execution import (
    Command,
    Ending,
    ExecutionManifest,
    ExecutionResult,
)
from hydrotest_core.connector.layout import MANIFEST_FILE
from hydrotest_core.disk import disk_errors
from hydrotest_core.errors import InfrastructureError, UsageError
from hydrotest_core.sealed import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePath

    from hydrotest_core.connector.execution import ExecutionInputs
    from hydrotest_core.connector.recorder import OutputRecorder, OutputSummary
    from hydrotest_core.connector.session import Session

__all__ = ["Ended", "Execution", "Invocation", "prepare"]

_NEEDS: Final = {
    Command.SPEC: (),
    Command.CHECK: ("config",),
    Command.DISCOVER: ("config",),
    Command.READ: ("config", "catalog", "state"),
    Command.WRITE: ("config", "catalog"),
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a connector is told.

    Attributes:
        arguments: The protocol's words: `("check", "--config", "/in/config.json")`.
        files: The files it is pointed to, `{"config.json": b"{}"}`.
    """

    arguments: tuple[str, ...]
    files: Mapping[str, bytes]


def prepare(inputs: ExecutionInputs, folder: PurePath) -> Invocation:
    """Say how a connector is called, with its files in `folder`.

    Raises:
        UsageError: The command needs a config or a catalog, and there is none.
    """
    given: dict[str, Any] = {
        "config": inputs.config,
        "catalog": inputs.configured_catalog,
        "state": inputs.state,
    }
    words: list[str] = [inputs.command.value]
    files: dict[str, bytes] = {}
    for name in _NEEDS[inputs.command]:
        if given[name] is None and name == "state":
            continue
        if given[name] is None:
            message = f"This command needs a {name}."
            raise UsageError(message, command=inputs.command, hint=f"give a {name}, if only {{}}")
        words += [f"--{name}", str(folder / f"{name}.json")]
        files[f"{name}.json"] = msgspec.json.encode(given[name])
    return Invocation(tuple(words), files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a connector came to its end, as its runner saw it; see `ExecutionManifest`."""

    ending: Ending
    exit_code: int | None = None
    signal: int | None = None
    ending_note: str = ""
    is_out_of_memory: bool = False
    peak_rss_bytes: int | None = None


class Execution:
    """One execution from its start to its manifest.

    Args:
        inputs: What was asked for.
        runner: The runner's name.
        isolation: What is in force, in words.
        argv: The whole command line, as the connector sees it.
        files: The files it is pointed to.
        recorder: Where its output goes.
        session: The session it belongs to; `None` for one that needs none.
    """

    def __init__(
        self,
        inputs: ExecutionInputs,
        *,
        runner: str,
        isolation: str,
        argv: tuple[str, ...],
        files: Mapping[str, bytes],
        recorder: OutputRecorder,
        session: Session | None,
    ) -> None:
        self._inputs = inputs
        self._runner = runner
        self._isolation = isolation
        self._argv = argv
        self._files = files
        self._recorder = recorder
        self._session = session
        self._is_over = False
        self._started_at_ms = 0
        self._started: float | None = None
        self._ended: float | None = None

    def __repr__(self) -> str:
        state = "over" if self._is_over else "running" if self._started else "not started"
        return f"Execution({self._inputs.connector.name} {self._inputs.command}, {state})"

    @property
    def deadline(self) -> float:
        """When its time is up, by the monotonic clock; its clock has been started."""
        assert self._started is not None
        return self._started + self._inputs.timeout_s

    def start_clock(self) -> None:
        """Have its time begin: the connector has been started."""
        self._started_at_ms = time.time_ns() // 1_000_000
        self._started = time.monotonic()

    def stop_clock(self) -> None:
        """Have its time end: the connector has."""
        self._ended = time.monotonic()

    def finish(self, ended: Ended) -> ExecutionResult:
        """Close the output and write the manifest.

        Raises:
            InfrastructureError: The disk is full.
        """
        self._is_over = True
        assert self._started is not None
        duration_s = (self._ended or time.monotonic()) - self._started
        said = self._recorder.close()
        if said.is_cut and ended.ending is not Ending.INTERRUPTED:
            ended = replace(ended, ending=Ending.TOO_MUCH_OUTPUT)
        manifest = self._manifest(ended, duration_s, said)
        path = self._inputs.output_dir / MANIFEST_FILE
        with disk_errors("The manifest of an execution can't be written.", path):
            atomic_write(path, msgspec.json.encode(manifest))
        return ExecutionResult(manifest, self._inputs.output_dir)

    def abandon(self) -> None:
        """Keep what there is, on the way out of an error that matters more than ours."""
        if self._started is not None and not self._is_over:
            with contextlib.suppress(InfrastructureError):
                self.finish(Ended(ending=Ending.INTERRUPTED))

    def _manifest(self, ended: Ended, duration_s: float, said: OutputSummary) -> ExecutionManifest:
        inputs, connector = self._inputs, self._inputs.connector
        clean = inputs.redactor.redact_text
        return ExecutionManifest(
            session=self._session.id if self._session else "",
            connector=connector.name,
            version=connector.version,
            identity=connector.identity,
            runner=self._runner,
            isolation=self._isolation,
            command=inputs.command,
            argv=[clean(word) for word in self._argv],
            environment_names=sorted({*connector.environment, *inputs.environment}),
            input_hashes=self._hashes(),
            attempt=inputs.attempt,
            ending=ended.ending,
            exit_code=ended.exit_code,
            signal=ended.signal,
            ending_note=ended.ending_note,
            is_out_of_memory=ended.is_out_of_memory,
            started_at_ms=self._started_at_ms,
            # Not from the clock: it may have been set meanwhile.
            ended_at_ms=self._started_at_ms + round(duration_s * 1000),
            duration_s=duration_s,
            timeout_s=inputs.timeout_s,
            max_output_bytes=inputs.max_output_bytes,
            peak_rss_bytes=ended.peak_rss_bytes,
            stdout_bytes=said.stdout_bytes,
            stderr_bytes=said.stderr_bytes,
            line_count=said.line_count,
            problem_count=said.problem_count,
            long_line_count=said.long_line_count,
            long_lines=said.long_lines,
            message_counts=said.message_counts,
            streams=said.streams,
            redactions=said.redactions,
            unsearched_secrets=dict(inputs.redactor.left_out),
        )

    def _hashes(self) -> dict[str, str]:
        """Hash the files under the session's key: a short secret can't be found by trying."""
        if self._session is None:
            return {}
        key = self._session.hash_key
        return {
            name: f"hmac-sha256:{hmac.new(key, data, hashlib.sha256).hexdigest()}"
            for name, data in self._files.items()
        }
