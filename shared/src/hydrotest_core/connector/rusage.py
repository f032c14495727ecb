"""How much memory a child took at its worst.

What the kernel says when it is over (`ru_maxrss`) is exact and counts the child's own
children, but begins with what *we* took when we started it: the mark is inherited over
fork and exec (measured: 304 MB for a shell that took 2). So where that mark may be ours,
the one seen while it ran is taken.
"""

from __future__ import annotations

import re
import resource
import sys
import threading
from pathlib import Path
from typing import Final

__all__ = ["PeakWatch", "peak_rss"]

_INTERVAL_S = 0.05
_HIGH_WATER = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_UNIT: Final = 1 if sys.platform == "darwin" else 1024  # Of `ru_maxrss`. Source: getrusage(2).


class PeakWatch:
    """Looks at a process's high-water mark while it runs.

    The kernel keeps the mark, so the last look is the best; it misses only what came in
    the last twentieth of a second.
    """

    def __init__(self) -> None:
        self.peak_bytes: int | None = None
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"PeakWatch(peak_bytes={self.peak_bytes})"

    def start(self, pid: int) -> None:
        """Begin to look, where the system shows it."""
        status = Path(f"/proc/{pid}/status")
        if status.exists():
            self._thread = threading.Thread(target=self._look, args=(status,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End looking."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, status: Path) -> None:
        while not self._is_over.is_set():
            try:
                found = _HIGH_WATER.search(status.read_text("ascii", "replace"))
            except OSError:
                return
            if found is not None:
                self.peak_bytes = int(found.group(1)) * 1024
            self._is_over.wait(_INTERVAL_S)


def peak_rss(usage: resource.struct_rusage, seen_bytes: int | None) -> int | None:
    """Return the largest resident set, in bytes; `None` where it can't be known.

    Args:
        usage: What the kernel said of the ended child.
        seen_bytes: What was seen while it ran.
    """
    reported = usage.ru_maxrss * _UNIT
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    return reported if reported > ours else seen_bytes
