r"""Sentences about what is wrong with a line, for people who never read a parser's source.

All of them are plain ASCII, whatever the connector wrote: its text stands in them
escaped and shortened. Bytes are counted from 1.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import msgspec

from hydrotest_core.protocol.messages import payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hydrotest_core.protocol.messages import AirbyteMessage

__all__ = [
    "bad_data",
    "bad_utf8",
    "invalid",
    "missing_payload",
    "no_json",
    "no_type",
    "not_an_object",
    "not_json",
    "unknown_type",
]

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_LONGEST_QUOTE = 60


def bad_utf8(raw: bytes, exc: UnicodeDecodeError) -> str:
    """Say which byte isn't UTF-8."""
    if raw.startswith(_UTF16_MARKS):
        return "The line is UTF-16 (it starts with a byte order mark); it must be UTF-8."
    return f"Byte {exc.start + 1} (0x{raw[exc.start]:02x}) is not valid UTF-8."


def not_json(raw: bytes, exc: msgspec.DecodeError) -> str:
    """Say why a line that isn't empty can't be read as JSON."""
    if not raw.lstrip().startswith(b"{"):
        return no_json(raw)
    reason = str(exc)
    found = re.search(r"\(byte (\d+)\)", reason)
    at = int(found[1]) if found else len(raw)
    return (
        _wrong_encoding(raw)
        or _lone_surrogate(raw, reason)
        or _no_json_number(raw, at)
        or _too_big(raw, reason)
        or _in_other_words(reason, at)
    )


def no_json(raw: bytes) -> str:
    """Say what a line is that has nothing of JSON."""
    return _wrong_encoding(raw) or (
        "The line is not JSON: it looks like text for the log, "
        "which belongs on stderr or in a LOG message."
    )


def _wrong_encoding(raw: bytes) -> str | None:
    if raw.startswith(_UTF8_MARK):
        return "The line starts with a byte order mark; JSON must not have one."
    if b"\0" in raw[:4]:
        return "The line starts with a NUL byte or looks like UTF-16; it must be UTF-8."
    return None


_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def _lone_surrogate(raw: bytes, reason: str) -> str | None:
    r"""Find an escape like `\ud800` without its other half.

    msgspec's own words for it depend on what happens to follow.
    """
    if not re.search("surrogate|hex escape|escaped|truncated", reason):
        return None
    high: re.Match[bytes] | None = None
    for escape in _ESCAPE.finditer(raw):
        code = int(escape[1] or b"0", 16)
        is_low = 0xDC00 <= code < 0xE000  # noqa: PLR2004 - Unicode's own borders
        is_second = is_low and high is not None and high.end() == escape.start()
        if is_second:
            high = None
        elif is_low or high:
            return _half_a_character(high or escape)
        elif 0xD800 <= code < 0xDC00:  # noqa: PLR2004 - the same
            high = escape
    return _half_a_character(high) if high else None


def _half_a_character(escape: re.Match[bytes]) -> str:
    return (
        f"Byte {escape.start() + 1}: {escape[0].decode()} is one half of a surrogate pair "
        "without the other half."
    )


_NO_JSON_NUMBER = re.compile(rb"-?(NaN|Infinity)")


def _no_json_number(raw: bytes, at: int) -> str | None:
    # msgspec takes the sign for the begin of a number, and stops behind it.
    start = at - 1 if raw[at - 1 : at] == b"-" else at
    found = _NO_JSON_NUMBER.match(raw, start)
    if not found:
        return None
    return f"Byte {start + 1}: {found[0].decode()} is not JSON; write null instead."


# A string that isn't closed goes to the end: looking for others inside it would take ages.
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|(-?[0-9][0-9.eE+-]*+)', re.DOTALL)


def _too_big(raw: bytes, reason: str) -> str | None:
    if "out of range" not in reason:
        return None
    numbers = (token for token in _STRING_OR_NUMBER.finditer(raw) if token[1])
    at = next((token.start() for token in numbers if not _is_readable(token[1])), None)
    return None if at is None else f"Byte {at + 1}: the number is too big to be read."


def _is_readable(number: bytes) -> bool:
    try:
        msgspec.json.decode(number)
    except msgspec.DecodeError:
        return False
    return True


def _in_other_words(reason: str, at: int) -> str:
    if "trailing characters" in reason:
        # Here msgspec counts the byte it has just read.
        return f"More text follows the JSON at byte {at}; each message needs its own line."
    if "truncated" in reason:
        return "The JSON breaks off at the end of the line."
    told = re.sub(r"^JSON is malformed: | \(byte \d+\)$", "", reason)
    return f"The JSON is broken at byte {at + 1}: {told}."


_JSON_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def not_an_object(value: object) -> str:
    """Say what the line is instead of an object."""
    return f"The line is JSON, but {_JSON_KINDS[type(value)]}; a message is an object."


def no_type(value: Mapping[str, object]) -> str:
    """Say that an object has no usable `type`."""
    if "type" not in value:
        return "The object has no key `type`, so it is no message."
    return f"The key `type` must be a string, not {_JSON_KINDS[type(value['type'])]}."


def unknown_type(kind: str, known: Sequence[str]) -> str:
    """Say that a type isn't in the protocol, and which one may have been meant."""
    near = difflib.get_close_matches(kind[:_LONGEST_QUOTE].upper(), known, 1)
    hint = f" Was {near[0]} meant?" if near else ""
    return f"The protocol has no message type '{_quote(kind)}'.{hint}"


_TYPE_WORDS = {
    "null": "null",
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "array": "a list",
    "object": "an object",
}


def missing_payload(message: AirbyteMessage, key: str) -> str:
    """Say which key a message of this type can't be without."""
    kind = getattr(payload(message), "type", None)
    name = f"{message.type} ({kind})" if kind else str(message.type)
    return f"A {name} message must have the key `{key}`."


def bad_data(data: object) -> str:
    """Say that a record's data isn't an object."""
    return f"`record.data` must be an object, not {_JSON_KINDS[type(data)]}."


def invalid(exc: msgspec.ValidationError) -> str:
    """Say which key of a message isn't as the protocol has it."""
    reason, _, place = str(exc).partition(" - at `$")
    path = place.rstrip("`").lstrip(".")
    # The path has names of the protocol only, so it needs no escaping.
    key = f"`{path}`" if path else "the message"
    if missing := re.fullmatch("Object missing required field `(.*)`", reason):
        text = f"{key} must have the key `{missing[1]}`."
    elif wrong := re.fullmatch("Expected `(.*)`, got `(.*)`", reason):
        got = "a number with a fraction" if wrong[2] == "float" else _in_words(wrong[2])
        text = f"{key} must be {_in_words(wrong[1])}, not {got}."
    elif unknown := re.fullmatch("Invalid enum value (.*)", reason):
        text = f"{key} has a value that the protocol doesn't know: {_short(unknown[1])}."
    elif re.fullmatch("Expected `array` of length >= 1", reason):
        text = f"{key} must not be empty."
    else:
        text = f"{key}: {_quote(reason)}."
    return text[0].upper() + text[1:]


def _in_words(kinds: str) -> str:
    return " or ".join(_TYPE_WORDS.get(kind, kind) for kind in kinds.split(" | "))


def _quote(text: str) -> str:
    """Escape and shorten text that the connector wrote."""
    return _short(text.encode("unicode_escape").decode("ascii"))


def _short(text: str) -> str:
    shown = text[:_LONGEST_QUOTE].encode("ascii", "backslashreplace").decode("ascii")
    return shown if len(text) <= _LONGEST_QUOTE else f"{shown}..."
