"""However a run ends, nothing of it is left, and what was found out by then is told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hydrotest_core.connector.session import Session

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")

NOBODY = "unix:///nowhere/docker.sock"

# What the promise says: within five seconds nothing is left, the second Ctrl-C takes one.
GONE_WITHIN_S = 5.0
AT_ONCE_S = 1.0
# Nothing is promised of these: they only keep a broken test from hanging.
GIVE_UP_S = 60.0

# Has the terminal that it is given as its own, so that Ctrl-C there becomes a signal.
LOGIN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

# Hangs with output on its lips; its child has left its group, and took off its mark.
HANGS = """
cat "$here/read.jsonl"; echo "words on stderr" >&2
env -i setsid sleep 600 & setsid sleep 600 & echo $$ >"$here/hangs"; sleep 600
"""

# What a rule can do to its worker. `doomed` is a test's name, "" for every one.
DEADLY = """
import ctypes, os, pathlib, signal
import pytest

HOW = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(0),
    "segfault": lambda: ctypes.string_at(1),
    "out of memory": os.abort,  # As C libraries do that get no more.
}

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        return
    import faulthandler
    from hydrotest_acceptance.judge import Judge
    faulthandler.disable()
    judges = Judge.__call__
    def kills(self, *judgements):
        if os.environ["DOOMED"] in os.environ["PYTEST_CURRENT_TEST"]:
            HOW[os.environ["HOW"]]()
        judges(self, *judgements)
    Judge.__call__ = kills
"""


def until(is_so, seconds=GIVE_UP_S):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def processes(word):
    """The processes that have a word in their variables or their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            if word.encode() in text and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def children_of(pid):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(folder.name))
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Judging:
    """A run that was started, in a folder for temporary files of its own."""

    def __init__(self, argv, cwd, scratch, **more):
        self.scratch = scratch
        self.mark = f"mark-{time.monotonic_ns()}"
        environment = {
            **os.environ,
            "TMPDIR": str(scratch),
            "DOCKER_HOST": NOBODY,
            "TEST_MARK": self.mark,
            **more.pop("env", {}),
        }
        self.process = subprocess.Popen(argv, cwd=cwd, env=environment, **more)
        self._tree = set()

    @property
    def session(self):
        (folder,) = self.scratch.glob("hydrotest-*")
        return folder.name.removeprefix("hydrotest-")

    def look(self):
        """Remember all that belongs to the run: itself, its workers, reaper and connectors."""
        self._tree = {self.process.pid}
        while more := {child for pid in self._tree for child in children_of(pid)} - self._tree:
            self._tree |= more
        self._tree |= {*processes(self.mark), *processes(self.session)}
        return self._tree

    def connectors(self):
        """Remember the connector's processes, and those that they started."""
        marked = processes(f"HYDROTEST_SESSION={self.session}")
        return {*marked, *(child for pid in marked for child in children_of(pid))}

    def left(self):
        """What there still is of it."""
        self.process.poll()
        alive = [f"process {pid}" for pid in self._tree if is_alive(pid)]
        return alive + [str(path) for path in self.scratch.glob("hydrotest-*")]

    def kill(self):
        for pid in self._tree | {self.process.pid}:
            if is_alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def judging(tmp_path, tmp_path_factory, command):
    """Return a function that begins to judge the tiny connector."""
    started = []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def begin(*options, **more):
        more = {**quiet, "start_new_session": True, **more}
        one = Judging(command(*options), tmp_path, tmp_path_factory.mktemp("t"), **more)
        started.append(one)
        return one

    yield begin
    for one in started:
        one.kill()


def report_of(home):
    found = list((home / "runs").glob("*/report.json"))
    return json.loads(found[0].read_text()) if found else None


def kept_records(home):
    return [
        path.read_text().count("\n") for path in (home / "executions").rglob("records/000.jsonl")
    ]


