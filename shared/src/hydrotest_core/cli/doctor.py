"""`hydrotest doctor`: what works on this machine, and one command for each thing that doesn't."""

from __future__ import annotations

import enum
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hydrotest_core.errors import EngineUnavailable, HydrotestError, SettingsError
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Finding", "Status", "command", "examine"]

_GB = 1_000_000_000
_LEAST_DISK = 5 * _GB
_LEAST_MEMORY = 2 * _GB
_OLDEST_CLOCK = 1_767_225_600  # 2026-01-01, UTC: a clock before our first release is wrong.
BASE_IMAGE = "python:3.11-slim-bookworm"


class Status(enum.StrEnum):
    """How a thing is: `FAIL` stops some work, `WARN` may."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: how it is, and what mends it."""

    what: str
    status: Status
    detail: str
    fix: str = ""


def examine(home: Path, connectors: Iterable[Path] = ()) -> list[Finding]:
    """Look at everything a run depends on; each look is on its own, none raises.

    Args:
        home: Where environments, executions and reports are kept.
        connectors: Connector folders whose settings are read.
    """
    looks: list[Callable[[], list[Finding]]] = [
        _python,
        _engine,
        lambda: _disk(home),
        _memory,
        _clock,
        _certificates,
        lambda: _settings(connectors),
    ]
    return [finding for look in looks for finding in look()]


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    return [Finding(what="python", status=Status.OK, detail=f"{version} at {sys.executable}")]


def _engine() -> list[Finding]:
    """Look at the engine, the base image, and what dead sessions left on it."""
    try:
        from hydrotest_core.connector import docker, session  # noqa: PLC0415 - needs the SDK
    except ImportError:
        return [
            Finding(
                what="docker",
                status=Status.WARN,
                detail="the Docker SDK is not installed; connectors run as local programs",
                fix="pip install 'hydrotest-core[docker]'",
            )
        ]
    try:
        engine = docker.describe_engine()
    except EngineUnavailable as exc:
        return [
            Finding(
                what="docker",
                status=Status.WARN,
                detail=f"{exc.message} Connectors run as local programs.",
                fix="start the engine (systemctl start docker), or set DOCKER_HOST",
            )
        ]
    found = [Finding(what="docker", status=Status.OK, detail=engine)]
    digest = docker.image_id(BASE_IMAGE)
    found.append(
        Finding(
            what="base image",
            status=Status.OK if digest else Status.WARN,
            detail=f"{BASE_IMAGE} {digest}" if digest else f"{BASE_IMAGE} is not on the engine",
            fix="" if digest else f"docker pull {BASE_IMAGE}",
        )
    )
    stale = session.stale_sessions()
    found.append(
        Finding(
            what="stale sessions",
            status=Status.WARN if stale else Status.OK,
            detail=f"{len(stale)} dead sessions left containers behind" if stale else "none",
            fix="hydrotest doctor --clear" if stale else "",
        )
    )
    return found


def _disk(home: Path) -> list[Finding]:
    place = next(path for path in (home, *home.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    enough = free >= _LEAST_DISK
    return [
        Finding(
            what="disk",
            status=Status.OK if enough else Status.WARN,
            detail=f"{free / _GB:.1f} GB free at {place}",
            fix=""
            if enough
            else f"make room, or choose another place with HYDROTEST_HOME; "
            f"{home}/executions holds what may be deleted",
        )
    ]


def _memory() -> list[Finding]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return []
    enough = total >= _LEAST_MEMORY
    return [
        Finding(
            what="memory",
            status=Status.OK if enough else Status.WARN,
            detail=f"{total / _GB:.1f} GB",
            fix="" if enough else "run with -n 0, one connector at a time",
        )
    ]


def _clock() -> list[Finding]:
    now = time.time()
    is_sane = now >= _OLDEST_CLOCK
    return [
        Finding(
            what="clock",
            status=Status.OK if is_sane else Status.FAIL,
            detail=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)),
            fix="" if is_sane else "set the clock: certificates and cursors depend on it",
        )
    ]


def _certificates() -> list[Finding]:
    """Look whether the files that certificate variables name are there."""
    found = []
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        path = os.environ.get(variable)
        if path and not Path(path).is_file():
            found.append(
                Finding(
                    what="certificates",
                    status=Status.FAIL,
                    detail=f"{variable} names {path}, which is no file",
                    fix=f"unset {variable}, or correct it",
                )
            )
    return found or [
        Finding(what="certificates", status=Status.OK, detail="as the system has them")
    ]


def _settings(connectors: Iterable[Path]) -> list[Finding]:
    from hydrotest_core.connector.folder import ConnectorFolder  # noqa: PLC0415 - --help is fast

    found = []
    for path in connectors:
        try:
            folder = ConnectorFolder.load(path)
        except SettingsError as exc:
            mistakes = "; ".join(str(mistake) for mistake in exc.facts.get("mistakes", ()))
            found.append(_bad_folder(path, mistakes or exc.message))
        except HydrotestError as exc:
            found.append(_bad_folder(path, str(exc)))
        else:
            found.append(Finding(what=path.name, status=Status.OK, detail=f"kind {folder.kind}"))
    return found


def _bad_folder(path: Path, detail: str) -> Finding:
    return Finding(what=path.name, status=Status.FAIL, detail=detail, fix=f"mend {path}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--clear", is_flag=True, help="Remove what dead sessions left behind.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".hydrotest"),
    show_default=True,
    help="Where environments, executions and reports are kept.",
)
@click.argument("connectors", nargs=-1, type=click.Path(file_okay=False, path_type=Path))
def command(*, as_json: bool, clear: bool, home: Path, connectors: tuple[Path, ...]) -> None:
    """Say what works on this machine; exit with 3 when something that is needed doesn't.

    CONNECTORS are folders whose settings are read too; default: all below ./connectors.
    """
    if clear:
        from hydrotest_core.connector.session import clear_stale  # noqa: PLC0415 - needs the SDK

        for line in clear_stale():
            click.echo(f"removed {line}", err=True)
    folders = connectors or tuple(
        sorted(path for path in Path("connectors").glob("*") if path.is_dir())
    )
    findings = examine(home, folders)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(findings), indent=2))
    else:
        for finding in findings:
            click.echo(_line(finding))
    if any(finding.status is Status.FAIL for finding in findings):
        raise SystemExit(3)


def _line(finding: Finding) -> str:
    colour = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}[finding.status]
    text = f"{click.style(f'{finding.status:<4}', fg=colour)} {for_terminal(finding.what):<16} "
    text += for_terminal(finding.detail)
    return f"{text}\n{'':<22}fix: {for_terminal(finding.fix)}" if finding.fix else text
