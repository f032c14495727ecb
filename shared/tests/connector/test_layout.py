"""The files of an execution are a format that others read: names and shapes stay."""

from __future__ import annotations

import re

import msgspec
import pytest

from hydrotest_core.connector.execution import StreamCount
from hydrotest_core.connector.layout import (
    MESSAGE_FILES,
    RECORDS_PATTERN,
    StoredProblem,
    StreamIndex,
    records_file,
)
from hydrotest_core.protocol.lines import Line, Problem, ProblemKind
from hydrotest_core.protocol.messages import MessageType


def test_each_message_but_a_record_has_a_file_of_its_own():
    assert set(MESSAGE_FILES) == set(MessageType) - {MessageType.RECORD}
    assert len(set(MESSAGE_FILES.values())) == len(MESSAGE_FILES)


@pytest.mark.parametrize(
    ("index", "path"),
    [(0, "records/000.jsonl"), (41, "records/041.jsonl"), (1000, "records/1000.jsonl")],
)
def test_records_files_are_numbered(index, path):
    assert records_file(index) == path
    assert re.fullmatch(RECORDS_PATTERN, path)


@pytest.mark.parametrize(
    "path", ["../000.jsonl", "records/a.jsonl", "records/000.jsonl/x", "/etc/0"]
)
def test_no_other_path_is_a_records_file(path):
    assert not re.fullmatch(RECORDS_PATTERN, path)


def test_the_index_on_disk():
    count = StreamCount(stream="a/b", namespace=None, records=2, path="records/000.jsonl")

    assert msgspec.json.encode(StreamIndex(streams=[count])) == (
        b'{"format_version":1,"streams":'
        b'[{"stream":"a/b","namespace":null,"records":2,"path":"records/000.jsonl"}]}'
    )


def _line(raw: bytes) -> Line:
    return Line(3, raw, None, Problem(ProblemKind.NOT_JSON, "No JSON."))


def test_a_problem_on_disk():
    assert msgspec.json.encode(StoredProblem.of(_line(b'say "x"'))) == (
        b'{"line":3,"kind":"not_json","detail":"No JSON.","text":"say \\"x\\""}'
    )


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        pytest.param(b"plain", b"plain", id="text"),
        pytest.param("é\u2028".encode(), "é\u2028".encode(), id="Unicode"),
        pytest.param(b"\xff\x00", b"\\xff\x00", id="not UTF-8"),
        pytest.param(b"\xed\xa0\x80", b"\\xed\\xa0\\x80", id="surrogate as bytes"),
        pytest.param(b"x" * 9000, b"x" * 2048, id="long"),
        pytest.param(b"x" * 2047 + "é".encode(), b"x" * 2047 + b"\\xc3", id="cut in a character"),
    ],
)
def test_a_problem_comes_back_as_far_as_it_was_stored(raw, stored):
    encoded = msgspec.json.encode(StoredProblem.of(_line(raw)))

    line = msgspec.json.decode(encoded, type=StoredProblem).as_line()

    assert line == Line(3, stored, None, Problem(ProblemKind.NOT_JSON, "No JSON."))
