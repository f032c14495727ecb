"""`hydrotest build`: a connector's image as the Airbyte platform expects it, or its environment."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command()
@click.argument("connector")
@click.option(
    "--version",
    "asked",
    default="dev",
    show_default=True,
    help="dev, a version that hydrotest.yaml names, or a released one.",
)
@click.option(
    "--local",
    is_flag=True,
    help="Make the environment of the process runner instead of an image.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".hydrotest"),
    show_default=True,
    help="Where environments are kept.",
)
def command(connector: str, asked: str, *, local: bool, home: Path) -> None:
    """Build CONNECTOR, a folder's path or its name below ./connectors.

    The image is called airbyte/<name>:<version> and carries the labels
    io.airbyte.name and io.airbyte.version and the variable AIRBYTE_ENTRYPOINT.
    """
    from hydrotest_core.connector.folder import find_connector  # noqa: PLC0415 - --help is fast

    folder = find_connector(connector, [Path.cwd() / "connectors", Path.cwd()])
    if local:
        from hydrotest_core.connector.environment import resolve_process  # noqa: PLC0415

        resolved = resolve_process(folder, asked, home=home.resolve(), progress=_say)
        click.echo(" ".join(resolved.argv))
        return
    from hydrotest_core.connector.image import build_image  # noqa: PLC0415

    built = build_image(folder, asked, progress=_say)
    click.echo(f"{built.reference} {built.identity}")


def _say(line: str) -> None:
    click.echo(line, err=True)
