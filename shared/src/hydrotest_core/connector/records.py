"""One record as it lies in the file of its stream: read as far as it is asked for."""

from __future__ import annotations

from typing import Any

import msgspec

from hydrotest_core.protocol.lines import Problem, ProblemKind, parse_line
from hydrotest_core.protocol.messages import AirbyteRecordMessage

__all__ = ["RecordLine", "read_data", "read_record"]

_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class RecordLine(msgspec.Struct, frozen=True, kw_only=True):
    """One record of an execution, and where it stands.

    Attributes:
        line: Its line in `artifact`, from 1.
        artifact: The file, relative to the execution's folder: `records/000.jsonl`.
        emitted_at: ms since epoch, UTC.
        data: The record, a JSON object not yet decoded; see `read_data`.
        raw: The whole line, without the line feed.
    """

    line: int
    artifact: str
    emitted_at: int
    data: msgspec.Raw
    raw: bytes


class _Envelope(msgspec.Struct):
    record: AirbyteRecordMessage


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def read_record(raw: bytes) -> AirbyteRecordMessage | None:
    """Read a line that was written down as a record; `None` when it is none after all."""
    try:
        return _ENVELOPE.decode(raw).record
    except _REFUSED:
        # Maybe a record in an unusual spelling, `"emitted_at": 1e3`.
        message = parse_line(raw, 1).message
        return message.record if message else None


def read_data(record: RecordLine) -> dict[str, Any] | Problem:
    """Decode the data of a record, or say why that can't be done.

    When a record is written down its data is an object of well-formed JSON, in UTF-8,
    and not nested too deep. What is left is a number too big to be read, `1e400` or
    5,000 digits: a rule that reads records reports it.
    """
    try:
        return _OBJECT.decode(record.data)
    except _REFUSED as exc:
        problem = parse_line(record.raw, record.line).problem
        return problem or Problem(ProblemKind.BAD_MESSAGE, f"The data can't be read: {exc}.")
