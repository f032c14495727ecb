"""Streams and the catalogs that list them: discovered, configured, and a destination's.

Source: Airbyte protocol, as published in `airbyte-protocol-models` 0.18.
"""

from __future__ import annotations

import enum
from typing import Any

from hydrotest_core.protocol.wire import WireStruct

__all__ = [
    "AirbyteCatalog",
    "AirbyteStream",
    "ConfiguredAirbyteCatalog",
    "ConfiguredAirbyteStream",
    "DestinationCatalog",
    "DestinationOperation",
    "DestinationSyncMode",
    "StreamDescriptor",
    "SyncMode",
]


class SyncMode(enum.StrEnum):
    """How a source reads a stream."""

    FULL_REFRESH = "full_refresh"
    INCREMENTAL = "incremental"


class DestinationSyncMode(enum.StrEnum):
    """How a destination writes a stream."""

    APPEND = "append"
    OVERWRITE = "overwrite"
    APPEND_DEDUP = "append_dedup"
    UPDATE = "update"
    SOFT_DELETE = "soft_delete"


class StreamDescriptor(WireStruct, frozen=True):
    """What identifies a stream; hashable, so it can be a key.

    Attributes:
        name: The stream's name.
        namespace: Its namespace; `None` and an absent one are the same.
    """

    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class AirbyteStream(WireStruct, frozen=True, kw_only=True):
    """A stream that a source offers.

    Attributes:
        json_schema: The JSON schema of the stream's records.
        supported_sync_modes: At least one, which a rule judges: the rest of the
            catalog is worth reading without.
        source_defined_cursor: The source sets the cursor, nobody else may.
        default_cursor_field: Path to the cursor's field, `["updated_at"]`.
        source_defined_primary_key: Paths to the key's parts, `[["id"], ["meta", "rev"]]`.
        is_resumable: A full refresh can go on where it was interrupted.
        is_file_based: The records describe files.
    """

    name: str
    json_schema: dict[str, Any]
    supported_sync_modes: list[SyncMode]
    source_defined_cursor: bool | None = None
    default_cursor_field: list[str] | None = None
    source_defined_primary_key: list[list[str]] | None = None
    namespace: str | None = None
    is_resumable: bool | None = None
    is_file_based: bool | None = None

    @property
    def descriptor(self) -> StreamDescriptor:
        """The stream's name and namespace as one key."""
        return StreamDescriptor(self.name, self.namespace)


class AirbyteCatalog(WireStruct, frozen=True):
    """All streams that a source offers: the answer to `discover`."""

    streams: list[AirbyteStream]

    def stream(self, name: str, namespace: str | None = None) -> AirbyteStream | None:
        """Return the first stream of this name and namespace, or `None`."""
        wanted = StreamDescriptor(name, namespace)
        return next((each for each in self.streams if each.descriptor == wanted), None)


class ConfiguredAirbyteStream(WireStruct, frozen=True, kw_only=True):
    """A stream as it is to be read and written.

    Attributes:
        cursor_field: Path to the cursor's field; asked for by `INCREMENTAL`.
        destination_object_name: What the destination calls the stream's target.
        primary_key: Paths to the key's parts; asked for by `APPEND_DEDUP`.
        generation_id: Rises with each refresh of the stream.
        minimum_generation_id: Older generations are to be deleted; 0 deletes none.
        sync_id: Rises with each sync.
        include_files: Take the files along, not only the records about them.
    """

    stream: AirbyteStream
    sync_mode: SyncMode
    destination_sync_mode: DestinationSyncMode
    cursor_field: list[str] | None = None
    destination_object_name: str | None = None
    primary_key: list[list[str]] | None = None
    generation_id: int | None = None
    minimum_generation_id: int | None = None
    sync_id: int | None = None
    include_files: bool | None = None


class ConfiguredAirbyteCatalog(WireStruct, frozen=True):
    """The streams of one sync; `to_data` makes JSON-ready data of it."""

    streams: list[ConfiguredAirbyteStream]

    def stream(self, name: str, namespace: str | None = None) -> ConfiguredAirbyteStream | None:
        """Return the first configured stream of this name and namespace, or `None`."""
        wanted = StreamDescriptor(name, namespace)
        return next((each for each in self.streams if each.stream.descriptor == wanted), None)


class DestinationOperation(WireStruct, frozen=True, kw_only=True):
    """One thing that a destination can do with one of its objects.

    Attributes:
        json_schema: The JSON schema of what the operation takes.
        matching_keys: Paths of the fields that can match a record to a stored one.
    """

    object_name: str
    sync_mode: DestinationSyncMode
    json_schema: dict[str, Any]
    matching_keys: list[list[str]] | None = None


class DestinationCatalog(WireStruct, frozen=True):
    """All operations that a destination offers: its answer to `discover`."""

    operations: list[DestinationOperation]
