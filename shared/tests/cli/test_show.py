from __future__ import annotations

import pytest

from hydrotest_core.cli.main import main
from hydrotest_core.connector import recorder as recorder_module
from hydrotest_core.connector.appender import Appender
from hydrotest_core.connector.recorder import OutputRecorder

LOG = b'{"type":"LOG","log":{"level":"INFO","message":"hi"}}'
SAID = b"".join(b"%d\n" % number for number in range(1, 21)) + LOG + b"\n\x1b[31mred\xff\nend"


@pytest.fixture
def run(capfdbinary):
    """Return a function that runs `hydrotest show` and gives (exit code, stdout, stderr)."""

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            main(["show", *map(str, args)])
        said = capfdbinary.readouterr()
        return ended.value.code, said.out, said.err

    return call


@pytest.fixture(params=["plain", "packed"])
def execution(tmp_path, request, monkeypatch):
    if request.param == "packed":
        monkeypatch.setattr("hydrotest_core.connector.appender._PLAIN_BYTES", 0)
        monkeypatch.setattr(
            recorder_module, "Appender", lambda: Appender(batch_bytes=1, pack_from_bytes=0)
        )
    with OutputRecorder(tmp_path) as recorder:
        recorder.stdout(SAID)
        recorder.stderr(b"bad\x1b[2Jthings\n")
    assert (tmp_path / "problems.log").exists() == (request.param == "plain")
    return tmp_path


def test_all_of_stdout_is_shown_in_order_and_safe_for_a_terminal(run, execution):
    code, out, _ = run(execution)

    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert code == 0
    assert lines[:2] == [[b"1", b"1"], [b"2", b"2"]]
    assert lines[-2:] == [[b"22", b"\\x1b[31mred\\xff"], [b"23", b"end"]]


@pytest.mark.parametrize("name", ["", "stdout"])
def test_raw_gives_the_bytes_as_they_came(run, execution, name):
    assert run(execution / name, "--raw") == (0, SAID, b"")


def test_around_a_line_time_and_file_are_told(run, execution):
    _, out, _ = run(f"{execution}/stdout:21")

    lines = out.decode().splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(">")] == [
        *("16", "17", "18", "19", "20", "22", "23"),
    ]
    [marked] = [line for line in lines if line.startswith(">")]
    assert " ms messages/logs.jsonl" in marked
    assert ":1 " in marked
    assert marked.endswith(LOG.decode())


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("stdout:21", LOG + b"\n"),
        ("messages/logs.jsonl:1", LOG + b"\n"),
        ("messages/logs.jsonl.zst:1", LOG + b"\n"),
        ("problems.log:2", b"2\n"),
        ("stderr.log", b"bad\x1b[2Jthings\n"),
    ],
)
def test_the_evidence_of_a_finding_is_opened_by_its_name(run, execution, place, said):
    assert run(execution / place, "--raw") == (0, said, b"")


def test_a_file_is_shown_safe_for_a_terminal(run, execution):
    assert run(execution / "stderr.log") == (0, b"        1  bad\\x1b[2Jthings\n", b"")


def test_a_long_line_is_cut(run, tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        recorder.stdout(b"x" * 5000 + b"\n")
    _, out, _ = run(tmp_path)

    assert out.decode().endswith("x … (5,000 bytes)\n")
    assert len(out) < 2100


@pytest.mark.parametrize(
    ("place", "text"),
    [
        pytest.param("stdout:24", b"There is no such line.", id="line"),
        pytest.param("records/007.jsonl", b"has no such file", id="file"),
        pytest.param("../nowhere", b"no execution's folder", id="folder"),
    ],
)
def test_a_place_that_is_not_there_is_wrong_usage(run, tmp_path, place, text):
    folder = tmp_path / "execution"
    folder.mkdir()
    with OutputRecorder(folder) as recorder:
        recorder.stdout(SAID)
    code, _, err = run(f"{folder}/{place}")

    assert code == 2
    assert text in err


def test_a_folder_of_an_older_format_is_refused_by_name(run, tmp_path):
    (tmp_path / "stdout.log").write_bytes(b"older\n")
    code, _, err = run(tmp_path)

    assert code == 3
    assert b"written down in format 1; this hydrotest reads 2" in err
