from __future__ import annotations

import msgspec

from hydrotest_core.protocol import (
    AirbyteStateMessage,
    AirbyteStateType,
    StreamDescriptor,
    to_data,
)


def read(data: object) -> AirbyteStateMessage:
    return msgspec.json.decode(msgspec.json.encode(data), type=AirbyteStateMessage)


def test_a_global_state_is_read_and_written_under_its_own_key():
    written = {
        "type": "GLOBAL",
        "global": {
            "stream_states": [
                {"stream_descriptor": {"name": "a"}, "stream_state": {"x": 1}},
                {"stream_descriptor": {"name": "b", "namespace": "n"}},
            ],
            "shared_state": {"lsn": 2**70},
        },
    }

    state = read(written)

    assert state.type is AirbyteStateType.GLOBAL
    assert state.global_ is not None
    assert state.global_.shared_state == {"lsn": 2**70}
    first, second = state.global_.stream_states
    assert (first.stream_state, second.stream_state) == ({"x": 1}, None)
    assert second.stream_descriptor == StreamDescriptor("b", "n")
    assert to_data(state) == written


def test_counts_are_floats_however_they_are_written():
    state = read({"data": {}, "sourceStats": {"recordCount": 5, "rejectedRecordCount": 1.0}})

    assert state.source_stats is not None
    assert repr(state.source_stats.record_count) == "5.0"
    assert state.source_stats.rejected_record_count == 1.0
    assert state.destination_stats is None


def test_an_old_state_has_no_type():
    assert read({"data": {"users": {"cursor": "1"}}}).type is None
