"""The `hydrotest` command: its own subcommands, and those that installed packages bring.

A package adds a subcommand by an entry point in the group `hydrotest.commands`, whose
name is the subcommand's and whose value is a `click.Command`. Nothing is imported until
it is called, so that `hydrotest --help` answers at once.
"""

from __future__ import annotations

from hydrotest_core.cli.main import main

__all__ = ["main"]
