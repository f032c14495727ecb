"""What is on disk after a connector has spoken, in whatever way it did."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import random
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import StreamCount
from hydrotest_core.connector.order import Cut
from hydrotest_core.connector.recorder import OutputRecorder, OutputSummary
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.redaction import Redactor

LOG = b'{"type":"LOG","log":{"level":"INFO","message":"hi"}}'
STATE = b'{"type":"STATE","state":{"data":{"cursor":1}}}'


def _record(stream: str, number: int = 1, namespace: str | None = None) -> bytes:
    record = {"stream": stream, "namespace": namespace, "data": {"n": number}, "emitted_at": 1}
    return json.dumps({"type": "RECORD", "record": record}).encode()


def _run(directory: Path, *chunks: bytes, redactor: Redactor | None = None) -> OutputSummary:
    with OutputRecorder(directory, redactor, clock=lambda: 5.0) as recorder:
        for chunk in chunks:
            recorder.stdout(chunk)
        return recorder.close()


def _said(directory: Path) -> bytes:
    return b"".join(Evidence(directory).stdout())


def _files(directory: Path, but: str = "") -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != but)
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def _problems(directory: Path) -> list[dict[str, object]]:
    lines = (directory / "problems.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


def test_each_line_lands_in_the_file_of_its_kind(tmp_path):
    users, orders = _record("users"), _record("orders", namespace="shop")
    said = b"\n".join([LOG, users, b"oops", orders, STATE, _record("users", 2), STATE]) + b"\n"

    summary = _run(tmp_path, said)

    files = _files(tmp_path)
    assert json.loads(files.pop("records/index.json")) == {
        "format_version": 1,
        "streams": [
            {"stream": "users", "namespace": None, "records": 2, "path": "records/000.jsonl"},
            {"stream": "orders", "namespace": "shop", "records": 1, "path": "records/001.jsonl"},
        ],
    }
    assert json.loads(files.pop("problems.jsonl"))["line"] == 3
    assert files == {
        "order.log": b"+A messages/logs.jsonl\n+B records/000.jsonl\n+C problems.log\n"
        b"+D records/001.jsonl\n+E messages/states.jsonl\n0 ABCDEBE\n",
        "problems.log": b"oops\n",
        "stderr.log": b"",
        "messages/logs.jsonl": LOG + b"\n",
        "messages/states.jsonl": STATE + b"\n" + STATE + b"\n",
        "records/000.jsonl": users + b"\n" + _record("users", 2) + b"\n",
        "records/001.jsonl": orders + b"\n",
    }
    assert summary == OutputSummary(
        stdout_bytes=len(said),
        stderr_bytes=0,
        line_count=7,
        problem_count=1,
        long_line_count=0,
        long_lines=[],
        is_cut=False,
        message_counts={"LOG": 1, "RECORD": 3, "STATE": 2},
        streams=[
            StreamCount(stream="users", records=2, path="records/000.jsonl"),
            StreamCount(stream="orders", namespace="shop", records=1, path="records/001.jsonl"),
        ],
        redactions={},
    )


def test_a_connector_that_says_nothing_leaves_empty_logs(tmp_path):
    summary = _run(tmp_path)

    assert _files(tmp_path) == {
        "order.log": b"",
        "stderr.log": b"",
        "records/index.json": b'{"format_version":1,"streams":[]}',
    }
    assert (summary.line_count, summary.problem_count, summary.streams) == (0, 0, [])


def test_the_last_line_needs_no_line_feed(tmp_path):
    summary = _run(tmp_path, STATE + b"\n" + _record("users"))

    assert summary.line_count == 2
    assert _said(tmp_path) == STATE + b"\n" + _record("users")
    assert (tmp_path / "records/000.jsonl").read_bytes() == _record("users") + b"\n"


def test_stderr_stays_apart(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        for part in (b"Traceback\n", b"  boom \xff"):
            recorder.stderr(part)
            recorder.stdout(STATE + b"\n")
        summary = recorder.close()

    assert (tmp_path / "stderr.log").read_bytes() == b"Traceback\n  boom \xff"
    assert (summary.stderr_bytes, summary.line_count, summary.problem_count) == (18, 2, 0)


def test_everything_is_private_under_any_umask(tmp_path):
    before = os.umask(0)
    try:
        _run(tmp_path, b"\n".join([LOG, _record("users"), b"oops"]))
    finally:
        os.umask(before)

    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("messages", "records")} == {0o700}


HOSTILE_NAMES = [
    "../../etc/passwd",
    "a/b",
    "CON",
    "a\x00b",
    "Users",
    "users",
    "x" * 10_000,
    "",
    "é",
]


def test_names_of_streams_never_become_paths(tmp_path):
    summary = _run(tmp_path, b"\n".join(_record(name) for name in HOSTILE_NAMES))

    assert [count.stream for count in summary.streams] == HOSTILE_NAMES
    names = sorted(path.name for path in (tmp_path / "records").iterdir())
    assert names == [*(f"{n:03d}.jsonl" for n in range(len(HOSTILE_NAMES))), "index.json"]


def test_five_thousand_streams_are_kept_apart(tmp_path):
    names = [f"s{number}" for number in range(5000)]
    lines = [_record(name, turn) for turn in (1, 2) for name in names]

    summary = _run(tmp_path, b"\n".join(lines))

    assert [count.records for count in summary.streams] == [2] * 5000
    last = (tmp_path / "records/4999.jsonl").read_bytes()
    assert last == _record("s4999", 1) + b"\n" + _record("s4999", 2) + b"\n"


@settings(max_examples=30, deadline=None)
@given(
    lines=st.lists(
        st.sampled_from(
            [LOG, STATE, b"", b"oops", b"\xff", _record("a"), _record("b"), b"{", b"\r"]
        ),
        max_size=30,
    ),
    seed=st.integers(0, 10_000),
    ends=st.booleans(),
)
def test_however_the_bytes_are_cut_the_files_are_the_same(lines, seed, ends):
    said = b"\n".join(lines) + (b"\n" if ends else b"")
    cuts = sorted(random.Random(seed).choices(range(len(said) + 1), k=6))
    chunks = [said[start:end] for start, end in itertools.pairwise([0, *cuts, len(said)])]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as many:
        assert _run(Path(one), said) == _run(Path(many), *chunks)
        assert _files(Path(one), but="order.log") == _files(Path(many), but="order.log")
        assert _said(Path(one)) == said == _said(Path(many))


def test_a_problem_is_stored_with_its_number_kind_and_text(tmp_path):
    _run(tmp_path, STATE + b"\n\xff\n\n" + STATE + b'\n{"type":"NOPE"}')

    found = [(problem["line"], problem["kind"], problem["text"]) for problem in _problems(tmp_path)]
    assert found == [
        (2, "bad_utf8", "\\xff"),
        (3, "empty", ""),
        (5, "unknown_type", '{"type":"NOPE"}'),
    ]


def test_of_a_flood_of_garbage_a_thousand_lines_are_stored_and_all_are_counted(tmp_path):
    garbage = b"".join(b"line %d\n" % number for number in range(5000))

    summary = _run(tmp_path, garbage[:20_000], garbage[20_000:], STATE, b"\nend")

    assert (summary.line_count, summary.problem_count) == (5002, 5001)
    assert [problem["line"] for problem in _problems(tmp_path)] == list(range(1, 1001))
    assert summary.message_counts == {"STATE": 1}


def test_a_line_too_long_is_a_problem_and_its_begin_is_kept(tmp_path, monkeypatch):
    recorder = OutputRecorder(tmp_path)
    monkeypatch.setattr(recorder, "_splitter", type(recorder._splitter)(max_line_bytes=100))
    said = [STATE + b"\n", b"x" * 80, b"x" * 80 + b"\n" + STATE + b"\n", b"y" * 101]
    for chunk in said:
        recorder.stdout(chunk)
    summary = recorder.close()

    assert _said(tmp_path) == b"\n".join([STATE, b"x" * 100, STATE, b"y" * 100])
    assert (summary.line_count, summary.problem_count) == (4, 2)
    [cut, _] = [line.cut for line in Evidence(tmp_path).output() if line.cut]
    assert cut == Cut(160, hashlib.sha256(b"x" * 160).hexdigest())
    assert [(problem["line"], problem["kind"]) for problem in _problems(tmp_path)] == [
        (2, "too_long"),
        (4, "too_long"),
    ]


def test_a_record_of_megabytes_is_a_record(tmp_path):
    long = _record("users").replace(b'{"n": 1}', b'{"n": "' + b"x" * 3_000_000 + b'"}')
    said = long + b"\n" + _record("users", 2) + b"\n"

    summary = _run(tmp_path, *(said[at : at + 100_000] for at in range(0, len(said), 100_000)))

    assert summary.message_counts == {"RECORD": 2}
    assert (tmp_path / "records/000.jsonl").read_bytes() == said


def test_secrets_are_replaced_before_anything_is_written_wherever_they_are_cut(tmp_path):
    secret = "S3cr3t-T0ken-42"
    redactor = Redactor({"api_key": secret})
    said = LOG.replace(b"hi", secret.encode()) + b"\n"
    with OutputRecorder(tmp_path, redactor) as recorder:
        for byte in said:
            recorder.stdout(bytes([byte]))
        recorder.stderr(b"using S3cr3t-T0")
        recorder.stderr(b"ken-42")
        summary = recorder.close()

    assert summary.redactions == {"api_key": 2}
    assert summary.message_counts == {"LOG": 1}
    token = redactor.token("api_key", secret).encode()
    files = _files(tmp_path)
    assert files["messages/logs.jsonl"] == said.replace(secret.encode(), token)
    assert files["stderr.log"] == b"using " + token
    assert not any(secret.encode() in content for content in files.values())


def test_progress_can_be_followed(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        seen = [(recorder.size_bytes, recorder.record_count)]
        for number in (1, 2):
            recorder.stdout(_record("users", number) + b"\n")
            recorder.stderr(b"!")
            seen.append((recorder.size_bytes, recorder.record_count))

    size = len(_record("users")) + 2
    assert seen == [(0, 0), (size, 1), (2 * size, 2)]


def test_closing_again_says_the_same(tmp_path):
    recorder = OutputRecorder(tmp_path)
    recorder.stdout(STATE)

    assert recorder.close() is recorder.close()
    assert repr(recorder) == "OutputRecorder(closed, 1 lines)"


def _fail_after(recorder: OutputRecorder, said: bytes, error: BaseException) -> None:
    with recorder:
        recorder.stdout(said)
        raise error


def test_after_an_error_what_was_said_is_on_disk(tmp_path):
    recorder = OutputRecorder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        _fail_after(recorder, STATE + b"\n" + _record("users")[:30], KeyboardInterrupt())

    assert _said(tmp_path) == STATE + b"\n" + _record("users")[:30]
    assert (tmp_path / "messages/states.jsonl").read_bytes() == STATE + b"\n"
    assert recorder.close().problem_count == 1


@pytest.fixture
def full_disk(monkeypatch):
    def refuse(descriptor: int, pieces: list[bytes]) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "writev", refuse)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_an_error_of_the_machine_each_time(tmp_path):
    recorder = OutputRecorder(tmp_path)
    recorder.stdout(STATE)
    for _ in range(2):
        with pytest.raises(InfrastructureError, match="can't be written down"):
            recorder.close()
    assert "hydrotest-appender" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_in_the_middle_stops_whoever_goes_on(tmp_path):
    def flood(recorder: OutputRecorder) -> None:
        for _ in range(200):
            recorder.stdout(b"x" * 99_999 + b"\n")

    recorder = OutputRecorder(tmp_path)
    with pytest.raises(InfrastructureError, match="No space left"):
        flood(recorder)
    with pytest.raises(InfrastructureError, match="No space left"):
        recorder.close()
    assert "hydrotest-appender" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_does_not_hide_what_went_wrong_first(tmp_path):
    recorder = OutputRecorder(tmp_path)
    with pytest.raises(ZeroDivisionError):
        _fail_after(recorder, STATE, ZeroDivisionError())


@pytest.mark.parametrize("name", ["order.log", "stderr.log"])
def test_a_folder_that_has_output_already_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"older")

    with pytest.raises(InfrastructureError, match="must exist, be empty"):
        OutputRecorder(tmp_path)
    assert (tmp_path / name).read_bytes() == b"older"
    assert "hydrotest-appender" not in [thread.name for thread in threading.enumerate()]


def test_a_link_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "records").symlink_to(tmp_path)

    with pytest.raises(InfrastructureError):
        OutputRecorder(tmp_path / "out")


def test_of_both_pipes_together_no_more_is_kept_than_asked_for(tmp_path):
    line = _record("users") + b"\n"
    with OutputRecorder(tmp_path, max_bytes=3 * len(line) + 10) as recorder:
        recorder.stdout(line)
        recorder.stderr(line)
        assert not recorder.is_cut
        for _ in range(4):
            recorder.stdout(line)
        recorder.stderr(b"too late")
        assert recorder.is_cut
        summary = recorder.close()

    assert summary.is_cut
    assert (summary.stdout_bytes, summary.stderr_bytes) == (2 * len(line) + 10, len(line))
    assert _said(tmp_path) == 2 * line + line[:10]
    assert (tmp_path / "stderr.log").read_bytes() == line


def test_just_as_much_as_may_be_kept_is_fine(tmp_path):
    with OutputRecorder(tmp_path, max_bytes=3) as recorder:
        recorder.stdout(b"ok\n")

    assert not recorder.is_cut
    assert _said(tmp_path) == b"ok\n"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        pytest.param("x" * 19_999_999, [], id="just short enough"),
        pytest.param("x" * 20_000_000, [20_000_000], id="just too long"),
        pytest.param("é" * 19_999_999, [], id="more bytes than characters"),
        pytest.param("é" * 20_000_000, [20_000_000], id="not ASCII"),
        pytest.param("😀" * 10_000_000, [20_000_000], id="two units a character"),
    ],
)
def test_lines_are_measured_as_the_platform_does(tmp_path, text, counts):
    said = LOG + b"\nfirst\n" + text.encode() + b"\nlast\n" + STATE + b"\n"

    summary = _run(tmp_path, said[:100], said[100:])

    assert [line.characters for line in summary.long_lines] == counts
    assert summary.long_line_count == len(counts)
    assert all(
        (line.line, line.path, line.path_line, line.size_bytes)
        == (3, "problems.log", 2, len(text.encode()))
        for line in summary.long_lines
    )


def test_it_is_known_when_each_line_came(tmp_path):
    now = 7.0
    with OutputRecorder(tmp_path, clock=lambda: now) as recorder:
        for seconds in (0.0, 0.01, 0.5, 5.0):
            now = 7.0 + seconds
            recorder.stdout(b"a line\n")
            recorder.stderr(b"a word ")

    assert [line.at_ms for line in Evidence(tmp_path).output()] == [0, 0, 500, 5000]
    order = (tmp_path / "order.log").read_text().splitlines()
    assert order[1:] == ["0 AA", "0 !14", "500 A", "500 !7", "5000 A", "5000 !7"]
