"""`hydrotest build`: a connector's image as the Airbyte platform expects it, or its environment."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hydrotest_core.errors import EngineUnavailable
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from hydrotest_core.connector.folder import ConnectorFolder

__all__ = ["command"]


@click.command()
@click.argument("connector")
@click.option(
    "--version",
    "asked",
    default="dev",
    envvar="HYDROTEST_BUILD_VERSION",
    show_default=True,
    show_envvar=True,
    help="dev, a version that hydrotest.yaml names, or a released one.",
)
@click.option(
    "--local",
    is_flag=True,
    envvar="HYDROTEST_BUILD_LOCAL",
    show_envvar=True,
    help="Make the environment of the process runner instead of an image.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".hydrotest"),
    envvar="HYDROTEST_HOME",
    show_default=True,
    show_envvar=True,
    help="Where environments are kept.",
)
def command(connector: str, asked: str, *, local: bool, home: Path) -> None:
    """Build CONNECTOR, a folder's path or its name below ./connectors.

    The image is called airbyte/<name>:<version> and carries the labels
    io.airbyte.name and io.airbyte.version and the variable AIRBYTE_ENTRYPOINT.
    Nothing is built where it is there already, made from the same.

    What was made is printed on stdout, what is going on meanwhile on stderr.
    """
    from hydrotest_core.connector.folder import find_connector  # noqa: PLC0415 - --help is fast

    folder = find_connector(connector, [Path.cwd() / "connectors", Path.cwd()])
    for warning in folder.warnings:
        _say(f"warning: {warning}")
    if local:
        _make_environment(folder, asked, home)
    else:
        _make_image(folder, asked, f"hydrotest build {shlex.quote(connector)} --local")


def _make_environment(folder: ConnectorFolder, asked: str, home: Path) -> None:
    from hydrotest_core.connector.environment import resolve_process  # noqa: PLC0415 - as above

    resolved = resolve_process(folder, asked, home=home.resolve(), progress=_say)
    _say(f"{resolved.name}:{resolved.version} starts by:")
    click.echo(shlex.join(resolved.argv))


def _make_image(folder: ConnectorFolder, asked: str, without_engine: str) -> None:
    from hydrotest_core.connector.image import build_image  # noqa: PLC0415 - as above

    try:
        built = build_image(folder, asked, progress=_say)
    except (EngineUnavailable, ImportError) as exc:
        raise _no_engine(exc, without_engine) from exc
    for warning in built.warnings:
        _say(f"warning: {warning}")
    done = "is built" if built.was_built else "is there already, made from the same"
    _say(f"{built.reference} {done}")
    click.echo(f"{built.reference} {built.identity}")


def _no_engine(exc: EngineUnavailable | ImportError, without_engine: str) -> EngineUnavailable:
    """Say the way out that there is from here; a runner's flags are not."""
    if isinstance(exc, EngineUnavailable):
        hint = f"start Docker, or set DOCKER_HOST; without an engine: {without_engine}"
        return EngineUnavailable(exc.message, hint=hint, **exc.facts)
    message = "The Docker SDK is not installed."
    hint = f"pip install 'hydrotest-core[docker]'; without an engine: {without_engine}"
    return EngineUnavailable(message, reason=exc, hint=hint)


def _say(line: str) -> None:
    click.echo(for_terminal(line), err=True)
