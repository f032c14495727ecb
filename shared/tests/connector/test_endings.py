"""Whatever ends us, at whatever stage of an execution, nothing of it is left.

Here with the process runner; `docker/test_endings.py` is the same with containers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
)
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.reaper import SESSION_VARIABLE, marked_processes
from hydrotest_core.connector.session import Session
from hydrotest_core.protocol import MessageType
from hydrotest_core.redaction import SecretDict

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")

NOBODY = "unix:///nowhere/docker.sock"
GONE_WITHIN_S = 5.0

STAGES = [
    "session opened", "scratch made", "files written", "output opened", "started",
    "first output", "time is up", "ended, not yet killed", "manifest written", "sealed",
]  # fmt: skip

# Stages at which something was said, so that there is something to keep.
AFTER_START = STAGES[5:]

OURS = """
import json
from pathlib import Path
from hydrotest_core.connector import cache, process, process_tree, recorder, runner, seal, session
from hydrotest_core.connector.execution import *
from hydrotest_core.redaction import SecretDict

SAYS = '''echo '{"type":"LOG","log":{"level":"INFO","message":"word"}}'; setsid sleep 600 & '''
# Its second child takes off its mark, and is known by its parent alone.
HANGS = "env -i setsid sleep 600 & sleep 600"
PLACES = {
    "session opened": (session.Session, "open"),
    "scratch made": (process, "prepare"),
    "files written": (process, "_write_files"),
    "output opened": (recorder.OutputRecorder, "__init__"),
    "started": (process_tree.ProcessTree, "start"),
    "first output": (recorder.OutputRecorder, "stdout"),
    "time is up": (process_tree.ProcessTree, "ask_to_end"),
    "ended, not yet killed": (runner.Execution, "stop_clock"),
    "manifest written": (runner.Execution, "finish"),
    "sealed": (seal, "seal"),
}

def run(stage, home, mine):
    late = stage == "time is up"
    hangs = late or stage in ("started", "first output")
    words = ("/bin/sh", "-c", SAYS + (HANGS if hangs else "true"))
    connector = ConnectorUnderTest(name="x", version="dev", identity="x", argv=words)
    by = process.ProcessRunner(mine)
    kept = cache.ExecutionCache(home, by, session=mine.id, accept_since_ms=0)
    kept.run(ExecutionInputs(connector=connector, command=Command.CHECK, config=SecretDict(),
        output_dir=Path(), timeout_s=0.5 if late else 600))
"""


def belongings(tmp_path, scratch, stage):
    """What there is of a session: processes of its mark, its scratch folder, its reaper."""
    session = (tmp_path / stage / "session").read_text()
    processes = marked_processes(SESSION_VARIABLE, session)
    folder = scratch / f"hydrotest-{session}"
    return [f"process {pid}" for pid in processes] + [str(folder)] * folder.exists()


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL],
    ids=lambda one: one.name,
)
def test_whatever_ends_us_at_any_stage_nothing_is_left(
    ours_at, tmp_path, own_temporary_folder, number, until, is_alive
):
    children = ours_at(OURS, STAGES)
    there = {stage: belongings(tmp_path, own_temporary_folder, stage) for stage in STAGES}
    assert [stage for stage in STAGES if not there[stage]] == []
    # The shell and its three children, one of them without its mark, and the folder.
    assert len(there["first output"]) == 5

    for pid in children.values():
        os.kill(pid, number)

    def left():
        found = {stage: belongings(tmp_path, own_temporary_folder, stage) for stage in STAGES}
        return {stage: things for stage, things in found.items() if things}

    assert until(lambda: not left(), GONE_WITHIN_S), left()
    assert list(own_temporary_folder.iterdir()) == []
    assert until(lambda: not any(map(is_alive, children.values())), GONE_WITHIN_S)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name
)
def test_what_was_said_is_kept_and_can_be_judged_at_any_stage(
    ours_at, tmp_path, number, until, is_alive
):
    children = ours_at(OURS, AFTER_START)

    for pid in children.values():
        os.kill(pid, number)

    assert until(lambda: not any(map(is_alive, children.values())))
    endings, said = {}, {}
    for stage in AFTER_START:
        (manifest,) = (tmp_path / stage / "home").glob("executions/*/*/manifest.json")
        evidence = Evidence(manifest.parent)
        endings[stage] = evidence.manifest.ending
        said[stage] = [
            str(one.log.message) for one in evidence.messages(MessageType.LOG) if one.log
        ]
    assert set(endings.values()) == {Ending.INTERRUPTED}
    assert said == {stage: ["word"] for stage in AFTER_START}


def test_what_was_said_a_second_before_we_are_killed_is_on_the_disk(
    ours_at, tmp_path, until, is_alive
):
    (pid,) = ours_at(OURS, ["first output"]).values()

    os.kill(pid, signal.SIGKILL)

    assert until(lambda: not is_alive(pid))
    (output,) = (tmp_path / "first output").glob("home/executions/*/draft-*")
    assert len(list(Evidence(output).messages(MessageType.LOG))) == 1


@pytest.fixture
def session():
    with Session.open(engine=NOBODY) as session:
        yield session


@pytest.fixture
def run(session, tmp_path):
    """Return a function that runs a program as a connector for a second."""

    def start(code):
        output_dir = tmp_path / "out"
        output_dir.mkdir(mode=0o700)
        connector = ConnectorUnderTest(
            name="x", version="dev", identity="x", argv=(sys.executable, "-c", code)
        )
        inputs = ExecutionInputs(
            connector=connector,
            command=Command.CHECK,
            config=SecretDict(),
            output_dir=output_dir,
            timeout_s=TIMEOUT_S,
        )
        return ProcessRunner(session, stop_grace_s=GRACE_S).run(inputs)

    return start


@pytest.fixture
def offspring():
    """Return a function that finds the children that bear no mark, by how long they sleep."""

    def look():
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if path.read_bytes() == b"sleep\0%d\0" % SLEEPS_S:
                    found.append(int(path.parent.name))
        return found

    yield look
    for pid in look():
        os.kill(pid, signal.SIGKILL)


TIMEOUT_S, GRACE_S = 1.5, 0.5
SLEEPS_S = 100_000 + os.getpid()
SAY = """
import os, signal, subprocess, sys, time
def say(word, to=1):
    os.write(to, ('{"type":"LOG","log":{"level":"INFO","message":"%s"}}\\n' % word).encode())
