"""How a connector is started: what its image's entrypoint is, and what that is on this machine."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from hydrotest_core.connector.folder import SETTINGS_FILE, ConnectorKind
from hydrotest_core.connector.pyproject import declared_scripts
from hydrotest_core.connector.sources import read_text
from hydrotest_core.errors import ConnectorFolderError

if TYPE_CHECKING:
    from pathlib import Path

    from hydrotest_core.connector.recipe import Recipe

__all__ = [
    "CODE_DIR",
    "ENTRYPOINT_VARIABLE",
    "entrypoint_of",
    "held_versions",
    "local_argv",
]

# Where the platform's own images have a connector's code, and the variable by
# which the platform starts it. Source: Airbyte, connector base images.
CODE_DIR = "/airbyte/integration_code"
ENTRYPOINT_VARIABLE = "AIRBYTE_ENTRYPOINT"
_MAIN = "main.py"
_CONSTRAINED = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")


def entrypoint_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the entrypoint of the image that is generated for a Python or manifest connector.

    `command` in the settings, else the package's console script named like the
    connector or its only one, else `main.py`; for a requirement the console
    script named like the connector.
    """
    main = ("python", f"{CODE_DIR}/{_MAIN}")
    if recipe.kind is ConnectorKind.MANIFEST:
        return main
    if recipe.connector.settings.command:
        return tuple(recipe.connector.settings.command)
    name = recipe.connector.name
    if recipe.sources is None:
        return (name,)
    scripts = declared_scripts(recipe.sources)
    if name not in scripts and len(scripts) == 1:
        return scripts
    has_main = name not in scripts and (recipe.sources / _MAIN).is_file()
    return main if has_main else (name,)


def local_argv(entrypoint: tuple[str, ...], environment: Path, code: Path) -> tuple[str, ...]:
    """Say on this machine what `entrypoint` says in the image.

    Args:
        entrypoint: As in the image; its first word is a program of the environment.
        environment: The virtual environment.
        code: What stands in the image at `/airbyte/integration_code`.

    Raises:
        ConnectorFolderError: The environment has no such program.
    """
    program = environment / "bin" / entrypoint[0]
    if not program.is_file():
        present = sorted(path.name for path in program.parent.iterdir())
        near = ", ".join(difflib.get_close_matches(entrypoint[0], present, n=3))
        message = "The connector's package has no such console script."
        hint = f"name the script in {SETTINGS_FILE}: `command: [NAME]`"
        hint += f"; near to it are {near}" if near else ""
        raise ConnectorFolderError(message, script=entrypoint[0], hint=hint)
    words = (
        f"{code}{word.removeprefix(CODE_DIR)}" if word.startswith(f"{CODE_DIR}/") else word
        for word in entrypoint[1:]
    )
    return (str(program), *words)


def held_versions(recipe: Recipe) -> str | None:
    """Return the text of the connector's `constraints.txt`, the connector itself left out.

    The connector's own line would forbid each version of it but one.
    """
    path = recipe.connector.constraints
    if path is None:
        return None
    own = {_canonical(name) for name in _own_names(recipe)}
    lines = read_text(path).splitlines(keepends=True)
    return "".join(line for line in lines if _constrained(line) not in own)


def _own_names(recipe: Recipe) -> list[str]:
    names = [recipe.connector.name, f"airbyte-{recipe.connector.name}"]
    if recipe.requirement is not None:
        names.append(re.split(r"[\s\[=@]", recipe.requirement, maxsplit=1)[0])
    if recipe.connector.metadata.pypi_package is not None:
        names.append(recipe.connector.metadata.pypi_package)
    return names


def _constrained(line: str) -> str | None:
    found = _CONSTRAINED.match(line)
    return _canonical(found.group(1)) if found is not None else None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
