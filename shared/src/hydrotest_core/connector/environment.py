"""A connector as a local program: its isolated environment, and what starts it there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from hydrotest_core.connector.declarative import files_hash, keep_manifest, manifest_files
from hydrotest_core.connector.environment_store import EnvironmentPlan, ensure_environment
from hydrotest_core.connector.execution import ConnectorUnderTest
from hydrotest_core.connector.folder import SETTINGS_FILE, ConnectorKind
from hydrotest_core.connector.installer import Installer, find_interpreter, find_uv
from hydrotest_core.connector.launch import (
    ENTRYPOINT_VARIABLE,
    entrypoint_of,
    held_versions,
    local_argv,
)
from hydrotest_core.connector.recipe import DEV, recipe_of
from hydrotest_core.connector.sources import hash_files, source_files
from hydrotest_core.errors import ConnectorFolderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hydrotest_core.connector.environment_store import Environment
    from hydrotest_core.connector.folder import ConnectorFolder
    from hydrotest_core.connector.recipe import Recipe

__all__ = ["resolve_process"]


def resolve_process(
    folder: ConnectorFolder,
    version: str = DEV,
    *,
    home: Path,
    progress: Callable[[str], None] | None = None,
    installer: Installer | None = None,
) -> ConnectorUnderTest:
    """Resolve a version of a connector to a program on this machine.

    Its environment is made under `<home>/environments` if it isn't there yet, and
    kept by what made it; a manifest is no part of that, so editing one installs
    nothing anew. The identity covers what got installed, the manifest and how it
    is started.

    Args:
        folder: The connector.
        version: `dev`, a name in the folder's `versions` or a released version.
        home: hydrotest's own folder.
        progress: Takes lines that say what is going on, at least every ten seconds.
        installer: What makes environments; by default uv, or pip where it isn't.

    Raises:
        ConnectorFolderError: This version can't be run as a local program.
        BuildFailed: Its environment couldn't be made.
    """
    recipe = recipe_of(folder, version)
    if recipe.kind is ConnectorKind.IMAGE:
        return _program(recipe)
    tool = installer or Installer(find_uv(), progress)
    if recipe.kind is ConnectorKind.MANIFEST:
        return _manifest(recipe, home, tool)
    return _package(recipe, home, tool)


def _package(recipe: Recipe, home: Path, installer: Installer) -> ConnectorUnderTest:
    plan = EnvironmentPlan(
        connector=recipe.connector.name,
        interpreter=find_interpreter(recipe.connector.settings.python),
        requirements=(recipe.requirement,) if recipe.requirement is not None else (),
        sources=tuple(source_files(recipe.sources)) if recipe.sources is not None else (),
        constraints=held_versions(recipe),
    )
    environment = ensure_environment(plan, home, installer)
    return _resolved(recipe, environment, environment.code, {"plan": plan.key})


def _manifest(recipe: Recipe, home: Path, installer: Installer) -> ConnectorUnderTest:
    assert recipe.sources is not None
    files = manifest_files(recipe.sources)
    plan = EnvironmentPlan(
        connector=recipe.connector.name,
        interpreter=find_interpreter(recipe.connector.settings.python),
        requirements=(f"airbyte-cdk=={recipe.cdk}",),
        constraints=held_versions(recipe),
    )
    environment = ensure_environment(plan, home, installer)
    code = keep_manifest(files, home)
    parts = {"plan": plan.key, "manifest": files_hash(files)}
    return _resolved(recipe, environment, code, parts)


def _resolved(
    recipe: Recipe, environment: Environment, code: Path, parts: Mapping[str, Any]
) -> ConnectorUnderTest:
    entrypoint = entrypoint_of(recipe)
    everything = {**parts, "installed": environment.installed, "entrypoint": entrypoint}
    return ConnectorUnderTest(
        name=recipe.connector.name,
        version=recipe.version,
        identity=_identity(everything),
        argv=local_argv(entrypoint, environment.directory, code),
        environment={
            ENTRYPOINT_VARIABLE: " ".join(entrypoint),
            # The environment is shared, and its hash says what is in it.
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        labels=recipe.labels,
        entrypoint=entrypoint,
    )


def _program(recipe: Recipe) -> ConnectorUnderTest:
    command = recipe.connector.settings.command
    if recipe.sources is None or not command:
        message = "This version of the connector exists only as an image."
        hint = f"run it with Docker, or say in {SETTINGS_FILE} how it is started here: `command:`"
        if recipe.sources is None:
            hint = (
                f"run it with Docker, or name what it is made from in {SETTINGS_FILE}: `versions:`"
            )
        raise ConnectorFolderError(
            message, connector=recipe.connector.name, version=recipe.version, hint=hint
        )
    # The program starts in the folder; a path to it has to hold from anywhere.
    program = recipe.sources / command[0]
    first = str(program) if "/" in command[0] and program.is_file() else command[0]
    files = hash_files(source_files(recipe.sources))
    return ConnectorUnderTest(
        name=recipe.connector.name,
        version=recipe.version,
        identity=_identity({"files": files, "command": command}),
        argv=(first, *command[1:]),
        environment={ENTRYPOINT_VARIABLE: " ".join(command)},
        labels=recipe.labels,
        entrypoint=tuple(command),
        working_directory=recipe.sources,
    )


def _identity(parts: Mapping[str, Any]) -> str:
    return "env:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