"""
STUBBORN = {
    "ignores SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('x'); time.sleep(600)",
    "never ends": "say('x'); time.sleep(600)",
    "forks and both stay": "os.fork(); say('x') if os.getppid() else 0; time.sleep(600)",
    "has a grandchild in a session of its own": """
say('x')
if not os.fork():
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()
time.sleep(600)
""",
    "has a grandchild without any mark": """
say('x')
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.Popen(["sleep", SLEEPS_S], env={}, start_new_session=True, **quiet)
time.sleep(600)
""",
    "waits for its input": "say('x'); sys.stdin.read(); time.sleep(600)",
    "writes after it closed stderr": """
os.close(2)
say('x')
while True:
    say('more')
    time.sleep(0.05)
""",
    "is stopped": "say('x'); os.kill(os.getpid(), signal.SIGSTOP)",
    "floods": "say('x')\nwhile True: say('y' * 1000)",
}


@pytest.mark.parametrize("how", STUBBORN)
def test_time_is_up_for_whoever_does_not_end(run, session, how, offspring):
    began = time.monotonic()

    result = run(SAY + f"SLEEPS_S = '{SLEEPS_S}'\n" + STUBBORN[how])

    # Two seconds for what is ours: draining the pipes, and waiting for the killed.
    assert offspring() == []
    assert marked_processes(SESSION_VARIABLE, session.id) == []
    assert result.manifest.ending is Ending.TIMED_OUT
    assert TIMEOUT_S <= time.monotonic() - began < TIMEOUT_S + GRACE_S + 5
    said = Evidence(result.directory).messages(MessageType.LOG)
    assert str(next(iter(said)).log.message) == "x"
    assert result.manifest.line_count >= 1


def test_who_forks_and_exits_has_ended_and_its_child_is_not_waited_for(run, session):
    code = "say('x')\nif os.fork(): os._exit(3)\ntime.sleep(600)"

    result = run(SAY + code)

    assert (result.manifest.ending, result.manifest.exit_code) == (Ending.EXITED, 3)
    assert marked_processes(SESSION_VARIABLE, session.id) == []


def test_a_daemon_without_any_mark_that_keeps_our_pipes_is_found_by_them(run, offspring):
    code = f"""
if not os.fork():
    os.execve("/bin/setsid", ["setsid", "sleep", "{SLEEPS_S}"], {{}})
time.sleep(0.5)
"""

    result = run(SAY + code)

    assert result.manifest.ending is Ending.EXITED
    assert offspring() == []
