"""What one entry under `tests:` may say, section by section.

Sources: Airbyte acceptance tests reference; where it is silent, CAT 3.9.8 and the keys that
its earlier versions had. What a field alone can't say is checked in `__post_init__`, whose
`ValueError` becomes a mistake with its place in the file.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec

__all__ = [
    "AuthDefaultMethod",
    "BackwardCompatibility",
    "BasicReadEntry",
    "BypassReason",
    "ClientContainerConfig",
    "ConnectionEntry",
    "ConnectorAttributesEntry",
    "ConnectorDocumentationEntry",
    "CursorFormat",
    "DiscoveryEntry",
    "ExpectRecords",
    "FileTypes",
    "FullRefreshEntry",
    "FutureState",
    "IncrementalEntry",
    "NamedBypass",
    "SpecEntry",
    "StreamCursorFormat",
    "UnsupportedFileType",
    "WrittenStruct",
]

_VERSION: Final = re.compile(
    r"(0|[1-9]\d*)(\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?(-\w[\w.\-]*)?)?", re.ASCII
)
_SHORTEST_EXTENSION: Final = 2

Seconds = Annotated[int, msgspec.Meta(ge=0)]
DeploymentMode = Literal["cloud", "oss"]


class WrittenStruct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file; a key that it doesn't know is a mistake."""


class BypassReason(WrittenStruct, frozen=True):
    """Why a check is left out."""

    bypass_reason: str | None = None


class NamedBypass(WrittenStruct, frozen=True):
    """A stream or a field that a check leaves out, and why."""

    name: str
    bypass_reason: str | None = None


class BackwardCompatibility(WrittenStruct, frozen=True):
    """Which released version to compare with, and for which version not to.

    Attributes:
        previous_connector_version: `latest` or a version like `1.2.3`.
        disable_for_version: When the previous one is this version, nothing is compared.
    """

    previous_connector_version: str = "latest"
    disable_for_version: str | None = None

    def __post_init__(self) -> None:
        previous = self.previous_connector_version
        if previous != "latest":
            _check_version("previous_connector_version", previous, "latest, or ")
        if self.disable_for_version is not None:
            _check_version("disable_for_version", self.disable_for_version)


def _check_version(key: str, version: str, other: str = "") -> None:
    if not _VERSION.fullmatch(version):
        without = f" (without the {version[0]!r})" if version[:1] in {"v", "V"} else ""
        msg = f"{key} must be {other}a version like 1.2.3{without}, got {version!r}"
        raise ValueError(msg)


class AuthDefaultMethod(WrittenStruct, frozen=True):
    """Whether OAuth is what the connection form offers first."""

    oauth: bool = True
    bypass_reason: str | None = None

    def __post_init__(self) -> None:
        if not self.oauth and not self.bypass_reason:
            msg = "oauth: false needs a bypass_reason"
            raise ValueError(msg)


class SpecEntry(WrittenStruct, frozen=True):
    """An entry of `spec`.

    Attributes:
        spec_path: The expected specification, JSON or YAML.
        config_path: A valid config of the connector.
        timeout_seconds: 0 and none mean the default.
        deployment_mode: Given to the connector as `DEPLOYMENT_MODE`.
    """

    spec_path: str = "secrets/spec.json"
    config_path: str = "secrets/config.json"
    timeout_seconds: Seconds | None = None
    deployment_mode: DeploymentMode | None = None
    backward_compatibility_tests_config: BackwardCompatibility = BackwardCompatibility()
    auth_default_method: AuthDefaultMethod | None = None


class ConnectionEntry(WrittenStruct, frozen=True):
    """An entry of `connection`: a config, and what `check` is to say of it."""

    config_path: str = "secrets/config.json"
    status: Literal["succeed", "failed", "exception"] = "succeed"
    timeout_seconds: Seconds | None = None
    deployment_mode: DeploymentMode | None = None


class DiscoveryEntry(WrittenStruct, frozen=True):
    """An entry of `discovery`.

    Attributes:
        configured_catalog_path: A configured catalog whose streams must be discovered.
        validate_primary_keys_data_type: Judge the types of primary keys.
    """

    config_path: str = "secrets/config.json"
    configured_catalog_path: str | None = None
    timeout_seconds: Seconds | None = None
    deployment_mode: DeploymentMode | None = None
    backward_compatibility_tests_config: BackwardCompatibility = BackwardCompatibility()
    validate_primary_keys_data_type: bool = True


class ExpectRecords(WrittenStruct, frozen=True):
    """A file of expected records, or why there is none.

    Attributes:
        path: The file, one record a line.
        bypass_reason: Why there is none.
        extra_fields: Records may have fields that the file doesn't have. Only together
            with `exact_order: true` and without extra records.
        exact_order: Records come in the order of the file.
        extra_records: Other records may come too; where nothing is said, true unless
            `extra_fields` is. `None` is only what is written, never what is read.
    """

    path: str | None = None
    bypass_reason: str | None = None
    extra_fields: bool = False
    exact_order: bool = False
    extra_records: bool | None = None

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.bypass_reason):
            what = "only one of them" if self.path else "one of them"
            msg = f"expect_records takes a path, or a bypass_reason: give {what}"
            raise ValueError(msg)
        if self.extra_fields and not self.exact_order:
            msg = "extra_fields: true needs exact_order: true, since only the position then says "
            raise ValueError(msg + "which record is meant")
        if self.extra_fields and self.extra_records:
            msg = "extra_fields: true and extra_records: true can't go together"
            raise ValueError(msg)
        if self.extra_records is None:
            msgspec.structs.force_setattr(self, "extra_records", not self.extra_fields)


