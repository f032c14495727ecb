from __future__ import annotations

import errno
import os
import stat
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.sealed import atomic_write, make_private_dir, open_private, path_slug


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=["umask-000", "umask-022", "umask-777"])
def any_umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


@pytest.mark.parametrize("mode", ["xb", "ab"])
def test_a_new_file_is_private_under_any_umask(tmp_path, any_umask, mode):
    path = tmp_path / "stdout.log"
    with open_private(path, mode) as file:
        file.write(b"line\n")

    assert mode_of(path) == 0o600
    assert path.read_bytes() == b"line\n"


def test_appending_keeps_what_is_there_and_makes_it_private(tmp_path):
    path = tmp_path / "stdout.log"
    path.write_bytes(b"one\n")
    path.chmod(0o644)
    with open_private(path, "ab") as file:
        file.write(b"two\n")

    assert path.read_bytes() == b"one\ntwo\n"
    assert mode_of(path) == 0o600


def test_a_new_file_never_replaces_one(tmp_path):
    path = tmp_path / "stdout.log"
    path.write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        open_private(path)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("mode", ["xb", "ab"])
@pytest.mark.parametrize("exists", [True, False], ids=["to-a-file", "dangling"])
def test_a_planted_link_is_never_followed(tmp_path, mode, exists):
    victim = tmp_path / "victim"
    if exists:
        victim.write_bytes(b"precious")
    link = tmp_path / "stdout.log"
    link.symlink_to(victim)

    with pytest.raises(OSError, match=r"stdout\.log") as caught:
        open_private(link, mode)
    assert caught.value.errno in {errno.EEXIST, errno.ELOOP}
    assert victim.exists() == exists
    assert not exists or victim.read_bytes() == b"precious"


def test_appending_to_a_second_name_of_a_file_is_refused(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "stdout.log").hardlink_to(victim)

    with pytest.raises(OSError, match="one name"):
        open_private(tmp_path / "stdout.log", "ab")
    assert victim.read_bytes() == b"precious"


def test_appending_to_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "stdout.log")

    with pytest.raises(OSError, match=r"stdout\.log"):
        open_private(tmp_path / "stdout.log", "ab")


def test_a_refused_file_is_closed_again(tmp_path):
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "stdout.log").hardlink_to(tmp_path / "victim")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="one name"):
            open_private(tmp_path / "stdout.log", "ab")

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_opened_file_is_not_inherited_by_a_child(tmp_path):
    with open_private(tmp_path / "stdout.log") as file:
        assert not os.get_inheritable(file.fileno())


def test_a_folder_and_its_missing_parents_are_private_under_any_umask(tmp_path, any_umask):
    folder = make_private_dir(tmp_path / "runs" / "one")

    assert folder == tmp_path / "runs" / "one"
    assert mode_of(folder) == 0o700
    assert mode_of(tmp_path / "runs") == 0o700


def test_a_folder_that_is_there_becomes_private_and_keeps_its_content(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir(0o755)
    (folder / "manifest.json").write_bytes(b"{}")

    make_private_dir(folder)

    assert mode_of(folder) == 0o700
    assert (folder / "manifest.json").read_bytes() == b"{}"


def test_the_mode_of_parents_that_are_there_is_left_alone(tmp_path):
    (tmp_path / "runs").mkdir(mode=0o755)
    make_private_dir(tmp_path / "runs" / "one")

    assert mode_of(tmp_path / "runs") == 0o755


@pytest.mark.parametrize("kind", ["file", "link-to-folder", "dangling-link"])
def test_something_else_in_the_place_of_a_folder_is_refused(tmp_path, kind):
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    place = tmp_path / "runs"
    if kind == "file":
        place.write_bytes(b"")
    else:
        place.symlink_to(tmp_path / ("elsewhere" if kind == "link-to-folder" else "nowhere"))

    with pytest.raises(NotADirectoryError):
        make_private_dir(place)
    assert mode_of(tmp_path / "elsewhere") == 0o755
    assert not (tmp_path / "nowhere").exists()


def test_an_atomic_write_makes_a_private_file(tmp_path, any_umask):
    atomic_write(tmp_path / "manifest.json", b"{}")

    assert (tmp_path / "manifest.json").read_bytes() == b"{}"
    assert mode_of(tmp_path / "manifest.json") == 0o600


def test_an_atomic_write_replaces_content_and_leaves_nothing_beside(tmp_path):
    atomic_write(tmp_path / "manifest.json", b"old")
    atomic_write(tmp_path / "manifest.json", b"new")

    assert (tmp_path / "manifest.json").read_bytes() == b"new"
    assert names_in(tmp_path) == ["manifest.json"]


def test_an_atomic_write_replaces_a_link_and_never_follows_it(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "manifest.json").symlink_to(tmp_path / "victim")
    atomic_write(tmp_path / "manifest.json", b"new")

    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "manifest.json").is_symlink()


CALLS = ["fchmod", "write", "fsync", "replace"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt()], ids=["full", "ctrl-c"]
)
def test_a_failed_atomic_write_keeps_the_old_content(tmp_path, monkeypatch, call, failure):
    atomic_write(tmp_path / "manifest.json", b"old")

    def fail(*_args):
        raise failure

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(type(failure)):
        atomic_write(tmp_path / "manifest.json", b"new" * 1000)
    monkeypatch.undo()

    assert (tmp_path / "manifest.json").read_bytes() == b"old"
    assert names_in(tmp_path) == ["manifest.json"]


def test_a_file_system_that_cannot_sync_folders_is_no_failure(tmp_path, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no")
        synced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    atomic_write(tmp_path / "manifest.json", b"new")

    assert len(synced) == 1
    assert (tmp_path / "manifest.json").read_bytes() == b"new"


def test_an_atomic_write_to_a_missing_folder_says_where(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        atomic_write(tmp_path / "nowhere" / "manifest.json", b"")


HOSTILE_NAMES = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a\x00b",
    "CON",
    "nul.txt",
    "x" * 10_000,
    "-rf",
    ".hidden",
    "~root",
    "$HOME",
    "a b",
    "a\nb",
    "\udcff",
    "用户",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: repr(name)[:20])
def test_a_hostile_name_becomes_a_plain_path_part(tmp_path, name):
    slug = path_slug(name)

    assert set(slug) <= set(string.ascii_lowercase + string.digits + "-_")
    assert len(slug) <= 53
    assert slug[0] not in "-."
    (tmp_path / slug).write_bytes(b"")
    assert names_in(tmp_path) == [slug]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Users", "users"),
        ("caf\u00e9", "cafe\u0301"),
        ("a/b", "a-b"),
        ("x" * 100, "x" * 101),
        ("", "unnamed"),
        ("\u212a", "k"),
    ],
    ids=["case", "unicode", "separator", "length", "empty", "kelvin"],
)
def test_names_that_look_alike_get_different_path_parts(one, other):
    assert path_slug(one).casefold() != path_slug(other).casefold()


def test_a_path_part_stays_readable_and_stable():
    assert path_slug("Orders & Items") == "orders-items-" + path_slug("Orders & Items")[-12:]
    assert path_slug("users") == path_slug("users")


@settings(deadline=None)
@given(st.text(), st.text())
def test_different_names_never_meet(one, other):
    assert (path_slug(one) == path_slug(other)) == (one == other)


@settings(deadline=None)
@given(st.text(st.characters(categories=None)))
def test_any_name_becomes_a_plain_path_part(name):
    slug = path_slug(name)

    assert set(slug) <= set(string.ascii_lowercase + string.digits + "-_")
    assert slug[0] != "-"
    assert len(slug) <= 53
