"""Executions are paid for once: a folder of finished executions, shared by all workers.

```
<home>/key                              secret of this installation, 0600
<home>/executions/<key>.lock            held by whoever computes that execution
<home>/executions/<key>/<run>/          a finished execution, renamed in when complete
<home>/executions/<key>/<run>/seal.json its files and their sizes
```

An execution is identified by what determines it. The key is an HMAC, so that a
short secret in a config can't be found by trying (ecosystem reference, C6).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from hydrotest_core.connector.execution import Command, Ending, ExecutionManifest
from hydrotest_core.sealed import atomic_write, make_private_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hydrotest_core.connector.execution import ConnectorRunner, ExecutionInputs

__all__ = ["CachedExecution", "ExecutionCache", "execution_key", "installation_key"]

logger = logging.getLogger(__name__)

_SEAL = "seal.json"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class CachedExecution:
    """A finished execution on disk.

    Attributes:
        key: What determined it.
        directory: Its folder, readable by `Evidence`.
        manifest: What ran and how it ended.
        is_reused: True where it was there already, this call did not run it.
        waited_s: Seconds spent until it was there, its own run included.
    """

    key: str
    directory: Path
    manifest: ExecutionManifest
    is_reused: bool
    waited_s: float


def installation_key(home: Path) -> bytes:
    """Return the secret of this installation, made at the first call.

    Two processes may come here at once: the file is linked into place, so both
    return the key of whoever was first.
    """
    path = make_private_dir(home) / "key"
    if not path.exists():
        draft = path.with_name(f".key-{os.getpid()}-{secrets.token_hex(4)}")
        atomic_write(draft, secrets.token_bytes(32))
        try:
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_bytes()


def execution_key(inputs: ExecutionInputs, runner: str, secret: bytes) -> str:
    """Return 64 hex digits that stand for all that determines an execution.

    The timeout isn't part of it: it decides only how long we are ready to wait.
    """
    determined_by = {
        "runner": runner,
        "identity": inputs.connector.identity,
        "argv": list(inputs.connector.argv),
        "command": inputs.command,
        "config": inputs.config,
        "catalog": inputs.configured_catalog,
        "state": list(inputs.state) if inputs.state is not None else None,
        "environment": dict(inputs.environment),
        "network": inputs.network,
        "attempt": inputs.attempt,
    }
    canonical = json.dumps(determined_by, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(secret, canonical, hashlib.sha256).hexdigest()


class ExecutionCache:
    """Runs each distinct execution once, however many workers ask for it.

    Args:
        home: The folder of this installation.
        runner: Runs what isn't there yet.
        session: The id that marks what this session ran.
        accept_since_ms: An execution that ended before this (ms since epoch) is
            run anew. The answer to `spec` depends on the connector alone and is
            accepted at any age.
        on_start: Called with the key and the inputs before a run.
        on_end: Called with the key after it.
    """

    def __init__(
        self,
        home: Path,
        runner: ConnectorRunner,
        *,
        session: str,
        accept_since_ms: int,
        on_start: Callable[[str, ExecutionInputs], None] | None = None,
        on_end: Callable[[str], None] | None = None,
    ) -> None:
        self.root = make_private_dir(make_private_dir(home) / "executions")
        self.runner = runner
        self.session = session
        self.accept_since_ms = accept_since_ms
        self._secret = installation_key(home)
        self._on_start = on_start
        self._on_end = on_end

    def __repr__(self) -> str:
        return f"<ExecutionCache {self.root} runner={self.runner.name} session={self.session}>"

    def run(self, inputs: ExecutionInputs) -> CachedExecution:
        """Return the execution of `inputs`, running it if no fit one is there.

        `inputs.output_dir` is ignored: the cache decides where the output goes.

        Raises:
            InfrastructureError: The machine failed; what was said so far is kept.
        """
        from filelock import FileLock  # noqa: PLC0415 - 0.1 s of imports the CLI can do without

        begin = time.monotonic()
        key = execution_key(inputs, self.runner.name, self._secret)
        with FileLock(self.root / f"{key}.lock", mode=0o600):
            found = self._find(key, inputs)
            if found is not None:
                directory, manifest = found
                return CachedExecution(
                    key, directory, manifest, is_reused=True, waited_s=time.monotonic() - begin
                )
            directory, manifest = self._run(key, inputs)
        return CachedExecution(
            key, directory, manifest, is_reused=False, waited_s=time.monotonic() - begin
        )

    def _find(self, key: str, inputs: ExecutionInputs) -> tuple[Path, ExecutionManifest] | None:
        for directory in self._entries(key):
            manifest = _read_entry(directory, key)
            if manifest is None:
                self._quarantine(directory)
            elif self._is_acceptable(manifest, inputs):
                return directory, manifest
        return None

    def _entries(self, key: str) -> Iterator[Path]:
        """Yield the folders of a key, the newest first."""
        folder = self.root / key
        if folder.is_dir():
            yield from sorted(folder.iterdir(), key=lambda entry: entry.name, reverse=True)

    def _is_acceptable(self, manifest: ExecutionManifest, inputs: ExecutionInputs) -> bool:
        if manifest.ending is Ending.INTERRUPTED:
            return False
        # A run that hung for nearly as long as we would wait needn't hang again.
        if manifest.ending is Ending.TIMED_OUT and manifest.timeout_s < 0.8 * inputs.timeout_s:
            return False
        fresh = manifest.ended_at_ms >= self.accept_since_ms
        return fresh or (manifest.command is Command.SPEC and manifest.ending is Ending.EXITED)

    def _quarantine(self, directory: Path) -> None:
        """Put a damaged entry aside: never trusted, never fatal, still there to look at."""
        aside = (
            make_private_dir(self.root / "quarantine")
            / f"{directory.parent.name[:16]}-{time.time_ns()}"
        )
        directory.rename(aside)
        logger.warning("cache.quarantined entry=%s", aside)

    def _run(self, key: str, inputs: ExecutionInputs) -> tuple[Path, ExecutionManifest]:
        folder = make_private_dir(self.root / key)
        draft = make_private_dir(self.root / f"draft-{secrets.token_hex(8)}")
        final = folder / f"{time.time_ns():020d}-{self.session}"
        if self._on_start:
            self._on_start(key, inputs)
        try:
            result = self.runner.run(replace(inputs, output_dir=draft))
            manifest = msgspec.structs.replace(result.manifest, key=key, session=self.session)
            atomic_write(draft / _MANIFEST, msgspec.json.encode(manifest))
        finally:
            # Also on the way out of an error: what was said so far is evidence.
            _seal(draft)
            if (draft / _MANIFEST).exists():
                draft.rename(final)
            else:
                _drop_if_silent(draft)
            if self._on_end:
                self._on_end(key)
        return final, manifest


def _seal(directory: Path) -> None:
    sizes = {
        str(path.relative_to(directory)): path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != _SEAL
    }
    digest = ""
    if (directory / _MANIFEST).exists():
        digest = hashlib.sha256((directory / _MANIFEST).read_bytes()).hexdigest()
    atomic_write(directory / _SEAL, msgspec.json.encode({"manifest": digest, "sizes": sizes}))


class _Seal(msgspec.Struct):
    manifest: str
    sizes: dict[str, int]


def _read_entry(directory: Path, key: str) -> ExecutionManifest | None:
    """Return the manifest of an entry that is as it was sealed, else `None`.

    An interrupted run has no key in its manifest and is whole all the same.
    """
    try:
        seal = msgspec.json.decode((directory / _SEAL).read_bytes(), type=_Seal)
        raw = (directory / _MANIFEST).read_bytes()
        manifest = msgspec.json.decode(raw, type=ExecutionManifest)
        if hashlib.sha256(raw).hexdigest() != seal.manifest:
            return None
        whole = all((directory / name).stat().st_size == n for name, n in seal.sizes.items())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return manifest if whole and manifest.key in {key, ""} else None


def _drop_if_silent(draft: Path) -> None:
    """Remove a draft in which nothing was said; keep one that holds output."""
    said = any(
        (draft / name).exists() and (draft / name).stat().st_size
        for name in ("stdout.log", "stderr.log")
    )
    if not said:
        shutil.rmtree(draft, ignore_errors=True)
