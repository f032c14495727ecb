"""What no connector should say, and how none should end: from the pipe to the evidence."""

from __future__ import annotations

import itertools
import json
import signal
import socket
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import Command, ConnectorUnderTest, Ending, ExecutionInputs
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.pump import PumpEnd, pump
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.records import read_data
from hydrotest_core.connector.session import Session
from hydrotest_core.protocol import MessageType, ProblemKind, parse_line
from hydrotest_core.redaction import SecretDict

LOG = b'{"type":"LOG","log":{"level":"INFO","message":"m"}}'


def a_record(data: bytes, stream: str = "users") -> bytes:
    head = b'{"type":"RECORD","record":{"stream":%b,"emitted_at":1,"data":'
    return head % json.dumps(stream).encode() + data + b"}}"


def nested(levels: int) -> bytes:
    return a_record(b'{"a":' + b"[" * levels + b"]" * levels + b"}")


# What the policy makes of each line: a problem of a kind, or None for a message.
POLICY = {
    "NaN": (a_record(b'{"a":NaN}'), ProblemKind.NOT_JSON),
    "Infinity": (a_record(b'{"a":Infinity}'), ProblemKind.NOT_JSON),
    "duplicate keys": (a_record(b'{"a":1,"a":2}'), None),
    "2^64": (a_record(b'{"a":18446744073709551616}'), None),
    "40 digits": (a_record(b'{"a":%b}' % (b"9" * 40)), None),
    "a byte order mark": (b"\xef\xbb\xbf" + LOG, ProblemKind.NOT_JSON),
    "UTF-16": (LOG.decode().encode("utf-16-le"), ProblemKind.NOT_JSON),
    "UTF-16 with a mark": (LOG.decode().encode("utf-16"), ProblemKind.BAD_UTF8),
    "invalid UTF-8": (a_record(b'{"a":"\xc3("}'), ProblemKind.BAD_UTF8),
    "a lone surrogate": (a_record(b'{"a":"\\ud800"}'), ProblemKind.NOT_JSON),
    "CR before LF": (LOG + b"\r", None),
    "leading blanks": (b" \t " + LOG, None),
    "two objects": (LOG + b" " + LOG, ProblemKind.NOT_JSON),
    "text after the object": (LOG + b" done", ProblemKind.NOT_JSON),
    "depth 512": (nested(509), None),
    "depth 513": (nested(510), ProblemKind.TOO_DEEP),
    "depth 1,000": (nested(1000), ProblemKind.TOO_DEEP),
    "depth 100,000": (nested(100_000), ProblemKind.TOO_DEEP),
    "NUL bytes": (b"\0\0\0", ProblemKind.NOT_JSON),
    "a NUL byte in a string": (a_record(b'{"a":"\0"}'), ProblemKind.NOT_JSON),
    "an escaped NUL": (a_record(b'{"a":"\\u0000"}'), None),
    "U+2028": (a_record('{"a":"\u2028\u2029"}'.encode()), None),
    "0x85": (a_record('{"a":"\x85\x0c"}'.encode().replace(b"\x0c", b"")), None),
    "0x85 as a byte": (a_record(b'{"a":"\x85"}'), ProblemKind.BAD_UTF8),
    "other ends of lines": (a_record(b'{"a":"b"}').replace(b",", b",\r\x20"), None),
    "vertical tabs": (b"\x0b\x0c" + LOG, ProblemKind.NOT_JSON),
    "nothing": (b"", ProblemKind.EMPTY),
    "blanks": (b" \t\r", ProblemKind.EMPTY),
    "a stream's name of 10,000 characters": (a_record(b"{}", "x" * 10_000), None),
    "100,000 fields": (
        a_record(b"{%b}" % b",".join(b'"f%d":%d' % (n, n) for n in range(100_000))),
        None,
    ),
}

# Known only to who reads the data: the recorder checks its form and not its numbers.
LATE = {
    "1e400": a_record(b'{"a":1e400}'),
    "5,000 digits": a_record(b'{"a":%b}' % (b"9" * 5000)),
}


