"""`acceptance-test-config.yml` as it is written: the root, and the frame of each section."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

import msgspec

# msgspec reads a struct's annotations while the program runs, so their names must be there.
from hydrotest_acceptance.config.entries import (
    BasicReadEntry,
    ClientContainerConfig,
    ConnectionEntry,
    ConnectorAttributesEntry,
    ConnectorDocumentationEntry,
    DiscoveryEntry,
    FullRefreshEntry,
    IncrementalEntry,
    SpecEntry,
    WrittenStruct,
)

__all__ = ["AcceptanceTestConfigFile", "AcceptanceTests", "SectionSettings"]

_Entry = TypeVar("_Entry")


class SectionSettings(WrittenStruct, Generic[_Entry], frozen=True):
    """The entries of a section, or why it has none: one of both, as `frame_mistakes` sees to."""

    tests: list[_Entry] | None = None
    bypass_reason: str | None = None


class AcceptanceTests(WrittenStruct, frozen=True):
    """The sections; one that isn't there is not run.

    Attributes:
        client_container_config: For the tear-down after the last test only.
    """

    spec: SectionSettings[SpecEntry] | None = None
    connection: SectionSettings[ConnectionEntry] | None = None
    discovery: SectionSettings[DiscoveryEntry] | None = None
    basic_read: SectionSettings[BasicReadEntry] | None = None
    full_refresh: SectionSettings[FullRefreshEntry] | None = None
    incremental: SectionSettings[IncrementalEntry] | None = None
    connector_attributes: SectionSettings[ConnectorAttributesEntry] | None = None
    connector_documentation: SectionSettings[ConnectorDocumentationEntry] | None = None
    client_container_config: ClientContainerConfig | None = None


class AcceptanceTestConfigFile(WrittenStruct, frozen=True):
    """What `acceptance-test-config.yml` may hold.

    Attributes:
        connector_image: The image to judge, `airbyte/source-faker:dev`.
        base_path: What relative paths are relative to; by default the file's folder.
        test_strictness_level: With `high` every check is run, or says why not.
        cached_discovered_catalog: Discover once for all tests.
        custom_environment_variables: Set for the connector, values as they are written.
    """

    connector_image: str
    acceptance_tests: AcceptanceTests
    base_path: str | None = None
    test_strictness_level: Literal["low", "high"] | None = "low"
    cached_discovered_catalog: bool = True
    custom_environment_variables: dict[str, str | None] = msgspec.field(default_factory=dict)
