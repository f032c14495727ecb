"""Reads `acceptance-test-config.yml` and hands it out section by section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hydrotest_acceptance.config.frame_mistakes import frame_mistakes
from hydrotest_acceptance.config.legacy import DEPRECATED, modernised
from hydrotest_acceptance.config.leniency import taken_as_meant
from hydrotest_acceptance.config.sections import AcceptanceTestConfigFile
from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import SettingsError, UsageError
from hydrotest_core.settings import Document, Mark, Mistake, load_yaml, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from hydrotest_acceptance.config.entries import ClientContainerConfig

__all__ = [
    "CONFIG_FILE",
    "DEFAULT_TIMEOUTS_S",
    "SECTIONS",
    "AcceptanceConfig",
    "Section",
    "load_config",
]

CONFIG_FILE: Final = "acceptance-test-config.yml"

DEFAULT_TIMEOUTS_S: Final = {
    "spec": 60,
    "connection": 60,
    "discovery": 300,
    "basic_read": 600,
    "full_refresh": 1200,
    "incremental": 1200,
    "connector_attributes": 600,
    "connector_documentation": 600,
}
"""Seconds a test of each section has where its entry says nothing."""

SECTIONS: Final = tuple(DEFAULT_TIMEOUTS_S)
"""The sections, in the order in which they run."""

# Names that people, and the reference itself, give the file by mistake.
_MISNAMED: Final = (
    "acceptance-tests-config.yml",
    "acceptance-test-config.yaml",
    "acceptance-tests-config.yaml",
    "acceptance_test_config.yml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section that the file has.

    Attributes:
        name: `basic_read`.
        tests: Its entries, or `None` where it is bypassed.
        bypass_reason: Why it has none, or `None`.
        line: Its line in the file.
        lines: The line of each entry.
    """

    name: str
    tests: list[Any] | None
    bypass_reason: str | None
    line: int
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceConfig:
    """A connector's `acceptance-test-config.yml`, found to be in order.

    Attributes:
        path: The file.
        settings: What stands in it.
        warnings: What is out of date or ignored in it.
    """

    path: Path
    settings: AcceptanceTestConfigFile
    warnings: tuple[Mistake, ...] = ()
    marks: Mark = field(repr=False)

    @property
    def connector_image(self) -> str:
        """The image to judge, as written."""
        return self.settings.connector_image

    @property
    def image_tag(self) -> str | None:
        """The image's tag, where it has one: `dev`."""
        return ImageRef.parse(self.connector_image).tag

    @property
    def base_path(self) -> Path:
        """The folder that relative paths of the file are relative to; absolute."""
        return (self.path.parent / (self.settings.base_path or ".")).resolve()

    @property
    def is_strict(self) -> bool:
        """Whether `test_strictness_level` is `high`."""
        return self.settings.test_strictness_level == "high"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the connector, their values as they are written in the file."""
        variables = self.settings.custom_environment_variables
        return {name: value or "" for name, value in variables.items()}

    @property
    def caches_discovered_catalog(self) -> bool:
        """Whether one discovered catalog may serve all tests."""
        return self.settings.cached_discovered_catalog

    @property
    def final_client_container(self) -> ClientContainerConfig | None:
        """The container for the tear-down after the last test."""
        return self.settings.acceptance_tests.client_container_config

    @property
    def sections(self) -> list[Section]:
        """The sections that the file has, in the order in which they run."""
        found = (self.section(name) for name in SECTIONS)
        return [section for section in found if section is not None]

    def section(self, name: str) -> Section | None:
        """Return a section, or `None` where the file doesn't have it.

        Raises:
            KeyError: There is no section of that name.
        """
        if name not in SECTIONS:
            raise KeyError(name)
        written = getattr(self.settings.acceptance_tests, name)
        if written is None:
            return None
        line, _ = self.marks.position_of_key(["acceptance_tests", name])
        entries = range(len(written.tests or ()))
        return Section(
            name=name,
            tests=written.tests,
            bypass_reason=written.bypass_reason,
            line=line,
            lines=tuple(
                self.marks.at(["acceptance_tests", name, "tests", n]).line for n in entries
            ),
        )

    def timeout_s(self, section_name: str, entry: Any) -> int:
        """Return the seconds a test of this entry has; `timeout_seconds: 0` is not set."""
        return getattr(entry, "timeout_seconds", None) or DEFAULT_TIMEOUTS_S[section_name]

    def resolve(self, path: str) -> Path:
        """Return where a path of the file leads."""
        return self.base_path / path


def load_config(folder: Path) -> AcceptanceConfig:
    """Read `acceptance-test-config.yml` of a connector's folder.

    Files of any age are read: the first form with `tests:` at its root, keys that were
    renamed or retired. What is out of date or ignored is in `warnings`.

    Args:
        folder: The folder with the file.

    Raises:
        UsageError: The file isn't there, or can't be read.
        SettingsError: All mistakes in the file, with their lines.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise _missing(folder)
    document, warnings = modernised(load_yaml(path))
    value, lenient = taken_as_meant(
        document, AcceptanceTestConfigFile, silent=("custom_environment_variables",)
    )
    document = Document(file=document.file, value=value, marks=document.marks)
    settings, retired = _read(document)
    warnings = sorted([*warnings, *lenient, *retired], key=_place)
    return AcceptanceConfig(
        path=path, settings=settings, warnings=tuple(warnings), marks=document.marks
    )


def _read(document: Document) -> tuple[AcceptanceTestConfigFile, list[Mistake]]:
    """Read the document; all mistakes, the frame's and the entries', come together."""
    frame = list(frame_mistakes(document))
    try:
        result = read_settings(document, AcceptanceTestConfigFile, deprecated=DEPRECATED)
    except SettingsError as exc:
        exc.facts["mistakes"] = sorted([*exc.facts["mistakes"], *frame], key=_place)
        raise
    if frame:
        msg = "The settings can't be used as they stand."
        raise SettingsError(msg, path=document.file, mistakes=sorted(frame, key=_place))
    return result


def _place(mistake: Mistake) -> tuple[int, int]:
    return mistake.line, mistake.column


def _missing(folder: Path) -> UsageError:
    msg = f"There is no {CONFIG_FILE} in the folder."
    if not folder.is_dir():
        hint = "the folder isn't there either; check the path"
    elif misnamed := next((name for name in _MISNAMED if (folder / name).is_file()), None):
        hint = f"rename {misnamed} to {CONFIG_FILE}"
    else:
        hint = "give the folder of the connector, the one that holds its metadata.yaml"
    return UsageError(msg, hint=hint, folder=folder)
