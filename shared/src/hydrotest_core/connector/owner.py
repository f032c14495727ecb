"""Who a session belongs to: a process, told apart from all others before and after it.

A process number alone is used again. With the process's start and the machine's
boot it names one process for good, and with the namespace of process numbers it is
known where that number means anything: several containers may share one engine and
one kernel, and each has its own process 1.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["ProcessIdentity", "started_at"]

_SEPARATOR = "/"
_STATE, _STARTED = 0, 19  # Fields of /proc/<pid>/stat after the name. Source: proc(5).


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process of one boot of one machine.

    Attributes:
        pid: Its number.
        started: When it started, in whatever unit the system has.
        boot: What is different after the next boot.
        namespace: Where its number means something; "" where there is one such place.
        host: The machine's name, as far as it has one.
    """

    pid: int
    started: str
    boot: str
    namespace: str
    host: str

    @classmethod
    def current(cls) -> Self:
        """Return the identity of this process."""
        pid = os.getpid()
        return cls(
            pid=pid,
            started=started_at(pid) or "",
            boot=_boot(),
            namespace=_namespace(),
            host=socket.gethostname(),
        )

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the identity that `str` wrote; `None` for anything else."""
        pid, *others = text.split(_SEPARATOR)
        if not pid.isdecimal() or len(others) != 4:  # noqa: PLR2004 - the other fields
            return None
        started, boot, namespace, host = others
        return cls(pid=int(pid), started=started, boot=boot, namespace=namespace, host=host)

    def __str__(self) -> str:
        fields = (str(self.pid), self.started, self.boot, self.namespace, self.host)
        return _SEPARATOR.join(fields)

    def is_dead(self) -> bool:
        """Say if the process is known to have ended; when in doubt it is alive.

        Of a process on another machine, or in another container, nothing is known.
        """
        if self.namespace != _namespace():
            return False
        if self.boot != _boot():
            return self.host == socket.gethostname()
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # It is there, and somebody else's.
        started = started_at(self.pid)
        return started is not None and started != self.started


def started_at(pid: int) -> str | None:
    """Return when a process started; "ended" for one whose parent hasn't noticed yet."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return _started_by_ps(pid)
    fields = text.rpartition(")")[2].split()
    return "ended" if fields[_STATE] in {"Z", "X"} else fields[_STARTED]


def _started_by_ps(pid: int) -> str | None:
    answer = _say("ps", "-o", "lstart=", "-p", str(pid))
    return answer.replace(_SEPARATOR, "-") or None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return _say("sysctl", "-n", "kern.boottime").replace(_SEPARATOR, "-")


def _namespace() -> str:
    try:
        return Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return ""


def _say(*argv: str) -> str:
    """Return what a system tool says; "" where there is none."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
