"""What one version of a connector is made from: sources, a requirement, or a finished image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydrotest_core.connector.folder import SETTINGS_FILE, ConnectorFolder, ConnectorKind
from hydrotest_core.connector.pyproject import declared_version
from hydrotest_core.connector.references import ImageRef, is_digest, is_tag
from hydrotest_core.errors import ConnectorFolderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


__all__ = ["DEV", "Recipe", "recipe_of"]

DEV = "dev"
_RELEASE = re.compile(r"\d++(?:\.\d++)++[A-Za-z0-9.+-]*+")
_CDK_IMAGE = "source-declarative-manifest"
# The CDK that runs a manifest whose folder names none.
_DEFAULT_CDK = "7.39.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One version of a connector, and what it is made from.

    Exactly one of `sources`, `requirement` and neither holds: with neither, the
    version exists only as the image `image`.

    Attributes:
        connector: The folder it belongs to.
        version: The version as it was asked for.
        release: The version number it carries: `7.2.1`, or `version` itself
            where none is known.
        kind: Python, manifest or image.
        image: What its image is called.
        sources: The folder that its sources lie in.
        requirement: The pinned requirement it is installed from.
    """

    connector: ConnectorFolder
    version: str
    release: str
    kind: ConnectorKind
    image: ImageRef
    sources: Path | None = None
    requirement: str | None = None

    @property
    def is_built(self) -> bool:
        """Whether its image can be made here; else it has to be pulled."""
        return self.requirement is not None or (
            self.sources is not None
            and (self.kind is not ConnectorKind.IMAGE or self.dockerfile is not None)
        )

    @property
    def dockerfile(self) -> Path | None:
        """The Dockerfile among its sources, which then makes its image."""
        path = self.sources / "Dockerfile" if self.sources is not None else None
        return path if path is not None and path.is_file() else None

    @property
    def cdk(self) -> str:
        """The version of the CDK that runs its manifest.

        From `hydrotest.yaml`, else from metadata's base image, whose tag is the
        version of the CDK inside, else the one we know to work.
        """
        if self.connector.settings.cdk is not None:
            return self.connector.settings.cdk
        base = self.connector.metadata.base_image
        if base is not None:
            reference = ImageRef.parse(base)
            if reference.name == _CDK_IMAGE and reference.tag is not None:
                return reference.tag
        return _DEFAULT_CDK

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that the platform expects on its image."""
        return {
            "io.airbyte.name": self.image.repository,
            "io.airbyte.version": self.release,
        }


def recipe_of(folder: ConnectorFolder, version: str = DEV) -> Recipe:
    """Say what `version` of a connector is made from.

    Args:
        folder: The connector.
        version: `dev`, a name in the folder's `versions`, a released version
            number, an image tag or a digest.

    Raises:
        ConnectorFolderError: The folder can't have such a version.
    """
    named = folder.versions.get(version)
    if named is not None:
        return _named(folder, version, named)
    if version == DEV:
        return _dev(folder)
    package = folder.metadata.pypi_package
    if folder.kind is ConnectorKind.PYTHON and package and _RELEASE.fullmatch(version):
        return _pinned(folder, version, f"{package}=={version}")
    if is_tag(version) or is_digest(version):
        return _published(folder, version, folder.image.with_version(version))
    message = "A connector can't have such a version."
    raise ConnectorFolderError(message, version=version, hint=_known(folder))


def _dev(folder: ConnectorFolder) -> Recipe:
    if folder.settings.requirement is not None:
        return _pinned(folder, DEV, folder.settings.requirement)
    has_sources = folder.kind is not ConnectorKind.IMAGE or bool(
        folder.dockerfile or folder.settings.command
    )
    if has_sources:
        return _from_folder(folder, DEV, folder.path)
    # Only an image is known: the folder's own tag or digest is what `dev` means.
    is_exact = folder.image.tag is not None or folder.image.digest is not None
    tag = folder.metadata.docker_image_tag or DEV
    return _published(folder, DEV, folder.image if is_exact else folder.image.with_tag(tag))


def _named(folder: ConnectorFolder, version: str, value: str) -> Recipe:
    if value.startswith(("./", "../")):
        sources = (folder.path / value).resolve()
        if not sources.is_dir():
            message = "A version's folder isn't there."
            hint = f"mend `versions` in {SETTINGS_FILE}"
            raise ConnectorFolderError(message, version=version, folder=sources, hint=hint)
        return _from_folder(folder, version, sources)
    if folder.kind is ConnectorKind.PYTHON:
        package = folder.metadata.pypi_package
        if "==" in value or " @ " in value:
            return _pinned(folder, version, value)
        if package and _RELEASE.fullmatch(value):
            return _pinned(folder, version, f"{package}=={value}")
    if is_digest(value) or (is_tag(value) and "/" not in value):
        return _published(folder, version, folder.image.with_version(value))
    return _published(folder, version, ImageRef.parse(value))


def _from_folder(folder: ConnectorFolder, version: str, sources: Path) -> Recipe:
    is_own = sources == folder.path
    release = (folder.metadata.docker_image_tag if is_own else None) or declared_version(sources)
    return Recipe(
        connector=folder,
        version=version,
        release=release or version,
        kind=folder.kind,
        image=folder.image.with_version(version),
        sources=sources,
    )


def _pinned(folder: ConnectorFolder, version: str, requirement: str) -> Recipe:
    _, pin, release = requirement.partition("==")
    return Recipe(
        connector=folder,
        version=version,
        release=release.strip(" =") if pin else folder.metadata.docker_image_tag or version,
        kind=ConnectorKind.PYTHON,
        image=folder.image.with_version(version),
        requirement=requirement.strip(),
    )


def _published(folder: ConnectorFolder, version: str, image: ImageRef) -> Recipe:
    return Recipe(
        connector=folder,
        version=version,
        release=image.tag or version,
        kind=ConnectorKind.IMAGE,
        image=image,
    )


def _known(folder: ConnectorFolder) -> str:
    names = ", ".join([DEV, *folder.versions])
    return f"known are {names}; others are named under `versions` in {SETTINGS_FILE}"
