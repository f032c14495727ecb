from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.fixture
def run(tmp_path):
    """Return a function that runs tests with the plugin and returns what pytest said."""

    def go(code):
        (tmp_path / "test_it.py").write_text("import contextlib, socket, threading\n" + code)
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
                *("-p", "no:cacheprovider", "-p", "hydrotest_core.testing.silence"),
                str(tmp_path / "test_it.py"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        return done.stdout

    return go


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        ("socket.create_connection(('192.0.2.1', 80), timeout=1)", "192.0.2.1"),
        ("socket.create_connection(('2001:db8::1', 80), timeout=1)", "2001:db8::1"),
        ("socket.getaddrinfo('updates.example.com', 443)", "updates.example.com"),
        ("socket.gethostbyname('updates.example.com')", "updates.example.com"),
        (
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
            "socket.sendto 192.0.2.1:53",
        ),
    ],
    ids=["address", "version 6", "name", "old name", "datagram"],
)
def test_an_attempt_fails_its_test_even_where_the_error_is_swallowed(run, attempt, told):
    said = run(
        f"def test_good(): pass\n"
        f"def test_talks():\n    with contextlib.suppress(OSError):\n        {attempt}\n"
        f"def test_after(): pass\n"
    )

    assert "3 passed, 1 error" in said
    assert f"talked to the network: {told}" in said or f" {told}" in said


def test_a_thread_is_heard_too(run):
    said = run(
        "def talk():\n    with contextlib.suppress(OSError):\n"
        "        socket.create_connection(('192.0.2.1', 80))\n"
        "def test_talks():\n    one = threading.Thread(target=talk)\n"
        "    one.start()\n    one.join()\n"
    )

    assert "1 passed, 1 error" in said


def test_this_machine_may_be_talked_to(run):
    said = run(
        "def test_talks(tmp_path):\n"
        "    with socket.create_server(('127.0.0.1', 0)) as server:\n"
        "        socket.create_connection(('localhost', server.getsockname()[1])).close()\n"
        "        server.accept()[0].close()\n"
        "    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as one:\n"
        "        server.bind(str(tmp_path / 's'))\n"
        "        server.listen()\n"
        "        one.connect(str(tmp_path / 's'))\n"
    )

    assert "1 passed" in said
    assert "error" not in said
