from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from hydrotest_core.disk import NO_ROOM, NoRoomError, disk_error, disk_errors
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.sealed import atomic_write


def failure(number=errno.ENOSPC, path=None):
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize("number", NO_ROOM, ids=os.strerror)
def test_no_room_is_told_with_the_path_and_what_is_free_and_needed(tmp_path, number):
    cause = NoRoomError(failure(number), tmp_path / "report.json", 4711)

    error = disk_error("It can't be kept.", cause, tmp_path, elsewhere="take another disk")

    assert error.exit_code == 3
    assert error.facts["path"] == str(tmp_path / "report.json")
    assert error.facts["reason"] == os.strerror(number)
    assert error.facts["needed_bytes"] == 4711
    assert error.facts["free_bytes"] > 0
    assert error.hint == f"{NO_ROOM[number]}, or take another disk"
    assert str(error).startswith("It can't be kept. (path=")


def test_where_nobody_knows_what_is_needed_it_is_a_block_of_the_disk(tmp_path):
    error = disk_error("No.", failure(), tmp_path / "not" / "there")

    assert error.facts["needed_bytes"] == os.statvfs(tmp_path).f_frsize
    assert error.facts["path"] == str(tmp_path / "not" / "there")


def test_what_the_caller_knows_is_believed(tmp_path):
    assert disk_error("No.", failure(), tmp_path, needed_bytes=99).facts["needed_bytes"] == 99


def test_a_disk_without_a_place_for_another_file_is_told_apart(tmp_path, monkeypatch):
    full = SimpleNamespace(f_bavail=10, f_frsize=4096, f_files=100, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: full)

    error = disk_error("No.", failure(), tmp_path)

    assert error.facts["free_bytes"] == 40_960
    assert "no place for another one" in error.hint


def test_another_failure_says_nothing_of_room(tmp_path):
    error = disk_error("No.", failure(errno.EACCES), tmp_path)

    assert error.facts == {"path": str(tmp_path), "reason": "Permission denied"}
    assert "yours" in error.hint


@pytest.mark.parametrize("named", [b"there", 3, None, ""], ids=repr)
def test_however_the_system_names_it_the_path_is_text(tmp_path, named):
    error = disk_error("No.", failure(path=named), tmp_path)

    assert error.facts["path"] == ("there" if named == b"there" else str(tmp_path))


@pytest.mark.parametrize("path", ["", "a\x00b"])
def test_a_path_that_cannot_be_asked_for_costs_nobody_the_message(path, monkeypatch):
    def refuse(_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "statvfs", refuse)

    assert disk_error("No.", failure(), path).facts["reason"] == "No space left on device"


def test_what_the_disk_refuses_inside_is_the_machines_fault(tmp_path):
    with pytest.raises(InfrastructureError, match="can't be kept") as caught:  # noqa: SIM117
        with disk_errors("It can't be kept.", tmp_path):
            raise failure(path="there")

    assert caught.value.facts["path"] == "there"
    assert isinstance(caught.value.__cause__, OSError)


def test_what_is_no_failure_of_the_disk_passes(tmp_path):
    with pytest.raises(ValueError, match="another"), disk_errors("No.", tmp_path):
        raise ValueError("another")  # noqa: EM101 - a test


def test_an_atomic_write_says_what_it_needed_and_where(tmp_path, monkeypatch):
    def full(*_):
        raise failure()

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NoRoomError) as caught:
        atomic_write(tmp_path / "report.json", bytes(1000))

    assert caught.value.needed_bytes == 1000
    assert caught.value.filename == str(tmp_path / "report.json")


def test_another_failure_of_an_atomic_write_says_where_too(tmp_path, monkeypatch):
    def broken(*_):
        raise failure(errno.EIO)

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match=r"report\.json"):
        atomic_write(tmp_path / "report.json", b"x")
