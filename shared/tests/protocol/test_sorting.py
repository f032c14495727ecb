"""How lines are told apart; `parse_line` is the referee."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol.lines import MAX_DEPTH, Line, ProblemKind, parse_line
from hydrotest_core.protocol.messages import MessageType
from hydrotest_core.protocol.sorting import (
    Letters,
    SortedBlock,
    StreamKey,
    sort_block,
    stream_key,
)
from hydrotest_core.protocol.splitter import Block

STATE = b'{"type":"STATE","state":{"data":{}}}'


def _record(data: bytes = b"{}", stream: str = "users", more: str = "") -> bytes:
    head = f'{{"type":"RECORD","record":{{"stream":{json.dumps(stream)},"emitted_at":1'
    return head.encode() + b',"data":' + data + more.encode() + b"}}"


@dataclass
class _Found:
    """What a block was sorted into, taken apart for comparing."""

    records: dict[StreamKey, list[bytes]] = field(default_factory=dict)
    messages: dict[str, list[bytes]] = field(default_factory=dict)
    problems: list[Line] = field(default_factory=list)
    unexplained: int = 0


def _sort(*lines: bytes, explain_at_most: int | None = None) -> _Found:
    block = Block(1, list(lines), is_ascii=b"".join(lines).isascii())
    letters = Letters()
    found = sort_block(
        block, letters, explain_at_most=explain_at_most, explain_broken_at_most=explain_at_most
    )

    assert _in_order(found, letters) == list(lines)
    assert found.longest_bytes == max(map(len, lines))
    groups = _Found(problems=found.problems, unexplained=-len(found.problems))
    for place, its_lines in found.lines.items():
        if key := stream_key(place):
            groups.records[key] = its_lines
        elif place:
            groups.messages[place[0]] = its_lines
        else:
            groups.unexplained += len(its_lines)
    return groups


def _in_order(found: SortedBlock, letters: Letters) -> list[bytes]:
    """Put the lines together again by their letters."""
    left = {letters[place]: iter(lines) for place, lines in found.lines.items()}
    assert len(left) == len(found.lines)
    return [next(left[letter]) for letter in found.letters]


GOOD = _record()
HOSTILE = {
    "empty": b"",
    "blank": b" \t\r",
    "text": b"Traceback (most recent call last):",
    "cut": GOOD[:-1],
    "NaN": _record(b'{"a":NaN}'),
    "Infinity": _record(b'{"a":-Infinity}'),
    "duplicate keys": _record(b'{"a":1,"a":2}'),
    "stream twice": _record(more=',"stream":"other"'),
    "2^64": _record(b'{"a":18446744073709551616}'),
    "40 digits": _record(b'{"a":' + b"9" * 40 + b"}"),
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "bad UTF-8 in the data": _record(b'{"a":"\xff"}'),
    "bad UTF-8 in a key": _record(b'{"\xff":1}'),
    "bad UTF-8 in the stream": GOOD.replace(b"users", b"us\xe9rs"),
    "surrogate as bytes": _record(b'{"a":"\xed\xa0\x80"}'),
    "lone surrogate": _record(b'{"a":"\\ud800"}'),
    "surrogate pair": _record(b'{"a":"\\ud83d\\ude00"}'),
    "bad escape": _record(b'{"a":"\\q"}'),
    "NUL": _record(b'{"a":"\x00"}'),
    "escaped NUL": _record(b'{"a":"\\u0000"}'),
    "U+2028": _record('{"a":"\u2028\x85"}'.encode()),
    "carriage return": GOOD + b"\r",
    "leading blanks": b"  " + GOOD,
    "two objects": GOOD + GOOD,
    "text after": GOOD + b" done",
    "depth at the limit": _record(
        b'{"a":' + b"[" * (MAX_DEPTH - 3) + b"]" * (MAX_DEPTH - 3) + b"}"
    ),
    "too deep": _record(b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"),
    "depth 900": _record(b'{"a":' * 900 + b"1" + b"}" * 900),
    "depth 100,000": _record(b"[" * 100_000 + b"]" * 100_000),
    "many brackets, none deep": _record(b'{"a":[' + b"{}," * 2000 + b"{}]}"),
    "brackets in a string": _record(b'{"a":"' + b"[" * 2000 + b'"}'),
    "long stream name": _record(stream="x" * 10_000),
    "empty stream name": _record(stream=""),
    "namespace": _record(more=',"namespace":"public"'),
    "empty namespace": _record(more=',"namespace":""'),
    "null namespace": _record(more=',"namespace":null'),
    "numeric namespace": _record(more=',"namespace":7'),
    "meta": _record(more=',"meta":{"changes":[]}'),
    "bad meta": _record(more=',"meta":{"changes":3}'),
    "bad change": _record(more=',"meta":{"changes":[{"field":"a","change":"LOST"}]}'),
    "file reference": _record(more=',"file_reference":{"file_size_bytes":3}'),
    "bad file reference": _record(more=',"file_reference":[]'),
    "unknown key in the record": _record(more=',"extra":1'),
    "unknown key beside": GOOD[:-1] + b',"extra":1}',
    "other payload beside": GOOD[:-1] + b',"log":{"level":"INFO","message":"x"}}',
    "bad payload beside": GOOD[:-1] + b',"log":3}',
    "no data": b'{"type":"RECORD","record":{"stream":"users","emitted_at":1}}',
    "data a list": _record(b"[]"),
    "data null": _record(b"null"),
    "data a string": _record(b'"{}"'),
    "no emitted_at": b'{"type":"RECORD","record":{"stream":"users","data":{}}}',
    "emitted_at a string": GOOD.replace(b":1,", b':"1",'),
    "emitted_at true": GOOD.replace(b":1,", b":true,"),
    "emitted_at 1.0": GOOD.replace(b":1,", b":1.0,"),
    "emitted_at 1.5": GOOD.replace(b":1,", b":1.5,"),
    "emitted_at huge": GOOD.replace(b":1,", b":" + b"9" * 30 + b","),
    "no stream": b'{"type":"RECORD","record":{"data":{},"emitted_at":1}}',
    "stream a number": GOOD.replace(b'"users"', b"1"),
    "no record": b'{"type":"RECORD"}',
    "record null": b'{"type":"RECORD","record":null}',
    "record a list": b'{"type":"RECORD","record":[]}',
    "no type": b'{"record":{}}',
    "type null": GOOD.replace(b'"RECORD"', b"null"),
    "type unknown": GOOD.replace(b'"RECORD"', b'"RECROD"'),
    "type in lower case": GOOD.replace(b'"RECORD"', b'"record"'),
    "type escaped": GOOD.replace(b'"RECORD"', b'"\\u0052ECORD"'),
    "state": STATE,
    "state without payload": b'{"type":"STATE"}',
    "log": b'{"type":"LOG","log":{"level":"INFO","message":"hi"}}',
    "list": b"[1]",
    "number": b"1",
}


def _expected(raw: bytes, number: int = 1) -> _Found:
    """Sort one line the slow way."""
    line = parse_line(raw, number)
    if line.message is None:
        return _Found(problems=[line])
    if line.message.type is MessageType.RECORD and line.message.record:
        record = line.message.record
        return _Found(records={(record.namespace, record.stream): [raw]})
    return _Found(messages={line.message.type: [raw]})


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_each_line_is_what_parse_line_says(raw):
    assert _expected(raw) == _sort(raw)


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_second_line_changes_nothing_for_its_neighbours(raw):
    expected = _expected(raw, 2)
    found = _sort(_record(stream="first"), raw, _record(stream="last"))

    assert found.records.pop((None, "first")) == [_record(stream="first")]
    assert found.records.pop((None, "last")) == [_record(stream="last")]
    assert found == expected


EDITS = st.tuples(
    st.integers(0, 120),
    st.integers(0, 4),
    st.sampled_from(
        [b"", *(bytes([byte]) for byte in b'"{}[],:\\1- \r\x00\xff'), b"e9", b".0", b"\xc3\xa9"]
    )
    | st.sampled_from([b"null", b"true", b"NaN", b"\\u0041", b'"data":{},']),
)


@given(
    base=st.sampled_from([GOOD, HOSTILE["namespace"], HOSTILE["meta"], STATE, HOSTILE["log"]]),
    edits=st.lists(EDITS, min_size=1, max_size=3),
)
def test_lines_mended_at_random_are_what_parse_line_says(base, edits):
    raw = base
    for at, removed, added in edits:
        raw = raw[:at] + added + raw[at + removed :]

    assert _expected(raw) == _sort(raw)


@pytest.mark.parametrize(
    "number", [b"1e400", b"-1e400", b"9" * 5000], ids=["1e400", "-1e400", "5000 digits"]
)
def test_a_number_too_big_to_be_read_is_left_to_who_reads_the_record(number):
    raw = _record(b'{"a":' + number + b"}")
    problem = parse_line(raw, 1).problem

    assert {(None, "users"): [raw]} == _sort(raw).records
    assert problem is not None
    assert "too big" in problem.detail


def test_records_are_grouped_by_stream_and_namespace_in_order_of_appearance():
    lines = [
        _record(b'{"n":1}', "b"),
        _record(b'{"n":2}', "a"),
        _record(b'{"n":3}', "b", ',"namespace":"x"'),
        _record(b'{"n":4}', "b"),
        _record(b'{"n":5}', "a") + b" ",
    ]

    found = _sort(*lines)

    assert list(found.records.items()) == [
        ((None, "b"), [lines[0], lines[3]]),
        ((None, "a"), [lines[1], lines[4]]),
        (("x", "b"), [lines[2]]),
    ]


def test_a_record_that_is_looked_at_closely_keeps_its_place():
    odd = GOOD[:-1] + b',"extra":1}'

    assert {(None, "users"): [GOOD, odd, GOOD]} == _sort(GOOD, odd, GOOD).records


def test_lines_with_a_problem_keep_their_order_and_their_numbers():
    block = Block(41, [STATE, b"[", b"garbage", STATE, b""], is_ascii=True)

    assert [line.number for line in sort_block(block, Letters()).problems] == [42, 43, 45]


@pytest.mark.parametrize("streams", [1, 2, 6, 7, 60])
def test_however_many_streams_are_mixed_each_line_is_found_again(streams):
    lines = [_record(b'{"n":%d}' % number, f"s{number % streams}") for number in range(200)]

    found = _sort(*lines)

    assert [len(group) for group in found.records.values()] == [
        len(lines[number::streams]) for number in range(streams)
    ]


def test_letters_stay_the_same_from_block_to_block():
    letters = Letters()
    first = sort_block(Block(1, [_record(stream="a"), STATE], is_ascii=True), letters)
    second = sort_block(Block(3, [STATE, _record(stream="b")], is_ascii=True), letters)

    assert (first.letters, second.letters) == ("AB", "BC")


def test_each_place_has_a_letter_of_its_own_that_ends_no_line():
    letters = Letters()
    found = [letters[f"s{number}"] for number in range(30_000)]

    assert len(set(found)) == len(found)
    assert "".join(found).splitlines() == ["".join(found)]
    assert "".join(found).encode().decode() == "".join(found)


def test_more_streams_than_letters_are_refused():
    letters = Letters((str(number), "A") for number in range(52 + 0x5200 + 0xF0000))

    with pytest.raises(InfrastructureError, match="more streams than can be kept apart"):
        letters["one more"]


@pytest.mark.parametrize(
    ("lines", "explained", "unexplained"),
    [
        pytest.param([GOOD, STATE], 0, 0, id="no problem"),
        pytest.param([b"x", b"y"], 2, 0, id="as many as may be explained"),
        pytest.param(
            [b"x", b"{", b"", b"[]", b"y", b"{}", b'{"type":"X"}'], 4, 3, id="no message at all"
        ),
        pytest.param([b"x"] * 9 + [b'{"type":"STATE"}', GOOD], 3, 7, id="a message behind text"),
        pytest.param([b"{"] * 9 + [b"x", GOOD], 3, 7, id="text behind broken messages"),
        pytest.param([b"\xff", b"x", b"\xff", GOOD], 2, 1, id="not UTF-8"),
        pytest.param([HOSTILE["bad UTF-8 in the data"]] * 3, 2, 1, id="a record not UTF-8"),
    ],
)
def test_only_so_many_problems_are_explained_and_the_rest_is_counted(lines, explained, unexplained):
    found = _sort(*lines, explain_at_most=2)

    assert explained == len(found.problems)
    assert unexplained == found.unexplained


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_counting_and_explaining_agree_on_what_is_a_problem(raw):
    counted = _sort(raw, explain_at_most=0)

    assert (parse_line(raw, 1).problem is not None) == (counted.unexplained == 1)
    assert _expected(raw).records == counted.records


@pytest.mark.parametrize("raw", [GOOD, _record(b'{"a":1e400}'), b"x"], ids=["good", "big", "x"])
@pytest.mark.parametrize("other", HOSTILE.values(), ids=HOSTILE)
def test_what_becomes_of_a_line_does_not_depend_on_its_neighbours(raw, other):
    alone, beside, both = _sort(raw), _sort(other), _sort(other, raw)

    assert {
        key: beside.records.get(key, []) + alone.records.get(key, []) for key in both.records
    } == (both.records)
    assert len(both.problems) == len(alone.problems) + len(beside.problems)


def test_text_that_is_not_ascii_is_checked_across_pieces():
    filler = "é".encode() * 300_000
    good = _record(b'{"a":"' + filler + b'"}')
    bad = _record(b'{"a":"' + filler + b'\xc3"}')

    assert [good] == _sort(good).records[None, "users"]
    [line] = _sort(good, bad).problems
    assert line.problem is not None
    assert line.problem.kind is ProblemKind.BAD_UTF8
