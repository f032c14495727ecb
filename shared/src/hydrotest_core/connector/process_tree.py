"""A connector's process and all that it starts: to its very end."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hydrotest_core.connector.execution import Ending
from hydrotest_core.connector.memory_kills import memory_kills
from hydrotest_core.connector.owner import started_at
from hydrotest_core.connector.reaper import holders_of, kill_marked, marked_processes
from hydrotest_core.connector.runner import Ended
from hydrotest_core.connector.rusage import PeakWatch, peak_rss
from hydrotest_core.connector.session_record import EXECUTION_VARIABLE
from hydrotest_core.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ProcessTree"]

# Children that were left in the background may hold the pipes open for ever.
_LINGER_S: Final = 1.0
_REAP_S: Final = 5.0


class ProcessTree:
    """A connector's process and all that it starts; call it from one thread.

    Args:
        argv: The command line.
        folder: Where it is started.
        mark: What its `HYDROTEST_EXECUTION` says, by which all are found.
    """

    def __init__(self, argv: tuple[str, ...], folder: Path, mark: str) -> None:
        self._argv = argv
        self._folder = folder
        self._mark = mark
        self._child: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        self._peak_rss: int | None = None
        self._ended_at: float | None = None
        # Its children, as long as its own process shows them: number -> when it started.
        self._family: dict[int, str | None] = {}
        self._watch = PeakWatch()
        self._memory_kills: int | None = None

    def __repr__(self) -> str:
        state = "not started" if self._child is None else f"pid={self._child.pid}"
        return f"ProcessTree({self._argv[0]!r}, {state}, status={self._status})"

    @property
    def stdout(self) -> int:
        """The descriptor of our end of its stdout."""
        assert self._child is not None
        assert self._child.stdout is not None
        return self._child.stdout.fileno()

    @property
    def stderr(self) -> int:
        """The descriptor of our end of its stderr."""
        assert self._child is not None
        assert self._child.stderr is not None
        return self._child.stderr.fileno()

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it, in a session of its own.

        Raises:
            BuildFailed: The program isn't there or can't be started.
        """
        try:
            self._child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        except (OSError, IndexError) as exc:
            raise _cannot_start(self._argv, self._folder, exc) from exc
        self._watch.start(self._child.pid)
        self._memory_kills = memory_kills()

    def is_running(self) -> bool:
        """Say if the process itself is there, without taking its status.

        Until that is taken its number, which is also the group's, is nobody else's.
        """
        if self._ended_at is None and self._has_ended():
            self._ended_at = time.monotonic()
        return self._ended_at is None

    def _has_ended(self) -> bool:
        assert self._child is not None
        if not hasattr(os, "waitid"):  # macOS before Python 3.13.
            self._reap(os.WNOHANG)
            return self._status is not None
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG
        return os.waitid(os.P_PID, self._child.pid, options) is not None

    def may_still_speak(self) -> bool:
        """Say if it runs, or ended only just now and its children may have more to say."""
        if self.is_running():
            return True
        assert self._ended_at is not None
        return time.monotonic() - self._ended_at < _LINGER_S

    def wait(self, deadline: float) -> bool:
        """Wait for the process's end; false when the deadline came first."""
        pause_s = 0.001
        while self.is_running():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, pause_s))
            pause_s = min(2 * pause_s, 0.05)
        return True

    def ask_to_end(self) -> None:
        """Send SIGTERM to all that are in its group."""
        self._remember_family()
        self._signal(signal.SIGTERM)

    def kill(self, *, are_pipes_closed: bool = False) -> None:
        """Kill the whole tree and take the process's status.

        Args:
            are_pipes_closed: Nobody has our pipes any more, so there is nobody to be found
                by them.
        """
        self._watch.stop()
        if self._child is not None:
            if self.is_running():
                self._remember_family()
            self._signal(signal.SIGKILL)
        # Also when we know of no child: Ctrl-C may have come while it was being started.
        kill_marked(EXECUTION_VARIABLE, self._mark)
        self._kill_unmarked(look_for_pipes=self._child is not None and not are_pipes_closed)
        if self._child is not None:
            self.wait(time.monotonic() + _REAP_S)
            self._reap(os.WNOHANG)

    def _remember_family(self) -> None:
        """Note whom it started: a child that took off its mark is known by its parent alone."""
        for pid in marked_processes(EXECUTION_VARIABLE, self._mark):
            self._family.setdefault(pid, started_at(pid))

    def _kill_unmarked(self, *, look_for_pipes: bool) -> None:
        """Kill who took off the mark: children that were known, and who still has our pipes."""
        strays = [pid for pid, began in self._family.items() if began == started_at(pid)]
        if look_for_pipes and Path("/proc/self").is_dir():
            ours = (Path(f"/proc/self/fd/{one}") for one in (self.stdout, self.stderr))
            strays += holders_of({str(pipe.readlink()) for pipe in ours})
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        # Without `waitid` its status is taken as soon as it has ended; its children may live.
        if self._status is None or not hasattr(os, "waitid"):
            try:
                os.killpg(self._child.pid, number)
            except (ProcessLookupError, PermissionError):
                return  # Nobody is left; macOS says "not permitted" of a group of zombies.

    def _reap(self, options: int) -> None:
        assert self._child is not None
        if self._status is not None:
            return
        pid, status, usage = os.wait4(self._child.pid, options)
        if pid:
            self._status = os.waitstatus_to_exitcode(status)
            self._child.returncode = self._status
            self._peak_rss = peak_rss(usage, self._watch.peak_bytes)

    def ended(self, *, is_late: bool) -> Ended:
        """Say how it ended; of one that not even SIGKILL ends, only that."""
        code = self._status if self._status is not None else -signal.SIGKILL
        by_signal = code < 0
        ending = Ending.SIGNALLED if by_signal else Ending.EXITED
        is_killed = code == -signal.SIGKILL and not is_late
        is_out_of_memory, note = self._killed_for_memory() if is_killed else (False, "")
        if is_out_of_memory:
            ending = Ending.OUT_OF_MEMORY
        return Ended(
            ending=Ending.TIMED_OUT if is_late else ending,
            exit_code=None if by_signal else code,
            signal=-code if by_signal else None,
            ending_note=note,
            is_out_of_memory=is_out_of_memory,
            peak_rss_bytes=self._peak_rss,
        )

    def _killed_for_memory(self) -> tuple[bool, str]:
        """Say whether the kernel killed for memory while it ran, and how sure that is."""
        now = memory_kills()
        if now is None or self._memory_kills is None:
            return False, "this system doesn't tell whether it was for its memory"
        if now > self._memory_kills:
            return True, "by the kernel, which killed for memory while it ran"
        return False, "by somebody; the kernel killed nothing for memory while it ran"

    def close(self) -> None:
        """Let go of its pipes."""
        if self._child is None:
            return
        for pipe in (self._child.stdout, self._child.stderr):
            assert pipe is not None
            pipe.close()


def _cannot_start(argv: tuple[str, ...], folder: Path, exc: Exception) -> BuildFailed:
    message = "The connector's program can't be started."
    program = argv[0] if argv else ""
    hint = "make the connector's environment again: `hydrotest build`"
    if not folder.is_dir():
        hint = f"its working directory isn't there: {folder}"
    elif Path(program).is_file() and isinstance(exc, FileNotFoundError):
        hint = "the interpreter that its first line names isn't there"
    elif isinstance(exc, PermissionError):
        hint = f"make it executable: `chmod +x {program}`"
    elif isinstance(exc, OSError) and exc.errno == errno.ENOEXEC:
        hint = "it is no program of this machine; a script needs a first line like `#!/bin/sh`"
    reason = exc.strerror if isinstance(exc, OSError) else "it has no command line"
    return BuildFailed(message, program=program, reason=reason, hint=hint)
