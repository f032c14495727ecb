"""Reading single records: nothing a connector wrote may crash a rule."""

from __future__ import annotations

import pytest

from hydrotest_core.connector.records import RecordLine, read_data, read_record
from hydrotest_core.protocol.lines import Problem, ProblemKind


def _raw(data: str = "{}", emitted_at: str = "1") -> bytes:
    record = f'{{"stream":"users","data":{data},"emitted_at":{emitted_at}}}'
    return f'{{"type":"RECORD","record":{record}}}'.encode()


def _line(data: str) -> RecordLine:
    raw = _raw(data)
    record = read_record(raw)
    assert record is not None
    return RecordLine(line=1, artifact="records/000.jsonl", emitted_at=1, data=record.data, raw=raw)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        pytest.param("{}", {}, id="empty"),
        pytest.param('{"a":[1,null,"é"]}', {"a": [1, None, "é"]}, id="nested"),
        pytest.param('{"a":18446744073709551616}', {"a": 2**64}, id="large integers are exact"),
        pytest.param('{"a":1,"a":2}', {"a": 2}, id="of two equal keys the last one counts"),
    ],
)
def test_data_is_decoded_when_it_is_asked_for(data, value):
    assert read_data(_line(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        pytest.param('{"a":1e400}', id="too big a float"),
        pytest.param(f'{{"a":{"9" * 5000}}}', id="5,000 digits"),
        pytest.param('{"ok":1,"second":1e400}', id="the second value"),
    ],
)
def test_a_number_too_big_is_a_problem_of_the_record(data):
    problem = read_data(_line(data))

    assert isinstance(problem, Problem)
    assert problem.kind is ProblemKind.NOT_JSON
    assert "too big" in problem.detail


def test_data_that_the_whole_line_hides_is_a_problem_all_the_same():
    line = _line('{"a":1e400}')
    odd = RecordLine(line=1, artifact="", emitted_at=1, data=line.data, raw=_raw("{}"))

    problem = read_data(odd)

    assert isinstance(problem, Problem)
    assert problem.kind is ProblemKind.BAD_MESSAGE


@pytest.mark.parametrize("emitted_at", ["1", "1.0", "1e0"])
def test_a_record_is_read_in_each_spelling_that_counts(emitted_at):
    record = read_record(_raw(emitted_at=emitted_at))

    assert record is not None
    assert (record.stream, record.namespace, record.emitted_at) == ("users", None, 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage",
        b'{"type":"STATE","state":{"data":{}}}',
        b'{"type":"RECORD"}',
        _raw(emitted_at='"1"'),
        b'{"type":"RECORD","record":{"stream":"\xff"}}',
    ],
    ids=["empty", "text", "state", "no record", "bad record", "not UTF-8"],
)
def test_a_line_that_is_no_record_is_none(raw):
    assert read_record(raw) is None
