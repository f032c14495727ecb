from __future__ import annotations

import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hydrotest_core.cli import doctor
from hydrotest_core.cli.examination import LABELS, Finding, Status
from hydrotest_core.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = "tcp://127.0.0.1:1"
GOOD = "kind: image\ncommand: [sh, source.sh]\n"


@pytest.fixture
def place(tmp_path, tmp_path_factory, monkeypatch):
    """An empty working directory, no engine, and nobody else's sessions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", NOBODY)
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def connector(place):
    """Return a function that makes a connector's folder below ./connectors."""

    def make(name, text=GOOD):
        folder = place / "connectors" / name
        folder.mkdir(parents=True)
        (folder / "hydrotest.yaml").write_text(text)
        return folder

    return make


@pytest.fixture
def run(capsys):
    """Return a function that runs `hydrotest doctor` and gives (exit code, stdout, stderr)."""

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *args])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return call


@pytest.fixture
def finds(monkeypatch):
    """Return a function that has the examination find what it is given."""

    def make(*findings):
        monkeypatch.setattr(doctor, "examine", lambda home, folders: iter(findings))

    return make


def finding(status, what="disk", detail="so and so", fix=""):
    return Finding(what=what, status=status, detail=detail, fix=fix)


OK, WARN, FAIL = finding(Status.OK), finding(Status.WARN), finding(Status.FAIL, fix="mend it")


@pytest.mark.parametrize(
    ("findings", "code", "summary"),
    [
        ([OK], 0, "all is well"),
        ([OK, WARN], 0, "1 warning"),
        ([WARN, WARN], 0, "2 warnings"),
        ([FAIL], 3, "1 to mend"),
        ([OK, FAIL, WARN], 3, "1 to mend, 1 warning"),
        ([FAIL, FAIL], 3, "2 to mend"),
    ],
    ids=["ok", "warning", "two warnings", "failure", "second is a failure", "two failures"],
)
@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "json"])
def test_what_is_broken_shows_in_the_exit_code(run, place, finds, findings, code, summary, args):
    finds(*findings)

    ended, out, _ = run(*args)

    assert ended == code
    assert args or out.endswith(f"\n\n{summary}\n")


def test_each_finding_is_a_line_with_its_fix_below(run, place, finds):
    finds(OK, FAIL)

    lines = run()[1].splitlines()

    assert lines[0] == "OK    disk            so and so"
    assert lines[1] == "FAIL  disk            so and so"
    assert lines[2] == "                      fix: mend it"


def test_findings_stand_in_columns_whatever_a_connector_is_called(run, place, finds, connector):
    connector("source-with-a-long-name")
    finds(OK, finding(Status.OK, "source-with-a-long-name"), finding(Status.OK, "x" * 300))

    lines = run()[1].splitlines()

    assert lines[0].index("so and so") == lines[1].index("so and so") < 40
    assert len(lines[2]) < 100


def test_a_finding_brings_no_control_character(run, place, finds):
    finds(OK, finding(Status.FAIL, "\x1b[2J", "\x1b]0;x\x07", "\u202e"))

    out = run()[1]

    assert all(each.isprintable() or each == "\n" for each in out)
    assert "\\x1b[2J" in out


def test_findings_are_shown_as_they_come(run, place, monkeypatch, capsys):
    def examine(home, folders):
        yield OK
        assert capsys.readouterr().out == "OK    disk            so and so\n"
        yield WARN

    monkeypatch.setattr(doctor, "examine", examine)

    assert "WARN" in run()[1]


def test_json_has_a_version_and_every_finding(run, place, finds):
    finds(OK, FAIL)

    document = json.loads(run("--json")[1])

    assert document["format_version"] == 1
    assert document["hydrotest"] == "0.1.0"
    assert document["findings"] == [
        {"what": "disk", "status": "OK", "detail": "so and so", "fix": ""},
        {"what": "disk", "status": "FAIL", "detail": "so and so", "fix": "mend it"},
    ]


def test_without_an_engine_it_says_so_and_goes_on(run, place):
    code, out, _ = run()

    assert code == 0
    assert "WARN  docker          No Docker engine answers at tcp://127.0.0.1:1: Con" in out
    assert "Connectors run as local programs." in out
    assert "fix: start the engine at tcp://127.0.0.1:1, or unset DOCKER_HOST" in out
    shown = [label for label in LABELS if f"  {label}" in out]
    assert shown == [label for label in LABELS if label != "base image"]


def test_json_is_valid_whatever_else_is_said(run, place, connector):
    connector("source-apple", "kind: imag\n")

    code, out, _ = run("--json", "--clear")

    assert code == 3
    assert json.loads(out)["findings"][-1]["what"] == "source-apple"


def test_all_connectors_are_looked_at(run, connector):
    connector("source-pear")
    connector("source-apple")

    lines = run()[1].splitlines()

    assert "OK    source-apple    kind image, airbyte/source-apple" in lines
    assert "OK    source-pear     kind image, airbyte/source-pear" in lines


def test_hidden_folders_and_files_are_no_connectors(run, connector, place):
    connector("source-apple")
    connector(".git")
    connector("__pycache__")
    (place / "connectors" / "README.md").touch()

    code, out, _ = run()

    assert code == 0
    assert "git" not in out
    assert "README" not in out


