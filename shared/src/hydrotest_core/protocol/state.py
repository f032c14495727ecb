"""States: where a source has got to, and where it shall go on.

Source: Airbyte protocol, as published in `airbyte-protocol-models` 0.18.
"""

from __future__ import annotations

import enum
from typing import Any, TypeAlias

from hydrotest_core.protocol.catalog import StreamDescriptor
from hydrotest_core.protocol.wire import WireStruct

__all__ = [
    "AirbyteGlobalState",
    "AirbyteStateBlob",
    "AirbyteStateMessage",
    "AirbyteStateStats",
    "AirbyteStateType",
    "AirbyteStreamState",
]

AirbyteStateBlob: TypeAlias = dict[str, Any]
"""What a connector remembers: any JSON object, integers exact whatever their size."""


class AirbyteStateType(enum.StrEnum):
    """How much one state message covers."""

    GLOBAL = "GLOBAL"
    STREAM = "STREAM"
    LEGACY = "LEGACY"


class AirbyteStreamState(WireStruct, frozen=True, kw_only=True):
    """The state of one stream; without `stream_state` it is to start anew."""

    stream_descriptor: StreamDescriptor
    stream_state: AirbyteStateBlob | None = None


class AirbyteGlobalState(WireStruct, frozen=True, kw_only=True):
    """The state of all streams at once, with what they share."""

    stream_states: list[AirbyteStreamState]
    shared_state: AirbyteStateBlob | None = None


class AirbyteStateStats(
    WireStruct,
    frozen=True,
    kw_only=True,
    rename={"record_count": "recordCount", "rejected_record_count": "rejectedRecordCount"},
):
    """Records since the previous state of the same stream; whole numbers, as floats."""

    record_count: float | None = None
    rejected_record_count: float | None = None


class AirbyteStateMessage(
    WireStruct,
    frozen=True,
    kw_only=True,
    rename={
        "global_": "global",
        "source_stats": "sourceStats",
        "destination_stats": "destinationStats",
    },
):
    """One checkpoint.

    Attributes:
        type: `None` is how `LEGACY` used to be written.
        stream: The state, for `STREAM`.
        global_: The state, for `GLOBAL`.
        data: The state, for `LEGACY`; deprecated.
        source_stats: What the source counted.
        destination_stats: What the destination counted.
    """

    type: AirbyteStateType | None = None
    stream: AirbyteStreamState | None = None
    global_: AirbyteGlobalState | None = None
    data: dict[str, Any] | None = None
    source_stats: AirbyteStateStats | None = None
    destination_stats: AirbyteStateStats | None = None
