from __future__ import annotations

import json
import math
import re
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from hydrotest_core.protocol import (
    Line,
    MessageType,
    ProblemKind,
    looks_like_message,
    parse_line,
)
from hydrotest_core.protocol import lines as lines_module
from hydrotest_core.protocol.lines import MAX_DEPTH

LOG = b'{"type":"LOG","log":{"level":"INFO","message":"m"}}'


def a_record(data: bytes = b"{}", *, emitted_at: bytes = b"1", more: bytes = b"") -> bytes:
    return b'{"type":"RECORD","record":{"stream":"users","emitted_at":%b,"data":%b}%b}' % (
        emitted_at,
        data,
        more,
    )


def nested(levels: int) -> bytes:
    """Make data that is as deep as said; the message around it adds two levels."""
    return b'{"a":' * (levels - 2) + b"1" + b"}" * (levels - 2)


READABLE = {
    "a record": a_record(),
    "a carriage return before the line feed": LOG + b"\r",
    "its line end": LOG + b"\r\n",
    "leading blanks": b" \t" + LOG,
    "integers of any size": a_record(b'{"a":18446744073709551616,"b":-%b}' % (b"9" * 4000)),
    "a number too small to be read": a_record(b'{"a":1e-400}'),
    "duplicate keys": a_record(b'{"a":1,"a":2}'),
    "unknown keys": a_record(more=b',"x":{"record":null}'),
    "other characters": a_record('{"é\u2028":"\x7f\x85\U0001f600"}'.encode()),
    "a pair of surrogates": a_record(b'{"a":"\\ud83d\\ude00"}'),
    "an escaped backslash before u": a_record(b'{"a":"\\\\ud800"}'),
    "nesting as deep as allowed": a_record(nested(MAX_DEPTH)),
    "brackets in text": a_record(b'{"a":"%b"}' % (b'[{\\"' * 1000)),
    "brackets side by side": a_record(b'{"a":[%b[]]}' % (b"[]," * 1000)),
    "an integer written as 1.0": a_record(emitted_at=b"1.0"),
    "an integer written as 1e3": a_record(emitted_at=b"1e3"),
}


@pytest.mark.parametrize("raw", READABLE.values(), ids=READABLE.keys())
def test_a_line_is_read_with(raw):
    line = parse_line(raw, 7)

    assert line.problem is None
    assert line.message is not None
    assert (line.number, line.raw) == (7, raw)


