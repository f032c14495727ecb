"""The group of all subcommands, loaded one by one as they are needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from hydrotest_core.connector.interrupts import Interrupts
from hydrotest_core.disk import NO_ROOM, disk_error
from hydrotest_core.errors import HydrotestError, InfrastructureError
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["EXIT_INCONCLUSIVE", "EXIT_INTERRUPTED", "EXIT_USAGE", "cli", "main"]

# As `hydrotest_core.run.tally.ExitCode`, which would cost the help 50 ms of imports.
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_INTERRUPTED = 130
_GROUP = "hydrotest.commands"
# name -> (module, what it does): the help needs no import of the module.
_OWN = {
    "build": ("hydrotest_core.cli.build", "Build a connector's image, or its local environment."),
    "doctor": ("hydrotest_core.cli.doctor", "Say what works on this machine, and mend the rest."),
    "show": ("hydrotest_core.cli.show", "Show what a connector said, all of it or around a line."),
}


class _Commands(click.Group):
    """Subcommands by name: the core's own, and those of installed packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted({*_OWN, *(one.name for one in _entry_points())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name in _OWN:
            command: click.Command = importlib.import_module(_OWN[cmd_name][0]).command
            return command
        found = [one for one in _entry_points() if one.name == cmd_name]
        return _load(found[0]) if found else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - the help needs none, and must be quick

            near = difflib.get_close_matches(args[0], names, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            message = f"No such command '{args[0]}'.{hint}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _short_help(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=_short_help(name)) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


def _entry_points() -> Sequence[importlib.metadata.EntryPoint]:
    return tuple(importlib.metadata.entry_points(group=_GROUP))


def _load(entry_point: importlib.metadata.EntryPoint) -> click.Command:
    """Import a package's command.

    Raises:
        InfrastructureError: The package is broken.
    """
    reason: object = "it is no command"
    try:
        command = entry_point.load()
    except (ImportError, AttributeError) as exc:
        reason = exc
    else:
        if isinstance(command, click.Command):
            return command
    message = "The command can't be loaded."
    package = entry_point.dist.name if entry_point.dist else entry_point.value
    hint = f"install {package} again"
    raise InfrastructureError(
        message, command=entry_point.name, package=package, reason=reason, hint=hint
    )


def _short_help(name: str) -> str:
    """Return what a command does; a package's is not loaded for that, it may be large or broken."""
    if name in _OWN:
        return _OWN[name][1]
    dist = next(one.dist for one in _entry_points() if one.name == name)
    return (dist.metadata["Summary"] or f"From {dist.name}.") if dist else ""


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
    """Run the command line; ends the process with one of the documented exit codes.

    SIGTERM and SIGHUP interrupt it as Ctrl-C does; the second of them ends it at once.
    """
    interrupts = Interrupts()
    interrupts.listen()
    try:
        code = cli.main(args=args, prog_name="hydrotest", standalone_mode=False, color=_color())
    except click.Abort:
        click.echo("hydrotest: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as exc:
        exc.show()
        sys.exit(EXIT_USAGE)
    except HydrotestError as exc:
        click.echo("\n".join(_told(exc)), err=True)
        sys.exit(exc.exit_code)
    except OSError as exc:
        told = [f"hydrotest: {for_terminal(str(exc))}"]
        if exc.errno in NO_ROOM:
            told = list(_told(disk_error("There is no room on the disk.", exc, ".")))
        click.echo("\n".join(told), err=True)
        sys.exit(EXIT_INCONCLUSIVE)
    finally:
        interrupts.stop()
    sys.exit(code if isinstance(code, int) else 0)


def _color() -> bool | None:
    """Say if there is to be colour; `None` where it depends on who reads, a terminal or a file."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def _told(error: HydrotestError) -> Iterator[str]:
    """Yield an error line by line: what, each fact, and at the end the way out."""
    yield f"hydrotest: {for_terminal(error.message)}"
    mistakes: Any = error.facts.get("mistakes")
    if mistakes:
        # They say where they are; the other facts are of the first one.
        yield from (f"  {for_terminal(str(mistake))}" for mistake in mistakes)
    else:
        for name, value in error.facts.items():
            yield from _fact(name.replace("_", " "), str(value))
    if error.hint:
        yield f"hint: {for_terminal(error.hint)}"


def _fact(name: str, value: str) -> Iterator[str]:
    lines = textwrap.dedent(for_terminal(value.strip("\n"), multiline=True)).splitlines()
    if value.startswith("\n") or len(lines) > 1:
        yield f"  {name}:"
        yield from (f"    {line}" for line in lines)
    else:
        yield f"  {name}: {''.join(lines)}"
