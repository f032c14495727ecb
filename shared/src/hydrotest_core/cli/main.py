"""The group of all subcommands, loaded one by one as they are needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from typing import TYPE_CHECKING

import click

from hydrotest_core.errors import HydrotestError
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EXIT_INTERRUPTED", "main"]

EXIT_INTERRUPTED = 130
_GROUP = "hydrotest.commands"
# name -> (module, what it does): the help needs no import of the module.
_OWN = {
    "build": ("hydrotest_core.cli.build", "Build a connector's image, or its local environment."),
    "doctor": ("hydrotest_core.cli.doctor", "Say what works on this machine, and mend the rest."),
}


class _Commands(click.Group):
    """Subcommands by name: the core's own, and those of installed packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted({*_OWN, *(one.name for one in _entry_points())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name in _OWN:
            command = importlib.import_module(_OWN[cmd_name][0]).command
        else:
            found = [one for one in _entry_points() if one.name == cmd_name]
            command = found[0].load() if found else None
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self._short_help(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _short_help(self, ctx: click.Context, name: str) -> str:
        if name in _OWN:
            return _OWN[name][1]
        command = self.get_command(ctx, name)
        return command.get_short_help_str() if command else ""


def _entry_points() -> Sequence[importlib.metadata.EntryPoint]:
    return tuple(importlib.metadata.entry_points(group=_GROUP))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "HYDROTEST"},
)
@click.version_option(package_name="hydrotest-core", prog_name="hydrotest")
def cli() -> None:
    """Judge data connectors: any Airbyte-protocol connector, as an image or a local program.

    Exit codes: 0 passed, 1 findings, 2 wrong usage, 3 infrastructure or inconclusive,
    130 interrupted.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with one of the documented exit codes."""
    try:
        code = cli.main(args=args, prog_name="hydrotest", standalone_mode=False)
    except click.Abort:
        click.echo("hydrotest: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as exc:
        exc.show()
        sys.exit(2)
    except HydrotestError as exc:
        click.echo(f"hydrotest: {for_terminal(str(exc), multiline=True)}", err=True)
        sys.exit(exc.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
