from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from hydrotest_core.connector.interrupts import SIGNALS, Interrupts

EACH = pytest.mark.parametrize("number", SIGNALS, ids=lambda one: one.name)


@pytest.fixture
def interrupts():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listening = Interrupts()
    listening.listen()
    yield listening
    listening.stop()
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


@EACH
def test_the_first_is_ctrl_c_whichever_it_is(interrupts, number):
    told = []
    interrupts.on_first = lambda: told.append(number)

    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)

    assert interrupts.first is number
    assert told == [number]
    assert repr(interrupts) == f"Interrupts({number.name})"


def test_none_came_at_first(interrupts):
    assert repr(interrupts) == "Interrupts(none so far)"


@EACH
def test_the_same_one_passed_on_by_who_started_us_is_not_the_second(interrupts, number):
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)

    signal.raise_signal(number)

    assert interrupts.first is signal.SIGINT


STUBBORN = """
import sys, time
from hydrotest_core.connector.interrupts import Interrupts

interrupts = Interrupts(is_patient=sys.argv[1] == "patient")
interrupts.listen()
for word in ("ready", "first"):
    try:
        print(word, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.4)
print("over", flush=True)
"""


@pytest.fixture
def stubborn():
    """Return a function that starts a process which stays after the first signal."""
    started = []

    def start(kind):
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN, kind], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@EACH
def test_the_second_ends_us_at_once_as_the_system_would(stubborn, number):
    process = stubborn("hasty")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "first\n"

    process.send_signal(number)

    assert process.wait(1) == -number


def test_a_worker_passes_over_all_but_the_first(stubborn):
    process = stubborn("patient")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "first\n"

    for number in SIGNALS:
        process.send_signal(number)

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)


@EACH
def test_what_is_ignored_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    interrupts = Interrupts()
    try:
        interrupts.listen()
        signal.raise_signal(number)
        assert interrupts.first is None
    finally:
        interrupts.stop()
        assert signal.signal(number, before) is signal.SIG_IGN


def test_a_thread_hears_no_signals():
    before = signal.getsignal(signal.SIGTERM)
    interrupts = Interrupts()
    thread = threading.Thread(target=interrupts.listen)

    thread.start()
    thread.join()

    assert signal.getsignal(signal.SIGTERM) is before