@pytest.fixture
def say(tmp_path):
    """Return a function that sends packets through a pump, a recorder and back."""

    def send(*packets: bytes) -> Evidence:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, OutputRecorder(tmp_path) as recorder:
            with theirs:
                for packet in packets:
                    theirs.send(packet)
            assert pump({ours.fileno(): recorder.stdout}) is PumpEnd.EOF
        return Evidence(tmp_path)

    return send


class TestPolicy:
    @pytest.mark.parametrize(("raw", "kind"), POLICY.values(), ids=POLICY)
    def test_each_line_is_a_message_or_a_problem_and_kept(self, tmp_path, raw, kind):
        with OutputRecorder(tmp_path) as recorder:
            recorder.stdout(b"\n".join([LOG, raw, LOG, b""]))
        evidence = Evidence(tmp_path)

        problems = [(one.number, one.problem.kind) for one in evidence.problems() if one.problem]
        assert problems == ([] if kind is None else [(2, kind)])
        assert [line.raw for line in evidence.walk()] == [LOG, raw, LOG]
        kept = [line.raw for kind in MessageType for line in evidence.lines(kind)]
        assert (raw in kept) == (kind is None)

    @pytest.mark.parametrize("raw", LATE.values(), ids=LATE)
    def test_a_number_too_big_is_a_problem_of_the_record(self, tmp_path, raw):
        with OutputRecorder(tmp_path) as recorder:
            recorder.stdout(raw + b"\n" + LOG + b"\n")
        [record] = Evidence(tmp_path).records("users")

        problem = read_data(record)
        assert not isinstance(problem, dict)
        assert problem.kind is ProblemKind.NOT_JSON
        assert record.raw == raw

    def test_numbers_of_any_readable_size_stay_exact(self, tmp_path):
        with OutputRecorder(tmp_path) as recorder:
            recorder.stdout(a_record(b'{"a":%b,"b":18446744073709551616}' % (b"7" * 4000)))
        [record] = Evidence(tmp_path).records("users")

        data = read_data(record)
        assert isinstance(data, dict)
        assert data == {"a": int("7" * 4000), "b": 2**64}

    def test_the_last_line_needs_no_end_and_is_known_to_have_none(self, say):
        evidence = say(LOG + b"\n" + LOG)

        assert len(list(evidence.messages(MessageType.LOG))) == 2
        assert not evidence.is_last_line_complete


SAMPLE = [raw for raw, _ in POLICY.values() if len(raw) < 3000] + list(LATE.values())
cut_lines = st.lists(st.sampled_from(SAMPLE), max_size=12).flatmap(
    lambda lines: st.tuples(
        st.just(lines),
        st.lists(st.integers(0, sum(map(len, lines)) + len(lines)), max_size=20),
        st.booleans(),
    )
)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(cut_lines)
def test_however_a_pipe_cuts_it_the_lines_are_the_same(tmp_path_factory, drawn):
    lines, cuts, ends = drawn
    data = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    packets = [data[a:b] for a, b in itertools.pairwise(edges) if a < b]

    evidence = _recorded(tmp_path_factory.mktemp("cut"), packets)

    expected = data.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert [line.raw for line in evidence.walk()] == expected
    problems = [line.number for line in evidence.problems()]
    assert problems == [
        number
        for number, raw in enumerate(expected, 1)
        if parse_line(raw, number).problem and raw not in LATE.values()
    ]
    assert [line.raw for line in evidence.records("users")] == [
        raw for raw in expected if raw in LATE.values() or is_a_record(raw)
    ]


def is_a_record(raw: bytes) -> bool:
    message = parse_line(raw, 1).message
    return bool(message and message.record and message.record.stream == "users")


def _recorded(folder, packets) -> Evidence:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, OutputRecorder(folder) as recorder:
        with theirs:
            for packet in packets:
                theirs.send(packet)
        pump({ours.fileno(): recorder.stdout})
    return Evidence(folder)


