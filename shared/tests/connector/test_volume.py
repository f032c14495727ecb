"""How much memory and disk a flood takes, measured in a process of its own.

The sizes of the promises run with `--soak`; a twentieth of them runs always.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
)
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.session import Session
from hydrotest_core.protocol.lines import MAX_LINE_BYTES, ProblemKind
from hydrotest_core.redaction import SecretDict

if TYPE_CHECKING:
    from pathlib import Path

MB = 1_000_000

# A connector: it writes blocks of records of three streams, states and text between them.
RECORDS = """
import json, os, random, sys

def block():
    chance = random.Random(1)
    for number in range(10_000):
        if number % 1000 == 500:
            yield json.dumps({"type": "STATE", "state": {"data": {"n": number}}})
            yield "some text"
        data = {
            "id": number,
            "name": f"Name {chance.randrange(10**9)}",
            "email": f"person{chance.randrange(10**6)}@example.com",
            "price": round(chance.random() * 1000, 2),
            "tags": ["new", f"t{chance.randrange(99)}"],
            "note": "%x" % chance.getrandbits(300),
        }
        stream = chance.choice(("users", "purchases", "products"))
        record = {"stream": stream, "emitted_at": 1_700_000_000_000 + number, "data": data}
        yield json.dumps({"type": "RECORD", "record": record}, separators=(",", ":"))

block = "".join(line + "\\n" for line in block()).encode()
for _ in range(int(sys.argv[1])):
    view = memoryview(block)
    while view:
        view = view[os.write(1, view):]
"""

# A connector: it writes one letter again and again, to stdout or stderr, and no line feed.
LETTERS = """
import os, sys
left, target = int(sys.argv[1]), int(sys.argv[2])
while left:
    left -= os.write(target, b"x" * min(left, 1 << 20))
"""

# What runs a connector and says what that took.
RUN = """
import pathlib, re, sys
from hydrotest_core.connector.execution import Command, ConnectorUnderTest, ExecutionInputs
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.session import Session
from hydrotest_core.redaction import SecretDict

connector = ConnectorUnderTest(name="x", version="1", identity="env:1", argv=tuple(sys.argv[2:]))
folder = pathlib.Path(sys.argv[1])
with Session.open(engine="unix:///nowhere/docker.sock") as session:
    inputs = ExecutionInputs(
        connector=connector, command=Command.CHECK, config=SecretDict(), output_dir=folder,
        timeout_s=3600,
    )
    ProcessRunner(session).run(inputs)
# Not ru_maxrss: that one begins with what the process had that started this one.
status = pathlib.Path("/proc/self/status").read_text()
print(int(re.search("VmHWM: *([0-9]+) kB", status.replace("\t", " "))[1]) * 1024)
"""


def _argv(program: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", program, *map(str, arguments))


def _measure(folder: Path, connector: tuple[str, ...]) -> int:
    """Run a connector and return the peak memory of what ran it, in bytes."""
    folder.mkdir(mode=0o700)
    argv = [*_argv(RUN, folder), *connector]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    return int(done.stdout)


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _packed_bytes(block: bytes, times: int) -> int:
    """Return what is left of an output when all of it is packed at once."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - the same choice as in `stored`
    else:
        from backports import zstd  # noqa: PLC0415
    packer = zstd.ZstdCompressor(1)
    return sum(len(packer.compress(block)) for _ in range(times)) + len(packer.flush())


