from __future__ import annotations

import msgspec
import pytest

from hydrotest_core import protocol
from hydrotest_core.protocol import (
    AirbyteConnectionStatus,
    AirbyteControlMessage,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    Level,
    MessageType,
    OrchestratorType,
    Status,
    StreamDescriptor,
    payload,
)

LOG = AirbyteLogMessage(level=Level.INFO, message="m")


def test_the_payload_is_that_of_the_type():
    check = AirbyteConnectionStatus(Status.FAILED)

    message = AirbyteMessage(type=MessageType.CONNECTION_STATUS, log=LOG, connection_status=check)

    assert payload(message) is check


@pytest.mark.parametrize("kind", MessageType)
def test_every_type_has_a_payload_of_its_own(kind):
    name = kind.lower()

    message = msgspec.structs.replace(AirbyteMessage(type=kind), **{name: LOG})

    assert payload(message) is LOG


def test_a_message_made_without_its_payload_has_none():
    assert payload(AirbyteMessage(type=MessageType.RECORD, log=LOG)) is None


def test_a_record_knows_its_stream():
    record = AirbyteRecordMessage(
        stream="users", namespace="public", data=msgspec.Raw(b"{}"), emitted_at=1
    )

    assert record.descriptor == StreamDescriptor("users", "public")


def test_unknown_fields_are_ignored():
    raw = b'{"type":"LOG","log":{"level":"INFO","message":"m","x":[1]},"y":{"z":null}}'

    message = msgspec.json.decode(raw, type=AirbyteMessage)

    assert message == AirbyteMessage(type=MessageType.LOG, log=LOG)


def test_keys_are_written_as_the_protocol_spells_them():
    check = AirbyteMessage(
        type=MessageType.CONNECTION_STATUS, connection_status=AirbyteConnectionStatus(Status.FAILED)
    )
    control = AirbyteControlMessage(
        type=OrchestratorType.CONNECTOR_CONFIG,
        emitted_at=1,
        connector_config=protocol.AirbyteControlConnectorConfigMessage({"a": 1}),
    )

    assert protocol.to_data(check) == {
        "type": "CONNECTION_STATUS",
        "connectionStatus": {"status": "FAILED"},
    }
    assert protocol.to_data(control) == {
        "type": "CONNECTOR_CONFIG",
        "emitted_at": 1,
        "connectorConfig": {"config": {"a": 1}},
    }


def test_all_that_is_exported_exists_once():
    names = protocol.__all__

    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(protocol, name)] == []
