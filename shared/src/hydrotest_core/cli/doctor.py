"""`hydrotest doctor`: what works on this machine, and one command for each thing that doesn't."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hydrotest_core.cli.examination import LABELS, Finding, Status, examine
from hydrotest_core.errors import EngineUnavailable
from hydrotest_core.untrusted import for_terminal, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["command"]

_NEEDED_BUT_BROKEN = 3
_WIDEST_LABEL = 28
_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@click.command()
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="HYDROTEST_DOCTOR_JSON",
    show_envvar=True,
    help="Print the findings as JSON.",
)
@click.option(
    "--clear",
    is_flag=True,
    envvar="HYDROTEST_DOCTOR_CLEAR",
    show_envvar=True,
    help="Remove what dead sessions left behind.",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=Path(".hydrotest"),
    envvar="HYDROTEST_HOME",
    show_default=True,
    show_envvar=True,
    help="Where environments, executions and reports are kept.",
)
@click.argument("connectors", nargs=-1, metavar="[CONNECTOR]...")
def command(*, as_json: bool, clear: bool, home: Path, connectors: tuple[str, ...]) -> None:
    """Say what works on this machine, and how to mend what doesn't.

    CONNECTOR is a folder, or its name below ./connectors, whose settings are read
    too; default: all below ./connectors.

    Exits with 3 when something that is needed doesn't work.
    """
    folders = [_folder(name) for name in connectors] if connectors else _all_folders()
    if clear:
        _clear()
    found = examine(home, folders)
    findings = list(found) if as_json else _show(found, folders)
    if as_json:
        version = importlib.metadata.version("hydrotest-core")
        document = {
            "format_version": 1,
            "hydrotest": version,
            "findings": [asdict(one) for one in findings],
        }
        click.echo(json.dumps(document, indent=2))
    if any(finding.status is Status.FAIL for finding in findings):
        raise SystemExit(_NEEDED_BUT_BROKEN)


def _folder(name: str) -> Path:
    """Return a connector's folder, whatever is in it; `examine` says what is wrong there.

    Raises:
        ConnectorFolderError: There is none of that name; with the nearest ones.
    """
    for path in (Path("connectors") / name, Path(name)):
        if path.is_dir():
            return path
    from hydrotest_core.connector.folder import find_connector  # noqa: PLC0415 - --help is fast

    return find_connector(name).path


def _all_folders() -> list[Path]:
    return [path for path in sorted(Path("connectors").glob("[!._]*")) if path.is_dir()]


def _clear() -> None:
    from hydrotest_core.connector.stale import clear_stale  # noqa: PLC0415 - --help is fast

    try:
        gone = clear_stale()
    except OSError as exc:
        message = "What dead sessions left can't be listed."
        hint = "see what answers at DOCKER_HOST"
        raise EngineUnavailable(message, reason=exc, hint=hint) from exc
    for line in gone:
        click.echo(f"removed {for_terminal(line)}", err=True)
    if not gone:
        click.echo("nothing to remove", err=True)


def _show(found: Iterable[Finding], folders: Sequence[Path]) -> list[Finding]:
    """Print each finding as it comes, for an engine may take its time to say nothing."""
    labels = [*LABELS, *(folder.name for folder in folders)]
    width = min(_WIDEST_LABEL, max(map(len, labels)))
    findings = []
    for finding in found:
        findings.append(finding)
        status = click.style(f"{finding.status:<4}", fg=_COLOURS[finding.status])
        what = for_terminal(shortened(finding.what, _WIDEST_LABEL))
        click.echo(f"{status}  {what:<{width}}  {for_terminal(finding.detail)}")
        if finding.fix:
            click.echo(f"{'':<{6 + width}}  fix: {for_terminal(finding.fix)}")
    click.echo(f"\n{_summary(findings)}")
    return findings


def _summary(findings: Sequence[Finding]) -> str:
    broken = sum(finding.status is Status.FAIL for finding in findings)
    doubtful = sum(finding.status is Status.WARN for finding in findings)
    parts = [f"{broken} to mend"] if broken else []
    parts += [f"{doubtful} {'warning' if doubtful == 1 else 'warnings'}"] if doubtful else []
    return ", ".join(parts) or "all is well"
