"""What a Python package says of itself in `pyproject.toml`, read without running anything.

The standard's tables and Poetry's own are understood. What can't be told without
running code (`setup.py`, dynamic fields) is left out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydrotest_core.connector.sources import read_text
from hydrotest_core.errors import ConnectorFolderError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["declared_dependencies", "declared_scripts", "declared_version"]

_RANGE = re.compile(r"([\^~])\s*(\d+(?:\.\d+)*)")
_BARE = re.compile(r"\d[\w.+!-]*")
_SPECIFIER = re.compile(r"[<>=!~]=?[\w.,*<>=!~ +-]*")


def declared_version(sources: Path) -> str | None:
    """Return the version that a package states, if it states one.

    Raises:
        ConnectorFolderError: Its `pyproject.toml` can't be read.
    """
    project, poetry = _tables(sources)
    version = project.get("version") or poetry.get("version")
    return version if isinstance(version, str) else None


def declared_scripts(sources: Path) -> tuple[str, ...]:
    """Return the names of the console scripts that a package declares.

    Raises:
        ConnectorFolderError: Its `pyproject.toml` can't be read.
    """
    project, poetry = _tables(sources)
    return (*_table(project, "scripts"), *_table(poetry, "scripts"))


def declared_dependencies(sources: Path) -> tuple[str, ...]:
    """Return the requirements that a package declares, in the order it declares them.

    An image installs these in a layer below the package's own code, so that a
    change of code doesn't install them again. It only saves time: installing the
    package afterwards brings whatever was missed here, and nothing is told where a
    dependency is a path or a repository.

    Raises:
        ConnectorFolderError: Its `pyproject.toml` can't be read.
    """
    project, poetry = _tables(sources)
    if "dependencies" in project.get("dynamic", ()):
        return ()
    declared = project.get("dependencies")
    if isinstance(declared, list):
        return tuple(str(requirement) for requirement in declared)
    return _poetry_dependencies(_table(poetry, "dependencies"))


def _tables(sources: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the tables `project` and `tool.poetry`; empty where there is none."""
    path = sources / "pyproject.toml"
    if not path.is_file():
        return {}, {}
    try:
        document = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as exc:
        message = "A pyproject.toml can't be read."
        raise ConnectorFolderError(message, file=path, reason=exc, hint="mend the file") from exc
    return _table(document, "project"), _table(_table(document, "tool"), "poetry")


def _table(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}


def _poetry_dependencies(declared: Mapping[str, Any]) -> tuple[str, ...]:
    needed = {name: value for name, value in declared.items() if name != "python"}
    found = [_poetry_requirement(name, value) for name, value in needed.items()]
    known = tuple(requirement for requirement in found if requirement is not None)
    return known if len(known) == len(found) else ()


def _poetry_requirement(name: str, value: Any) -> str | None:
    """Translate one Poetry dependency; `None` where it is no plain one from an index."""
    extras = ""
    if isinstance(value, Mapping):
        if not set(value) <= {"version", "extras"}:
            return None
        extras = ",".join(value.get("extras", []))
        value = value.get("version")
    specifier = _poetry_specifier(value) if isinstance(value, str) else None
    if specifier is None:
        return None
    return f"{name}[{extras}]{specifier}" if extras else f"{name}{specifier}"


def _poetry_specifier(version: str) -> str | None:
    """Translate `^6.1`, `~6.1`, `6.1`, `*` and plain specifiers. Source: Poetry's documentation."""
    if version == "*":
        return ""
    ranged = _RANGE.fullmatch(version)
    if ranged is not None:
        sign, lowest = ranged.groups()
        return f">={lowest},<{_next(sign, lowest)}"
    if _BARE.fullmatch(version):
        return f"=={version}"
    return version if _SPECIFIER.fullmatch(version) else None


def _next(sign: str, lowest: str) -> str:
    """Return the first version that `^lowest` or `~lowest` leaves out."""
    parts = [int(part) for part in lowest.split(".")]
    if sign == "~":
        position = 1 if len(parts) > 1 else 0
    else:
        # The leftmost part that isn't zero may not change; of 0.0 the last one.
        position = next((at for at, part in enumerate(parts) if part), len(parts) - 1)
    return ".".join(str(part) for part in [*parts[:position], parts[position] + 1])
