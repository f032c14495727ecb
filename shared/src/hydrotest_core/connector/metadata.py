"""What a connector's `metadata.yaml` says, read leniently: it is Airbyte's file, not ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hydrotest_core.settings import load_yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["METADATA_FILE", "Metadata", "read_metadata"]

METADATA_FILE = "metadata.yaml"
_LANGUAGE_TAG = "language:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The fields of `metadata.yaml` that decide how a connector is built and judged.

    A field that is missing, or not of the kind Airbyte writes, is `None`; rules
    that judge the file itself read `data`.

    Attributes:
        docker_repository: `airbyte/source-faker`.
        docker_image_tag: The released version, `7.2.1`.
        pypi_package: The package's name in the index, where it is published there.
        base_image: The image that Airbyte builds it on.
        connector_subtype: `api`, `database`, `file` …
        quality_level: `ab_internal.ql`; 400 and more means certified.
        language: `python`, `manifest-only`, `java`, from the tag `language:…`.
        documentation_url: Where its documentation stands.
        name: What people call it: `Sample Data`.
        data: All that stands under `data`.
    """

    docker_repository: str | None = None
    docker_image_tag: str | None = None
    pypi_package: str | None = None
    base_image: str | None = None
    connector_subtype: str | None = None
    quality_level: int = 0
    language: str | None = None
    documentation_url: str | None = None
    name: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def read_metadata(folder: Path) -> Metadata:
    """Read `metadata.yaml` in `folder`; a folder without one has empty metadata.

    Raises:
        SettingsError: The file is no YAML.
    """
    path = folder / METADATA_FILE
    if not path.is_file():
        return Metadata()
    document = load_yaml(path).value
    data = document.get("data") if isinstance(document, Mapping) else None
    if not isinstance(data, Mapping):
        return Metadata()
    level = _value(data, "ab_internal", "ql")
    return Metadata(
        docker_repository=_text(data, "dockerRepository"),
        docker_image_tag=_text(data, "dockerImageTag"),
        pypi_package=_pypi_package(data),
        base_image=_text(data, "connectorBuildOptions", "baseImage"),
        connector_subtype=_text(data, "connectorSubtype"),
        quality_level=level if isinstance(level, int) else 0,
        language=_language(data),
        documentation_url=_text(data, "documentationUrl"),
        name=_text(data, "name"),
        data=data,
    )


def _value(data: Mapping[str, Any], *path: str) -> Any:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(data: Mapping[str, Any], *path: str) -> str | None:
    value = _value(data, *path)
    return value if isinstance(value, str) and value else None


def _pypi_package(data: Mapping[str, Any]) -> str | None:
    if _value(data, "remoteRegistries", "pypi", "enabled") is False:
        return None
    return _text(data, "remoteRegistries", "pypi", "packageName")


def _language(data: Mapping[str, Any]) -> str | None:
    tags = data.get("tags")
    for tag in tags if isinstance(tags, Sequence) and not isinstance(tags, str) else ():
        if isinstance(tag, str) and tag.startswith(_LANGUAGE_TAG):
            return tag.removeprefix(_LANGUAGE_TAG)
    return None
