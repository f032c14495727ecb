"""From one line of a connector's output to a message, or to the problem it has.

A line that isn't a message is evidence like any other: it is kept with its number
and its bytes, and a rule judges it. That is why nothing here raises.
"""

from __future__ import annotations

import enum
import itertools
import re
from typing import Any

import msgspec

from hydrotest_core.protocol import diagnosis
from hydrotest_core.protocol.messages import (
    AirbyteControlMessage,
    AirbyteMessage,
    MessageType,
    payload,
)
from hydrotest_core.protocol.state import AirbyteStateMessage, AirbyteStateType
from hydrotest_core.protocol.trace import AirbyteTraceMessage

__all__ = [
    "MAX_DEPTH",
    "MAX_LINE_BYTES",
    "Line",
    "Problem",
    "ProblemKind",
    "looks_like_message",
    "parse_line",
]

MAX_DEPTH = 512
"""How deep objects and lists may be nested in one another; parsers recurse."""

MAX_LINE_BYTES = 64 * 1024 * 1024
"""How long a line may be; more than the 20,000,000 characters the platform warns about."""


class ProblemKind(enum.StrEnum):
    """What keeps a line from being a message.

    Attributes:
        NOT_JSON: No JSON at all, broken JSON, or JSON with a number too big to read.
        NOT_AN_OBJECT: JSON, but a list, a string, a number, …
        NOT_A_MESSAGE: An object whose `type` is missing or no string.
        UNKNOWN_TYPE: Its `type` isn't one of the protocol's.
        BAD_MESSAGE: Its payload is missing, or not as the protocol has it.
        BAD_UTF8: Bytes that are no text.
        TOO_DEEP: Nested deeper than `MAX_DEPTH`.
        TOO_LONG: Longer than `MAX_LINE_BYTES`; its content wasn't looked at.
        EMPTY: Nothing but white space.
    """

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NOT_A_MESSAGE = "not_a_message"
    UNKNOWN_TYPE = "unknown_type"
    BAD_MESSAGE = "bad_message"
    BAD_UTF8 = "bad_utf8"
    TOO_DEEP = "too_deep"
    TOO_LONG = "too_long"
    EMPTY = "empty"


class Problem(msgspec.Struct, frozen=True):
    """Why a line is no message.

    Attributes:
        kind: What sort of problem it is.
        detail: One plain ASCII sentence; bytes in it are counted from 1.
    """

    kind: ProblemKind
    detail: str


class Line(msgspec.Struct, frozen=True):
    """One line of stdout: either `message` or `problem` is set.

    A struct and not a dataclass, since one is made for each record.

    Attributes:
        number: Its place in the output, from 1.
        raw: Its bytes as they came.
    """

    number: int
    raw: bytes
    message: AirbyteMessage | None
    problem: Problem | None


# A brace, also behind a byte order mark, in UTF-16, or as UTF-16 cut at its line feeds.
_BEGINS = (b"{", b"\xef\xbb\xbf{", b"\xff\xfe", b"\xfe\xff", b"\0{")


def looks_like_message(raw: bytes) -> bool:
    """Tell a line that was meant to be a message from text that nobody will miss.

    The platform logs the one and loses the other.
    """
    start = raw.lstrip(b" \t\r") if raw[:1].isspace() else raw
    return start.startswith(_BEGINS)


def parse_line(raw: bytes, number: int) -> Line:
    """Read one line; its line end may still be there.

    A line with a message is valid UTF-8, and the data of its record is a JSON object
    that `msgspec.json.decode` reads. Values are taken as they stand, a number is no
    string, with one exception: `1.0` and `1e3` are integers, as in JSON schema.

    Not looked for: duplicate keys (the last one counts), and numbers too big to read
    in fields that the protocol doesn't know.

    Args:
        raw: The line.
        number: Its place in the output, from 1.

    Returns:
        The line with its message or its problem; nothing is raised.
    """
    try:
        found = _read(raw)
    except RecursionError:  # With a deep stack already, less than MAX_DEPTH is too much.
        found = _TOO_DEEP
    if isinstance(found, Problem):
        return Line(number, raw, None, found)
    return Line(number, raw, found, None)


def _read(raw: bytes) -> AirbyteMessage | Problem:
    flaw = _flaw_of_bytes(raw)
    if flaw is not None:
        return flaw
    try:
        return _check(_MESSAGE.decode(raw))
    except msgspec.ValidationError as exc:
        return _explain(raw, exc)
    except msgspec.DecodeError as exc:
        return _not_json(raw, exc)


def _flaw_of_bytes(raw: bytes) -> Problem | None:
    if len(raw) > MAX_LINE_BYTES:
        return _too_long(raw)
    try:
        # msgspec checks only the text that it decodes, not raw data and unknown fields.
        raw.decode()
    except UnicodeDecodeError as exc:
        return Problem(ProblemKind.BAD_UTF8, diagnosis.bad_utf8(raw, exc))
    # Nearly all that isn't JSON is text, which needs no parser to be told.
    if raw and raw[0] not in _JSON_STARTS:
        return Problem(ProblemKind.NOT_JSON, diagnosis.no_json(raw))
    # A shorter line can only be too deep by leaving its brackets open: broken JSON.
    is_long = len(raw) > 2 * MAX_DEPTH
    return _TOO_DEEP if is_long and _is_too_deep(raw) else None


