"""Isolated environments for the process runner, made once and kept by what made them.

```
<home>/environments/<hash>/                   a virtual environment
<home>/environments/<hash>/code/              what an image has at /airbyte/integration_code
<home>/environments/<hash>/environment.json   written last: with it, the environment is whole
<home>/environments/<hash>.lock               held by whoever makes it
<home>/environments/<hash>.build/             a copy of the sources, while they are installed
```

A virtual environment can't be moved, so it is made where it stays; one without
its `environment.json` was cut off half-way, and is removed and made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import filelock
import msgspec

from hydrotest_core.connector.heartbeat import Heartbeat
from hydrotest_core.connector.sources import SourceFile, copy_files, hash_files
from hydrotest_core.disk import disk_error
from hydrotest_core.errors import BuildFailed
from hydrotest_core.sealed import atomic_write, make_private_dir

if TYPE_CHECKING:
    from pathlib import Path

    from hydrotest_core.connector.installer import Installer, Interpreter

__all__ = ["Environment", "EnvironmentPlan", "ensure_environment"]

_FORMAT = 1
_MARKER = "environment.json"
_ELSEWHERE = "choose another folder with HYDROTEST_HOME"


class _Marker(msgspec.Struct, frozen=True, kw_only=True):
    """`environment.json`: what the environment was made of. Times are ms since epoch, UTC."""

    format_version: int
    connector: str
    python: str
    requirements: list[str]
    installed: list[str]
    installer: str
    made_at_ms: int
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlan:
    """All that determines an environment.

    Attributes:
        connector: Its name, for what a person sees; it determines nothing.
        interpreter: The Python it is made with.
        requirements: What is installed from a package index.
        sources: The files of the package that is installed, if any.
        constraints: The text of a constraints file, or `None`.
    """

    connector: str
    interpreter: Interpreter
    requirements: tuple[str, ...] = ()
    sources: tuple[SourceFile, ...] = ()
    constraints: str | None = None

    @property
    def key(self) -> str:
        """The SHA-256 of all that determines the environment, as hexadecimal digits."""
        parts = {
            "format": _FORMAT,
            "python": self.interpreter.tag,
            "requirements": self.requirements,
            "sources": hash_files(self.sources),
            "constraints": self.constraints,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment that is whole.

    Attributes:
        directory: The virtual environment.
        code: What an image has at `/airbyte/integration_code`.
        installed: `name-version` of each distribution in it, sorted.
        is_reused: Whether it was there already.
    """

    directory: Path
    code: Path
    installed: tuple[str, ...]
    is_reused: bool


def ensure_environment(plan: EnvironmentPlan, home: Path, installer: Installer) -> Environment:
    """Return the environment that `plan` describes, made now if it isn't there.

    Several processes may ask for the same one: one makes it, the others wait.

    Args:
        plan: What it is made from.
        home: hydrotest's own folder.
        installer: What makes it, and tells how far it is.

    Raises:
        BuildFailed: It couldn't be made; nothing of it is left behind.
    """
    folder = make_private_dir(make_private_dir(home) / "environments")
    directory = folder / plan.key[:32]
    kept = _read(directory)
    if kept is not None:
        return _environment(directory, kept, is_reused=True)
    lock = filelock.FileLock(folder / f"{directory.name}.lock")
    _acquire(lock, plan, installer)
    try:
        kept = _read(directory)
        if kept is not None:
            return _environment(directory, kept, is_reused=True)
        return _environment(directory, _make(plan, directory, installer), is_reused=False)
    finally:
        lock.release()


def _acquire(lock: filelock.BaseFileLock, plan: EnvironmentPlan, installer: Installer) -> None:
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        what = f"waiting for another hydrotest that makes the environment of {plan.connector}"
        with Heartbeat(what, installer.progress):
            lock.acquire()


def _make(plan: EnvironmentPlan, directory: Path, installer: Installer) -> _Marker:
    build = directory.with_name(f"{directory.name}.build")
    _remove(directory, build)
    started = time.monotonic()
    try:
        build.mkdir()
        installer.make(directory, plan.interpreter, what=plan.connector)
        _install(plan, directory, build, installer)
        marker = _Marker(
            format_version=_FORMAT,
            connector=plan.connector,
            python=plan.interpreter.tag,
            requirements=list(plan.requirements),
            installed=_installed(directory),
            installer=installer.name,
            made_at_ms=time.time_ns() // 1_000_000,
            took_s=round(time.monotonic() - started, 3),
        )
        atomic_write(directory / _MARKER, msgspec.json.format(msgspec.json.encode(marker)))
    except OSError as exc:
        _remove(directory)
        message = "The connector's environment couldn't be written."
        error = disk_error(message, exc, directory, elsewhere=_ELSEWHERE)
        raise BuildFailed(message, hint=error.hint, **error.facts) from exc
    except BaseException:
        _remove(directory)
        raise
    finally:
        _remove(build)
    return marker


def _install(plan: EnvironmentPlan, directory: Path, build: Path, installer: Installer) -> None:
    constraints = None
    if plan.constraints is not None:
        constraints = build / "constraints.txt"
        constraints.write_text(plan.constraints, "utf-8")
    requirements = list(plan.requirements)
    code = directory / "code"
    code.mkdir()
    if plan.sources:
        package = build / "package"
        copy_files(plan.sources, package)
        copy_files((file for file in plan.sources if file.name == "main.py"), code)
        requirements.append(str(package))
    installer.install(directory, requirements, constraints, what=plan.connector, cwd=build)


def _installed(directory: Path) -> list[str]:
    found = directory.glob("lib/python*/site-packages/*.dist-info")
    return sorted(path.name.removesuffix(".dist-info") for path in found)


def _read(directory: Path) -> _Marker | None:
    """Return the marker of a whole environment whose Python is still there, else `None`."""
    if not (directory / "bin" / "python").is_file():
        return None
    try:
        return msgspec.json.decode((directory / _MARKER).read_bytes(), type=_Marker)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _environment(directory: Path, marker: _Marker, *, is_reused: bool) -> Environment:
    return Environment(
        directory=directory,
        code=directory / "code",
        installed=tuple(marker.installed),
        is_reused=is_reused,
    )


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
