"""Reading back what was recorded: lazily, again and again, and after a crash."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    Ending,
    ExecutionManifest,
    LongLine,
    StreamCount,
)
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.records import read_data
from hydrotest_core.connector.stored import Packer
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol.lines import ProblemKind
from hydrotest_core.protocol.messages import MessageType
from hydrotest_core.untrusted import as_it_came

LOG = b'{"type":"LOG","log":{"level":"INFO","message":"hi"}}'


def _state(cursor: int) -> bytes:
    return b'{"type":"STATE","state":{"data":{"cursor":%d}}}' % cursor


def _record(stream: str, number: int = 1, namespace: str | None = None) -> bytes:
    record = {"stream": stream, "namespace": namespace, "data": {"n": number}, "emitted_at": number}
    return json.dumps({"type": "RECORD", "record": record}).encode()


SAID = [
    LOG,
    _record("users", 1),
    _state(1),
    b"oops",
    _record("users", 2, "other"),
    _record("users", 3),
    _state(2),
]


@pytest.fixture
def evidence(tmp_path):
    with OutputRecorder(tmp_path, clock=lambda: 0.0) as recorder:
        recorder.stdout(b"\n".join(SAID) + b"\n")
        recorder.stderr(b"one\ntwo \xff\nthree")
    return Evidence(tmp_path)


@pytest.fixture
def nothing(tmp_path):
    return Evidence(tmp_path)


def test_messages_come_in_order_and_as_often_as_asked(evidence):
    for _ in range(2):
        states = [message.state.data for message in evidence.messages(MessageType.STATE)]
        assert states == [{"cursor": 1}, {"cursor": 2}]


def test_lines_carry_their_place_in_the_file_and_their_bytes(evidence):
    lines = [(line.number, line.raw) for line in evidence.lines(MessageType.STATE)]

    assert lines == [(1, _state(1)), (2, _state(2))]


def test_of_a_kind_that_never_came_there_is_nothing(evidence):
    assert list(evidence.messages(MessageType.SPEC)) == []


def test_records_as_messages_come_one_stream_after_the_other(evidence):
    records = [message.record for message in evidence.messages(MessageType.RECORD)]

    assert [(record.namespace, record.emitted_at) for record in records] == [
        (None, 1),
        (None, 3),
        ("other", 2),
    ]


def test_streams_are_known_with_their_counts(evidence):
    assert evidence.streams == [
        StreamCount(stream="users", namespace=None, records=2, path="records/000.jsonl"),
        StreamCount(stream="users", namespace="other", records=1, path="records/001.jsonl"),
    ]


def test_records_of_a_stream_come_with_their_place_and_undecoded(evidence):
    first, second = evidence.records("users")

    assert (first.line, first.artifact, first.emitted_at) == (1, "records/000.jsonl", 1)
    assert (second.line, second.emitted_at, second.raw) == (2, 3, _record("users", 3))
    assert bytes(second.data) == b'{"n": 3}'
    assert read_data(second) == {"n": 3}


def test_the_namespace_tells_streams_of_one_name_apart(evidence):
    assert [record.emitted_at for record in evidence.records("users", "other")] == [2]


def test_an_unknown_stream_has_no_records(evidence):
    assert list(evidence.records("users", "unknown")) == []


def test_a_record_in_an_unusual_spelling_is_read(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        recorder.stdout(_record("users").replace(b'"emitted_at": 1', b'"emitted_at": 1e3'))

    assert [record.emitted_at for record in Evidence(tmp_path).records("users")] == [1000]


def test_problems_come_with_their_number_on_stdout(evidence):
    [line] = evidence.problems()

    assert (line.number, line.raw, line.message) == (4, b"oops", None)
    assert line.problem.kind is ProblemKind.NOT_JSON


def test_walking_gives_all_lines_in_order(evidence):
    assert [(line.number, line.raw) for line in evidence.walk()] == list(enumerate(SAID, 1))
    kinds = [line.message.type if line.message else line.problem.kind for line in evidence.walk()]
    assert kinds == ["LOG", "RECORD", "STATE", "not_json", "RECORD", "RECORD", "STATE"]


@pytest.mark.parametrize(
    ("said", "is_complete"),
    [(b"", True), (b"x\n", True), (b"x", False), (b"x\ny", False)],
    ids=["nothing", "whole line", "begun line", "begun second line"],
)
def test_it_is_known_whether_the_last_line_was_ended(tmp_path, said, is_complete):
    with OutputRecorder(tmp_path) as recorder:
        recorder.stdout(said)

    assert Evidence(tmp_path).is_last_line_complete is is_complete
    assert len(list(Evidence(tmp_path).walk())) == said.count(b"\n") + (not is_complete)


@pytest.mark.parametrize(
    ("n", "lines"),
    [
        (50, ["one", "two \\xff", "three"]),
        (2, ["two \\xff", "three"]),
        (1, ["three"]),
        (0, []),
    ],
)
def test_the_tail_of_stderr(evidence, n, lines):
    assert evidence.stderr_tail(n) == lines


def test_the_tail_of_a_huge_stderr_is_read_from_its_end(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        recorder.stderr(b"x" * 500_000 + b"\nlast\n\n")

    head, last, empty = Evidence(tmp_path).stderr_tail()
    assert (last, empty) == ("last", "")
    assert len(as_it_came(head)) < 70_000


def _manifest() -> ExecutionManifest:
    return ExecutionManifest(
        connector="source-x",
        version="dev",
        identity="env:1",
        runner="scripted",
        command=Command.READ,
        argv=["read"],
        ending=Ending.EXITED,
        exit_code=0,
        started_at_ms=1,
        ended_at_ms=2,
        duration_s=0.001,
        timeout_s=60.0,
    )


def test_the_manifest_is_read(evidence):
    (evidence.directory / "manifest.json").write_bytes(msgspec.json.encode(_manifest()))

    assert evidence.manifest == _manifest()


@pytest.mark.parametrize("content", [None, b"", b'{"format_ver', b"[]", b"\xff"])
def test_without_a_readable_manifest_the_run_was_cut_short(nothing, content):
    if content is not None:
        (nothing.directory / "manifest.json").write_bytes(content)

    with pytest.raises(InfrastructureError, match="cut short"):
        _ = nothing.manifest


@pytest.mark.parametrize("directory", [Path(), Path("not there")], ids=["empty", "missing"])
def test_an_empty_run_has_nothing_to_tell(nothing, directory):
    evidence = Evidence(nothing.directory / directory)

    assert evidence.streams == []
    assert list(evidence.records("users")) == []
    assert list(evidence.walk()) == []
    assert list(evidence.problems()) == []
    assert evidence.stderr_tail() == []
    assert evidence.is_last_line_complete
    assert [list(evidence.lines(kind)) for kind in MessageType] == [[]] * len(MessageType)


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(None, id="missing"),
        pytest.param(b'{"format_version":1,"str', id="torn"),
        pytest.param(
            b'{"streams":[{"stream":"u","records":1,"path":"../x"}]}', id="leads elsewhere"
        ),
    ],
)
def test_without_an_index_of_ours_the_files_say_which_streams_there_are(evidence, index):
    expected = evidence.streams
    path = evidence.directory / "records/index.json"
    path.unlink()
    if index is not None:
        path.write_bytes(index)

    again = Evidence(evidence.directory)

    assert again.streams == expected
    assert len(list(again.records("users"))) == 2


def test_a_line_torn_by_our_own_crash_is_left_out(evidence):
    (evidence.directory / "records/index.json").unlink()
    for name in ("records/001.jsonl", "messages/states.jsonl", "problems.jsonl"):
        path = evidence.directory / name
        path.write_bytes(path.read_bytes()[:-1])

    again = Evidence(evidence.directory)

    assert [stream.namespace for stream in again.streams] == [None]
    assert len(list(again.lines(MessageType.STATE))) == 1
    assert list(again.problems()) == []


def test_a_thousand_streams_and_one_stay_in_order_without_an_index(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        recorder.stdout(b"\n".join(_record(f"s{number}") for number in range(1002)))
    (tmp_path / "records/index.json").unlink()

    streams = [stream.stream for stream in Evidence(tmp_path).streams]

    assert streams == [f"s{number}" for number in range(1002)]


def test_a_record_that_is_none_is_told_with_its_place(evidence):
    with (evidence.directory / "records/000.jsonl").open("ab") as file:
        file.write(b"garbage\n")

    with pytest.raises(InfrastructureError, match="line=3"):
        list(evidence.records("users"))


@pytest.mark.parametrize("garbage", [b"garbage\n", b'{"line":"\xff"}\n'], ids=["text", "not UTF-8"])
def test_a_stored_problem_that_is_none_is_told_with_its_place(evidence, garbage):
    with (evidence.directory / "problems.jsonl").open("ab") as file:
        file.write(garbage)

    with pytest.raises(InfrastructureError, match="line=2"):
        list(evidence.problems())


def test_a_line_too_long_is_walked_over(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        for _ in range(65):
            recorder.stdout(b"x" * 1024 * 1024)
        recorder.stdout(b"\n" + LOG + b"\n")
        said = recorder.close()

    long, log = Evidence(tmp_path).walk()

    assert long.problem is not None
    assert (long.number, len(long.raw), long.problem.kind) == (1, 2048, ProblemKind.TOO_LONG)
    assert "68157440 bytes" in long.problem.detail
    assert (log.number, log.raw) == (2, LOG)
    assert said.long_lines == [
        LongLine(line=1, path="problems.log", path_line=1, characters=2**26, size_bytes=68157440)
    ]


def test_reading_does_not_grow_with_the_output(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        for _ in range(20):
            recorder.stdout((_record("users") + b"\n" + _state(1) + b"\n") * 200)
    evidence = Evidence(tmp_path)

    tracemalloc.start()
    try:
        counts = (
            sum(1 for _ in evidence.records("users")),
            sum(1 for _ in evidence.messages(MessageType.STATE)),
            sum(1 for _ in evidence.walk()),
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert counts == (4000, 4000, 8000)
    assert peak < 2_000_000


def test_each_line_is_told_with_where_it_lies(evidence):
    lines = [(line.artifact, line.artifact_line, line.raw) for line in evidence.output()]

    assert lines == [
        ("messages/logs.jsonl", 1, LOG),
        ("records/000.jsonl", 1, SAID[1]),
        ("messages/states.jsonl", 1, SAID[2]),
        ("problems.log", 1, b"oops"),
        ("records/001.jsonl", 1, SAID[4]),
        ("records/000.jsonl", 2, SAID[5]),
        ("messages/states.jsonl", 2, SAID[6]),
    ]


@pytest.mark.parametrize(
    ("name", "kept_bytes", "left"),
    [
        pytest.param("records/000.jsonl", -1, 5, id="a record torn"),
        pytest.param("records/000.jsonl", 0, 1, id="records lost"),
        pytest.param("messages/states.jsonl", -1, 6, id="a second state torn"),
        pytest.param("order.log", -1, 7, id="the end of the order"),
        pytest.param("order.log", -8, 6, id="a letter"),
        pytest.param("order.log", 30, 0, id="all letters"),
    ],
)
def test_what_one_file_tells_and_another_one_lacks_is_left_out(evidence, name, kept_bytes, left):
    path = evidence.directory / name
    path.write_bytes(path.read_bytes()[:kept_bytes])

    assert [line.raw for line in evidence.walk()] == SAID[:left]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(b"+A ../../etc/passwd\n0 A\n", id="another file"),
        pytest.param(b"+A records/000.jsonl\n0 AB\n", id="an unknown letter"),
        pytest.param(b"nonsense\n", id="no order"),
    ],
)
def test_an_order_that_is_none_of_ours_is_refused(evidence, order):
    (evidence.directory / "order.log").write_bytes(order)

    with pytest.raises(InfrastructureError, match="was changed since"):
        list(evidence.walk())


def test_an_execution_of_an_older_format_is_refused_by_name(tmp_path):
    (tmp_path / "stdout.log").write_bytes(LOG + b"\n")
    content = msgspec.json.encode(msgspec.structs.replace(_manifest(), format_version=1))
    (tmp_path / "manifest.json").write_bytes(content)
    evidence = Evidence(tmp_path)

    for read in (lambda: evidence.manifest, lambda: list(evidence.walk())):
        with pytest.raises(InfrastructureError, match="format 1; this hydrotest reads 2"):
            read()


def test_a_file_is_called_by_its_name_on_disk(evidence):
    path = evidence.directory / "records/000.jsonl"
    packed = Packer().frame(path.read_bytes())
    path.unlink()
    path.with_name("000.jsonl.zst").write_bytes(packed)

    assert evidence.artifact("records/000.jsonl") == "records/000.jsonl.zst"
    assert evidence.artifact("messages/logs.jsonl") == "messages/logs.jsonl"
    assert [record.artifact for record in evidence.records("users")] == [
        "records/000.jsonl.zst"
    ] * 2
    assert [line.raw for line in evidence.walk()] == SAID
    (evidence.directory / "records/index.json").unlink()
    assert Evidence(evidence.directory).streams == evidence.streams
