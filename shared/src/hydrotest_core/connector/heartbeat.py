"""Following a long piece of work: its milestones, a sign of life, and its last words."""

from __future__ import annotations

import collections
import re
import threading
import time
from typing import TYPE_CHECKING, Self

from hydrotest_core.untrusted import for_terminal, shortened

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Heartbeat"]

_LAST_WORDS = 20
_QUIET_S = 8.0
_MOST_CHARACTERS = 100
# Package indexes are often given with their password inside the address.
_CREDENTIALS = re.compile(r"(\b\w+://)[^/@\s]+@")


class Heartbeat:
    """Tells a person what a tool is doing: each milestone, and else a line every few seconds.

    A context manager around the work. Lines come from one thread at a time, but
    not always from the caller's: while the work is quiet, a thread speaks.

    Args:
        what: What is being done: `installing source-faker`.
        progress: Takes each line; `None` keeps silent.
        quiet_s: Seconds without a line after which a sign of life is given.
    """

    def __init__(
        self, what: str, progress: Callable[[str], None] | None, *, quiet_s: float = _QUIET_S
    ) -> None:
        self._what = what
        self._progress = progress
        self._quiet_s = quiet_s
        self._started = time.monotonic()
        self._spoke = self._started
        self._tail: collections.deque[str] = collections.deque(maxlen=_LAST_WORDS)
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="hydrotest-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def __repr__(self) -> str:
        return f"Heartbeat({self._what!r}, after_s={time.monotonic() - self._started:.1f})"

    @property
    def tail(self) -> list[str]:
        """The last lines of the tool's output, safe to show, credentials masked."""
        return list(self._tail)

    def line(self, text: str, *, is_milestone: bool = False) -> None:
        """Take a line of the tool's output; a milestone is told at once."""
        shown = for_terminal(_CREDENTIALS.sub(r"\1***@", text.rstrip()))
        if not shown:
            return
        self._tail.append(shown)
        if is_milestone:
            self._tell(f"{self._what}: {shown}")

    def _tell(self, text: str) -> None:
        with self._lock:
            self._spoke = time.monotonic()
            if self._progress is not None:
                self._progress(text)

    def _beat(self) -> None:
        while not self._is_over.wait(self._until_quiet()):
            now = time.monotonic()
            if now - self._spoke < self._quiet_s:
                continue
            last = f": {shortened(self._tail[-1], _MOST_CHARACTERS)}" if self._tail else ""
            self._tell(f"{self._what}, {now - self._started:.0f} s so far{last}")

    def _until_quiet(self) -> float:
        return max(0.01, self._spoke + self._quiet_s - time.monotonic())