def test_a_connectors_mistakes_are_all_told_with_their_place(run, connector):
    connector("source-apple")
    connector("source-pear", "kind: imag\nkomand: [sh]\n")

    code, out, _ = run()

    assert code == 3
    assert "OK    source-apple" in out
    assert "FAIL  source-pear     connectors/source-pear/hydrotest.yaml:1:7: expected" in out
    assert "fix: did you mean 'image'?" in out
    assert "connectors/source-pear/hydrotest.yaml:2:1: unknown key 'komand'" in out
    assert "fix: did you mean 'command'?" in out


def test_a_folder_that_is_no_connector_is_told(run, place):
    (place / "connectors" / "source-empty").mkdir(parents=True)

    code, out, _ = run()

    assert code == 3
    assert "FAIL  source-empty    Nothing in this folder says how the connector is run." in out
    assert "fix: it needs a pyproject.toml" in out


@pytest.mark.parametrize("name", ["source-pear", "connectors/source-pear"])
def test_one_connector_can_be_asked_for(run, connector, name):
    connector("source-apple", "broken: [\n")
    connector("source-pear")

    code, out, _ = run(name)

    assert code == 0
    assert "source-pear" in out
    assert "source-apple" not in out


def test_one_that_is_broken_can_be_asked_for_too(run, connector):
    connector("source-pear")
    connector("source-apple", "broken: [\n")

    code, out, _ = run("source-pear", "source-apple")

    assert code == 3
    assert "OK    source-pear" in out
    assert "FAIL  source-apple" in out


def test_a_connector_that_is_not_there_is_wrong_usage(run, connector):
    connector("source-apple")

    code, out, err = run("source-aple")

    assert code == 2
    assert out == ""
    assert "hint: did you mean source-apple" in err


def leave_a_session_behind():
    """Open a session in a process of its own, and kill both it and its reaper."""
    script = (
        "import os, signal\n"
        "from hydrotest_core.connector.session import Session\n"
        "session = Session.open()\n"
        "os.kill(session._reaper.pid, signal.SIGKILL)\n"
        "print(session.folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    return Path(done.stdout.strip())


@pytest.mark.parametrize(
    ("args", "environment"),
    [(["--clear"], {}), ([], {"HYDROTEST_DOCTOR_CLEAR": "1"})],
    ids=["flag", "variable"],
)
def test_clear_removes_what_dead_sessions_left(run, place, monkeypatch, args, environment):
    folders = [leave_a_session_behind(), leave_a_session_behind()]
    assert all(folder.name.startswith("hydrotest-") for folder in folders)
    assert "WARN  dead sessions   2, which left 2 folders" in run()[1]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    code, out, err = run(*args)

    assert code == 0
    assert [folder for folder in folders if folder.exists()] == []
    assert all(f"removed folder {folder}" in err for folder in folders)
    assert "OK    dead sessions" in out


def test_clear_says_when_there_is_nothing(run, place):
    assert run("--clear")[2] == "nothing to remove\n"


class Engine(http.server.BaseHTTPRequestHandler):
    """An engine as far as the doctor asks one."""

    things: Mapping[str, object]

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.partition("?")[0]
        path = "/" + path.split("/", 2)[2] if path.startswith("/v1") else path
        answer = self.things.get(path)
        data = json.dumps(answer if answer is not None else {"message": "No such image"}).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def engine(place, monkeypatch):
    """Return a function that starts an engine, which knows what it is given."""
    servers = []

    def start(**changes):
        answers = {
            "/version": {"Version": "27.1", "ApiVersion": "1.46", "MinAPIVersion": "1.24"},
            "/info": {"SecurityOptions": ["name=seccomp,profile=default"]},
            "/images/python:3.11-slim-bookworm/json": {"Id": "sha256:" + "ab" * 32},
            "/containers/json": [],
            "/networks": [],
            "/volumes": {"Volumes": None},
        }
        handler = type("Handler", (Engine,), {"things": answers | changes})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        address = f"tcp://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("DOCKER_HOST", address)
        return address

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_engine_is_told_with_the_base_image(run, engine):
    address = engine()

    code, out, _ = run()

    assert code == 0
    assert f"OK    docker          Docker engine 27.1 at {address}\n" in out
    assert "OK    base image      python:3.11-slim-bookworm sha256:abababababab\n" in out


def test_an_engine_without_root_is_told(run, engine):
    engine(**{"/info": {"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}})

    assert ", rootless\n" in run()[1]


def test_a_base_image_that_is_not_there_is_told(run, engine):
    engine(**{"/images/python:3.11-slim-bookworm/json": None})

    code, out, _ = run()

    assert code == 0
    assert "WARN  base image      python:3.11-slim-bookworm is not on the engine" in out
    assert "fix: docker pull python:3.11-slim-bookworm" in out


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_while_an_engine_is_silent_ends_it_at_once(place, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        command = [sys.executable, "-c", "from hydrotest_core.cli import main; main(['doctor'])"]
        running = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place
        )
        try:
            connection, _ = silent.accept()
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=30)
            connection.close()
        finally:
            running.kill()
            running.communicate()

    assert running.returncode == 130
    assert err.endswith("hydrotest: interrupted\n")


def test_an_engine_that_talks_nonsense_stops_nothing(run, place, monkeypatch):
    def answer():
        server.settimeout(0.05)
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{{{")

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            began = time.time()
            code, out, _ = run()
            cleared, _, said = run("--clear")
        finally:
            over.set()
            thread.join()

    assert code == 0, began
    assert (cleared, "can't be listed" in said) == (3, True)
    assert "WARN  docker          No Docker engine answers" in out
    assert "WARN  dead sessions   what they left can't be listed" in out
