from __future__ import annotations

import importlib.util
import os
import ssl
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import hydrotest_core.connector
from hydrotest_core.cli import examination
from hydrotest_core.cli.examination import LABELS, Status, examine
from hydrotest_core.connector.stale import StaleSession
from hydrotest_core.errors import EngineUnavailable, InfrastructureError

NOBODY = "tcp://127.0.0.1:1"
VARIABLES = ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]


class Usage(NamedTuple):
    free: float


@pytest.fixture
def place(tmp_path, tmp_path_factory, monkeypatch):
    """An empty working directory, no engine, and nobody else's sessions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", NOBODY)
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def look(place):
    """Return a function that examines the machine and gives what was found under a label."""

    def examined(label, home=None, connectors=()):
        found = examine(home or place / "home", connectors)
        return [finding for finding in found if finding.what == label]

    return examined


def the(findings):
    (finding,) = findings
    return finding


def fails_with(reason):
    def describe_engine():
        message = "No Docker engine answers."
        raise EngineUnavailable(message, engine="unix:///x", reason=reason)

    return describe_engine


@pytest.fixture
def engine(monkeypatch):
    """Return a function that replaces what the engine says."""
    docker = importlib.import_module("hydrotest_core.connector.docker")

    def replace(*, describes=lambda: "Docker engine 27.1 at unix:///x", image=lambda _: "sha256:1"):
        monkeypatch.setattr(docker, "describe_engine", describes)
        monkeypatch.setattr(docker, "image_id", image)
        monkeypatch.setattr(examination, "_is_rootless", lambda: False)

    return replace


def test_the_labels_are_those_that_are_found(place, engine):
    engine()

    assert [finding.what for finding in examine(place)] == list(LABELS)


def test_python_is_the_one_that_runs(look):
    finding = the(look("python"))

    assert finding.status is Status.OK
    assert sys.executable in finding.detail


class TestEngine:
    @pytest.mark.parametrize(
        ("reason", "host", "fix"),
        [
            ("Permission denied", "", "sudo usermod -aG docker $USER, then log in again"),
            ("Connection refused", "", "start the engine: sudo systemctl start docker"),
            (
                "timed out",
                "tcp://127.0.0.1:1",
                "start the engine at tcp://127.0.0.1:1, or unset DOCKER_HOST",
            ),
        ],
        ids=["permission", "no engine", "one that was chosen"],
    )
    def test_that_does_not_answer_has_a_fix(self, look, engine, monkeypatch, reason, host, fix):
        monkeypatch.setenv("DOCKER_HOST", host)
        engine(describes=fails_with(reason))

        finding = the(look("docker"))

        assert finding.status is Status.WARN
        assert finding.detail == (
            f"No Docker engine answers at unix:///x: {reason}. Connectors run as local programs."
        )
        assert finding.fix == fix
        assert look("base image") == []

    def test_that_goes_away_meanwhile_is_told(self, look, engine):
        def gone(_):
            message = "The Docker engine stopped answering."
            raise EngineUnavailable(message, reason="Broken pipe")

        engine(image=gone)

        assert [finding.status for finding in look("docker")] == [Status.OK, Status.WARN]

    def test_without_the_sdk_is_a_warning(self, look, monkeypatch):
        monkeypatch.setitem(sys.modules, "hydrotest_core.connector.docker", None)
        monkeypatch.delattr(hydrotest_core.connector, "docker", raising=False)

        finding = the(look("docker"))

        assert finding.status is Status.WARN
        assert finding.fix == "pip install 'hydrotest-core[docker]'"


class TestLocalPrograms:
    @pytest.fixture
    def has(self, monkeypatch):
        def make(*, uv, ensurepip):
            known = importlib.util.find_spec
            monkeypatch.setattr("hydrotest_core.connector.installer.find_uv", lambda: uv)
            monkeypatch.setattr(
                "importlib.util.find_spec",
                lambda name, *more: (
                    (object() if ensurepip else None) if name == "ensurepip" else known(name, *more)
                ),
            )

        return make

    def test_are_made_by_uv(self, look, has):
        has(uv="/opt/uv", ensurepip=False)

        finding = the(look("local programs"))

        assert finding.status is Status.OK
        assert "/opt/uv" in finding.detail

    def test_are_made_by_pip_without_uv(self, look, has):
        has(uv=None, ensurepip=True)

        finding = the(look("local programs"))

        assert finding.status is Status.OK
        assert "venv and pip" in finding.detail

    def test_that_cannot_be_made_are_a_warning_where_there_is_an_engine(self, look, has, engine):
        has(uv=None, ensurepip=False)
        engine()

        finding = the(look("local programs"))

        assert finding.status is Status.WARN
        assert finding.fix == "pip install uv"

    def test_that_cannot_be_made_are_a_failure_where_nothing_else_runs(self, look, has):
        has(uv=None, ensurepip=False)

        assert the(look("local programs")).status is Status.FAIL


@pytest.mark.parametrize(
    ("sessions", "detail"),
    [
        ([{"folder": "/tmp/x"}], "1, which left 1 folder"),
        ([{"folder": "/tmp/x"}, {"folder": "/tmp/y"}], "2, which left 2 folders"),
        ([{"engine_things": ["containers c"]}], "1, which left 1 thing on the engine"),
        (
            [{"folder": "/tmp/x"}, {"engine_things": ["containers c", "volumes v"]}],
            "2, which left 1 folder and 2 things on the engine",
        ),
    ],
    ids=["a folder", "two folders", "a container", "both"],
)
def test_what_dead_sessions_left_is_counted(look, monkeypatch, sessions, detail):
    dead = [StaleSession(id=str(number), **each) for number, each in enumerate(sessions)]
    monkeypatch.setattr("hydrotest_core.connector.stale.stale_sessions", lambda: dead)

    finding = the(look("dead sessions"))

    assert finding.status is Status.WARN
    assert finding.detail == detail
    assert finding.fix == "hydrotest doctor --clear"


class TestHome:
    def test_that_is_not_there_yet_is_fine(self, look, place):
        assert the(look("home", place / "a" / "b")).status is Status.OK

    def test_is_shown_as_it_was_given(self, look, place):
        assert the(look("home", Path("here"))).detail.startswith("here, ")

    def test_that_is_a_file_is_a_failure(self, look, place):
        (place / "home").touch()

        finding = the(look("home"))

        assert finding.status is Status.FAIL
        assert "is no folder" in finding.detail
        assert "--home" in finding.fix

    def test_below_a_file_is_looked_at_where_there_is_a_folder(self, look, place):
        (place / "file").touch()

        assert the(look("home", place / "file" / "home")).status is Status.OK

    def test_that_cannot_be_written_is_a_failure(self, look, place, monkeypatch):
        monkeypatch.setattr(os, "access", lambda path, mode: path != place)

        finding = the(look("home"))

        assert finding.status is Status.FAIL
        assert str(place) in finding.detail
        assert "HYDROTEST_HOME" in finding.fix

    @pytest.mark.parametrize(
        ("free", "status"), [(5e9, Status.OK), (5e9 - 1, Status.WARN)], ids=["just enough", "less"]
    )
    def test_with_little_room_is_a_warning(self, look, place, monkeypatch, free, status):
        monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(free))

        finding = the(look("home"))

        assert finding.status is status
        assert finding.fix == (
            ""
            if status is Status.OK
            else f"make room, for example with: rm -r {place}/home/executions"
        )


@pytest.mark.parametrize(
    ("pages", "status"),
    [(2_000_000, Status.OK), (1_999_999, Status.WARN)],
    ids=["just enough", "less"],
)
def test_little_memory_is_a_warning(look, monkeypatch, pages, status):
    monkeypatch.setattr(os, "sysconf", lambda name: pages if "PHYS" in name else 1000)

    assert the(look("memory")).status is status


def test_memory_that_nobody_tells_is_not_shown(look, monkeypatch):
    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)

    assert look("memory") == []


@pytest.mark.parametrize(
    ("now", "status"),
    [(1_767_225_600, Status.OK), (1_767_225_599, Status.FAIL), (0, Status.FAIL)],
    ids=["2026", "2025", "1970"],
)
def test_a_clock_from_before_our_time_is_a_failure(look, monkeypatch, now, status):
    monkeypatch.setattr("time.time", lambda: now)

    finding = the(look("clock"))

    assert finding.status is status
    assert bool(finding.fix) is (status is Status.FAIL)


class Paths(NamedTuple):
    cafile: str | None
    capath: Path | None


class TestCertificates:
    def test_are_the_systems(self, look, monkeypatch, place):
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths("/ca.pem", None))

        assert the(look("certificates")).detail == "the system's, /ca.pem"

    def test_may_be_a_folder_of_the_system(self, look, monkeypatch, place):
        (place / "certs").mkdir()
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(None, place / "certs"))
        assert the(look("certificates")).status is Status.WARN

        (place / "certs" / "one.pem").touch()

        assert the(look("certificates")).status is Status.OK

    def test_that_the_system_lacks_are_a_warning(self, look, monkeypatch):
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(None, None))

        finding = the(look("certificates"))

        assert finding.status is Status.WARN
        assert "ca-certificates" in finding.fix

    @pytest.mark.parametrize("variable", VARIABLES)
    def test_that_a_variable_names_must_be_there(self, look, monkeypatch, variable):
        monkeypatch.setenv(variable, "/no/such/file")

        finding = the(look("certificates"))

        assert finding.status is Status.FAIL
        assert finding.detail == f"{variable} names /no/such/file, which is no file"
        assert finding.fix == f"unset {variable}, or mend it"

    def test_of_several_variables_each_wrong_one_is_told(self, look, monkeypatch, place, a_ca):
        monkeypatch.setenv("SSL_CERT_FILE", str(a_ca))
        monkeypatch.setenv("PIP_CERT", "/no/such/file")
        monkeypatch.setenv("CURL_CA_BUNDLE", "/no/such/file")

        found = look("certificates")

        assert [finding.detail.split()[0] for finding in found] == ["PIP_CERT", "CURL_CA_BUNDLE"]

    def test_that_are_none_are_told(self, look, monkeypatch, place):
        (place / "ca.pem").write_text("no certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(place / "ca.pem"))

        assert "which holds no certificate" in the(look("certificates")).detail

    def test_that_are_in_order_are_named_once(self, look, monkeypatch, a_ca):
        monkeypatch.setenv("SSL_CERT_FILE", str(a_ca))
        monkeypatch.setenv("PIP_CERT", str(a_ca))

        finding = the(look("certificates"))

        assert finding.status is Status.OK
        assert finding.detail == f"{a_ca}, by SSL_CERT_FILE, PIP_CERT"

    @pytest.mark.parametrize(
        ("variable", "status"),
        [("REQUESTS_CA_BUNDLE", Status.OK), ("SSL_CERT_FILE", Status.FAIL)],
    )
    def test_may_be_a_folder_where_the_library_says_so(
        self, look, monkeypatch, place, variable, status
    ):
        monkeypatch.setenv(variable, str(place))

        assert the(look("certificates")).status is status

    @pytest.fixture
    def a_ca(self, place, monkeypatch):
        path = place / "good.pem"
        path.touch()
        known = ssl.create_default_context
        monkeypatch.setattr(
            ssl, "create_default_context", lambda **more: None if more else known(**more)
        )
        return path


class TestConnectors:
    def test_that_are_in_order(self, look, place):
        for name in ("source-a", "source-b"):
            (place / name).mkdir()
            (place / name / "hydrotest.yaml").write_text("kind: image\ncommand: [sh]\n")

        assert [
            the(look(name, connectors=[place / "source-a", place / "source-b"])).status
            for name in ("source-a", "source-b")
        ] == [Status.OK, Status.OK]

    def test_that_are_not_there(self, look, place):
        finding = the(look("source-a", connectors=[place / "source-a"]))

        assert finding.status is Status.FAIL
        assert finding.detail == "There is no such connector folder. (folder=source-a)"
        assert finding.fix == "check the path"

    def test_whose_settings_have_two_mistakes_are_two_findings(self, look, place):
        (place / "source-a").mkdir()
        (place / "source-a" / "hydrotest.yaml").write_text("kind: imag\nkomand: 1\n")

        found = look("source-a", connectors=[place / "source-a"])

        assert [finding.status for finding in found] == [Status.FAIL, Status.FAIL]
        assert all(finding.fix.startswith("did you mean") for finding in found)

    def test_that_have_a_warning(self, look, place, monkeypatch):
        folder = importlib.import_module("hydrotest_core.connector.folder")
        (place / "source-a").mkdir()
        (place / "source-a" / "hydrotest.yaml").write_text("kind: image\ncommand: [sh]\n")
        known = folder._read_connector_settings
        monkeypatch.setattr(
            folder, "_read_connector_settings", lambda path: (known(path)[0], ["out of date"])
        )

        found = look("source-a", connectors=[place / "source-a"])

        assert [finding.status for finding in found] == [Status.OK, Status.WARN]
        assert found[1].detail == "out of date"

    @pytest.mark.parametrize(
        "error", [PermissionError(13, "Permission denied"), InfrastructureError("It broke.")]
    )
    def test_that_cannot_be_read(self, look, place, monkeypatch, error):
        def load(_):
            raise error

        monkeypatch.setattr("hydrotest_core.connector.folder.ConnectorFolder.load", load)

        finding = the(look("source-a", connectors=[place / "source-a"]))

        assert finding.status is Status.FAIL
        assert str(error) in finding.detail
        assert finding.fix == f"mend {place / 'source-a'}"
