"""`acceptance-test-config.yml`: read as it stands in thousands of connectors' folders."""

from __future__ import annotations

from hydrotest_acceptance.config.entries import (
    AuthDefaultMethod,
    BackwardCompatibility,
    BasicReadEntry,
    BypassReason,
    ClientContainerConfig,
    ConnectionEntry,
    ConnectorAttributesEntry,
    ConnectorDocumentationEntry,
    CursorFormat,
    DiscoveryEntry,
    ExpectRecords,
    FileTypes,
    FullRefreshEntry,
    FutureState,
    IncrementalEntry,
    NamedBypass,
    SpecEntry,
    StreamCursorFormat,
    UnsupportedFileType,
)
from hydrotest_acceptance.config.loading import (
    CONFIG_FILE,
    DEFAULT_TIMEOUTS_S,
    SECTIONS,
    AcceptanceConfig,
    Section,
    load_config,
)
from hydrotest_acceptance.config.sections import (
    AcceptanceTestConfigFile,
    AcceptanceTests,
    SectionSettings,
)

__all__ = [  # noqa: RUF022 - grouped by what one looks for
    # the file, read
    "AcceptanceConfig",
    "Section",
    "load_config",
    "CONFIG_FILE",
    "DEFAULT_TIMEOUTS_S",
    "SECTIONS",
    # the file, as it is written
    "AcceptanceTestConfigFile",
    "AcceptanceTests",
    "SectionSettings",
    # entries of the sections
    "SpecEntry",
    "ConnectionEntry",
    "DiscoveryEntry",
    "BasicReadEntry",
    "FullRefreshEntry",
    "IncrementalEntry",
    "ConnectorAttributesEntry",
    "ConnectorDocumentationEntry",
    # parts of entries
    "AuthDefaultMethod",
    "BackwardCompatibility",
    "BypassReason",
    "ClientContainerConfig",
    "CursorFormat",
    "ExpectRecords",
    "FileTypes",
    "FutureState",
    "NamedBypass",
    "StreamCursorFormat",
    "UnsupportedFileType",
]
