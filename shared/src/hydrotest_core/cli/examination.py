"""What `hydrotest doctor` looks at: each look on its own, and none of them raises."""

from __future__ import annotations

import contextlib
import enum
import importlib
import importlib.util
import os
import shutil
import ssl
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hydrotest_core.errors import EngineUnavailable, HydrotestError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LABELS", "Finding", "Status", "examine"]

LABELS: Final = (
    "python", "docker", "base image", "local programs", "dead sessions", "home", "memory",
    "clock", "certificates",
)  # fmt: skip
"""What is looked at on every machine; after these come the connectors, by their names."""

_GB = 1_000_000_000
_LEAST_DISK = 5 * _GB
_LEAST_MEMORY = 2 * _GB
_OLDEST_CLOCK = 1_767_225_600  # 2026-01-01, UTC: a clock before our first release is wrong.
_ANSWERS_WITHIN_S = 5
_SHOWN_DIGEST = len("sha256:") + 12
_FILES_OF_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT")
_FILES_OR_FOLDERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Status(enum.StrEnum):
    """How a thing is: `FAIL` stops some work, `WARN` may, or there is another way."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: how it is, and what mends it."""

    what: str
    status: Status
    detail: str
    fix: str = ""


def examine(home: Path, connectors: Iterable[Path] = ()) -> Iterator[Finding]:
    """Look at everything a run depends on, one after the other.

    Args:
        home: Where environments, executions and reports are kept.
        connectors: Connector folders whose settings are read.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    yield _ok("python", f"{version} at {sys.executable}")
    engine = list(_engine())
    yield from engine
    yield _local_programs(has_engine=engine[0].status is Status.OK)
    yield _dead_sessions()
    yield _home(home)
    yield from _memory()
    yield _clock()
    yield from _certificates()
    for path in connectors:
        yield from _connector(path)


def _ok(what: str, detail: str) -> Finding:
    return Finding(what=what, status=Status.OK, detail=detail)


def _warn(what: str, detail: str, fix: str) -> Finding:
    return Finding(what=what, status=Status.WARN, detail=detail, fix=fix)


def _fail(what: str, detail: str, fix: str) -> Finding:
    return Finding(what=what, status=Status.FAIL, detail=detail, fix=fix)


def _engine() -> Iterator[Finding]:
    """Look at the engine, then at the image that most connectors' images are built on."""
    try:
        docker = importlib.import_module("hydrotest_core.connector.docker")
    except ImportError:
        yield _warn(
            "docker",
            "The Docker SDK is not installed. Connectors run as local programs.",
            "pip install 'hydrotest-core[docker]'",
        )
        return
    from hydrotest_core.connector.dockerfile import DEFAULT_BASE_IMAGE as BASE  # noqa: PLC0415

    try:
        rootless = ", rootless" if _is_rootless() else ""
        yield _ok("docker", f"{docker.describe_engine()}{rootless}")
        digest = docker.image_id(BASE)
    except EngineUnavailable as exc:
        yield _no_engine(exc)
        return
    if digest:
        yield _ok("base image", f"{BASE} {digest[:_SHOWN_DIGEST]}")
    else:
        yield _warn("base image", f"{BASE} is not on the engine", f"docker pull {BASE}")


def _is_rootless() -> bool:
    """Say whether the engine runs without root, where some limits have no effect.

    Raises:
        EngineUnavailable: No engine answers.
    """
    from hydrotest_core.connector import docker_errors  # noqa: PLC0415 - needs the SDK
    from hydrotest_core.connector.engine import engine_address  # noqa: PLC0415

    client = docker_errors.open_client(engine_address(), _ANSWERS_WITHIN_S)
    with contextlib.closing(client), docker_errors.engine_errors(""):
        return "name=rootless" in (client.info().get("SecurityOptions") or ())


def _no_engine(exc: EngineUnavailable) -> Finding:
    reason = str(exc.facts.get("reason", ""))
    at = f" at {exc.facts['engine']}" if "engine" in exc.facts else ""
    detail = f"{exc.message.removesuffix('.')}{at}{f': {reason}' if reason else ''}."
    host = os.environ.get("DOCKER_HOST")
    fix = "start the engine: sudo systemctl start docker"
    if "Permission denied" in reason:
        fix = "sudo usermod -aG docker $USER, then log in again"
    elif host:
        fix = f"start the engine at {host}, or unset DOCKER_HOST"
    return _warn("docker", f"{detail} Connectors run as local programs.", fix)


def _local_programs(*, has_engine: bool) -> Finding:
    """Look at what makes the environments of the process runner."""
    from hydrotest_core.connector.installer import find_uv  # noqa: PLC0415 - only needed here

    uv = find_uv()
    if uv is not None:
        return _ok("local programs", f"environments are made by {uv}")
    if importlib.util.find_spec("ensurepip") is not None:
        return _ok("local programs", "environments are made by venv and pip; uv would be faster")
    detail = "neither uv nor Python's ensurepip is here: no environment can be made"
    say = _warn if has_engine else _fail
    return say("local programs", detail, "pip install uv")