# A process of its own, so that its memory is nobody else's.
RUN = """
import json, resource, sys
from pathlib import Path
from hydrotest_core.connector.execution import *
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.session import Session
from hydrotest_core.redaction import SecretDict

with Session.open(engine="unix:///nowhere/docker.sock") as session:
    def run(code, folder):
        Path(folder).mkdir(mode=0o700)
        connector = ConnectorUnderTest(
            name="x", version="dev", identity="x", argv=(sys.executable, "-c", code))
        inputs = ExecutionInputs(
            connector=connector, command=Command.CHECK, config=SecretDict(),
            output_dir=Path(folder), timeout_s=120)
        manifest = ProcessRunner(session).run(inputs).manifest
        return manifest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    _, before = run("import os; [os.write(fd, b'x' * 1000 + b'\\\\n') for fd in (1, 2)]", sys.argv[2] + ".warm")
    manifest, after = run(sys.argv[1], sys.argv[2])
print(json.dumps([manifest.ending, manifest.exit_code, manifest.stdout_bytes, manifest.stderr_bytes,
                  (after - before) * 1024]))
"""
# Ninety bytes a line, so that whoever kept them would show.
GARBAGE = """
import os
LINE = b"%d )]}' garbage \\x00\\x07 {" + b"." * 64 + b"\\n"
for start in range(0, 1_000_000, 5000):
    data = b"".join(LINE % n for n in range(start, start + 5000))
    while data:
        data = data[os.write(1, data):]
"""
FLAT = 24 * 1024**2

# Two threads, each at full speed; a pipe holds 64 KiB, so each waits for whoever reads.
BOTH = """
import os, threading
LOG = b'{"type":"LOG","log":{"level":"INFO","message":"%d"}}\\n'
def flood(fd, line, end):
    for start in range(0, end, 1000):
        data = b"".join(line % n for n in range(start, start + 1000))
        while data:
            data = data[os.write(fd, data):]
threads = [
    threading.Thread(target=flood, args=(1, LOG, 300_000)),
    threading.Thread(target=flood, args=(2, b"err %d\\n", 1_200_000)),
]
for one in threads: one.start()
for one in threads: one.join()
"""
STDERR = """
import os
left, line = %d, (b"something went by on stderr %s\\n" % (b"." * 70)) * 1000
while left > 0:
    left -= os.write(2, line[:left])
"""


