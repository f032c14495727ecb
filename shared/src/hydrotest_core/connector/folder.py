"""A connector's folder: what kind it is, what it is called, which versions it names."""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hydrotest_core.connector.metadata import METADATA_FILE, Metadata, read_metadata
from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import ConnectorFolderError
from hydrotest_core.settings import load_yaml, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "SETTINGS_FILE",
    "ConnectorFolder",
    "ConnectorKind",
    "ConnectorSettings",
    "find_connector",
]

SETTINGS_FILE = "hydrotest.yaml"
_ACCEPTANCE_FILE = "acceptance-test-config.yml"
_PACKAGE_FILES = ("pyproject.toml", "setup.py")
_MANIFEST_FILE = "manifest.yaml"
_DOCKERFILE = "Dockerfile"
_TELLING_FILES = (
    SETTINGS_FILE,
    METADATA_FILE,
    _ACCEPTANCE_FILE,
    _MANIFEST_FILE,
    _DOCKERFILE,
    *_PACKAGE_FILES,
)
# `name==1.2`, `name[extra]==1.2` or `name @ where`: what installs the same thing tomorrow.
_PINNED = re.compile(r"\s*[A-Za-z0-9][\w.-]*(?:\[[^]]*\])?\s*(?:===?\s*[\w.+!-]+|@\s*\S+)\s*")


class ConnectorKind(enum.StrEnum):
    """What a connector folder holds.

    `PYTHON` is a package folder or a pinned requirement, `MANIFEST` a declarative
    `manifest.yaml` run by the CDK, `IMAGE` a Dockerfile in any language or only
    the reference of an image.
    """

    PYTHON = "python"
    MANIFEST = "manifest"
    IMAGE = "image"


class ConnectorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`hydrotest.yaml` in a connector's folder; every key is optional.

    Attributes:
        kind: Overrules what the files in the folder say.
        requirement: A pinned requirement that is `dev`, in place of the folder's
            own sources: `airbyte-source-faker==7.2.1`.
        versions: A name for other versions: a pinned requirement, an image
            reference, a tag or digest, or a folder (`./released`).
        image: What the connector's image is called, when metadata doesn't say.
        command: How it is started: the console script of a Python package, or
            the program that a connector of kind `image` is on this machine
            (`[sh, source.sh]`, run in the folder).
        base_image: What its image is built on.
        python: The Python its environment is made with: `"3.11"`.
        cdk: The version of the CDK that runs a manifest.
    """

    kind: ConnectorKind | None = None
    requirement: str | None = None
    versions: dict[str, str] = {}
    image: str | None = None
    command: list[str] = []
    base_image: str | None = None
    python: str | None = None
    cdk: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorFolder:
    """A connector as it lies on disk, read once.

    Attributes:
        path: The folder, absolute.
        name: `source-faker`, from metadata's `dockerRepository` or the folder.
        kind: What it is.
        metadata: Airbyte's `metadata.yaml`.
        settings: Our `hydrotest.yaml`.
        image: What its images are called; the tag is what the folder says is
            `dev`, if it says so.
        warnings: What in `hydrotest.yaml` should be mended but does no harm.
    """

    path: Path
    name: str
    kind: ConnectorKind
    metadata: Metadata
    settings: ConnectorSettings
    image: ImageRef
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str | Path) -> ConnectorFolder:
        """Read a connector's folder.

        Raises:
            ConnectorFolderError: There is no such folder, or nothing in it says
                how the connector is run.
            SettingsError: A YAML file in it has mistakes.
        """
        folder = Path(path).expanduser().resolve()
        if not folder.is_dir():
            message = "There is no such connector folder."
            raise ConnectorFolderError(message, folder=folder, hint="check the path")
        metadata = read_metadata(folder)
        settings, warnings = _read_connector_settings(folder)
        _refuse_unpinned(folder, settings)
        named = settings.image or _acceptance_image(folder)
        kind = settings.kind or _detect(folder, settings, metadata, named)
        image = ImageRef.parse(
            settings.image or metadata.docker_repository or named or f"airbyte/{_slug(folder.name)}"
        )
        return cls(
            path=folder,
            name=image.name if metadata.docker_repository or named else folder.name,
            kind=kind,
            metadata=metadata,
            settings=settings,
            image=image,
            warnings=tuple(warnings),
        )

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions that `hydrotest.yaml` names."""
        return self.settings.versions

    @property
    def dockerfile(self) -> Path | None:
        """The folder's own Dockerfile; where there is one, it makes the image."""
        return _file(self.path, _DOCKERFILE)

    @property
    def manifest(self) -> Path | None:
        """The folder's declarative manifest."""
        return _file(self.path, _MANIFEST_FILE)

    @property
    def constraints(self) -> Path | None:
        """`constraints.txt`: the versions that the connector's dependencies are held at."""
        return _file(self.path, "constraints.txt")

    @property
    def is_package(self) -> bool:
        """Whether the folder is a Python package that can be installed."""
        return any((self.path / name).is_file() for name in _PACKAGE_FILES)


