"""Verbs. `invoke -l` lists them; each calls what it names and adds nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

from invoke import Context, task

ROOT = Path(__file__).parent


def _nox(ctx: Context, session: str, *args: str) -> None:
    command = ["nox", "-s", session, *(["--", *args] if args else [])]
    with ctx.cd(str(ROOT)):
        ctx.run(shlex.join(command), pty=False)


@task(
    help={"connector": "a folder's name or path", "version": "dev, latest, or a released version"}
)
def build(ctx: Context, connector: str, version: str = "dev") -> None:
    """Build a connector's image: airbyte/source-x:dev."""
    with ctx.cd(str(ROOT)):
        ctx.run(shlex.join(["hydrotest", "build", connector, "--version", version]))


@task(help={"connector": "a folder's name or path", "runner": "auto, docker or process"})
def accept(ctx: Context, connector: str, runner: str = "auto", options: str = "") -> None:
    """Judge a connector: does it keep the protocol and its own declarations?"""
    _nox(ctx, "acceptance", connector, "--runner", runner, *shlex.split(options))


@task(help={"package": "core, acceptance, live, mock, drift or house; all of them without it"})
def test(ctx: Context, package: str = "") -> None:
    """Run the tests, of one package or of all."""
    _nox(ctx, f"tests({package})" if package else "tests")


@task
def lint(ctx: Context) -> None:
    """Check style, types, import contracts and declared dependencies."""
    for session in ("lint", "types", "imports", "deps"):
        _nox(ctx, session)


@task(help={"what": "core or acceptance"})
def bench(ctx: Context, what: str = "core") -> None:
    """Measure, ours beside the peer in one run."""
    _nox(ctx, "bench", what)


@task
def doctor(ctx: Context) -> None:
    """Say what works on this machine, and how to mend what doesn't."""
    with ctx.cd(str(ROOT)):
        ctx.run("hydrotest doctor")


@task
def constraints(ctx: Context) -> None:
    """Resolve constraints.txt anew, from what the packages and sessions ask for."""
    with ctx.cd(str(ROOT)):
        members = " ".join(
            str(path) for path in ["shared/pyproject.toml", *ROOT.glob("packages/*/pyproject.toml")]
        )
        ctx.run(
            f"uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header "
            f"--no-annotate --no-emit-package hydrotest-core --upgrade {members} constraints.in -o constraints.txt"
        )