@pytest.fixture
def flood(tmp_path):
    """Return a function that runs a program in a process of its own and measures that."""

    def start(code):
        folder = tmp_path / "out"
        done = subprocess.run(
            [sys.executable, "-c", RUN, code, str(folder)],
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr
        return folder, json.loads(done.stdout)

    return start


class TestFloods:
    def test_both_pipes_at_full_speed_stay_apart_and_in_order(self, flood):
        folder, (ending, code, _, _, grown) = flood(BOTH)

        assert (ending, code) == ("exited", 0)
        logs = Evidence(folder).messages(MessageType.LOG)
        assert all(one.log is not None and one.log.message == str(n) for n, one in enumerate(logs))
        assert Evidence(folder).manifest.message_counts == {"LOG": 300_000}
        stderr = b"".join(Evidence(folder).stderr())
        assert stderr == b"".join(b"err %d\n" % n for n in range(1_200_000))
        assert grown < FLAT

    def test_a_million_lines_of_garbage_are_counted_and_take_no_memory(self, flood):
        folder, (ending, code, _, _, grown) = flood(GARBAGE)
        evidence = Evidence(folder)

        assert (ending, code) == ("exited", 0)
        assert (evidence.manifest.line_count, evidence.manifest.problem_count) == (10**6, 10**6)
        first = itertools.islice(evidence.problems(), 5)
        assert [(one.number, one.raw) for one in first] == [
            (n + 1, b"%d )]}' garbage \x00\x07 {" % n + b"." * 64) for n in range(5)
        ]
        assert grown < FLAT

    @pytest.mark.parametrize(
        "size",
        [200_000_000, pytest.param(1_000_000_000, marks=pytest.mark.soak)],
        ids=["200 MB", "1 GB"],
    )
    def test_stderr_alone_takes_no_memory(self, flood, size):
        _, (ending, code, stdout, stderr, grown) = flood(STDERR.replace("%d", str(size)))

        assert (ending, code, stdout, stderr) == ("exited", 0, 0, size)
        assert grown < FLAT


RECORDS = f"import os; os.write(1, {a_record(b'{}')!r} + b'\\n'); os.write(2, b'ready\\n');"
QUIET = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
ENDS: dict[str, tuple[str, dict[str, Any], tuple[Ending, int | None, int | None]]] = {
    "exit code 3": ("os._exit(3)", {}, (Ending.EXITED, 3, None)),
    "exit code 137": ("os._exit(137)", {}, (Ending.EXITED, 137, None)),
    "killed by somebody": (
        "os.kill(os.getpid(), 9)",
        {"kills": [4, 4]},
        (Ending.SIGNALLED, None, 9),
    ),
    "killed by whom nobody tells": (
        "os.kill(os.getpid(), 9)",
        {"kills": [None, None]},
        (Ending.SIGNALLED, None, 9),
    ),
    "out of memory": (
        "os.kill(os.getpid(), 9)",
        {"kills": [4, 5]},
        (Ending.OUT_OF_MEMORY, None, 9),
    ),
    "crashed": (f"{QUIET} os.kill(os.getpid(), 11)", {}, (Ending.SIGNALLED, None, 11)),
    "timed out, ended when asked": (
        "import time; time.sleep(60)",
        {"timeout_s": 1.5},
        (Ending.TIMED_OUT, None, signal.SIGTERM),
    ),
    "timed out, killed by us": (
        "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
        {"timeout_s": 1.5, "kills": [4, 5]},
        (Ending.TIMED_OUT, None, signal.SIGKILL),
    ),
}


@pytest.fixture
def end(tmp_path, monkeypatch):
    """Return a function that has a connector say a record and end in a way."""

    def run(code, kills=None, timeout_s=60.0):
        if kills is not None:
            counts = iter(kills)
            monkeypatch.setattr(
                "hydrotest_core.connector.process_tree.memory_kills", lambda: next(counts)
            )
        folder = tmp_path / "out"
        folder.mkdir(mode=0o700)
        argv = (sys.executable, "-c", f"{RECORDS} {code}")
        inputs = ExecutionInputs(
            connector=ConnectorUnderTest(name="x", version="dev", identity="x", argv=argv),
            command=Command.CHECK,
            config=SecretDict(),
            output_dir=folder,
            timeout_s=timeout_s,
        )
        with Session.open(engine="unix:///nowhere/docker.sock") as session:
            return ProcessRunner(session, stop_grace_s=0.3).run(inputs)

    return run


class TestEnds:
    @pytest.mark.parametrize(("code", "more", "expected"), ENDS.values(), ids=ENDS)
    def test_each_end_is_told_from_the_others(self, end, code, more, expected):
        manifest = end(code, **more).manifest

        assert (manifest.ending, manifest.exit_code, manifest.signal) == expected
        assert manifest.is_out_of_memory == (manifest.ending is Ending.OUT_OF_MEMORY)
        assert bool(manifest.ending_note) == (expected[2] == 9 and "timeout_s" not in more)

    def test_what_was_said_before_a_crash_is_there_and_so_is_the_crash(self, end):
        result = end(f"{QUIET} os.kill(os.getpid(), 11)")

        [record] = Evidence(result.directory).records("users")
        assert msgspec.json.decode(record.data) == {}
        assert result.manifest.ending is Ending.SIGNALLED
        assert Evidence(result.directory).stderr_tail(1) == ["ready"]

    def test_who_killed_it_is_said_as_far_as_it_is_known(self, end, tmp_path):
        notes = set()
        for name in ("killed by somebody", "killed by whom nobody tells", "out of memory"):
            code, more, _ = ENDS[name]
            notes.add(end(code, **more).manifest.ending_note)
            (tmp_path / "out").rename(tmp_path / name)

        assert len(notes) == 3