def _dead_sessions() -> Finding:
    from hydrotest_core.connector.stale import stale_sessions  # noqa: PLC0415 - only needed here

    try:
        dead = stale_sessions()
    except OSError as exc:
        fix = "see what answers at DOCKER_HOST"
        return _warn("dead sessions", f"what they left can't be listed: {exc}", fix)
    if not dead:
        return _ok("dead sessions", "nothing is left of any")
    things = [thing for session in dead for thing in session.engine_things]
    folders = [session.folder for session in dead if session.folder]
    left = [
        f"{len(found)} {what}{'' if len(found) == 1 else 's'}"
        for what, found in (("folder", folders), ("thing", things))
        if found
    ]
    detail = f"{len(dead)}, which left {' and '.join(left)}{' on the engine' if things else ''}"
    return _warn("dead sessions", detail, "hydrotest doctor --clear")


def _home(home: Path) -> Finding:
    """Look whether there is a place to write to, and room in it."""
    if home.exists() and not home.is_dir():
        return _fail("home", f"{home} is no folder", "choose another with --home or HYDROTEST_HOME")
    place = next(path for path in (home, *home.absolute().parents) if path.is_dir())
    if not os.access(place, os.W_OK | os.X_OK):
        fix = "choose another place with --home or HYDROTEST_HOME"
        return _fail("home", f"nothing can be written in {place.absolute()}", fix)
    free = shutil.disk_usage(place).free
    detail = f"{home}, {free / _GB:.1f} GB free"
    if free >= _LEAST_DISK:
        return _ok("home", detail)
    fix = f"make room, for example with: rm -r {home / 'executions'}"
    return _warn("home", detail, fix)


def _memory() -> Iterator[Finding]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return
    detail = f"{total / _GB:.1f} GB"
    if total >= _LEAST_MEMORY:
        yield _ok("memory", detail)
    else:
        yield _warn("memory", detail, "judge one connector at a time, with -n 0")


def _clock() -> Finding:
    now = time.time()
    detail = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now >= _OLDEST_CLOCK:
        return _ok("clock", detail)
    return _fail("clock", detail, "set the clock: certificates and cursors depend on it")


def _certificates() -> Iterator[Finding]:
    """Look whether what certificate variables name is there, or else the system has some."""
    asked = [
        (variable, Path(os.environ[variable]))
        for variable in (*_FILES_OF_CERTIFICATES, *_FILES_OR_FOLDERS)
        if os.environ.get(variable)
    ]
    wrong = [
        _fail(
            "certificates", f"{variable} names {path}, {problem}", f"unset {variable}, or mend it"
        )
        for variable, path in asked
        if (problem := _problem(path, may_be_folder=variable in _FILES_OR_FOLDERS))
    ]
    if asked:
        paths = ", ".join(sorted({str(path) for _, path in asked}))
        variables = ", ".join(variable for variable, _ in asked)
        yield from wrong or [_ok("certificates", f"{paths}, by {variables}")]
        return
    system = ssl.get_default_verify_paths()
    if system.cafile or (system.capath and any(Path(system.capath).iterdir())):
        yield _ok("certificates", f"the system's, {system.cafile or system.capath}")
    else:
        fix = "install the system's package ca-certificates"
        yield _warn("certificates", "the system has none: nothing can be fetched by https", fix)


def _problem(path: Path, *, may_be_folder: bool) -> str:
    if may_be_folder and path.is_dir():
        return ""
    if not path.is_file():
        return "which is no file"
    try:
        ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError):
        return "which holds no certificate"
    return ""


def _connector(path: Path) -> Iterator[Finding]:
    from hydrotest_core.connector.folder import ConnectorFolder  # noqa: PLC0415 - only needed here

    try:
        folder = ConnectorFolder.load(path)
    except SettingsError as exc:
        for mistake in exc.facts["mistakes"]:
            detail = _from_here(str(replace(mistake, hint="")))
            yield _fail(path.name, detail, mistake.hint or f"mend {path}")
    except (HydrotestError, OSError) as exc:
        hint = exc.hint if isinstance(exc, HydrotestError) else ""
        detail = _from_here(str(exc).removesuffix(f" hint: {hint}"))
        yield _fail(path.name, detail, hint or f"mend {path}")
    else:
        yield _ok(path.name, f"kind {folder.kind}, {folder.image}")
        for warning in folder.warnings:
            yield _warn(path.name, _from_here(warning), f"mend it in {path}")


def _from_here(text: str) -> str:
    """Return a text with its paths relative to the working directory, where they lie in it."""
    return text.replace(f"{Path.cwd()}{os.sep}", "")
