from __future__ import annotations

import threading

import pytest

from hydrotest_core.connector.heartbeat import Heartbeat


def test_a_milestone_is_told_at_once_and_other_lines_are_not():
    told: list[str] = []
    with Heartbeat("building x", told.append) as heartbeat:
        heartbeat.line("noise\n")
        heartbeat.line("Step 1/2\n", is_milestone=True)

    assert told == ["building x: Step 1/2"]


def test_quiet_work_gives_signs_of_life_with_the_last_line():
    told: list[str] = []
    twice = threading.Event()

    def progress(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            twice.set()

    with Heartbeat("building x", progress, quiet_s=0.02) as heartbeat:
        heartbeat.line("Collecting a-package")

        assert twice.wait(10)

    assert told[0] == "building x, 0 s so far: Collecting a-package"
    assert len(told) >= 2


def test_work_that_talks_needs_no_signs_of_life():
    told: list[str] = []
    with Heartbeat("building x", told.append, quiet_s=60):
        pass

    assert told == []


def test_the_last_twenty_lines_are_kept_and_empty_ones_are_not():
    with Heartbeat("x", None) as heartbeat:
        for number in range(30):
            heartbeat.line(f"line {number}\n")
            heartbeat.line("\n")

    assert heartbeat.tail == [f"line {number}" for number in range(10, 30)]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GET https://me:s3cret@index.example/simple", "GET https://***@index.example/simple"),
        (
            "at https://a:b@one.example and https://c:d@two.example",
            "at https://***@one.example and https://***@two.example",
        ),
        ("mail me@example.com", "mail me@example.com"),
    ],
    ids=["one", "the second too", "none"],
)
def test_credentials_in_addresses_are_masked(line, shown):
    with Heartbeat("x", None) as heartbeat:
        heartbeat.line(line)

    assert heartbeat.tail == [shown]


def test_a_tools_control_characters_do_not_reach_the_terminal():
    with Heartbeat("x", None) as heartbeat:
        heartbeat.line("\x1b[31mred\x1b[0m")

    assert "\x1b" not in heartbeat.tail[0]


def test_the_thread_ends_with_the_work_even_when_the_work_fails():
    with pytest.raises(KeyboardInterrupt), Heartbeat("x", None, quiet_s=0.01):
        raise KeyboardInterrupt

    assert not [thread for thread in threading.enumerate() if "heartbeat" in thread.name]