UNREADABLE = {
    "nothing": (b"", ProblemKind.EMPTY, "The line is empty."),
    "blanks": (b" \t\r\n", ProblemKind.EMPTY, "The line is empty."),
    "text": (b"INFO starting", ProblemKind.NOT_JSON, "looks like text for the log"),
    "text in brackets": (b"[INFO] starting", ProblemKind.NOT_JSON, "looks like text"),
    "text with a number first": (b"2024-01-01 go", ProblemKind.NOT_JSON, "looks like text"),
    "NUL bytes": (b"\0\0\0", ProblemKind.NOT_JSON, "NUL byte"),
    "NaN": (a_record(b'{"a":1,"b":NaN}'), ProblemKind.NOT_JSON, "NaN is not JSON"),
    "NaN alone": (b"NaN", ProblemKind.NOT_JSON, "looks like text"),
    "Infinity": (a_record(b'{"a": Infinity}'), ProblemKind.NOT_JSON, "Infinity is not JSON"),
    "-Infinity": (a_record(b'{"a":-Infinity}'), ProblemKind.NOT_JSON, "-Infinity is not JSON"),
    "1e400": (
        a_record(b'{"a":"1e400","b":1e400}'),
        ProblemKind.NOT_JSON,
        "the number is too big",
    ),
    "5000 digits": (
        a_record(b'{"a":%b}' % (b"9" * 5000)),
        ProblemKind.NOT_JSON,
        "the number is too big",
    ),
    "5000 digits in the envelope": (
        a_record(emitted_at=b"9" * 5000),
        ProblemKind.NOT_JSON,
        "the number is too big",
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + LOG, ProblemKind.NOT_JSON, "byte order mark"),
    "UTF-16": (LOG.decode().encode("utf-16"), ProblemKind.BAD_UTF8, "UTF-16"),
    "UTF-16 without a mark": (LOG.decode().encode("utf-16-le"), ProblemKind.NOT_JSON, "UTF-16"),
    "UTF-16 after a line feed": (
        LOG.decode().encode("utf-16-be"),
        ProblemKind.NOT_JSON,
        "UTF-16",
    ),
    "a bad byte in the data": (
        a_record(b'{"a":"\xff"}'),
        ProblemKind.BAD_UTF8,
        "(0xff) is not valid UTF-8.",
    ),
    "a bad byte in an unknown key": (
        a_record(more=b',"x":{"\xc3(":1}'),
        ProblemKind.BAD_UTF8,
        "(0xc3)",
    ),
    "a bad byte in the type": (b'{"type":"LO\xc0\x80G"}', ProblemKind.BAD_UTF8, "Byte 12"),
    "an encoded surrogate": (a_record(b'{"a":"\xed\xa0\x80"}'), ProblemKind.BAD_UTF8, "0xed"),
    "a bad byte in text": (b"caf\xe9", ProblemKind.BAD_UTF8, "Byte 4 (0xe9)"),
    "a lone high surrogate": (
        a_record(b'{"a":"\\ud83d\\ude00 \\ud800 and more text"}'),
        ProblemKind.NOT_JSON,
        "\\ud800 is one half",
    ),
    "a lone low surrogate": (a_record(b'{"a":"\\uDC00"}'), ProblemKind.NOT_JSON, "\\uDC00 is one"),
    "two high surrogates": (
        a_record(b'{"a":"\\ud800\\ud800\\udc00"}'),
        ProblemKind.NOT_JSON,
        "\\ud800 is one half",
    ),
    "a surrogate at the very end": (b'{"type":"\\ud800"}', ProblemKind.NOT_JSON, "\\ud800 is one"),
    "a surrogate in an unknown key": (
        a_record(more=b',"\\ud800 and more text":1'),
        ProblemKind.NOT_JSON,
        "\\ud800 is one half",
    ),
    "two objects": (LOG + LOG, ProblemKind.NOT_JSON, "More text follows"),
    "text after the object": (LOG + b" done", ProblemKind.NOT_JSON, "needs its own line"),
    "an object that breaks off": (LOG[:-1], ProblemKind.NOT_JSON, "breaks off"),
    "a string that breaks off": (LOG[:-5], ProblemKind.NOT_JSON, "breaks off"),
    "a missing value": (a_record(b'{"a":}'), ProblemKind.NOT_JSON, "broken at"),
    "a raw control character": (a_record(b'{"a":"\x1b"}'), ProblemKind.NOT_JSON, "broken at"),
    "broken JSON after a wrong type": (
        b'{"type":"LOG","log":5,,}',
        ProblemKind.NOT_JSON,
        "broken at",
    ),
    "one level too many": (
        a_record(nested(MAX_DEPTH + 1)),
        ProblemKind.TOO_DEEP,
        "more than 512 levels",
    ),
    "far too many levels": (a_record(b"[" * 100_000), ProblemKind.TOO_DEEP, "512"),
    "too many levels in an unknown key": (
        a_record(more=b',"x":' + b"[" * 600 + b"]" * 600),
        ProblemKind.TOO_DEEP,
        "512",
    ),
    "too many levels after a text with a bracket": (
        a_record(b'{"a":"\\"]}","b":%b%b}' % (b"[" * 600, b"]" * 600)),
        ProblemKind.TOO_DEEP,
        "512",
    ),
    "a list": (b'[{"type":"LOG"}]', ProblemKind.NOT_AN_OBJECT, "but a list"),
    "a string": (b'"LOG"', ProblemKind.NOT_AN_OBJECT, "but a string"),
    "a number": (b"5", ProblemKind.NOT_AN_OBJECT, "but a number"),
    "null": (b"null", ProblemKind.NOT_AN_OBJECT, "but null"),
    "true": (b"true", ProblemKind.NOT_AN_OBJECT, "but true or false"),
    "no type": (b"{}", ProblemKind.NOT_A_MESSAGE, "no key `type`"),
    "only a payload": (b'{"log":{}}', ProblemKind.NOT_A_MESSAGE, "no key `type`"),
    "a type that is null": (b'{"type":null}', ProblemKind.NOT_A_MESSAGE, "a string, not null"),
    "a type that is a number": (b'{"type":1}', ProblemKind.NOT_A_MESSAGE, "not a number"),
    "a type in small letters": (
        b'{"type":"record"}',
        ProblemKind.UNKNOWN_TYPE,
        "Was RECORD meant?",
    ),
    "a type of its own": (
        b'{"type":"SCHEMA"}',
        ProblemKind.UNKNOWN_TYPE,
        "no message type 'SCHEMA'",
    ),
    "a hostile type": (
        b'{"type":"\\u001b[2J\\u202e"}',
        ProblemKind.UNKNOWN_TYPE,
        "'\\x1b[2J\\u202e'",
    ),
}


