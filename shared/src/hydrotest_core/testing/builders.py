"""Messages of the Airbyte protocol as plain data, with only what the test is about in sight.

```python
lines = [a_record("users", id=1), a_state("users", {"id": 1}), a_stream_status("users")]
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "EMITTED_AT_MS",
    "a_catalog",
    "a_configured_catalog",
    "a_connection_status",
    "a_legacy_state",
    "a_log",
    "a_record",
    "a_spec",
    "a_state",
    "a_stream",
    "a_stream_status",
    "a_trace_error",
    "as_line",
]

EMITTED_AT_MS: Final = 1_767_225_600_000
"""2026-01-01, UTC."""

Message = dict[str, Any]


def as_line(message: Mapping[str, Any]) -> bytes:
    """Return a message as it goes over the wire, without the line's end."""
    return msgspec.json.encode(message)


def a_record(
    stream: str,
    /,
    data: Mapping[str, Any] | None = None,
    *,
    namespace_: str | None = None,
    emitted_at_: int = EMITTED_AT_MS,
    **fields: Any,
) -> Message:
    """Return a RECORD; its fields stand as keywords, or in `data` where they can't."""
    record = {
        "stream": stream,
        "data": {**(data or {}), **fields},
        "emitted_at": emitted_at_,
        **_given(namespace=namespace_),
    }
    return {"type": "RECORD", "record": record}


def a_state(
    stream: str,
    state: Mapping[str, Any] | None = None,
    *,
    namespace: str | None = None,
    record_count: float | None = None,
) -> Message:
    """Return a STATE of one stream; with `record_count` it has source statistics."""
    descriptor = {"name": stream, **_given(namespace=namespace)}
    statistics = None if record_count is None else {"recordCount": record_count}
    content = {
        "type": "STREAM",
        "stream": {"stream_descriptor": descriptor, "stream_state": dict(state or {})},
        **_given(sourceStats=statistics),
    }
    return {"type": "STATE", "state": content}


def a_legacy_state(**data: Any) -> Message:
    """Return a STATE of the first kind: one object for all streams, without a type."""
    return {"type": "STATE", "state": {"data": data}}


def a_log(message: str, level: str = "INFO", *, stack_trace: str | None = None) -> Message:
    """Return a LOG."""
    return {
        "type": "LOG",
        "log": {"level": level, "message": message, **_given(stack_trace=stack_trace)},
    }


def a_stream_status(
    stream: str, status: str = "COMPLETE", *, namespace: str | None = None
) -> Message:
    """Return a TRACE that says how far a stream is: STARTED, RUNNING, COMPLETE, INCOMPLETE."""
    descriptor = {"name": stream, **_given(namespace=namespace)}
    return _a_trace(
        "STREAM_STATUS", stream_status={"stream_descriptor": descriptor, "status": status}
    )


def a_trace_error(
    message: str,
    *,
    failure_type: str | None = "system_error",
    internal_message: str | None = None,
    stream: str | None = None,
) -> Message:
    """Return a TRACE of an error; with `stream` it is that stream's."""
    error = {
        "message": message,
        **_given(
            failure_type=failure_type,
            internal_message=internal_message,
            stream_descriptor={"name": stream} if stream else None,
        ),
    }
    return _a_trace("ERROR", error=error)


def _a_trace(kind: str, **content: Any) -> Message:
    return {"type": "TRACE", "trace": {"type": kind, "emitted_at": EMITTED_AT_MS, **content}}


def a_connection_status(status: str = "SUCCEEDED", message: str | None = None) -> Message:
    """Return the answer to `check`."""
    return {
        "type": "CONNECTION_STATUS",
        "connectionStatus": {"status": status, **_given(message=message)},
    }


def a_spec(
    properties: Mapping[str, Any] | None = None, *, required: Sequence[str] = (), **more: Any
) -> Message:
    """Return the answer to `spec`; `more` stands beside the connection specification."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": list(required),
        "properties": dict(properties or {}),
    }
    return {"type": "SPEC", "spec": {"connectionSpecification": schema, **more}}


def a_stream(
    name: str,
    properties: Mapping[str, Any] | None = None,
    *,
    sync_modes: Sequence[str] = ("full_refresh",),
    **more: Any,
) -> dict[str, Any]:
    """Return a stream as `discover` describes it; `more` as the protocol spells it."""
    return {
        "name": name,
        "json_schema": {"type": "object", "properties": dict(properties or {})},
        "supported_sync_modes": list(sync_modes),
        **more,
    }


def a_catalog(*streams: str | Mapping[str, Any]) -> Message:
    """Return the answer to `discover`; a name alone is a stream without properties."""
    return {"type": "CATALOG", "catalog": {"streams": [_as_stream(one) for one in streams]}}


def a_configured_catalog(
    *streams: str | Mapping[str, Any], sync_mode: str = "full_refresh"
) -> dict[str, Any]:
    """Return a configured catalog that reads all streams in one mode."""
    return {
        "streams": [
            {
                "stream": _as_stream(one),
                "sync_mode": sync_mode,
                "destination_sync_mode": "append",
            }
            for one in streams
        ]
    }


def _as_stream(stream: str | Mapping[str, Any]) -> dict[str, Any]:
    return a_stream(stream) if isinstance(stream, str) else dict(stream)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
