"""What a package says it depends on, read from `pyproject.toml` without running anything.

An image installs this in a layer below the package's own code, so that a change
of code doesn't install the dependencies again. It only saves time: installing the
package afterwards brings whatever was missed here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["declared_dependencies"]

_RANGE = re.compile(r"([\^~])\s*(\d+(?:\.\d+)*)")
_BARE = re.compile(r"\d[\w.+!-]*")
_SPECIFIER = re.compile(r"[<>=!~]=?[\w.,*<>=!~ +-]*")


def declared_dependencies(sources: Path) -> tuple[str, ...]:
    """Return the requirements that a package declares, in the order it declares them.

    Empty where they can't be told without running code (`setup.py`, dynamic
    dependencies) or point to a path or a repository.
    """
    path = sources / "pyproject.toml"
    if not path.is_file():
        return ()
    document = tomllib.loads(path.read_text("utf-8"))
    project = document.get("project", {})
    if "dependencies" in project.get("dynamic", []):
        return ()
    declared = project.get("dependencies")
    if isinstance(declared, list):
        return tuple(str(requirement) for requirement in declared)
    return _poetry_dependencies(document.get("tool", {}).get("poetry", {}))


def _poetry_dependencies(poetry: Mapping[str, Any]) -> tuple[str, ...]:
    declared = poetry.get("dependencies", {})
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
