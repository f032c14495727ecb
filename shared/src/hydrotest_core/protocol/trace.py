"""Traces: errors, estimates, stream statuses and analytics.

Times are ms since epoch, UTC. Source: Airbyte protocol, as published in
`airbyte-protocol-models` 0.18.
"""

from __future__ import annotations

import enum

from hydrotest_core.protocol.catalog import StreamDescriptor
from hydrotest_core.protocol.wire import WireStruct

__all__ = [
    "AirbyteAnalyticsTraceMessage",
    "AirbyteErrorTraceMessage",
    "AirbyteEstimateTraceMessage",
    "AirbyteStreamStatus",
    "AirbyteStreamStatusRateLimitedReason",
    "AirbyteStreamStatusReason",
    "AirbyteStreamStatusReasonType",
    "AirbyteStreamStatusTraceMessage",
    "AirbyteTraceMessage",
    "EstimateType",
    "FailureType",
    "TraceType",
]


class TraceType(enum.StrEnum):
    """The types of trace message."""

    ERROR = "ERROR"
    ESTIMATE = "ESTIMATE"
    STREAM_STATUS = "STREAM_STATUS"
    ANALYTICS = "ANALYTICS"


class FailureType(enum.StrEnum):
    """Who must act on an error: the connector's author, the user, or nobody yet."""

    SYSTEM_ERROR = "system_error"
    CONFIG_ERROR = "config_error"
    TRANSIENT_ERROR = "transient_error"


class AirbyteErrorTraceMessage(WireStruct, frozen=True, kw_only=True):
    """Why a connector gave up.

    Attributes:
        message: For the user.
        internal_message: For the connector's author.
        stream_descriptor: The stream it gave up on, where it is known.
    """

    message: str
    internal_message: str | None = None
    stack_trace: str | None = None
    failure_type: FailureType | None = None
    stream_descriptor: StreamDescriptor | None = None


class EstimateType(enum.StrEnum):
    """Whether an estimate is of one stream or of the whole sync."""

    STREAM = "STREAM"
    SYNC = "SYNC"


class AirbyteEstimateTraceMessage(WireStruct, frozen=True, kw_only=True):
    """How much the source thinks it will read."""

    name: str
    type: EstimateType
    namespace: str | None = None
    row_estimate: int | None = None
    byte_estimate: int | None = None


class AirbyteStreamStatus(enum.StrEnum):
    """The life of a stream in a sync."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


class AirbyteStreamStatusReasonType(enum.StrEnum):
    """Why a stream has the status it has."""

    RATE_LIMITED = "RATE_LIMITED"


class AirbyteStreamStatusRateLimitedReason(WireStruct, frozen=True):
    """When the API's quota is filled up again, if the connector knows."""

    quota_reset: int | None = None


class AirbyteStreamStatusReason(WireStruct, frozen=True):
    """One reason for a stream's status."""

    type: AirbyteStreamStatusReasonType
    rate_limited: AirbyteStreamStatusRateLimitedReason | None = None


class AirbyteStreamStatusTraceMessage(WireStruct, frozen=True, kw_only=True):
    """A stream has come to a new stage of its life."""

    stream_descriptor: StreamDescriptor
    status: AirbyteStreamStatus
    reasons: list[AirbyteStreamStatusReason] | None = None


class AirbyteAnalyticsTraceMessage(WireStruct, frozen=True):
    """An event for the platform's own statistics."""

    type: str
    value: str | None = None


class AirbyteTraceMessage(WireStruct, frozen=True, kw_only=True):
    """Something about the sync rather than its data.

    Attributes:
        emitted_at: ms since epoch, UTC; a fraction is allowed here, unlike in a record.
    """

    type: TraceType
    emitted_at: float
    error: AirbyteErrorTraceMessage | None = None
    estimate: AirbyteEstimateTraceMessage | None = None
    stream_status: AirbyteStreamStatusTraceMessage | None = None
    analytics: AirbyteAnalyticsTraceMessage | None = None
