from __future__ import annotations

import msgspec

from hydrotest_core.protocol import (
    AirbyteStreamStatus,
    AirbyteStreamStatusReasonType,
    AirbyteTraceMessage,
    EstimateType,
    FailureType,
    StreamDescriptor,
    TraceType,
)


def read(raw: bytes) -> AirbyteTraceMessage:
    return msgspec.json.decode(raw, type=AirbyteTraceMessage)


def test_an_error_names_its_stream_and_who_must_act():
    trace = read(
        b'{"type":"ERROR","emitted_at":1700000000000.5,"error":{"message":"m",'
        b'"failure_type":"config_error","stream_descriptor":{"name":"users"}}}'
    )

    assert trace.type is TraceType.ERROR
    assert trace.emitted_at == 1700000000000.5
    assert trace.error is not None
    assert trace.error.failure_type is FailureType.CONFIG_ERROR
    assert trace.error.stream_descriptor == StreamDescriptor("users")


def test_a_status_may_have_reasons():
    trace = read(
        b'{"type":"STREAM_STATUS","emitted_at":1,"stream_status":{"status":"RUNNING",'
        b'"stream_descriptor":{"name":"users"},"reasons":[{"type":"RATE_LIMITED"},'
        b'{"type":"RATE_LIMITED","rate_limited":{"quota_reset":5}}]}}'
    )

    status = trace.stream_status
    assert status is not None
    assert status.status is AirbyteStreamStatus.RUNNING
    assert status.reasons is not None
    first, second = status.reasons
    assert first.type is AirbyteStreamStatusReasonType.RATE_LIMITED
    assert first.rate_limited is None
    assert second.rate_limited is not None
    assert second.rate_limited.quota_reset == 5


def test_an_estimate_and_an_event_are_read():
    estimate = read(
        b'{"type":"ESTIMATE","emitted_at":1,"estimate":{"name":"users","type":"SYNC","row_estimate":9}}'
    ).estimate
    event = read(
        b'{"type":"ANALYTICS","emitted_at":1,"analytics":{"type":"db","value":"12"}}'
    ).analytics

    assert estimate is not None
    assert (estimate.type, estimate.row_estimate) == (EstimateType.SYNC, 9)
    assert event is not None
    assert (event.type, event.value) == ("db", "12")
