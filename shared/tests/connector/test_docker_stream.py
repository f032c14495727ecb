from __future__ import annotations

import itertools
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrotest_core.connector.docker_stream import DemuxStream, StreamBrokenError, forward


class Sink:
    def __init__(self):
        self.out: list[bytes] = []
        self.err: list[bytes] = []
        self.stream = DemuxStream(self.out.append, self.err.append)

    @property
    def said(self):
        return b"".join(self.out), b"".join(self.err)


def frame(output, data):
    return struct.pack(">BxxxL", output, len(data)) + data


FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8)


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_each_output_gets_its_bytes_however_the_stream_is_cut(frames, cuts):
    whole = b"".join(frame(*one) for one in frames)
    sink = Sink()
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]

    for begin, end in itertools.pairwise(edges):
        sink.stream.feed(whole[begin:end])

    expected = tuple(b"".join(data for output, data in frames if output == one) for one in (1, 2))
    assert sink.said == expected
    assert sink.stream.is_complete


def test_pieces_of_one_read_go_on_together():
    sink = Sink()

    sink.stream.feed(frame(1, b"a\n") + frame(2, b"oops\n") + frame(1, b"b\n") + frame(1, b""))

    assert (sink.out, sink.err) == ([b"a\nb\n"], [b"oops\n"])


@pytest.mark.parametrize("length", [1, 7, 8, 9])
def test_stream_that_breaks_off_is_not_complete(length):
    sink = Sink()
    sink.stream.feed(frame(1, b"ab")[:length])

    assert not sink.stream.is_complete
    assert repr(sink.stream).startswith("DemuxStream(")


@pytest.mark.parametrize(
    "before", [b"", frame(1, b"fine")], ids=["at the start", "after a good piece"]
)
def test_what_no_engine_sends_is_refused(before):
    with pytest.raises(StreamBrokenError, match="output number 72"):
        Sink().stream.feed(before + b"HTTP/1.1 500")


def test_connection_without_a_descriptor_is_forwarded():
    class Secured:
        """Keeps bytes to itself, as TLS does."""

        def __init__(self):
            self.pieces = [b"a" * 100_000, b"b", b""]

        def recv(self, _):
            return self.pieces.pop(0)

    descriptor = forward(Secured())
    with os.fdopen(descriptor, "rb") as file:
        assert file.read() == b"a" * 100_000 + b"b"


def test_broken_connection_ends_what_is_forwarded():
    here, there = socket.socketpair()
    here.close()
    there.close()

    with os.fdopen(forward(there), "rb") as file:
        assert file.read() == b""