def _too_long(raw: bytes) -> Problem:
    text = f"The line has {len(raw)} bytes; at most {MAX_LINE_BYTES} are read."
    return Problem(ProblemKind.TOO_LONG, text)


_TOO_DEEP = Problem(
    ProblemKind.TOO_DEEP, f"Objects and lists are nested more than {MAX_DEPTH} levels deep."
)

_JSON_STARTS = frozenset(b'{["-0123456789tfn \t\r\n')
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)


def _is_too_deep(raw: bytes) -> bool:
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", raw).translate(None, _NOT_BRACKETS)
    depths = itertools.accumulate(map(_STEPS.__getitem__, brackets))
    return any(depth > MAX_DEPTH for depth in depths)


_MESSAGE = msgspec.json.Decoder(AirbyteMessage)
_LENIENT = msgspec.json.Decoder(AirbyteMessage, strict=False)
_ANY = msgspec.json.Decoder()


def _not_json(raw: bytes, exc: msgspec.DecodeError) -> Problem:
    if not raw.strip(b" \t\r\n"):
        return Problem(ProblemKind.EMPTY, "The line is empty.")
    return Problem(ProblemKind.NOT_JSON, diagnosis.not_json(raw, exc))


def _check(message: AirbyteMessage) -> AirbyteMessage | Problem:
    """Check what msgspec has left: raw data, and that the payload is there.

    Raises:
        msgspec.ValidationError: A number in the data is too big to be read.
    """
    if message.record is not None:
        data = _ANY.decode(message.record.data)
        if not isinstance(data, dict):
            return Problem(ProblemKind.BAD_MESSAGE, diagnosis.bad_data(data))
    key = _missing_key(message)
    if key is None:
        return message
    return Problem(ProblemKind.BAD_MESSAGE, diagnosis.missing_payload(message, key))


def _missing_key(message: AirbyteMessage) -> str | None:
    """Return the path of the key that the message's type asks for and that isn't there."""
    if message.record is not None and message.type is MessageType.RECORD:
        return None  # By far the most frequent, so it is asked first.
    found = payload(message)
    if found is None:
        is_status = message.type is MessageType.CONNECTION_STATUS
        return "connectionStatus" if is_status else message.type.lower()
    if isinstance(found, AirbyteTraceMessage):
        key = found.type.lower()
        return None if getattr(found, key) else f"trace.{key}"
    if isinstance(found, AirbyteControlMessage):
        return None if found.connector_config else "control.connectorConfig"
    return _missing_state(found) if isinstance(found, AirbyteStateMessage) else None


def _missing_state(state: AirbyteStateMessage) -> str | None:
    if state.type is AirbyteStateType.STREAM:
        return None if state.stream else "state.stream"
    if state.type is AirbyteStateType.GLOBAL:
        return None if state.global_ else "state.global"
    # Old connectors leave the type out; then anything to go on from will do.
    is_there = state.data is not None or state.stream or state.global_
    return None if is_there else "state.data"


def _explain(raw: bytes, exc: msgspec.ValidationError) -> AirbyteMessage | Problem:
    """Find out what is wrong with a line that is no message, or if it is one after all."""
    try:
        # msgspec stops at the first wrong type; only now is the rest known to be JSON.
        written = _ANY.decode(raw)
    except msgspec.DecodeError as broken:
        return _not_json(raw, broken)
    return (
        _flaw_of_envelope(written)
        or _with_whole_numbers(raw, written, exc)
        or Problem(ProblemKind.BAD_MESSAGE, diagnosis.invalid(exc))
    )


def _flaw_of_envelope(written: object) -> Problem | None:
    if not isinstance(written, dict):
        return Problem(ProblemKind.NOT_AN_OBJECT, diagnosis.not_an_object(written))
    kind = written.get("type")
    if not isinstance(kind, str):
        return Problem(ProblemKind.NOT_A_MESSAGE, diagnosis.no_type(written))
    if kind not in MessageType.__members__:
        return Problem(ProblemKind.UNKNOWN_TYPE, diagnosis.unknown_type(kind, list(MessageType)))
    return None


def _with_whole_numbers(
    raw: bytes, written: object, exc: msgspec.ValidationError
) -> AirbyteMessage | Problem | None:
    """Read `1.0` and `1e3` as the integers they are; `None` where that isn't the trouble."""
    if not str(exc).startswith("Expected `int") or "got `float`" not in str(exc):
        return None
    try:
        message = _LENIENT.decode(raw)
    except msgspec.ValidationError as other:
        return Problem(ProblemKind.BAD_MESSAGE, diagnosis.invalid(other))
    return _check(message) if _is_same(message, written) else None


def _is_same(read: object, written: Any) -> bool:
    """Tell whether msgspec, being lenient, changed nothing but `1.0` to `1`."""
    if isinstance(read, msgspec.Struct):
        return all(
            _is_same(getattr(read, field.name), written[field.encode_name])
            for field in msgspec.structs.fields(read)
            if field.encode_name in written
        )
    if isinstance(read, list):
        return all(map(_is_same, read, written))
    if isinstance(read, msgspec.Raw):
        return True
    # To Python True is 1, to JSON it isn't.
    return isinstance(read, bool) == isinstance(written, bool) and bool(read == written)
