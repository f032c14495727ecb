"""Reading pipes: none may be lost, none may wait for another, and there is always an end."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time

import pytest

from hydrotest_core.connector import pump as pump_module
from hydrotest_core.connector.pump import PumpEnd, pump


@pytest.fixture
def make_pipe():
    """Return a maker of (read end, write end), all closed at last."""
    opened: list[int] = []

    def make() -> tuple[int, int]:
        ends = os.pipe()
        opened.extend(ends)
        return ends

    yield make
    for descriptor in opened:
        try:
            os.close(descriptor)
        except OSError:
            continue


@pytest.fixture
def quick_ticks(monkeypatch):
    monkeypatch.setattr(pump_module, "TICK_S", 0.01)


def _not_expected(data: bytes) -> None:
    pytest.fail(f"nothing should have come: {data!r}")


def _writer(descriptor: int, data: bytes) -> threading.Thread:
    def write() -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.close(descriptor)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_what_was_written_arrives_until_the_end(make_pipe):
    source, end = make_pipe()
    os.write(end, b"one\ntwo")
    os.close(end)
    chunks: list[bytes] = []

    assert pump({source: chunks.append}) is PumpEnd.EOF
    assert b"".join(chunks) == b"one\ntwo"


def test_without_sources_there_is_nothing_to_wait_for():
    assert pump({}) is PumpEnd.EOF


def test_two_floods_never_wait_for_each_other_and_stay_apart(make_pipe):
    # Ten times what a pipe holds on each side: with one reader stuck, a writer would be too.
    floods = [b"out " * 2_500_000, b"ERR!" * 2_500_000]
    pipes = [make_pipe(), make_pipe()]
    threads = [_writer(end, flood) for (_, end), flood in zip(pipes, floods, strict=True)]
    found: list[list[bytes]] = [[], []]
    sinks = {source: found[place].append for place, (source, _) in enumerate(pipes)}

    assert pump(sinks) is PumpEnd.EOF
    assert [b"".join(chunks) for chunks in found] == floods
    for thread in threads:
        thread.join()


def test_a_source_that_has_ended_leaves_the_other_one_to_be_read(make_pipe):
    (first, first_end), (second, second_end) = make_pipe(), make_pipe()
    os.close(first_end)
    chunks: list[bytes] = []

    def give_more(data: bytes) -> None:
        chunks.append(data)
        os.close(second_end)

    os.write(second_end, b"still here")

    assert pump({first: _not_expected, second: give_more}) is PumpEnd.EOF
    assert chunks == [b"still here"]


def test_a_silent_source_ends_at_the_deadline(make_pipe):
    source, _ = make_pipe()

    assert pump({source: _not_expected}, deadline=time.monotonic() + 0.02) is PumpEnd.DEADLINE


def test_a_flood_ends_at_the_deadline_too(make_pipe):
    source, end = make_pipe()
    os.set_blocking(end, False)
    os.write(end, b"x")

    def pour_back(data: bytes) -> None:
        os.write(end, data)

    assert pump({source: pour_back}, deadline=time.monotonic() + 0.02) is PumpEnd.DEADLINE


def test_a_deadline_that_has_passed_reads_nothing(make_pipe):
    source, end = make_pipe()
    os.write(end, b"late")

    assert pump({source: _not_expected}, deadline=time.monotonic() - 1) is PumpEnd.DEADLINE


@pytest.mark.usefixtures("quick_ticks")
def test_a_tick_that_says_no_stops_a_silent_source(make_pipe):
    source, _ = make_pipe()
    answers = iter([True, True, False])

    assert pump({source: _not_expected}, on_tick=lambda: next(answers)) is PumpEnd.STOPPED
    assert next(answers, None) is None


@pytest.mark.usefixtures("quick_ticks")
def test_ticks_come_in_a_flood_too(make_pipe):
    source, end = make_pipe()
    os.write(end, b"x")

    def pour_back(data: bytes) -> None:
        os.write(end, data)

    assert pump({source: pour_back}, on_tick=lambda: False) is PumpEnd.STOPPED


def test_what_is_left_after_the_deadline_is_read_by_another_call(make_pipe):
    source, end = make_pipe()
    assert pump({source: _not_expected}, deadline=time.monotonic() - 1) is PumpEnd.DEADLINE
    os.write(end, b"last words")
    os.close(end)
    chunks: list[bytes] = []

    assert pump({source: chunks.append}) is PumpEnd.EOF
    assert chunks == [b"last words"]


def test_sockets_are_read_like_pipes():
    ours, theirs = socket.socketpair()
    chunks: list[bytes] = []
    with ours, theirs:
        theirs.sendall(b"from an engine")
        theirs.shutdown(socket.SHUT_WR)

        assert pump({ours.fileno(): chunks.append}) is PumpEnd.EOF
    assert chunks == [b"from an engine"]


def test_a_source_that_breaks_is_no_end():
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    with listener, ours:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()

        with pytest.raises(ConnectionResetError):
            pump({ours.fileno(): _not_expected})


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
def test_a_descriptor_is_left_open_and_as_it_was(make_pipe, blocking):
    source, end = make_pipe()
    os.set_blocking(source, blocking)
    os.close(end)

    pump({source: _not_expected})

    assert os.get_blocking(source) is blocking


def test_an_error_in_a_sink_passes_through_and_leaves_the_descriptor_as_it_was(make_pipe):
    source, end = make_pipe()
    os.write(end, b"x")

    def refuse(data: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pump({source: refuse})

    assert os.get_blocking(source)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes have a fixed size here")
def test_a_pipe_is_given_room_where_the_system_allows_it(make_pipe):
    source, end = make_pipe()
    before = fcntl.fcntl(source, fcntl.F_GETPIPE_SZ)
    os.close(end)

    pump({source: _not_expected})

    assert fcntl.fcntl(source, fcntl.F_GETPIPE_SZ) > before


def test_a_source_that_was_ready_by_mistake_is_asked_again(make_pipe, monkeypatch):
    source, end = make_pipe()
    os.write(end, b"x")
    os.close(end)
    refusals = [BlockingIOError()]
    read = os.read

    def refuse_once(descriptor: int, size: int) -> bytes:
        if refusals:
            raise refusals.pop()
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", refuse_once)
    chunks: list[bytes] = []

    assert pump({source: chunks.append}) is PumpEnd.EOF
    assert chunks == [b"x"]
