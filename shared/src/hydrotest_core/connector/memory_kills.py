"""Whether the kernel killed a process for want of memory, as far as a bystander can know.

A process that ran out of memory ends by SIGKILL, like one that somebody killed. The kernel
counts its own kills, for each group of processes (cgroup) and for the whole machine; a
connector is in our group. Source: Linux kernel, cgroup v2 `memory.events`, cgroup v1
`memory.oom_control`, `/proc/vmstat`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["memory_kills"]

_COUNT: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def memory_kills(root: Path = Path("/")) -> int | None:
    """Return how often the kernel has killed for memory so far, as near to us as it counts.

    Only a difference means something: another process of our group, or where groups
    don't count of the machine, may have been the one.

    Args:
        root: Where `proc` and `sys` are.

    Returns:
        The count; `None` where the kernel doesn't tell, for example on macOS.
    """
    for path in _counters(root):
        try:
            found = _COUNT.search(path.read_text())
        except (OSError, UnicodeDecodeError):
            continue
        if found:
            return int(found[1])
    return None


def _counters(root: Path) -> Iterator[Path]:
    """Yield the files that may have the count, the most specific first."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    groups = root / "sys/fs/cgroup"
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield groups / path.lstrip("/") / "memory.events"
        elif "memory" in controllers.split(","):
            yield groups / "memory" / path.lstrip("/") / "memory.oom_control"
    yield root / "proc/vmstat"
