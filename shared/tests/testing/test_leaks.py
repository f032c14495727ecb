from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hydrotest_core.testing.leaks import Holdings

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")

HEAD = "import os, subprocess, sys, tempfile, threading, pytest\nKEPT = []\n"
SLEEPER = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])"


@pytest.fixture
def run(tmp_path):
    """Return a function that runs tests with the plugin and returns the outcome in words."""

    def go(code, *options, within_s="0.3"):
        (tmp_path / "test_it.py").write_text(HEAD + code)
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "-c",
                    os.devnull,
                    "--rootdir",
                    str(tmp_path),
                ),
                *("-p", "no:cacheprovider", "-p", "hydrotest_core.testing.leaks"),
                *("--leaks-go-within", within_s, *options, str(tmp_path / "test_it.py")),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        return done.stdout

    return go


@pytest.mark.parametrize(
    ("leak", "told"),
    [
        pytest.param("KEPT.append(open('/dev/zero'))", "of /dev/zero", id="file"),
        pytest.param("os.pipe()", "of pipe:[", id="pipe"),
        pytest.param(
            "threading.Thread(target=threading.Event().wait, name='mine', daemon=True).start()",
            "thread mine",
            id="thread",
        ),
        pytest.param(f"KEPT.append({SLEEPER})", "time.sleep(30)", id="child"),
        pytest.param(
            "from hydrotest_core.connector.session import Session; KEPT.append(Session.open())",
            "folder ",
            id="session",
        ),
    ],
)
def test_what_a_test_leaves_behind_fails_it_and_only_it(run, leak, told):
    tidy = "for one in KEPT:\n        getattr(one, 'kill', getattr(one, 'close', None))()\n"
    said = run(
        f"def test_good(): pass\ndef test_leaks():\n    {leak}\ndef test_after():\n    {tidy}",
    )

    assert "3 passed, 1 error" in said
    assert "ERROR" in said
    assert "test_leaks" in said.partition("short test summary")[2]
    assert told in said


@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_what_a_shared_fixture_holds_is_no_leak(run, scope):
    said = run(
        f"@pytest.fixture(scope='{scope}')\ndef both():\n"
        "    with open('/dev/zero') as file:\n        yield file\n"
        "def test_one(both): pass\ndef test_two(both): pass\n"
    )

    assert "2 passed" in said
    assert "error" not in said


def test_what_is_on_its_way_out_is_waited_for(run):
    said = run(
        "import time\ndef test_one():\n"
        "    threading.Thread(target=time.sleep, args=(0.3,), daemon=True).start()\n",
        within_s="20",
    )

    assert "1 passed" in said
    assert "error" not in said


def test_a_file_that_took_anothers_number_is_found(tmp_path):
    first = os.open("/dev/null", os.O_RDONLY)
    before = Holdings.now()
    os.close(first)
    second = os.open(tmp_path, os.O_RDONLY)
    try:
        assert second == first
        left = Holdings.now() - before
        assert left.in_words() == f"descriptor {second} of {tmp_path}"
    finally:
        os.close(second)


def test_nothing_is_nothing():
    assert not Holdings()
    assert not Holdings.now() - Holdings.now()
