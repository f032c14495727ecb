from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
)
from hydrotest_core.connector.process import ISOLATION, ProcessRunner, minimal_environment
from hydrotest_core.connector.reaper import SESSION_VARIABLE, marked_processes
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.session import Session
from hydrotest_core.errors import BuildFailed, InfrastructureError
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing.contract import program

NOBODY = "unix:///nowhere/docker.sock"


@pytest.fixture
def session():
    with Session.open(engine=NOBODY) as session:
        yield session


@pytest.fixture
def run(session, tmp_path):
    """Return a function that runs a program as a connector."""

    def start(*argv, folder=None, environment=None, own=None, **more):
        connector = ConnectorUnderTest(
            name="source-x",
            version="dev",
            identity="env:1",
            argv=argv,
            environment=own or {},
            working_directory=folder,
        )
        output_dir = tmp_path / "out"
        output_dir.mkdir(mode=0o700)
        asked = {"command": Command.CHECK, "config": SecretDict(), **more}
        inputs = ExecutionInputs(
            connector=connector, output_dir=output_dir, environment=environment or {}, **asked
        )
        return ProcessRunner(session, stop_grace_s=0.2).run(inputs)

    return start


def python(code):
    return (sys.executable, "-c", code)


def stdout_of(result):
    return b"".join(Evidence(result.directory).stdout()).decode()


def test_isolation_is_told(run):
    manifest = run(*python("")).manifest

    assert (manifest.runner, manifest.isolation) == ("process", ISOLATION)


def test_files_are_private_and_gone_afterwards(run):
    code = "import os, sys; print(sys.argv[-1], oct(os.stat(sys.argv[-1]).st_mode))"
    result = run(*python(code))

    path, mode = stdout_of(result).split()
    assert int(mode, 8) == stat.S_IFREG | 0o600
    assert not Path(path).exists()
    assert result.manifest.argv[-1] == path


def test_connector_gets_a_home_and_nothing_that_is_ours(run, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    code = "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]))"
    result = run(*python(code), own={"CONNECTOR": "1"}, environment={"ASKED": "2"})

    environment, folder = msgspec.json.decode(stdout_of(result))
    assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "PYTEST_CURRENT_TEST"} & set(environment)
    assert (environment["CONNECTOR"], environment["ASKED"]) == ("1", "2")
    assert environment["TZ"] == "Asia/Tokyo"
    assert environment["HOME"] == folder
    assert environment["TMPDIR"] == str(Path(folder).with_name("tmp"))
    assert not Path(folder).exists()


def test_asked_variables_outweigh_the_connectors_own(run):
    code = "import os; print(os.environ['A'], os.environ['B'])"
    result = run(*python(code), own={"A": "own", "B": "own"}, environment={"A": "asked"})

    assert stdout_of(result) == "asked own\n"


def test_minimal_environment_keeps_path_language_and_certificates(tmp_path):
    ours = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "SSL_CERT_FILE": "/ca.pem",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
        "HOME": "/root",
        "DOCKER_HOST": "x",
    }

    assert minimal_environment(ours, tmp_path) == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "SSL_CERT_FILE": "/ca.pem",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
    }
    assert minimal_environment({}, tmp_path)["PATH"] == os.defpath


def test_connector_starts_in_its_working_directory(run, tmp_path):
    result = run(*python("import os; print(os.getcwd())"), folder=tmp_path)

    assert stdout_of(result) == f"{tmp_path}\n"


def test_connector_reads_nothing_from_our_input(run):
    assert stdout_of(run(*python("import sys; print(repr(sys.stdin.read()))"))) == "''\n"


def test_peak_memory_is_the_connectors(run):
    # Twice ours at the least, so that the kernel's number can't be ours.
    code = "x = bytearray(600 << 20)"
    peak = run(*python(code)).manifest.peak_rss_bytes

    assert 600 << 20 < peak < 700 << 20


def test_exit_137_is_an_exit_and_no_signal(run):
    manifest = run(*python("import sys; sys.exit(137)")).manifest

    assert (manifest.ending, manifest.exit_code, manifest.signal) == (Ending.EXITED, 137, None)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM], ids=lambda one: one.name)
def test_each_signal_is_told(run, number):
    code = f"import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), {number})"
    manifest = run(*python(code)).manifest

    assert (manifest.ending, manifest.signal) == (Ending.SIGNALLED, number)


def test_connector_that_ends_when_asked_says_its_last_words(run):
    code = """
import signal, sys, time
def stop(*_):
    print("stopping", flush=True)
    sys.exit(4)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""
    result = run(*python(code), timeout_s=3)

    assert stdout_of(result) == "ready\nstopping\n"
    assert (result.manifest.ending, result.manifest.exit_code) == (Ending.TIMED_OUT, 4)


def test_connector_that_closed_its_pipes_is_still_stopped_in_time(run):
    code = "import os, time; os.write(1, b'bye'); os.close(1); os.close(2); time.sleep(60)"
    result = run(*python(code), timeout_s=2)

    assert (result.manifest.ending, result.manifest.signal) == (Ending.TIMED_OUT, signal.SIGTERM)
    assert stdout_of(result) == "bye"


def test_exit_after_closing_the_pipes_is_waited_for(run):
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(5)"
    manifest = run(*python(code)).manifest

    assert (manifest.ending, manifest.exit_code) == (Ending.EXITED, 5)


def test_child_that_never_stops_talking_is_cut_off(run, session):
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    while True:
        os.write(1, b'noise\\n' * 1000)
os.write(1, b'done\\n')
"""
    result = run(*python(code), timeout_s=60)

    assert (result.manifest.ending, result.manifest.exit_code) == (Ending.EXITED, 0)
    assert marked_processes(SESSION_VARIABLE, session.id) == []