@pytest.mark.parametrize(
    ("number", "by"),
    [
        (signal.SIGINT, "Ctrl-C"),
        (signal.SIGTERM, "SIGTERM"),
        (signal.SIGHUP, "SIGHUP"),
        (signal.SIGKILL, None),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["", "n2"])
def test_whatever_ends_the_controller_nothing_is_left(tiny, tmp_path, judging, workers, number, by):
    tiny.does("read", HANGS)
    run = judging("-k", "TestBasicRead or TestConnection", *workers)
    assert until((tiny.folder / "hangs").exists)
    assert until(lambda: kept_records(tmp_path / "home") == [2])
    # The run and its reaper, the connector and its two children, and two workers.
    assert until(lambda: len(run.look()) >= 5 + 2 * bool(workers))

    connectors = run.connectors()
    assert len(connectors) == 4

    os.kill(run.process.pid, number)

    # Where it may, the run itself takes the time to write its report.
    assert until(lambda: not any(map(is_alive, connectors)), GONE_WITHIN_S)
    assert number is signal.SIGKILL or until(lambda: not is_alive(run.process.pid))
    assert until(lambda: not run.left(), GONE_WITHIN_S), run.left()
    assert kept_records(tmp_path / "home") == [2]
    report = report_of(tmp_path / "home")
    assert (report["interrupted"] if report else None) == by
    if report is not None:
        assert run.process.returncode == 2
        assert report["not_run"] >= 1


class Terminal:
    """A terminal with a run in it."""

    def __init__(self):
        self.ours, self.theirs = os.openpty()
        self.said = b""

    def reads(self, word, seconds=GIVE_UP_S):
        """Read until a word comes; return whether it came."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.ours, selectors.EVENT_READ)
            while not re.search(word, self.said) and time.monotonic() < deadline:
                if selector.select(0.1):
                    try:
                        self.said += os.read(self.ours, 65536)
                    except OSError:  # Nobody has it open any more.
                        break
        return re.search(word, self.said) is not None

    def press_ctrl_c(self):
        os.write(self.ours, b"\x03")

    def close(self):
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.fixture
def typed(judging, monkeypatch, terminal):
    """Return a function that begins to judge in a terminal."""

    def begin(*options):
        return judging(
            *options,
            stdin=terminal.theirs,
            stdout=terminal.theirs,
            stderr=terminal.theirs,
            executable=sys.executable,
        )

    known = Judging.__init__

    def logged_in(self, argv, *args, **more):
        known(self, [sys.executable, "-c", LOGIN, *argv], *args, **more)

    monkeypatch.setattr(Judging, "__init__", logged_in)
    return begin


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["", "n2"])
def test_the_first_ctrl_c_leaves_a_report_that_says_so(tiny, tmp_path, typed, terminal, workers):
    tiny.does("discover", HANGS)
    run = typed("-k", "TestConnection or TestDiscovery", *workers)
    assert until((tiny.folder / "hangs").exists)
    run.look()

    terminal.press_ctrl_c()

    assert terminal.reads(rb"INTERRUPTED by Ctrl-C.* not run"), terminal.said.decode()
    assert until(lambda: not run.left(), GONE_WITHIN_S), run.left()
    assert run.process.returncode == 2
    report = report_of(tmp_path / "home")
    assert report["interrupted"] == "Ctrl-C"
    assert report["not_run"] > 0
    if not workers:  # Else nobody knows whether it had ended.
        assert [one["test"] for one in report["verdicts"]] == [
            "TestConnection::test_check[inputs0]"
        ]
    junit = next((tmp_path / "home").glob("runs/*/junit.xml")).read_text()
    assert '<error type="interrupted" message="interrupted by Ctrl-C;' in junit
    page = next((tmp_path / "home").glob("runs/*/report.html")).read_text()
    assert "Cut short by Ctrl-C" in page


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["", "n2"])
def test_the_second_ctrl_c_ends_at_once_and_the_reaper_finishes(
    tiny, tmp_path, typed, terminal, workers
):
    tiny.does("read", HANGS)
    # What is to be torn down after the first one takes for ever.
    (tmp_path / "slow_to_end.py").write_text(
        "import pathlib, time\n"
        "def pytest_keyboard_interrupt():\n"
        "    pathlib.Path('ending').touch()\n"
        "    time.sleep(600)\n"
    )
    options = ("-p", "slow_to_end", "-o", f"pythonpath={tmp_path}")
    run = typed("-k", "TestBasicRead", *options, *workers)
    assert until((tiny.folder / "hangs").exists)
    run.look()

    terminal.press_ctrl_c()
    assert until((tmp_path / "ending").exists)
    assert not until(lambda: not is_alive(run.process.pid), 0.4)
    terminal.press_ctrl_c()

    assert until(lambda: not is_alive(run.process.pid), AT_ONCE_S)
    assert until(lambda: not run.left(), GONE_WITHIN_S), run.left()
    assert run.process.returncode == -signal.SIGINT


@pytest.fixture
def deadly(tmp_path, run):
    """Return a function that judges with a rule that is deadly to its worker."""
    (tmp_path / "deadly.py").write_text(DEADLY)

    def judge(*options, how="kill", doomed="", **more):
        environment = {"HOW": how, "DOOMED": doomed, "DOCKER_HOST": NOBODY, **more}
        return run("-p", "deadly", "-o", f"pythonpath={tmp_path}", *options, **environment)

    return judge


@pytest.mark.parametrize("how", ["kill", "exit", "segfault", "out of memory"])
def test_a_test_whose_worker_died_is_told_once_and_costs_no_other(tiny, deadly, tmp_path, how):
    tiny.does("check", "for n in $(seq 1 60); do echo word $n >&2; done")

    result = deadly("-n", "2", "-k", "TestConnection or TestSpec", how=how, doomed="test_check")

    failed = [test for test, outcome in result.outcomes.items() if outcome == "failed"]
    assert failed == ["TestConnection::test_check[inputs0]"]
    assert list(result.outcomes.values()).count("passed") > 5
    told = result.verdict(failed[0])["reason"].splitlines()[1:]
    assert told[0].endswith(f"crashed while running 'source-tiny::{failed[0]}'")
    assert told[1] == "The connector's last words on stderr (50 lines):"
    assert (told[2], told[51]) == ("  word 11", "  word 60")
    assert told[52] == "command: check"
    where = tmp_path / told[53].removeprefix("artifacts: ")
    assert (where / "stderr.log").read_text().startswith("word 1\n")
    assert "word 60" in result.text
    assert result.exit_code == 1


def test_what_the_connector_of_a_dead_worker_left_is_removed(tiny, judging, tmp_path):
    tiny.does("read", HANGS)
    # The run goes on meanwhile: its end would remove everything.
    tiny.does("check", 'while [ ! -e "$here/go" ]; do sleep 0.1; done')
    run = judging("-n", "2", "-k", "TestBasicRead or TestConnection")
    assert until((tiny.folder / "hangs").exists)
    assert until(lambda: kept_records(tmp_path / "home") == [2])
    run.look()
    connector = int((tiny.folder / "hangs").read_text())
    left = {connector, *children_of(connector)}
    assert len(left) == 4
    (worker,) = (pid for pid in run.look() - left if left & set(children_of(pid)))
    tiny.does("read", "")

    os.kill(worker, signal.SIGKILL)

    assert until(lambda: not [pid for pid in left if is_alive(pid)], GONE_WITHIN_S)
    (tiny.folder / "go").touch()
    assert run.process.wait(GIVE_UP_S) == 1
    report = report_of(tmp_path / "home")
    (failed,) = [one for one in report["verdicts"] if one["outcome"] == "failed"]
    assert "command: read source-tiny:dev" in failed["reason"]
    assert "  words on stderr" in failed["reason"]
    assert "draft-" in failed["reason"]
    assert kept_records(tmp_path / "home")[0] == 2


def test_workers_that_always_die_are_replaced_four_times_each_and_no_more(deadly):
    result = deadly("-n", "1", "-k", "TestSpec or TestConnection or TestDiscovery")

    failed = [one for one in result.report["verdicts"] if one["outcome"] == "failed"]
    assert len(failed) == 5
    assert "maximum crashed workers reached: 4" in result.text
    assert len({one["test"] for one in failed}) == 5


def test_a_run_that_stops_at_the_first_failure_says_it_is_not_whole(run, tiny):
    tiny.answers("check", {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED"}})

    result = run("-x", "-k", "TestConnection or TestDiscovery")

    assert result.report["interrupted"].startswith("stopping after 1 failures")
    assert result.report["not_run"] > 0
    assert result.exit_code == 1


def test_the_next_run_clears_what_a_dead_one_left_and_says_so(tiny, judging, run, monkeypatch):
    tiny.does("read", HANGS)
    dead = judging("-k", "TestBasicRead")
    assert until((tiny.folder / "hangs").exists)
    dead.look()
    session = dead.session
    reapers = [pid for pid in children_of(dead.process.pid) if b"reaper" in cmdline(pid)]
    for pid in [*reapers, dead.process.pid]:
        os.kill(pid, signal.SIGKILL)
    dead.process.wait()
    assert len(dead.left()) == 5, "the connector, its three children, and the scratch folder"
    monkeypatch.setattr("tempfile.tempdir", str(dead.scratch))

    with Session.open(engine=NOBODY) as alive:
        result = run("-k", "TestConnection", TMPDIR=str(dead.scratch), DOCKER_HOST=NOBODY)

        assert re.search(
            rf"removed processes \d of session {session}, whose owner is dead", result.text
        )
        assert f"folder {dead.scratch}/hydrotest-{session} of session" in result.text
        assert dead.left() == [str(alive.folder)]
        assert not alive.is_over


def cmdline(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()
