"""The Dockerfile of a Python or manifest connector, and what is sent to the engine with it.

The text builds with BuildKit and with the classic builder. Its layers stand in
the order of how seldom they change: Python itself, dependencies, code, labels.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydrotest_core.connector.declarative import files_hash, manifest_files
from hydrotest_core.connector.folder import ConnectorKind
from hydrotest_core.connector.launch import (
    CODE_DIR,
    ENTRYPOINT_VARIABLE,
    entrypoint_of,
    held_versions,
)
from hydrotest_core.connector.pyproject import declared_dependencies
from hydrotest_core.connector.references import ImageRef
from hydrotest_core.connector.sources import SourceFile, hash_files, source_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hydrotest_core.connector.recipe import Recipe

__all__ = ["DEFAULT_BASE_IMAGE", "BuildContext", "base_image_of", "generated_context"]

DEFAULT_BASE_IMAGE = "python:3.11-slim-bookworm"
_MANIFEST_BASE = "source-declarative-manifest"
_CODE = "code"
_DEPENDENCIES = "dependencies.txt"
_CONSTRAINTS = "constraints.txt"
_CONSTRAINTS_IN_IMAGE = "/airbyte/constraints.txt"
# The platform runs connectors as user 1000, who has no home of his own; a
# read-only root leaves only /tmp to write to.
_USER = (
    "RUN getent passwd 1000 >/dev/null"
    " || { groupadd --gid 1000 airbyte"
    " && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp airbyte; }"
)
# Base images often come without byte code, and a connector may not write any:
# compiled once here, or at every start.
_COMPILE_PYTHON = (
    "RUN python -m compileall -q -j 0"
    ' "$(python -c \'import sysconfig; print(sysconfig.get_path("stdlib"))\')"'
    " >/dev/null 2>&1 || true"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """What an image is built from, all of it.

    Attributes:
        dockerfile: The Dockerfile's text.
        generated: Files of ours: name in the context -> content.
        sources: Files of the connector's folder.
        sources_at: The folder in the context that `sources` are put into; empty
            for its top.
        base_image: What it is built on, where we chose it.
    """

    dockerfile: str
    generated: Mapping[str, bytes] = field(default_factory=dict)
    sources: tuple[SourceFile, ...] = ()
    sources_at: str = ""
    base_image: str | None = None

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of everything in it, as hexadecimal digits."""
        parts = [self.dockerfile, files_hash(self.generated), hash_files(self.sources)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def base_image_of(recipe: Recipe) -> str:
    """Return what the generated image is built on.

    `base_image` in `hydrotest.yaml`, else a Python image of the version named
    there, else metadata's base image, else our default. Metadata's base image of
    a manifest connector only tells the CDK's version.
    """
    settings, metadata = recipe.connector.settings, recipe.connector.metadata
    if settings.base_image is not None:
        return str(ImageRef.parse(settings.base_image))
    if settings.python is not None:
        return str(ImageRef.parse(f"python:{settings.python}-slim-bookworm"))
    if metadata.base_image is not None:
        reference = ImageRef.parse(metadata.base_image)
        if reference.name != _MANIFEST_BASE:
            return str(reference)
    return DEFAULT_BASE_IMAGE


def generated_context(recipe: Recipe) -> BuildContext:
    """Return the Dockerfile and the files that make the image of a Python or manifest connector."""
    base = base_image_of(recipe)
    generated: dict[str, bytes] = {}
    sources: tuple[SourceFile, ...] = ()
    constraints = held_versions(recipe)
    if constraints is not None:
        generated[_CONSTRAINTS] = constraints.encode()
    if recipe.requirement is not None:
        generated[_DEPENDENCIES] = f"{recipe.requirement}\n".encode()
    elif recipe.kind is ConnectorKind.MANIFEST and recipe.sources is not None:
        generated[_DEPENDENCIES] = f"airbyte-cdk=={recipe.cdk}\n".encode()
        files = manifest_files(recipe.sources)
        generated.update({f"{_CODE}/{name}": content for name, content in files.items()})
    elif recipe.sources is not None:
        needed = declared_dependencies(recipe.sources)
        if needed:
            generated[_DEPENDENCIES] = "".join(f"{line}\n" for line in needed).encode()
        sources = tuple(source_files(recipe.sources))
    return BuildContext(
        dockerfile=_dockerfile(recipe, base, generated, is_package=bool(sources)),
        generated=generated,
        sources=sources,
        sources_at=_CODE,
        base_image=base,
    )


def _dockerfile(
    recipe: Recipe, base: str, generated: Mapping[str, bytes], *, is_package: bool
) -> str:
    lines = [f"FROM {base}", "USER 0", _USER, _COMPILE_PYTHON, f"WORKDIR {CODE_DIR}"]
    install = "RUN pip install --no-cache-dir --no-input --progress-bar off"
    if _CONSTRAINTS in generated:
        lines.append(f"COPY {_CONSTRAINTS} {_CONSTRAINTS_IN_IMAGE}")
        install += f" -c {_CONSTRAINTS_IN_IMAGE}"
    if _DEPENDENCIES in generated:
        lines.append(f"COPY {_DEPENDENCIES} /airbyte/{_DEPENDENCIES}")
        lines.append(f"{install} -r /airbyte/{_DEPENDENCIES}")
    if is_package:
        lines.append(f"COPY {_CODE}/ {CODE_DIR}/")
        lines.append(f"{install} {CODE_DIR}")
    elif recipe.kind is ConnectorKind.MANIFEST:
        lines.append(f"COPY {_CODE}/ {CODE_DIR}/")
    if is_package or recipe.kind is ConnectorKind.MANIFEST:
        lines.append(f"RUN python -m compileall -q {CODE_DIR}")
    return "\n".join([*lines, *_closing(recipe)]) + "\n"


def _closing(recipe: Recipe) -> list[str]:
    """Return the lines that change most often and cost nothing."""
    entrypoint = entrypoint_of(recipe)
    started_by = f"{ENTRYPOINT_VARIABLE}={_quoted(' '.join(entrypoint))}"
    labels = " ".join(f"{name}={_quoted(value)}" for name, value in sorted(recipe.labels.items()))
    return [
        f"ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 {started_by}",
        f"LABEL {labels}",
        "USER 1000:1000",
        f"ENTRYPOINT {json.dumps(list(entrypoint))}",
    ]


def _quoted(text: str) -> str:
    """Quote a value so that the builder neither ends it early nor fills in a variable."""
    for special in ("\\", '"', "$"):
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'