def find_connector(
    name_or_path: str | Path, roots: Sequence[str | Path] | None = None
) -> ConnectorFolder:
    """Find a connector by its name or its path.

    Args:
        name_or_path: `source-faker`, looked for in `roots`, or any path.
        roots: Folders that hold connector folders; by default `./connectors` and
            the working directory.

    Raises:
        ConnectorFolderError: None is there; the hint has the nearest names.
        SettingsError: It is there, and a YAML file in it has mistakes.
    """
    places = [Path(root) for root in (roots if roots is not None else ("connectors", "."))]
    text = str(name_or_path)
    if Path(text).name == text and text not in {".", ".."}:
        for place in places:
            if _is_connector(place / text):
                return ConnectorFolder.load(place / text)
    path = Path(text).expanduser()
    if path.is_dir():
        return ConnectorFolder.load(path)
    names = sorted({found.name for place in places for found in _connectors_in(place)})
    near = difflib.get_close_matches(path.name, names, n=3) or names[:5]
    hint = f"did you mean {', '.join(near)}?" if near else "say the path of its folder"
    message = "No connector of that name was found."
    where = ",".join(str(place) for place in places)
    raise ConnectorFolderError(message, name=text, looked_in=where, hint=hint)


def _read_connector_settings(folder: Path) -> tuple[ConnectorSettings, list[str]]:
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return ConnectorSettings(), []
    document = load_yaml(path)
    if document.value is None:
        return ConnectorSettings(), []
    settings, warnings = read_settings(document, ConnectorSettings)
    return settings, [str(warning) for warning in warnings]


def _refuse_unpinned(folder: Path, settings: ConnectorSettings) -> None:
    if settings.requirement is None or _PINNED.fullmatch(settings.requirement):
        return
    message = "The connector's requirement isn't pinned to one version."
    hint = f"in {SETTINGS_FILE} write it like name==1.2.3"
    raise ConnectorFolderError(message, folder=folder, requirement=settings.requirement, hint=hint)


def _acceptance_image(folder: Path) -> str | None:
    """Return `connector_image` of the folder's acceptance settings, a last resort for a name."""
    path = folder / _ACCEPTANCE_FILE
    document = load_yaml(path).value if path.is_file() else None
    image = document.get("connector_image") if isinstance(document, Mapping) else None
    return image if isinstance(image, str) and image else None


def _detect(
    folder: Path, settings: ConnectorSettings, metadata: Metadata, image: str | None
) -> ConnectorKind:
    if settings.requirement is not None:
        return ConnectorKind.PYTHON
    if (folder / _MANIFEST_FILE).is_file():
        return ConnectorKind.MANIFEST
    if any((folder / name).is_file() for name in _PACKAGE_FILES):
        return ConnectorKind.PYTHON
    if (folder / _DOCKERFILE).is_file() or image or settings.command:
        return ConnectorKind.IMAGE
    if metadata.docker_repository and metadata.docker_image_tag:
        return ConnectorKind.IMAGE
    message = "Nothing in this folder says how the connector is run."
    hint = (
        "it needs a pyproject.toml, a manifest.yaml or a Dockerfile, or a "
        f"{SETTINGS_FILE} with requirement, image or command"
    )
    raise ConnectorFolderError(message, folder=folder, hint=hint)


def _is_connector(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _TELLING_FILES)


def _connectors_in(place: Path) -> Iterable[Path]:
    return (path for path in place.iterdir() if _is_connector(path)) if place.is_dir() else ()


def _file(folder: Path, name: str) -> Path | None:
    path = folder / name
    return path if path.is_file() else None


def _slug(name: str) -> str:
    """Make a path part of an image reference from a folder's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "connector"
