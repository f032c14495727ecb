"""Executions are paid for once: a folder of finished executions, shared by all workers.

```
<home>/key                                  secret of this installation, 0600
<home>/executions/<key>.lock                held by whoever computes that execution
<home>/executions/<key>/<time>-<session>/   a finished execution, renamed in when complete
<home>/executions/<key>/draft-<random>/     one that runs, or that was cut short with its runner
<home>/executions/quarantine/               what was damaged, to look at
```

An execution is identified by what determines it, see `hydrotest_core.connector.cache_key`;
`hydrotest_core.connector.seal` says if it is still what was kept. A crash or a power cut
at any moment leaves what was there before, and at most a draft beside it: the manifest and
the seal are on the disk before the entry has its name, and what of the output isn't, the
seal finds missing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
import stat
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from hydrotest_core.connector import seal
from hydrotest_core.connector.cache_key import execution_key, installation_key
from hydrotest_core.connector.execution import (
    FORMAT_VERSION,
    Command,
    Ending,
    ExecutionManifest,
)
from hydrotest_core.connector.layout import MANIFEST_FILE
from hydrotest_core.disk import disk_errors
from hydrotest_core.sealed import atomic_write, make_private_dir, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hydrotest_core.connector.execution import ConnectorRunner, ExecutionInputs

__all__ = ["CachedExecution", "ExecutionCache"]

logger = logging.getLogger(__name__)

_DRAFT: Final = "draft-"
_KEPT_AT: Final = re.compile("([0-9]{20})-")
# Who waits for another worker's execution should not wait longer.
_POLL_S: Final = 0.01
# Clocks are set now and then; one entry from further in the future is nobody's fresh one.
_CLOCK_SLACK_MS: Final = 60_000
# A run that hung for nearly as long as we would wait needn't hang again.
_ABOUT_AS_LONG: Final = 0.8


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


class ExecutionCache:
    """Runs each distinct execution once, however many workers ask for it.

    Args:
        home: The folder of this installation.
        runner: Runs what isn't there yet.
        session: The id that marks what this session ran. That is taken whenever it was
            run, and before what others ran meanwhile: one session judges one execution.
        accept_since_ms: An execution of another session that ended before this (ms
            since epoch) is run anew. The answer to `spec` depends on the connector
            alone: one that was given is accepted at any age.
        on_start: Called with the key and the inputs before a run.
        on_end: Called with the key after it.
        on_damage: Called with a sentence for the person about each damaged entry, once:
            it is out of the way then.

    Raises:
        InfrastructureError: The folder can't be made or read.
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
        on_damage: Callable[[str], None] | None = None,
    ) -> None:
        with _disk_errors(home):
            self.root = make_private_dir(make_private_dir(home) / "executions")
            self._secret = installation_key(home)
        self.runner = runner
        self.session = session
        self.accept_since_ms = accept_since_ms
        self._on_start = on_start
        self._on_end = on_end
        self._on_damage = on_damage
        # Entries whose content was read and found whole, as they were then.
        self._whole: dict[Path, seal.Fingerprint] = {}

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
        lock = self.root / f"{key}.lock"
        with _disk_errors(self.root):
            if os.path.lexists(lock) and not stat.S_ISREG(lock.lstat().st_mode):
                self._quarantine(lock)
        with _disk_errors(self.root), FileLock(lock, mode=0o600, poll_interval=_POLL_S):
            found = self._find(key, inputs)
            directory, manifest = found or self._run(key, inputs)
        return CachedExecution(
            key,
            directory,
            manifest,
            is_reused=found is not None,
            waited_s=time.monotonic() - begin,
        )

    def _find(self, key: str, inputs: ExecutionInputs) -> tuple[Path, ExecutionManifest] | None:
        for directory in self._entries(key):
            # What a link leads to may be whole, and is not what was kept here.
            manifest = None if directory.is_symlink() else seal.read_manifest(directory, key)
            if manifest is None:
                self._quarantine(directory)
            elif not self._is_acceptable(manifest, inputs):
                continue
            elif self._is_whole(directory):
                return directory, manifest
            else:
                self._quarantine(directory)
        return None

    def _entries(self, key: str) -> Iterator[Path]:
        """Yield the folders of a key: this session's, then the others', the newest first."""
        folder = self.root / key
        names = _names_in(folder)
        if names is None:
            self._quarantine(folder)
            return
        entries = [folder / name for name in names if not name.startswith(_DRAFT)]
        yield from sorted(entries, key=self._rank, reverse=True)

    def _rank(self, entry: Path) -> tuple[bool, str]:
        return entry.name.endswith(f"-{self.session}"), entry.name

    def _is_acceptable(self, manifest: ExecutionManifest, inputs: ExecutionInputs) -> bool:
        if manifest.ending is Ending.INTERRUPTED or not _is_readable(manifest):
            return False
        if manifest.ending is Ending.TOO_MUCH_OUTPUT:
            if manifest.max_output_bytes < inputs.max_output_bytes:
                return False
        elif manifest.ending is Ending.TIMED_OUT:
            if manifest.timeout_s < _ABOUT_AS_LONG * inputs.timeout_s:
                return False
        elif _answers_spec(manifest):
            return True
        if manifest.session == self.session:
            return True
        now_ms = time.time_ns() // 1_000_000
        return self.accept_since_ms <= manifest.ended_at_ms <= now_ms + _CLOCK_SLACK_MS

    def _is_whole(self, directory: Path) -> bool:
        """Say if an entry is as it was sealed; its content is read once a process."""
        try:
            now = seal.fingerprint(directory)
        except OSError:
            return False
        if self._whole.get(directory) != now:
            if not seal.is_as_sealed(directory):
                return False
            self._whole[directory] = now
        return True

    def _quarantine(self, path: Path) -> None:
        """Put what is damaged aside: never trusted, never fatal, still there to look at."""
        aside = self.root / "quarantine" / f"{path.parent.name[:16]}-{secrets.token_hex(8)}"
        try:
            make_private_dir(aside.parent)
            if stat.S_ISDIR(path.lstat().st_mode):
                path.chmod(0o700)  # A folder that nobody may enter can't be moved either.
            path.rename(aside)
        except OSError as exc:
            logger.warning("cache.damaged entry=%s reason=%s", path, exc)
            what, where = f"can't be put aside ({exc.strerror or exc})", path
        else:
            logger.warning("cache.quarantined entry=%s aside=%s", path, aside)
            what, where = "was put aside", aside
        if self._on_damage:
            self._on_damage(f"a kept execution was damaged and is not used; it {what}: {where}")

    def _run(self, key: str, inputs: ExecutionInputs) -> tuple[Path, ExecutionManifest]:
        folder = make_private_dir(self.root / key)
        # We hold the key's lock: whoever wrote these was killed.
        for orphan in folder.glob(f"{_DRAFT}*"):
            with contextlib.suppress(OSError):
                _drop_if_silent(orphan)
        draft = make_private_dir(folder / f"{_DRAFT}{secrets.token_hex(8)}")
        inputs = replace(inputs, output_dir=draft)
        try:
            if self._on_start:
                self._on_start(key, inputs)
            result = self.runner.run(inputs)
            return self._keep(draft, key, result.manifest)
        except BaseException:
            # What was said so far is evidence; the error on its way out matters more than ours.
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                self._keep_what_was_said(draft, key)
            raise
        finally:
            if self._on_end:
                self._on_end(key)

    def _keep(
        self, draft: Path, key: str, manifest: ExecutionManifest
    ) -> tuple[Path, ExecutionManifest]:
        manifest = msgspec.structs.replace(manifest, key=key, session=self.session)
        atomic_write(draft / MANIFEST_FILE, msgspec.json.encode(manifest))
        seal.seal(draft, key)
        final = self._place_after_all(draft.parent)
        draft.rename(final)
        sync_folder(final.parent)
        self._whole[final] = seal.fingerprint(final)
        return final, manifest

    def _place_after_all(self, folder: Path) -> Path:
        """Return a name that says when, and sorts behind all others whatever the clock did."""
        found = (_KEPT_AT.match(one.name) for one in folder.iterdir())
        at = max([time.time_ns(), *(int(match[1]) + 1 for match in found if match)])
        while os.path.lexists(folder / f"{at:020d}-{self.session}"):
            at += 1
        return folder / f"{at:020d}-{self.session}"

    def _keep_what_was_said(self, draft: Path, key: str) -> None:
        """Keep the output of a run that an error ended, by its manifest where it has one."""
        path = draft / MANIFEST_FILE
        if path.exists():
            manifest = msgspec.json.decode(path.read_bytes(), type=ExecutionManifest)
            # Its runner didn't return: whatever it wrote, nobody is to take it for finished.
            cut_short = msgspec.structs.replace(manifest, ending=Ending.INTERRUPTED)
            self._keep(draft, key, cut_short)
        else:
            _drop_if_silent(draft)


