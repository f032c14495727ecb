"""No command talks to the network unless it says so: no telemetry, no look for updates.

Each program here runs with the network forbidden to it and to every Python child of it;
what it tries all the same is written down, whether its error was swallowed or not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["core", "acceptance", "live", "mock", "drift"]

# Python looks for this module by its name in each process that it starts.
SITECUSTOMIZE = """\
import os
from hydrotest_core.testing.silence import forbid_network

def tell(attempt):
    with open(os.environ["ATTEMPTS"], "a") as file:
        file.write(attempt + "\\n")

forbid_network(tell)
"""
IMPORT_ALL = """\
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    # A suite asks for its fixtures, a main module starts.
    if ".suites" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
CHILD = """\
import subprocess, sys
subprocess.run([sys.executable, "-c", "import socket; socket.gethostbyname('t.example.com')"])
"""
CLI = [sys.executable, "-c", "from hydrotest_core.cli.main import main; main()"]


@pytest.fixture
def silently(tmp_path):
    """Return a function that runs a program without a network; gives what it said and tried."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    attempts = tmp_path / "attempts"

    def run(*argv, **environment):
        path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "ATTEMPTS": str(attempts), **environment},
        )
        tried = attempts.read_text().splitlines() if attempts.exists() else []
        return done.returncode, done.stdout + done.stderr, tried

    return run


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_is_silent(silently, package):
    assert silently(sys.executable, "-c", IMPORT_ALL, f"hydrotest_{package}") == (0, "", [])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], {0}),
        (["--version"], {0}),
        (["build", "--help"], {0}),
        (["doctor", "--help"], {0}),
        (["doctor", "--json"], {0, 3}),
        (["no-such-command"], {2}),
    ],
    ids=["help", "version", "build help", "doctor help", "doctor", "no command"],
)
def test_a_command_that_needs_no_network_is_silent(silently, words, code):
    exit_code, said, tried = silently(*CLI, *words)

    assert tried == []
    assert exit_code in code, said


def test_judging_a_local_program_is_silent(silently, tmp_path):
    code, said, tried = silently(
        *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path)),
        *("-p", "no:cacheprovider", "-p", "hydrotest_acceptance.plugin", "-n", "1"),
        *("--acceptance-test-config", str(ROOT / "connectors" / "source-shell")),
        *("--runner", "process", "--hydrotest-home", str(tmp_path / "home")),
    )

    assert tried == []
    assert code == 0, said
    assert "hydrotest" in said


@pytest.mark.parametrize(
    "attempt",
    [
        "import urllib.request; urllib.request.urlopen('https://updates.example.com')",
        "import socket; socket.create_connection(('192.0.2.1', 80))",
        CHILD,
    ],
    ids=["update", "address", "child"],
)
def test_who_talks_is_heard(silently, attempt):
    _, _, tried = silently(sys.executable, "-c", attempt)

    assert len(tried) == 1
