"""Files as they lie on disk, plain and packed, whole and torn."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from hydrotest_core.connector.stored import FRAME_BYTES, Packer, StoredFile, chunks
from hydrotest_core.errors import InfrastructureError

LINES = [b"line %d " % number + b"x" * (number % 50) for number in range(5000)]
TEXT = b"\n".join(LINES) + b"\n"


def _pack(text: bytes, frame_bytes: int = 20_000) -> bytes:
    packer = Packer()
    return b"".join(
        packer.frame(text[at : at + frame_bytes]) for at in range(0, len(text), frame_bytes)
    )


@pytest.fixture(params=["plain", "packed"])
def folder(tmp_path, request):
    if request.param == "plain":
        (tmp_path / "a").write_bytes(TEXT)
    else:
        (tmp_path / "a.zst").write_bytes(_pack(TEXT))
    return tmp_path


def test_it_reads_as_what_was_written(folder):
    assert b"".join(StoredFile(folder, "a").pieces()) == TEXT
    assert list(StoredFile(folder, "a").lines()) == [(line, True) for line in LINES]


def test_a_last_line_without_a_line_feed_is_told(tmp_path):
    (tmp_path / "a").write_bytes(b"one\ntwo")

    assert list(StoredFile(tmp_path, "a").lines()) == [(b"one", True), (b"two", False)]


@pytest.mark.parametrize("size", [1, 1000, len(TEXT), 2 * len(TEXT)])
def test_its_tail_is_read(folder, size):
    assert StoredFile(folder, "a").tail(size) == TEXT[-size:]


def test_many_are_read_in_turns_without_being_kept_open(folder):
    files = [StoredFile(folder, "a").lines() for _ in range(2000)]

    assert {next(lines) for lines in files} == {(LINES[0], True)}
    assert {next(lines) for lines in files} == {(LINES[1], True)}


def test_it_knows_its_name_as_it_lies_there(folder):
    stored = StoredFile(folder, "a")

    assert (folder / stored.artifact).exists()
    assert stored.exists
    assert repr(stored).startswith("StoredFile('")


def test_a_file_that_is_not_there_is_empty(tmp_path):
    stored = StoredFile(tmp_path, "a")

    assert (stored.exists, stored.artifact) == (False, "a")
    assert list(stored.pieces()) == []


def test_while_a_file_is_being_packed_the_plain_one_counts(tmp_path):
    (tmp_path / "a").write_bytes(TEXT)
    (tmp_path / "a.zst").write_bytes(_pack(TEXT[:100]))

    assert b"".join(StoredFile(tmp_path, "a").pieces()) == TEXT


@pytest.mark.parametrize("kept", [0, 1, 5, 17, 100, 1000, 5000, -4, -1])
def test_torn_anywhere_it_reads_as_far_as_it_goes(tmp_path, kept):
    packed = _pack(TEXT)
    (tmp_path / "a.zst").write_bytes(packed[:kept])
    found = b"".join(StoredFile(tmp_path, "a").pieces())

    assert TEXT.startswith(found)
    assert len(found) >= (len(TEXT) - 20_000 if kept < 0 else 0)


def test_a_flipped_bit_is_told_with_its_place(tmp_path):
    packed = bytearray(_pack(random.Random(1).randbytes(50_000)))
    packed[30_000] ^= 1
    (tmp_path / "a.zst").write_bytes(packed)

    with pytest.raises(InfrastructureError, match="was changed") as refused:
        list(StoredFile(tmp_path, "a").pieces())
    assert refused.value.facts["byte"] > 0


def test_a_frame_larger_than_ours_is_not_unpacked(tmp_path):
    (tmp_path / "a.zst").write_bytes(_pack(bytes(FRAME_BYTES + 1), FRAME_BYTES + 1))

    with pytest.raises(InfrastructureError, match="none of ours"):
        StoredFile(tmp_path, "a").read()


@pytest.mark.skipif(shutil.which("zstdcat") is None, reason="needs zstd")
def test_other_programs_read_it(tmp_path):
    (tmp_path / "a.zst").write_bytes(_pack(TEXT))
    done = subprocess.run(["zstdcat", tmp_path / "a.zst"], stdout=subprocess.PIPE, check=True)

    assert done.stdout == TEXT


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([], id="nothing"),
        pytest.param([1, 2], id="small ones are joined"),
        pytest.param([FRAME_BYTES, 1], id="just full"),
        pytest.param([1, 2 * FRAME_BYTES + 1, 1], id="a long one is cut"),
        pytest.param([FRAME_BYTES // 2 + 1] * 3, id="no two fit"),
    ],
)
def test_pieces_become_chunks_of_a_frame_at_most(sizes):
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    found = [bytes(chunk) for chunk in chunks(pieces)]

    assert b"".join(found) == b"".join(pieces)
    assert all(0 < len(chunk) <= FRAME_BYTES for chunk in found)
