"""A pytest plugin: a test that leaves something of ours behind fails, `-p hydrotest_core.testing.leaks`.

| left behind | how it is told from what was there |
|---|---|
| open files, pipes, sockets | descriptors that weren't open before, or are another file now |
| threads | those that didn't run before |
| child processes | those that didn't exist before |
| folders of sessions | those whose record names this process |

What a fixture of a class, a module or a session opens is its own until it ends. What is
on its way out has five seconds to go, or `--leaks-go-within`. Measured: 0.5 ms a test.
Where there is no `/proc` only threads and folders are looked at.
"""

from __future__ import annotations

import functools
import gc
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.connector.session_record import read_record, session_folders

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = ["Holdings"]

# Registered late, as a conftest does it, there is no option.
_GONE_WITHIN_S: Final = 5.0
_POLL_S: Final = 0.02
_DESCRIPTORS: Final = Path("/proc/self/fd")
_TASKS: Final = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What this process holds.

    Attributes:
        files: Descriptors, each with the device and inode behind it.
        threads: Identities of threads.
        children: Numbers of child processes.
        folders: Folders of sessions that this process owns.
    """

    files: frozenset[tuple[int, int, int]] = frozenset()
    threads: frozenset[int] = frozenset()
    children: frozenset[int] = frozenset()
    folders: frozenset[Path] = frozenset()

    @classmethod
    def now(cls) -> Holdings:
        """Look."""
        return cls(
            files=frozenset(_files()),
            threads=frozenset(thread.ident or 0 for thread in threading.enumerate()),
            children=frozenset(_children()),
            folders=frozenset(_folders()),
        )

    def __or__(self, other: Holdings) -> Holdings:
        return Holdings(
            self.files | other.files,
            self.threads | other.threads,
            self.children | other.children,
            self.folders | other.folders,
        )

    def __sub__(self, other: Holdings) -> Holdings:
        return Holdings(
            self.files - other.files,
            self.threads - other.threads,
            self.children - other.children,
            self.folders - other.folders,
        )

    def __bool__(self) -> bool:
        return bool(self.files or self.threads or self.children or self.folders)

    def in_words(self) -> str:
        """Say what it is, one thing a part: `descriptor 7 of socket:[123]; thread pump`."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        parts = [
            *(f"descriptor {number} of {_target(number)}" for number, _, _ in sorted(self.files)),
            *(f"thread {names.get(ident, ident)}" for ident in sorted(self.threads)),
            *(f"child process {pid}: {_command(pid)}" for pid in sorted(self.children)),
            *(f"folder {path}" for path in sorted(self.folders)),
        ]
        return "; ".join(parts)


def _files() -> Generator[tuple[int, int, int]]:
    if not _DESCRIPTORS.is_dir():
        return
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - a tenth of the time
        try:
            found = os.fstat(int(name))
        except OSError:
            continue  # The one that the folder was read by.
        yield int(name), found.st_dev, found.st_ino


def _children() -> Generator[int]:
    for thread in threading.enumerate():
        try:
            text = (_TASKS / str(thread.native_id) / "children").read_text()
        except OSError:
            continue
        yield from map(int, text.split())


def _folders() -> Iterable[Path]:
    # A listing takes longer than all else; nothing was made or removed there since the last.
    changed = os.stat(tempfile.gettempdir()).st_mtime_ns  # noqa: PTH116 - a tenth of the time
    return _own_folders(changed)


@functools.lru_cache(maxsize=1)
def _own_folders(changed: int) -> tuple[Path, ...]:  # noqa: ARG001 - what the cache goes by
    own = str(ProcessIdentity.current())
    records = [(folder, read_record(folder)) for folder in session_folders()]
    return tuple(folder for folder, record in records if record and record.owner == own)


def _target(number: int) -> str:
    try:
        return os.readlink(_DESCRIPTORS / str(number))  # noqa: PTH115 - often no path
    except OSError:
        return "what is closed meanwhile"


def _command(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "ended meanwhile"
    return raw.replace(b"\0", b" ").decode("utf-8", "backslashreplace").strip() or "not waited for"


_BEFORE: Final = pytest.StashKey[Holdings]()
# What fixtures hold that outlive a test.
_SHARED: Final = pytest.StashKey[Holdings]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register our option."""
    parser.getgroup("hydrotest").addoption(
        "--leaks-go-within",
        metavar="SECONDS",
        type=float,
        default=_GONE_WITHIN_S,
        help="How long what a test left open may take to go by itself.",
    )


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Remember what a fixture opens that outlives its first test."""
    if fixturedef.scope == "function":
        return (yield)
    before = Holdings.now()
    try:
        return (yield)
    finally:
        stash = request.config.stash
        stash[_SHARED] = stash.get(_SHARED, Holdings()) | (Holdings.now() - before)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Look before a test's first fixture is made."""
    item.stash[_BEFORE] = Holdings.now()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Look again after its last one is gone.

    A test whose own teardown failed is not asked for more.
    """
    yield
    known = item.stash.get(_BEFORE, Holdings.now()) | item.config.stash.get(_SHARED, Holdings())
    left = _left(known, item.config.getoption("leaks_go_within", _GONE_WITHIN_S))
    if left:
        pytest.fail(f"the test left behind: {left.in_words()}", pytrace=False)


def _left(known: Holdings, within_s: float) -> Holdings:
    left = Holdings.now() - known
    if not left:
        return left
    # Only now, for it takes as long as many tests: what a cycle holds is nobody's.
    gc.collect()
    give_up = time.monotonic() + within_s
    while (left := Holdings.now() - known) and time.monotonic() < give_up:
        time.sleep(_POLL_S)
    return left