def test_child_in_the_background_that_let_go_of_the_pipes_is_killed_too(run, session):
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    time.sleep(60)
"""
    result = run(*python(code))

    assert result.manifest.ending is Ending.EXITED
    assert marked_processes(SESSION_VARIABLE, session.id) == []


def a_script(folder, text, mode=0o700):
    path = folder / "connector"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        pytest.param(lambda f: [str(f / "gone")], "hydrotest build", id="not there"),
        pytest.param(
            lambda f: [a_script(f, "#!/bin/sh\n", 0o600)], "chmod +x", id="not executable"
        ),
        pytest.param(lambda f: [a_script(f, "#!/no/sh\n")], "interpreter", id="no interpreter"),
        pytest.param(lambda f: [a_script(f, "\x01\x02")], "#!/bin/sh", id="no program"),
        pytest.param(lambda _: [], "hydrotest build", id="no command line"),
    ],
)
def test_program_that_cannot_be_started_is_told_with_the_way_out(
    run, session, tmp_path, make, hint
):
    with pytest.raises(BuildFailed, match="can't be started") as caught:
        run(*make(tmp_path))

    assert hint in caught.value.hint
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert [path.name for path in session.folder.iterdir()] == ["session.json"]


def test_missing_working_directory_is_told(run, tmp_path):
    with pytest.raises(BuildFailed, match="working directory") as caught:
        run(*python(""), folder=tmp_path / "gone")
    assert str(tmp_path / "gone") in caught.value.hint


def test_interrupted_run_keeps_what_was_said_and_leaves_no_process(
    run, session, tmp_path, monkeypatch
):
    def interrupted(self, data):
        real(self, data)
        raise KeyboardInterrupt

    real = OutputRecorder.stdout
    monkeypatch.setattr(OutputRecorder, "stdout", interrupted)

    with pytest.raises(KeyboardInterrupt):
        run(sys.executable, "-c", program(), "hang")

    evidence = Evidence(tmp_path / "out")
    assert evidence.manifest.ending is Ending.INTERRUPTED
    assert evidence.manifest.line_count >= 1
    assert marked_processes(SESSION_VARIABLE, session.id) == []


def test_full_disk_stops_the_connector(run, session, tmp_path, monkeypatch):
    def fail(_self, _data):
        message = "The disk is full."
        raise InfrastructureError(message)

    monkeypatch.setattr(OutputRecorder, "stdout", fail)

    with pytest.raises(InfrastructureError, match="disk is full"):
        run(sys.executable, "-c", program(), "hang")

    assert Evidence(tmp_path / "out").manifest.ending is Ending.INTERRUPTED
    assert marked_processes(SESSION_VARIABLE, session.id) == []


def test_full_disk_stops_a_connector_that_says_no_more(run, session, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "writev", refuse)
    begin = time.monotonic()

    with pytest.raises(InfrastructureError, match="can't be written down") as caught:
        run(sys.executable, "-c", program(), "hang", timeout_s=20)

    assert time.monotonic() - begin < 15
    assert caught.value.facts["free_bytes"] > 0
    assert caught.value.facts["needed_bytes"] > 0
    assert marked_processes(SESSION_VARIABLE, session.id) == []


def test_interrupt_while_the_program_is_being_started_leaves_no_process(run, session, monkeypatch):
    real = subprocess.Popen
    started = []

    def interrupted(*args, **more):
        started.append(real(*args, **more))
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", interrupted)

    with pytest.raises(KeyboardInterrupt):
        run(sys.executable, "-c", program(), "hang")

    assert marked_processes(SESSION_VARIABLE, session.id) == []
    assert started[0].wait() == -signal.SIGKILL
    started[0].communicate()


def test_system_without_waitid_reaps_at_once(run, monkeypatch):
    monkeypatch.delattr(os, "waitid")

    manifest = run(*python("import sys; sys.exit(6)")).manifest

    assert (manifest.ending, manifest.exit_code) == (Ending.EXITED, 6)


def test_session_that_is_over_starts_nothing(run, session, tmp_path):
    session.close()

    with pytest.raises(InfrastructureError, match="The session is over"):
        run(*python(""))
    assert not list((tmp_path / "out").iterdir())


def test_full_temporary_folder_is_told(run, session, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hydrotest_core.connector.process.open_private", fail)

    with pytest.raises(InfrastructureError, match="No space left on device"):
        run(*python(""))
    assert [path.name for path in session.folder.iterdir()] == ["session.json"]


PARENT = """
import sys
from pathlib import Path
from hydrotest_core.connector.execution import *
from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.connector.session import Session
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing.contract import program

with Session.open(engine="unix:///nowhere/docker.sock") as session:
    print(session.id, flush=True)
    connector = ConnectorUnderTest(
        name="x", version="dev", identity="x", argv=(sys.executable, "-c", program(), "hang"))
    ProcessRunner(session).run(ExecutionInputs(
        connector=connector, command=Command.CHECK, config=SecretDict(), output_dir=Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT],
    ids=lambda one: one.name,
)
def test_whatever_kills_us_nothing_is_left(number, tmp_path, own_temporary_folder):
    output_dir = tmp_path / "out"
    output_dir.mkdir(mode=0o700)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(output_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert parent.stdout is not None
    session = parent.stdout.readline().decode().strip()
    # The connector, its child, and the one that left its group.
    assert until(lambda: len(marked_processes(SESSION_VARIABLE, session)) == 3, 20)

    parent.send_signal(number)
    parent.communicate()

    assert until(lambda: not marked_processes(SESSION_VARIABLE, session), 5)
    assert until(lambda: not list(own_temporary_folder.iterdir()), 5)
    is_written = (output_dir / "manifest.json").exists()
    assert is_written == (number is signal.SIGINT)
    shutil.rmtree(output_dir)


def until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
