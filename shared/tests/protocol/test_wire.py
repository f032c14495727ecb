from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.protocol import (
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStreamState,
    MessageType,
    StreamDescriptor,
    to_data,
    to_wire,
)

RECORD = AirbyteMessage(
    type=MessageType.RECORD,
    record=AirbyteRecordMessage(
        stream="users", data=msgspec.Raw(b'{"id":1.0, "name":null}'), emitted_at=2
    ),
)


def test_what_is_none_is_left_out():
    assert to_wire(StreamDescriptor("users")) == b'{"name":"users"}'


def test_raw_data_is_written_as_it_is():
    assert to_wire(RECORD) == (
        b'{"type":"RECORD","record":{"stream":"users","data":{"id":1.0, "name":null},"emitted_at":2}}'
    )


def test_a_null_in_a_connectors_own_data_stays():
    state = AirbyteStreamState(
        stream_descriptor=StreamDescriptor("users"), stream_state={"cursor": None}
    )

    assert to_data(state)["stream_state"] == {"cursor": None}


def test_data_has_nothing_raw_in_it():
    assert to_data(RECORD) == {
        "type": "RECORD",
        "record": {"stream": "users", "data": {"id": 1.0, "name": None}, "emitted_at": 2},
    }


@pytest.mark.parametrize("number", [2**64, -(10**40), 0], ids=["64 bits", "40 digits", "zero"])
def test_integers_stay_exact(number):
    state = AirbyteStreamState(
        stream_descriptor=StreamDescriptor("users"), stream_state={"cursor": number}
    )

    assert to_data(state)["stream_state"]["cursor"] == number


def test_a_protocol_value_cannot_be_changed():
    with pytest.raises(AttributeError):
        StreamDescriptor("users").name = "orders"