class UnsupportedFileType(WrittenStruct, frozen=True):
    """A file type that a file-based connector doesn't read."""

    extension: str
    bypass_reason: str | None = None

    def __post_init__(self) -> None:
        if not self.extension.startswith(".") or len(self.extension) < _SHORTEST_EXTENSION:
            msg = f"an extension starts with a dot, like '.csv'; got {self.extension!r}"
            raise ValueError(msg)


class FileTypes(WrittenStruct, frozen=True):
    """Which file types a file-based connector need not show."""

    skip_test: bool = False
    bypass_reason: str | None = None
    unsupported_types: list[UnsupportedFileType] | None = None

    def __post_init__(self) -> None:
        if self.skip_test and self.unsupported_types:
            msg = "skip_test: true leaves nothing for unsupported_types to say: give one of them"
            raise ValueError(msg)
        if not self.skip_test and self.bypass_reason is not None:
            msg = "file_types.bypass_reason says why the test is skipped: it needs skip_test: true"
            raise ValueError(msg)


class ClientContainerConfig(WrittenStruct, frozen=True):
    """A container of the connector's author that sets up and tears down test data.

    Attributes:
        secrets_path: A JSON file that it finds at `/tmp/config.json`.
        client_container_dockerfile_path: What it is built from.
    """

    secrets_path: str | None = None
    client_container_dockerfile_path: str | None = None
    setup_command: list[str] | None = None
    teardown_command: list[str] | None = None
    between_syncs_command: list[str] | None = None
    final_teardown_command: list[str] | None = None


class BasicReadEntry(WrittenStruct, frozen=True):
    """An entry of `basic_read`.

    Attributes:
        configured_catalog_path: What to read; by default all that is discovered.
        empty_streams: Streams that may have no records.
        expect_records: What must come.
        ignored_fields: Fields left out when records are compared, by stream: `a/b`, `a/*/b`.
        validate_schema: Judge records by their stream's schema.
        validate_stream_statuses: By default on for certified connectors.
        validate_state_messages: Judge the state messages.
        validate_primary_keys_data_type: Judge primary keys in records.
        fail_on_extra_columns: An undeclared column is an error when true, a warning
            when nothing is said, nothing when false.
        validate_data_points: Judge that every declared field has a value somewhere.
        expect_trace_message_on_failure: Judge that a failing read says why in a TRACE.
    """

    config_path: str = "secrets/config.json"
    configured_catalog_path: str | None = None
    empty_streams: list[NamedBypass] = []
    expect_records: ExpectRecords | None = None
    ignored_fields: dict[str, list[NamedBypass]] = {}
    validate_schema: bool = True
    validate_stream_statuses: bool | None = None
    validate_state_messages: bool = True
    validate_primary_keys_data_type: bool = True
    fail_on_extra_columns: bool | None = None
    validate_data_points: bool = False
    expect_trace_message_on_failure: bool = True
    timeout_seconds: Seconds | None = None
    deployment_mode: DeploymentMode | None = None
    file_types: FileTypes = FileTypes()
    client_container_config: ClientContainerConfig | None = None


class FullRefreshEntry(WrittenStruct, frozen=True):
    """An entry of `full_refresh`.

    Attributes:
        ignored_fields: Fields that may differ between two reads, by stream.
    """

    config_path: str = "secrets/config.json"
    configured_catalog_path: str | None = None
    timeout_seconds: Seconds | None = None
    deployment_mode: DeploymentMode | None = None
    ignored_fields: dict[str, list[NamedBypass]] = {}
    client_container_config: ClientContainerConfig | None = None


def _check_format(pattern: str | None) -> None:
    try:
        re.compile(pattern or "")
    except re.error as exc:
        msg = f"format is a regular expression, and {pattern!r} isn't one: {exc}"
        raise ValueError(msg) from exc


class StreamCursorFormat(WrittenStruct, frozen=True):
    """What one stream's cursor values look like, as a regular expression."""

    name: str
    format: str | None = None

    def __post_init__(self) -> None:
        _check_format(self.format)


class CursorFormat(WrittenStruct, frozen=True):
    """What cursor values look like, as a regular expression, in all or in some streams."""

    format: str | None = None
    streams: list[StreamCursorFormat] = []

    def __post_init__(self) -> None:
        _check_format(self.format)


class FutureState(WrittenStruct, frozen=True):
    """A state with cursor values beyond all data, or why there is none.

    Attributes:
        future_state_path: A JSON list of state messages.
        missing_streams: Streams that the file leaves out.
        bypass_reason: Why there is none.
        cursor_format: What the cursor values must look like.
    """

    future_state_path: str | None = None
    missing_streams: list[NamedBypass] = []
    bypass_reason: str | None = None
    cursor_format: CursorFormat = CursorFormat()


class IncrementalEntry(WrittenStruct, frozen=True):
    """An entry of `incremental`.

    Attributes:
        skip_comprehensive_incremental_tests: Leave out the reads from states in between.
    """

    config_path: str = "secrets/config.json"
    configured_catalog_path: str | None = None
    future_state: FutureState | None = None
    timeout_seconds: Seconds | None = None
    deployment_mode: DeploymentMode | None = None
    skip_comprehensive_incremental_tests: bool = False
    client_container_config: ClientContainerConfig | None = None


class ConnectorAttributesEntry(WrittenStruct, frozen=True):
    """An entry of `connector_attributes`."""

    config_path: str = "secrets/config.json"
    timeout_seconds: Seconds | None = None
    streams_without_primary_key: list[NamedBypass] = []
    allowed_hosts: BypassReason | None = None
    suggested_streams: BypassReason | None = None


class ConnectorDocumentationEntry(WrittenStruct, frozen=True):
    """An entry of `connector_documentation`."""

    config_path: str = "secrets/config.json"
    timeout_seconds: Seconds | None = None