def _names_in(folder: Path) -> list[str] | None:
    """Return what lies in a folder that may not be there; `None` where it is none of ours."""
    try:
        return None if folder.is_symlink() else [one.name for one in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError:
        return None


def _is_readable(manifest: ExecutionManifest) -> bool:
    """Say if an execution is in the format of today; one of another hydrotest stays, unused."""
    if manifest.format_version == FORMAT_VERSION:
        return True
    logger.info("cache.other_format key=%s version=%d", manifest.key, manifest.format_version)
    return False


def _answers_spec(manifest: ExecutionManifest) -> bool:
    """Say if it is a good answer to `spec`; a bad one may have been the machine's fault."""
    is_good = manifest.ending is Ending.EXITED and manifest.exit_code == 0
    return manifest.command is Command.SPEC and is_good and "SPEC" in manifest.message_counts


def _drop_if_silent(draft: Path) -> None:
    """Remove a draft in which nothing was said; keep one that holds output."""
    # What the connector said is in `.log` and `.jsonl` files; the rest is our own account of it.
    files = (path for path in draft.rglob("[!.]*") if path.suffix != ".json")
    if not any(path.stat().st_size for path in files if path.is_file()):
        shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    message = "The folder of kept executions can't be used."
    with disk_errors(message, folder, elsewhere="choose another folder with HYDROTEST_HOME"):
        yield