@pytest.mark.parametrize(
    "megabytes",
    [
        pytest.param(500, id="500 MB"),
        pytest.param(10_000, id="10 GB", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_a_large_output_takes_little_memory_and_no_more_disk_than_packed(tmp_path, megabytes):
    block = subprocess.run(_argv(RECORDS, 1), stdout=subprocess.PIPE, check=True).stdout
    times = megabytes * MB // len(block) + 1
    peak_rss_bytes = _measure(tmp_path / "out", _argv(RECORDS, times))
    evidence = Evidence(tmp_path / "out")

    assert evidence.manifest.stdout_bytes == times * len(block) >= megabytes * MB
    assert evidence.manifest.message_counts == {"RECORD": 10_000 * times, "STATE": 10 * times}
    assert peak_rss_bytes <= 150 * MB
    assert _disk_bytes(evidence.directory) <= 1.01 * _packed_bytes(block, times)
    # Walking over all of it takes longer than recording it did.
    begin = b"".join(itertools.islice(evidence.stdout(), 100_000))
    assert begin == (block * 11)[: len(begin)]
    assert len(begin) > 20 * MB


@pytest.mark.parametrize(
    "megabytes",
    [
        pytest.param(200, id="200 MB"),
        pytest.param(1000, id="1 GB", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_of_a_huge_line_the_begin_the_length_and_the_hash_are_kept(tmp_path, megabytes):
    size = megabytes * MB
    peak_rss_bytes = _measure(tmp_path / "out", _argv(LETTERS, size, 1))
    evidence = Evidence(tmp_path / "out")
    expected = hashlib.sha256()
    for _ in range(megabytes):
        expected.update(b"x" * MB)

    assert peak_rss_bytes <= 100 * MB
    [line] = evidence.output()
    assert line.raw == b"x" * MAX_LINE_BYTES
    assert line.cut is not None
    assert (line.cut.size_bytes, line.cut.sha256) == (size, expected.hexdigest())
    [problem] = evidence.problems()
    assert problem.problem.kind is ProblemKind.TOO_LONG
    assert f"sha256={expected.hexdigest()}" in problem.problem.detail
    [long] = evidence.manifest.long_lines
    assert (long.line, long.size_bytes, evidence.manifest.line_count) == (1, size, 1)


@pytest.mark.parametrize(
    "megabytes",
    [
        pytest.param(100, id="100 MB"),
        pytest.param(1000, id="1 GB", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_a_flood_on_stderr_takes_little_memory_and_disk(tmp_path, megabytes):
    peak_rss_bytes = _measure(tmp_path / "out", _argv(LETTERS, megabytes * MB, 2))
    evidence = Evidence(tmp_path / "out")

    assert peak_rss_bytes <= 100 * MB
    assert evidence.manifest.stderr_bytes == megabytes * MB
    assert _disk_bytes(evidence.directory) < megabytes * MB / 100
    assert sum(map(len, evidence.stderr())) == megabytes * MB
    assert evidence.stderr_tail(1) == ["x" * 64 * 1024]


def test_a_connector_that_says_too_much_is_stopped(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir(mode=0o700)
    connector = ConnectorUnderTest(
        name="x", version="1", identity="env:1", argv=_argv(RECORDS, 10**9)
    )
    with Session.open(engine="unix:///nowhere/docker.sock") as session:
        inputs = ExecutionInputs(
            connector=connector,
            command=Command.CHECK,
            config=SecretDict(),
            max_output_bytes=5 * MB,
            output_dir=folder,
        )
        manifest = ProcessRunner(session, stop_grace_s=0.2).run(inputs).manifest

    assert manifest.ending is Ending.TOO_MUCH_OUTPUT
    assert manifest.stdout_bytes + manifest.stderr_bytes == manifest.max_output_bytes == 5 * MB
    assert sum(map(len, Evidence(folder).stdout())) == 5 * MB


def test_killed_at_any_moment_what_is_there_is_a_begin_of_what_was_said(tmp_path):
    block = subprocess.run(_argv(RECORDS, 1), stdout=subprocess.PIPE, check=True).stdout
    for number, soon in enumerate(("records/001.jsonl", "records/000.jsonl.zst", "order.log.zst")):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o700)
        with subprocess.Popen([*_argv(RUN, folder), *_argv(RECORDS, 10**9)]) as child:
            end = time.monotonic() + 60
            while not (folder / soon).exists():
                assert child.poll() is None
                assert time.monotonic() < end
                time.sleep(0.001)
            child.send_signal(signal.SIGKILL)
        said = b"".join(Evidence(folder).stdout())

        whole = block * (len(said) // len(block) + 1)
        assert whole.startswith(said)
        assert said.endswith(b"\n")
        assert len(said) > (number > 0) * 30 * MB
        assert json.loads(said[: said.index(b"\n")])["type"] == "RECORD"
