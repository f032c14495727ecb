"""Appending in the background: order, bounds, and a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import threading
import time
from pathlib import Path

import pytest

from hydrotest_core.connector import appender as appender_module
from hydrotest_core.connector.appender import Appender
from hydrotest_core.connector.stored import StoredFile
from hydrotest_core.errors import InfrastructureError


def _wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_pieces_land_in_their_files_in_order(tmp_path):
    appender = Appender(batch_bytes=5)
    for number in range(100):
        appender.append(f"{tmp_path}/{number % 2}", b"%d," % number, b";")
    appender.close()

    assert (tmp_path / "0").read_bytes() == b"".join(b"%d,;" % n for n in range(0, 100, 2))
    assert (tmp_path / "1").read_bytes() == b"".join(b"%d,;" % n for n in range(1, 100, 2))


def test_files_are_private_under_any_umask(tmp_path):
    before = os.umask(0)
    try:
        appender = Appender()
        appender.append(f"{tmp_path}/a", b"x")
        appender.close()
    finally:
        os.umask(before)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_planted_link_is_not_followed(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    appender = Appender()
    appender.append(f"{tmp_path}/a", b"x")

    with pytest.raises(InfrastructureError, match=f"path={tmp_path}/a"):
        appender.close()
    assert not (tmp_path / "elsewhere").exists()


def test_what_came_is_on_disk_without_a_close(tmp_path):
    appender = Appender(interval_s=0.01)
    appender.append(f"{tmp_path}/a", b"said")
    try:
        _wait_until((tmp_path / "a").exists)
        _wait_until(lambda: (tmp_path / "a").read_bytes() == b"said")
    finally:
        appender.close()


def test_a_full_batch_does_not_wait_for_the_interval(tmp_path):
    appender = Appender(batch_bytes=4, interval_s=3600)
    appender.append(f"{tmp_path}/a", b"said")
    try:
        _wait_until((tmp_path / "a").exists)
        _wait_until(lambda: (tmp_path / "a").read_bytes() == b"said")
    finally:
        appender.close()


def test_only_so_many_files_are_open_however_many_there_are(tmp_path):
    appender = Appender(batch_bytes=1, open_files=3)
    most = 0
    for number in range(60):
        appender.append(f"{tmp_path}/{number % 20}", b"%d," % number)
        if number % 10 == 9:
            open_files = [
                link
                for link in Path("/proc/self/fd").iterdir()
                # One may be closed while we look.
                if _target(link).startswith(str(tmp_path))
            ]
            most = max(most, len(open_files))
    appender.close()

    assert most <= 3
    assert (tmp_path / "7").read_bytes() == b"7,27,47,"


def _target(link: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return str(link.readlink())
    return ""


def test_more_buffers_than_the_system_takes_at_once_are_written(tmp_path):
    appender = Appender(batch_bytes=1 << 20)
    appender.append(f"{tmp_path}/a", *[b"x"] * 3000)
    appender.close()

    assert (tmp_path / "a").stat().st_size == 3000


def test_a_write_that_was_cut_short_goes_on(tmp_path, monkeypatch):
    write = os.writev

    def write_a_little(descriptor: int, pieces: list[bytes]) -> int:
        return write(descriptor, [b"".join(pieces)[:3]])

    monkeypatch.setattr(os, "writev", write_a_little)
    appender = Appender()
    appender.append(f"{tmp_path}/a", b"01", b"23", b"45")
    appender.close()

    assert (tmp_path / "a").read_bytes() == b"012345"


def test_whoever_is_faster_than_the_disk_has_to_wait(tmp_path, monkeypatch):
    may_write = threading.Event()
    write = os.writev

    def write_later(descriptor: int, pieces: list[bytes]) -> int:
        may_write.wait(10)
        return write(descriptor, pieces)

    monkeypatch.setattr(os, "writev", write_later)
    appender = Appender(batch_bytes=10)
    appended: list[int] = []

    def flood() -> None:
        for number in range(10):
            appender.append(f"{tmp_path}/a", b"0123456789")
            appended.append(number)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        _wait_until(lambda: len(appended) >= 2)
        # One batch is being written, and two are pending.
        assert len(appended) <= 4
    finally:
        may_write.set()
        thread.join()
        appender.close()

    assert (tmp_path / "a").stat().st_size == 100


def test_a_full_disk_is_told_with_the_path_and_the_way_out(tmp_path, monkeypatch):
    def refuse(descriptor: int, pieces: list[bytes]) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "writev", refuse)
    appender = Appender(batch_bytes=1)
    appender.append(f"{tmp_path}/a", b"x")
    with pytest.raises(InfrastructureError) as first:
        appender.close()

    assert first.value.facts["path"] == f"{tmp_path}/a"
    assert first.value.facts["reason"] == "No space left on device"
    assert first.value.facts["free_bytes"] > 0
    assert "free some space" in first.value.hint


@pytest.fixture
def limit_file_size():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [1, 10, 100, 1000, 10_000, 100_000])
def test_wherever_the_disk_is_full_what_fitted_is_there_and_the_rest_is_told(
    tmp_path, limit_file_size, size
):
    appender = Appender()
    limit_file_size(size)
    appender.append(f"{tmp_path}/a", *[b"0123456789"] * 20_000)

    with pytest.raises(InfrastructureError, match="File too large"):
        appender.close()
    assert (tmp_path / "a").read_bytes() == (b"0123456789" * 20_000)[:size]


def test_after_a_failure_nothing_more_is_written(tmp_path, monkeypatch):
    def refuse(descriptor: int, pieces: list[bytes]) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    appender = Appender(batch_bytes=1)
    monkeypatch.setattr(os, "writev", refuse)
    appender.append(f"{tmp_path}/a", b"lost")
    _wait_until(lambda: "failed" in repr(appender))
    monkeypatch.undo()

    with pytest.raises(InfrastructureError):
        appender.append(f"{tmp_path}/a", b"after the gap")
    with pytest.raises(InfrastructureError):
        appender.close()
    assert (tmp_path / "a").read_bytes() == b""


def test_a_failure_wakes_whoever_waits_for_the_disk(tmp_path, monkeypatch):
    may_fail = threading.Event()

    def refuse(descriptor: int, pieces: list[bytes]) -> int:
        may_fail.wait(10)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "writev", refuse)
    appender = Appender(batch_bytes=1)
    failures: list[InfrastructureError] = []

    def flood() -> None:
        try:
            for _ in range(10):
                appender.append(f"{tmp_path}/a", b"x")
        except InfrastructureError as exc:
            failures.append(exc)

    thread = threading.Thread(target=flood)
    thread.start()
    may_fail.set()
    thread.join(10)

    assert [failure.facts["reason"] for failure in failures] == ["Input/output error"]
    with pytest.raises(InfrastructureError):
        appender.close()


def test_a_file_system_that_tells_only_on_closing_is_heard(tmp_path, monkeypatch):
    close = appender_module._OpenFile.close

    def refuse(file: appender_module._OpenFile) -> None:
        close(file)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    appender = Appender()
    appender.append(f"{tmp_path}/a", b"x")
    monkeypatch.setattr(appender_module._OpenFile, "close", refuse)

    with pytest.raises(InfrastructureError, match="quota"):
        appender.close()


def test_closing_again_is_fine_and_leaves_no_thread(tmp_path):
    appender = Appender()
    appender.close()
    appender.close()

    assert repr(appender) == "Appender(closed, 0 bytes pending)"
    assert "hydrotest-appender" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("has_advice", [True, False], ids=["Linux", "no posix_fadvise"])
def test_a_large_file_is_written_whole_whatever_the_page_cache_is_told(
    tmp_path, monkeypatch, has_advice
):
    monkeypatch.setattr(appender_module, "_CACHED_BYTES", 10)
    if not has_advice:
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
    appender = Appender(batch_bytes=4)
    for _ in range(10):
        appender.append(f"{tmp_path}/a", b"0123")
    appender.close()

    assert (tmp_path / "a").read_bytes() == b"0123" * 10


def _stored(folder: Path, name: str) -> bytes:
    return b"".join(StoredFile(folder, name).pieces())


def test_once_much_has_come_files_are_packed_with_what_they_hold(tmp_path):
    appender = Appender(batch_bytes=20_000, pack_from_bytes=200_000)
    for number in range(40):
        appender.append(f"{tmp_path}/large", b"%05d," % number * 2000)
        appender.append(f"{tmp_path}/small", b"%d," % number)
    appender.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.zst", "small"]
    expected = b"".join(b"%05d," % number * 2000 for number in range(40))
    assert _stored(tmp_path, "large") == expected
    assert (tmp_path / "large.zst").stat().st_size < len(expected) / 10
    assert (tmp_path / "large.zst").stat().st_mode & 0o777 == 0o600
    assert _stored(tmp_path, "small") == b"".join(b"%d," % number for number in range(40))


def test_a_file_that_fell_silent_before_is_packed_at_the_end(tmp_path):
    appender = Appender(batch_bytes=1, pack_from_bytes=200_000)
    for name in ("first", "second"):
        appender.append(f"{tmp_path}/{name}", b"x" * 150_000)
    appender.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.zst", "second.zst"]
    assert _stored(tmp_path, "first") == b"x" * 150_000


def test_little_stays_plain(tmp_path):
    appender = Appender()
    appender.append(f"{tmp_path}/a", b"x" * 500_000)
    appender.close()

    assert (tmp_path / "a").stat().st_size == 500_000


def test_lines_and_pieces_keep_their_order(tmp_path):
    appender = Appender(interval_s=3600)
    appender.append_lines({f"{tmp_path}/a": [b"1", b"2"], f"{tmp_path}/b": [b""]}, 2)
    appender.append_lines({f"{tmp_path}/a": [b"3"]}, 1)
    appender.append(f"{tmp_path}/a", b"4", b"\n")
    appender.append_lines({f"{tmp_path}/a": [b"5"]}, 1)
    appender.close()

    assert (tmp_path / "a").read_bytes() == b"1\n2\n3\n4\n5\n"
    assert (tmp_path / "b").read_bytes() == b"\n"


def test_a_disk_that_is_full_while_a_file_is_packed_loses_nothing_of_it(tmp_path, limit_file_size):
    said = random.Random(1).randbytes(90_000)
    appender = Appender(batch_bytes=1, pack_from_bytes=100_000)
    appender.append(f"{tmp_path}/a", said)
    _wait_until((tmp_path / "a").exists)
    _wait_until(lambda: (tmp_path / "a").stat().st_size == len(said))
    limit_file_size(50_000)
    with contextlib.suppress(InfrastructureError):
        appender.append(f"{tmp_path}/a", said)

    with pytest.raises(InfrastructureError, match="File too large"):
        appender.close()
    assert _stored(tmp_path, "a") == said
