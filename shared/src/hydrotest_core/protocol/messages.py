"""The messages that a connector writes on stdout, one JSON object a line.

Names are the protocol's, so a reader of its documentation is at home: a class as
published, attributes in snake_case. `AirbyteMessage` has one optional payload per
type; `payload` gives the one that belongs to the type.

Source: Airbyte protocol, as published in `airbyte-protocol-models` 0.18.
"""

from __future__ import annotations

import enum
from typing import Any, TypeAlias

import msgspec

from hydrotest_core.protocol.catalog import AirbyteCatalog, DestinationCatalog, StreamDescriptor
from hydrotest_core.protocol.specification import ConnectorSpecification
from hydrotest_core.protocol.state import AirbyteStateMessage
from hydrotest_core.protocol.trace import AirbyteTraceMessage
from hydrotest_core.protocol.wire import WireStruct

__all__ = [
    "AirbyteConnectionStatus",
    "AirbyteControlConnectorConfigMessage",
    "AirbyteControlMessage",
    "AirbyteLogMessage",
    "AirbyteMessage",
    "AirbyteRecordMessage",
    "AirbyteRecordMessageFileReference",
    "AirbyteRecordMessageMeta",
    "AirbyteRecordMessageMetaChange",
    "Change",
    "Level",
    "MessageType",
    "OrchestratorType",
    "Payload",
    "Reason",
    "Status",
    "payload",
]


class MessageType(enum.StrEnum):
    """The types of message; `Type` in the published models."""

    RECORD = "RECORD"
    STATE = "STATE"
    LOG = "LOG"
    SPEC = "SPEC"
    CONNECTION_STATUS = "CONNECTION_STATUS"
    CATALOG = "CATALOG"
    TRACE = "TRACE"
    CONTROL = "CONTROL"
    DESTINATION_CATALOG = "DESTINATION_CATALOG"


class Change(enum.StrEnum):
    """What was done to a field of a record on its way."""

    NULLED = "NULLED"
    TRUNCATED = "TRUNCATED"


class Reason(enum.StrEnum):
    """Why it was done."""

    SOURCE_RECORD_SIZE_LIMITATION = "SOURCE_RECORD_SIZE_LIMITATION"
    DESTINATION_RECORD_SIZE_LIMITATION = "DESTINATION_RECORD_SIZE_LIMITATION"
    PLATFORM_RECORD_SIZE_LIMITATION = "PLATFORM_RECORD_SIZE_LIMITATION"
    SOURCE_FIELD_SIZE_LIMITATION = "SOURCE_FIELD_SIZE_LIMITATION"
    DESTINATION_FIELD_SIZE_LIMITATION = "DESTINATION_FIELD_SIZE_LIMITATION"
    PLATFORM_FIELD_SIZE_LIMITATION = "PLATFORM_FIELD_SIZE_LIMITATION"
    SOURCE_SERIALIZATION_ERROR = "SOURCE_SERIALIZATION_ERROR"
    DESTINATION_SERIALIZATION_ERROR = "DESTINATION_SERIALIZATION_ERROR"
    PLATFORM_SERIALIZATION_ERROR = "PLATFORM_SERIALIZATION_ERROR"
    SOURCE_RETRIEVAL_ERROR = "SOURCE_RETRIEVAL_ERROR"
    DESTINATION_TYPECAST_ERROR = "DESTINATION_TYPECAST_ERROR"


class AirbyteRecordMessageMetaChange(WireStruct, frozen=True, kw_only=True):
    """One field that isn't what the API sent, and why."""

    field: str
    change: Change
    reason: Reason


class AirbyteRecordMessageMeta(WireStruct, frozen=True, kw_only=True):
    """What happened to a record during the sync."""

    changes: list[AirbyteRecordMessageMetaChange] | None = None


class AirbyteRecordMessageFileReference(WireStruct, frozen=True, kw_only=True):
    """The file that a record is about.

    Attributes:
        staging_file_url: Its absolute path in the staging area.
        source_file_relative_path: Its path in the source.
        file_size_bytes: Its size.
    """

    staging_file_url: str | None = None
    source_file_relative_path: str | None = None
    file_size_bytes: int | None = None


class AirbyteRecordMessage(WireStruct, frozen=True, kw_only=True):
    """One record of a stream.

    Attributes:
        data: The record, a JSON object, still as it was written. `msgspec.Raw` checks
            the syntax only; `parse_line` vouches that `msgspec.json.decode` reads it.
        emitted_at: ms since epoch, UTC.
    """

    stream: str
    data: msgspec.Raw
    emitted_at: int
    namespace: str | None = None
    meta: AirbyteRecordMessageMeta | None = None
    file_reference: AirbyteRecordMessageFileReference | None = None

    @property
    def descriptor(self) -> StreamDescriptor:
        """The name and namespace of the record's stream as one key."""
        return StreamDescriptor(self.stream, self.namespace)


class Level(enum.StrEnum):
    """Levels of a log message, the gravest first."""

    FATAL = "FATAL"
    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"


class AirbyteLogMessage(WireStruct, frozen=True, kw_only=True):
    """A line of the connector's log."""

    level: Level
    message: str
    stack_trace: str | None = None


class OrchestratorType(enum.StrEnum):
    """The types of control message."""

    CONNECTOR_CONFIG = "CONNECTOR_CONFIG"


class AirbyteControlConnectorConfigMessage(WireStruct, frozen=True):
    """The configuration that the connector wants to be given from now on."""

    config: dict[str, Any]


class AirbyteControlMessage(
    WireStruct, frozen=True, kw_only=True, rename={"connector_config": "connectorConfig"}
):
    """Something that the connector asks of whoever runs it.

    Attributes:
        emitted_at: ms since epoch, UTC; a fraction is allowed here.
    """

    type: OrchestratorType
    emitted_at: float
    connector_config: AirbyteControlConnectorConfigMessage | None = None


class Status(enum.StrEnum):
    """Whether the connector could use its configuration."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class AirbyteConnectionStatus(WireStruct, frozen=True):
    """The answer to `check`."""

    status: Status
    message: str | None = None


class AirbyteMessage(
    WireStruct, frozen=True, kw_only=True, rename={"connection_status": "connectionStatus"}
):
    """One line of a connector's output: a type, and the payload of that type.

    The protocol allows further payloads beside the type's own; they are read, and
    nobody looks at them.
    """

    type: MessageType
    log: AirbyteLogMessage | None = None
    spec: ConnectorSpecification | None = None
    connection_status: AirbyteConnectionStatus | None = None
    catalog: AirbyteCatalog | None = None
    record: AirbyteRecordMessage | None = None
    state: AirbyteStateMessage | None = None
    trace: AirbyteTraceMessage | None = None
    control: AirbyteControlMessage | None = None
    destination_catalog: DestinationCatalog | None = None


Payload: TypeAlias = (
    AirbyteRecordMessage
    | AirbyteStateMessage
    | AirbyteLogMessage
    | ConnectorSpecification
    | AirbyteConnectionStatus
    | AirbyteCatalog
    | AirbyteTraceMessage
    | AirbyteControlMessage
    | DestinationCatalog
)


def payload(message: AirbyteMessage) -> Payload | None:
    """Return the payload that belongs to the message's type.

    It is there in every message that `parse_line` gives; `None` is what a message
    made by hand without it has.
    """
    found: Payload | None = getattr(message, message.type.lower())
    return found
