"""How bytes are cut into lines."""

from __future__ import annotations

import hashlib
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrotest_core.protocol.lines import ProblemKind
from hydrotest_core.protocol.splitter import Block, LineSplitter, Oversize

Found = list[tuple[int, bytes | Oversize]]


def _flat(found: list[Block | Oversize]) -> Found:
    lines: Found = []
    for item in found:
        if isinstance(item, Oversize):
            lines.append((item.number, item))
        else:
            lines += enumerate(item.lines, item.number)
    return lines


def _split(*chunks: bytes, max_line_bytes: int = 1000) -> Found:
    splitter = LineSplitter(max_line_bytes)
    found: list[Block | Oversize] = []
    for chunk in chunks:
        found += splitter.feed(chunk)
    lines = _flat(found + splitter.finish())

    assert splitter.line_count == len(lines)
    return lines


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        pytest.param([b""], [], id="nothing"),
        pytest.param([b"a\nb\n"], [b"a", b"b"], id="whole lines"),
        pytest.param([b"a\nb"], [b"a", b"b"], id="last line without a line feed"),
        pytest.param([b"a", b"b", b"\n", b"c\n"], [b"ab", b"c"], id="a line in three chunks"),
        pytest.param([b"a", b"\n"], [b"a"], id="the line feed comes alone"),
        pytest.param([b"\n\n", b"\n"], [b"", b"", b""], id="empty lines"),
        pytest.param([b"a\r\nb\r", b"\n"], [b"a\r", b"b\r"], id="carriage returns stay"),
        pytest.param([b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n"], None, id="other line ends"),
        pytest.param([b"\x00\xff\xfe\n\x80\n"], [b"\x00\xff\xfe", b"\x80"], id="no text at all"),
    ],
)
def test_only_a_line_feed_ends_a_line(chunks, lines):
    expected = [b"".join(chunks)[:-1]] if lines is None else lines

    assert list(enumerate(expected, 1)) == _split(*chunks)


@given(
    data=st.lists(
        st.sampled_from([b"\n", b"\r", b"a", b"\xff", b"\xc3\xa9", b"0123456789"]), max_size=60
    ).map(b"".join),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_the_cuts_of_the_chunks_change_nothing(data, cuts):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]

    assert _split(data, max_line_bytes=25) == _split(*chunks, max_line_bytes=25)


@given(data=st.binary(max_size=200))
def test_no_byte_is_lost(data):
    lines = [line for _, line in _split(data) if isinstance(line, bytes)]
    ending = b"\n" if data.endswith(b"\n") else b""

    assert b"\n".join(lines) + (ending if lines else b"") == data


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"ok\n" + b"x" * 30 + b"\nok\n"], id="in one chunk"),
        pytest.param([b"ok\n" + b"x" * 9, b"x" * 9, b"x" * 12, b"\nok\n"], id="in four chunks"),
        pytest.param([b"ok\n" + b"x" * 11, b"x" * 19 + b"\nok\n"], id="too long at the first cut"),
    ],
)
def test_of_a_line_too_long_remain_its_begin_its_length_and_its_hash(chunks):
    digest = hashlib.sha256(b"x" * 30).hexdigest()

    expected = [(1, b"ok"), (2, Oversize(2, b"x" * 10, 30, digest)), (3, b"ok")]
    assert expected == _split(*chunks, max_line_bytes=10)


def test_the_longest_line_allowed_is_a_line():
    expected = [(1, b"x" * 10), (2, b"y")]

    assert expected == _split(b"x" * 4, b"x" * 6, b"\ny", max_line_bytes=10)


def test_a_line_too_long_at_the_end_needs_no_line_feed():
    [(number, line)] = _split(b"x" * 9, b"x" * 9, max_line_bytes=10)

    assert number == 1
    assert isinstance(line, Oversize)
    assert line.size_bytes == 18


def test_of_a_line_too_long_as_much_is_kept_as_a_line_may_have():
    [(_, line)] = _split(b"x" * 5000, b"y" * 5000, max_line_bytes=9000)

    assert isinstance(line, Oversize)
    assert line.kept == b"x" * 5000 + b"y" * 4000


def test_a_line_too_long_reads_as_a_problem_with_its_true_length_and_hash():
    line = Oversize(7, b"x" * 5000, 9999, "abc").as_line()

    assert (line.number, line.raw, line.message) == (7, b"x" * 2048, None)
    assert line.problem is not None
    assert line.problem.kind is ProblemKind.TOO_LONG
    assert "9999 bytes; only the first 5000 are kept" in line.problem.detail
    assert "sha256=abc" in line.problem.detail


def test_memory_holds_no_more_than_the_longest_line():
    splitter = LineSplitter(1_000_000)
    chunk = b"x" * 100_000
    tracemalloc.start()
    try:
        for _ in range(100):
            splitter.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("chunks", "is_ascii"),
    [
        pytest.param([b"a\nb\n"], True, id="ascii"),
        pytest.param([b"a\n\xc3\xa9\n"], False, id="second line not"),
        pytest.param([b"\xc3", b"a\nb\n"], False, id="begin of the line in the chunk before"),
    ],
)
def test_a_block_knows_if_it_is_ascii(chunks, is_ascii):
    splitter = LineSplitter()
    [block] = [block for chunk in chunks for block in splitter.feed(chunk)]

    assert isinstance(block, Block)
    assert block.is_ascii is is_ascii


def test_a_splitter_shows_how_far_it_is():
    splitter = LineSplitter()
    splitter.feed(b"a\nb\ncd")

    assert repr(splitter) == "LineSplitter(2 lines, 2 bytes begun)"