@pytest.mark.parametrize(("raw", "kind", "detail"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_line_is_a_problem_for(raw, kind, detail):
    line = parse_line(raw, 3)

    assert line.message is None
    assert line.problem is not None
    assert line.problem.kind is kind
    assert detail in line.problem.detail
    assert (line.number, line.raw) == (3, raw)


@pytest.mark.parametrize(
    ("raw", "mark"),
    [
        (a_record(b'{"a":"NaN","b":NaN}'), b"NaN}"),
        (a_record(b'{"a": [1, -Infinity]}'), b"-Inf"),
        (a_record(b'{"a":"1e999","b":1e400}'), b"1e400"),
        (a_record(b'{"a":1,"b":%b}' % (b"9" * 5000)), b"999"),
        (a_record(emitted_at=b"9" * 5000), b"999"),
        (a_record(b'{"a":"\xff"}'), b"\xff"),
        (a_record(b'{"a":"\\ud83d\\ude00 \\ud801 and more text"}'), b"\\ud801"),
        (a_record(b'{"a":"\\ud800\\ud801\\udc01"}'), b"\\ud800"),
        (a_record(b'{"a":"\\udc00\\ud800"}'), b"\\udc00"),
        (a_record(b'{"a":"\\ud800 \\udc00"}'), b"\\ud800"),
        (LOG + b" done", b"done"),
        (a_record(b'{"a":}'), b"}}}"),
    ],
    ids=[
        *("NaN", "-Infinity", "1e400", "digits", "digits outside", "a bad byte", "a surrogate"),
        *("two of them", "in the wrong order", "a pair parted", "more text", "broken JSON"),
    ],
)
def test_a_problem_names_the_byte_counted_from_1(raw, mark):
    problem = parse_line(raw, 1).problem

    assert problem is not None
    assert re.search(rf"\b[Bb]yte {raw.index(mark) + 1}\b", problem.detail)


def a_message(kind: str, **payload: object) -> bytes:
    return json.dumps({"type": kind, **payload}).encode()


RECORD = {"stream": "users", "data": {}, "emitted_at": 1}
STREAM = {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
OAUTH_STATE = (
    "spec.advanced_auth.oauth_config_specification.oauth_connector_input_specification.state"
)
BAD_MESSAGES = {
    "no payload": (a_message("RECORD"), "A RECORD message must have the key `record`."),
    "a payload that is null": (
        a_message("CATALOG", catalog=None),
        "A CATALOG message must have the key `catalog`.",
    ),
    "another type's payload": (
        a_message("SPEC", record=RECORD),
        "A SPEC message must have the key `spec`.",
    ),
    "the payload in snake case": (
        a_message("CONNECTION_STATUS", connection_status={"status": "FAILED"}),
        "A CONNECTION_STATUS message must have the key `connectionStatus`.",
    ),
    "a payload that is a list": (
        a_message("LOG", log=[]),
        "`log` must be an object or null, not a list.",
    ),
    "a missing key": (
        a_message("LOG", log={"level": "INFO"}),
        "`log` must have the key `message`.",
    ),
    "a string for a number": (
        a_message("RECORD", record={**RECORD, "emitted_at": "1"}),
        "`record.emitted_at` must be an integer, not a string.",
    ),
    "a fraction for an integer": (
        a_message("RECORD", record={**RECORD, "emitted_at": 1.5}),
        "`record.emitted_at` must be an integer, not a number with a fraction.",
    ),
    "1.0 for an integer beside a real mistake": (
        a_message("RECORD", record={**RECORD, "emitted_at": 1.0, "namespace": 5}),
        "`record.namespace` must be a string or null, not an integer.",
    ),
    "1.0 for an integer beside a string for one": (
        a_message(
            "RECORD",
            record={**RECORD, "emitted_at": 1.0, "file_reference": {"file_size_bytes": "1"}},
        ),
        "`record.emitted_at` must be an integer, not a number with a fraction.",
    ),
    "7.0 for an integer beside 1 for a boolean": (
        a_message(
            "SPEC",
            spec={
                "connectionSpecification": {},
                "advanced_auth": {
                    "oauth_config_specification": {
                        "oauth_connector_input_specification": {
                            "state": {"min": 7.0},
                            "consent_url": "c",
                            "access_token_url": "a",
                        }
                    }
                },
                "supportsDBT": 1,
            },
        ),
        f"`{OAUTH_STATE}.min` must be an integer or null, not a number with a fraction.",
    ),
    "1.0 for an integer beside missing data": (
        a_message("RECORD", record={**RECORD, "emitted_at": 1.0, "data": None}),
        "`record.data` must be an object, not null.",
    ),
    "data that is a list": (
        a_message("RECORD", record={**RECORD, "data": [{}]}),
        "`record.data` must be an object, not a list.",
    ),
    "a level of its own": (
        a_message("LOG", log={"level": "info\n", "message": "m"}),
        "`log.level` has a value that the protocol doesn't know: 'info\\n'.",
    ),
    "a time beyond all floats": (
        b'{"type":"TRACE","trace":{"type":"ERROR","emitted_at":%b}}' % (b"9" * 400),
        "`trace.emitted_at`: Number out of range.",
    ),
    "an error without its error": (
        a_message("TRACE", trace={"type": "ERROR", "emitted_at": 1}),
        "A TRACE (ERROR) message must have the key `trace.error`.",
    ),
    "a status without its status": (
        a_message("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1, "error": None}),
        "A TRACE (STREAM_STATUS) message must have the key `trace.stream_status`.",
    ),
    "a control message without a configuration": (
        a_message("CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1}),
        "A CONTROL (CONNECTOR_CONFIG) message must have the key `control.connectorConfig`.",
    ),
    "a stream state without a stream": (
        a_message("STATE", state={"type": "STREAM", "data": {}}),
        "A STATE (STREAM) message must have the key `state.stream`.",
    ),
    "a global state without a state": (
        a_message("STATE", state={"type": "GLOBAL", "data": {}}),
        "A STATE (GLOBAL) message must have the key `state.global`.",
    ),
    "a state with nothing": (
        a_message("STATE", state={}),
        "A STATE message must have the key `state.data`.",
    ),
}


@pytest.mark.parametrize(("raw", "detail"), BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
def test_a_message_is_bad_with(raw, detail):
    problem = parse_line(raw, 1).problem

    assert problem is not None
    assert (problem.kind, problem.detail) == (ProblemKind.BAD_MESSAGE, detail)


@pytest.mark.parametrize(
    "state",
    [
        {"data": {}},
        {"type": "LEGACY", "data": {"a": 1}},
        {"stream": {"stream_descriptor": {"name": "s"}}},
    ],
    ids=["untyped data", "legacy data", "an untyped stream"],
)
def test_an_old_state_is_read_with(state):
    assert parse_line(a_message("STATE", state=state), 1).problem is None


def test_an_integer_written_as_a_float_is_read_as_the_integer():
    raw = a_record(b'{"a":1.0}', emitted_at=b"1.7E12")

    message = parse_line(raw, 1).message

    assert message is not None
    assert message.record is not None
    assert repr(message.record.emitted_at) == "1700000000000"
    assert bytes(message.record.data) == b'{"a":1.0}'


def test_data_stays_as_it_was_written():
    written = b'{ "b":1.50, "a":[1,\t2], "a":"\\u00e9" }'

    message = parse_line(a_record(written), 1).message

    assert message is not None
    assert message.record is not None
    assert bytes(message.record.data) == written


@pytest.mark.parametrize("excess", [0, 1], ids=["at the limit", "one byte more"])
def test_a_line_beyond_the_limit_is_not_looked_at(monkeypatch, excess):
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", len(LOG) - excess)

    problem = parse_line(LOG, 1).problem

    if not excess:
        assert problem is None
        return
    assert problem is not None
    assert problem.kind is ProblemKind.TOO_LONG
    assert problem.detail == f"The line has {len(LOG)} bytes; at most {len(LOG) - 1} are read."


def deep_inside_the_stack(raw: bytes, frames: int) -> Line:
    return deep_inside_the_stack(raw, frames - 1) if frames else parse_line(raw, 1)


@pytest.mark.parametrize(
    "raw",
    [a_record(nested(500)), a_record(emitted_at=b'"1"', more=b',"x":' + nested(500))],
    ids=["in the data", "behind a mistake"],
)
def test_too_little_stack_left_is_a_problem_and_no_error(raw):
    used = 0
    frame = sys._getframe()
    while frame.f_back:
        frame, used = frame.f_back, used + 1

    line = deep_inside_the_stack(raw, sys.getrecursionlimit() - used - 100)

    # Where the parser doesn't count its own frames with Python's, it just works.
    assert line.problem is None or line.problem.kind in {
        ProblemKind.TOO_DEEP,
        ProblemKind.BAD_MESSAGE,
    }


tokens = st.sampled_from(
    [
        *(a_record(), LOG, b'"type"', b'"RECORD"', b'"record":', b'"data":{', b'"a"'),
        *(
            b"NaN",
            b"1e999",
            b"\\ud800",
            b"\\udc00",
            b"null",
            b"true",
            b"\n",
            b"\0",
            b"\xff",
            b"\xc3",
        ),
        *b'{ } [ ] , : " \\ 1 - . e 9 n'.split(b" "),
    ]
)
noise = st.lists(tokens | st.binary(max_size=3), max_size=12).map(b"".join)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(before=noise, data=noise, after=noise)
def test_any_bytes_give_a_message_or_a_problem(before, data, after):
    for raw in (before, a_record(b'{"a":%b}' % data), a_record(more=b"," + after), before + LOG):
        line = parse_line(raw, 1)

        assert (line.message is None) == (line.problem is not None)
        assert line.problem is None or (line.problem.detail.isascii() and line.problem.detail)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(data=noise)
def test_the_data_of_every_message_can_be_decoded(data):
    line = parse_line(a_record(b'{"a":%b}' % data), 1)

    if line.message is not None and line.message.type is MessageType.RECORD:
        assert line.message.record is not None
        assert isinstance(msgspec.json.decode(line.message.record.data), dict)


class Refused(ValueError):
    """What the reference takes for no message, and the kind of problem it is."""


class Ambiguous(Exception):
    """A key twice in an object: parsers may disagree, and another rule finds it."""


def slowly(raw: bytes) -> ProblemKind | None:
    """Judge a line by Python's own parser, whose verdict on JSON is another's than msgspec's."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ProblemKind.BAD_UTF8
    if not text.strip(" \t\r\n"):
        return ProblemKind.EMPTY
    try:
        value = json.loads(
            text, parse_constant=refuse, parse_float=finite, object_pairs_hook=each_once
        )
        json.dumps(value, ensure_ascii=False).encode()  # No half of a pair of surrogates.
    except ValueError:
        return ProblemKind.NOT_JSON
    return in_envelope(value)


def in_envelope(value: Any) -> ProblemKind | None:
    if not isinstance(value, dict):
        return ProblemKind.NOT_AN_OBJECT
    if not isinstance(value.get("type"), str):
        return ProblemKind.NOT_A_MESSAGE
    if value["type"] not in MessageType.__members__:
        return ProblemKind.UNKNOWN_TYPE
    return None if is_good(value) else ProblemKind.BAD_MESSAGE


def refuse(_: str) -> None:
    raise Refused


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Ambiguous
    return members


def finite(text: str) -> float:
    if math.isinf(float(text)):
        raise Refused
    return float(text)


def is_good(message: dict[str, Any]) -> bool:
    """Judge a LOG or a RECORD as far as the lines below go."""
    record, log = message.get("record"), message.get("log")
    if message["type"] not in {"RECORD", "LOG"}:
        return False
    is_there = record is not None if message["type"] == "RECORD" else log is not None
    return is_there and (record is None or is_record(record)) and (log is None or is_log(log))


def is_record(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    emitted_at = record.get("emitted_at")
    is_whole = type(emitted_at) is int or (
        isinstance(emitted_at, float) and emitted_at.is_integer() and abs(emitted_at) < 2**63
    )
    texts = (record.get("stream"), record.get("namespace") or "")
    are_texts = all(isinstance(text, str) for text in texts)
    return is_whole and are_texts and isinstance(record.get("data"), dict)


def is_log(log: Any) -> bool:
    return (
        isinstance(log, dict) and log.get("level") == "INFO" and isinstance(log.get("message"), str)
    )


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a good line with pieces cut out, put in and put elsewhere."""
    line = draw(st.sampled_from([LOG, a_record(), a_record(b'{"a":[1,{"b":"c"}]}')]))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 6)))
        line = line[:start] + draw(mutations) + line[end:]
    return line


mutations = st.sampled_from(
    [
        *(b"", b" ", b"\t", b"\r", b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u", b"\0"),
        *(b"null", b"true", b"1", b"-", b"1.0", b".5", b"01", b"NaN", b"-Infinity", b"1e3", b'"x":1,'),
        *(b"\\ud800", b"\\ud83d\\ude00", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
        *(b"\xe2\x80\xa8", b"\xc2\x85", b"\x7f", b"\x1b", b'"type":"LOG",', b'"type":5,', b'"data":[]'),
    ]
)  # fmt: skip


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(raw=mutated())
def test_the_verdict_is_that_of_a_slow_reference(raw):
    assert_same_verdict(raw)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(data=st.lists(mutations | st.sampled_from([b"1e999", b"9" * 5000]), max_size=6))
def test_the_verdict_on_data_is_that_of_a_slow_reference(data):
    assert_same_verdict(a_record(b'{"a":%b}' % b"".join(data)))


def assert_same_verdict(raw: bytes) -> None:
    try:
        expected = slowly(raw)
    except Ambiguous:
        reject()
    problem = parse_line(raw, 1).problem

    assert (problem.kind if problem else None) == expected


@pytest.mark.parametrize("raw", [raw for raw, _, _ in UNREADABLE.values() if len(raw) < 1000])
def test_the_reference_sees_the_same_problems(raw):
    problem = parse_line(raw, 1).problem

    assert problem is not None
    assert problem.kind == slowly(raw)


@pytest.mark.parametrize(
    ("raw", "is_lost"),
    [
        (LOG, True),
        (b" \t{", True),
        (b"\xef\xbb\xbf{", True),
        (LOG.decode().encode("utf-16"), True),
        (LOG.decode().encode("utf-16-be"), True),
        (LOG.decode().encode("utf-16-le"), True),
        (b"", False),
        (b"INFO {", False),
        (b"[INFO]", False),
        (b"\0\0", False),
        (b"\xff", False),
    ],
    ids=[
        *("a message", "blanks", "a mark", "UTF-16", "UTF-16 BE", "UTF-16 LE"),
        *("nothing", "text", "a list", "NUL", "a byte"),
    ],
)
def test_what_was_meant_to_be_a_message_is_told_from_text(raw, is_lost):
    assert looks_like_message(raw) == is_lost
