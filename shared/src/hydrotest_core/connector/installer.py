"""Making a virtual environment and installing into it: uv where it is there, else venv and pip."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydrotest_core.connector.heartbeat import Heartbeat
from hydrotest_core.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Installer", "Interpreter", "find_interpreter", "find_uv"]

# What would make a tool look into another environment than the one that it is told.
_LEADING_ASTRAY = (
    "CONDA_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_PROJECT_ENVIRONMENT",
    "VIRTUAL_ENV",
)
_TELL = (
    "import platform, sys, sysconfig;"
    "print(sys.implementation.name, platform.python_version(), sysconfig.get_platform())"
)
_MILESTONES = ("Resolved", "Prepared", "Installed", "Bytecode", "Installing", "Successfully")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that environments are made with.

    Attributes:
        executable: Its program.
        tag: What packages are built for: `cpython-3.11.7-linux-x86_64`.
    """

    executable: Path
    tag: str


def find_uv() -> str | None:
    """Return uv's program, from PATH or from the package `uv`, or `None`."""
    found = shutil.which("uv")
    if found is not None or importlib.util.find_spec("uv") is None:
        return found
    try:
        return str(importlib.import_module("uv").find_uv_bin())
    except FileNotFoundError:
        return None


def find_interpreter(wanted: str | None) -> Interpreter:
    """Find the Python an environment is to be made with.

    Args:
        wanted: `3.11` or `3.11.7`; `None` for the Python that runs us.

    Raises:
        BuildFailed: This machine has no such Python.
    """
    version = platform.python_version()
    if wanted is None or version == wanted or version.startswith(f"{wanted}."):
        name, system = sys.implementation.name, sysconfig.get_platform()
        return Interpreter(Path(sys.executable), f"{name}-{version}-{system}")
    found = shutil.which(f"python{wanted}") or _uv_python(wanted)
    tag = _tag_of(found) if found is not None else None
    if found is None or tag is None:
        message = "The Python that the connector asks for isn't on this machine."
        hint = f"install Python {wanted}, or change `python` in hydrotest.yaml"
        raise BuildFailed(message, wanted=wanted, running=version, hint=hint)
    return Interpreter(Path(found), tag)


@dataclass(frozen=True, slots=True)
class Installer:
    """Makes environments, by uv or by the standard library's venv and pip.

    Attributes:
        uv: uv's program, or `None` for venv and pip.
        progress: Takes what a person should see.
    """

    uv: str | None
    progress: Callable[[str], None] | None = None

    @property
    def name(self) -> str:
        """What installs: `uv` or `pip`."""
        return "uv" if self.uv is not None else "pip"

    def make(self, directory: Path, interpreter: Interpreter, *, what: str) -> None:
        """Make an empty environment in `directory`.

        Raises:
            BuildFailed: The tool failed; its last words are in the error.
        """
        python = str(interpreter.executable)
        if self.uv is not None:
            argv = [self.uv, "venv", "--quiet", "--no-project", "--python", python, str(directory)]
        else:
            argv = [python, "-m", "venv", str(directory)]
        self._run(argv, what=f"making an environment for {what}", cwd=directory.parent)

    def install(
        self,
        directory: Path,
        requirements: Sequence[str],
        constraints: Path | None,
        *,
        what: str,
        cwd: Path,
    ) -> None:
        """Install `requirements` into the environment in `directory`, byte-compiled.

        Args:
            directory: The environment.
            requirements: Pinned requirements, or a path of a package's sources.
            constraints: A constraints file, or `None`.
            what: The connector's name, for what a person sees.
            cwd: Where the tool runs: a folder without any tool's settings.

        Raises:
            BuildFailed: The tool failed; its last words are in the error.
        """
        python = str(directory / "bin" / "python")
        held = ["--constraint", str(constraints)] if constraints is not None else []
        if self.uv is not None:
            argv = [self.uv, "pip", "install", "--python", python, "--compile-bytecode"]
        else:
            argv = [python, "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
        argv += [*held, "--", *requirements]
        self._run(argv, what=f"installing {what}", cwd=cwd)

    def _run(self, argv: Sequence[str], *, what: str, cwd: Path) -> None:
        with Heartbeat(what, self.progress) as heartbeat:
            code = _follow(argv, heartbeat, cwd)
        if code == 0:
            return
        message = "The connector's environment couldn't be made."
        raise BuildFailed(
            message,
            doing=what,
            tool=self.name,
            exit_code=code,
            last_lines="".join(f"\n  {line}" for line in heartbeat.tail) + "\n",
            hint=_hint(self.name, heartbeat.tail),
        )


def _follow(argv: Sequence[str], heartbeat: Heartbeat, cwd: Path) -> int:
    """Run a tool to its end, each line of its output to the heartbeat; return its exit code."""
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                heartbeat.line(line, is_milestone=line.startswith(_MILESTONES))
            return process.wait()
        except BaseException:
            # Popen's own exit waits for the tool to end by itself, however long that takes.
            process.kill()
            raise


def _environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _LEADING_ASTRAY}
    return {**kept, "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _hint(tool: str, tail: Sequence[str]) -> str:
    text = "\n".join(tail).lower()
    if "requires-python" in text or "requires a different python" in text or "python>=" in text:
        return 'name a Python that the connector supports in hydrotest.yaml: `python: "3.11"`'
    if "ensurepip" in text:
        return "install the system's venv package (python3-venv), or uv"
    if any(word in text for word in ("connect", "dns", "timed out", "resolve host", "network")):
        return "check the network and the package index's settings, then try again"
    if tool == "uv":
        return (
            "mend what the lines above say; uv reads UV_* variables and uv.toml, "
            "not pip's configuration"
        )
    return "mend what the lines above say, then try again"


def _uv_python(wanted: str) -> str | None:
    uv = find_uv()
    if uv is None:
        return None
    argv = [uv, "python", "find", "--no-project", "--no-python-downloads", wanted]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def _tag_of(executable: str) -> str | None:
    asked = subprocess.run([executable, "-c", _TELL], capture_output=True, text=True, check=False)
    return "-".join(asked.stdout.split()) if asked.returncode == 0 else None
