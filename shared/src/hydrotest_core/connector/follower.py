"""Ending a worker along with its session's owner, whoever of them was told to end.

A signal may reach the owner alone: `kill`, a CI's agent, `docker stop`. Without a word from
it a worker would go on for five seconds (measured with xdist), and for as long as its test
takes where the owner was killed.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from hydrotest_core.connector.session import Session

__all__ = ["Follower"]

_POLL_S: Final = 0.2
_GRACE_S: Final = 2.0


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _leave() -> None:
    os._exit(1)


class Follower:
    """Watches in a thread what becomes of a joined session.

    Args:
        session: The session; its owner is another process.
        interrupt: Has the worker end in good order.
        leave: Ends it at once, `grace_s` later, where its owner is dead; one that lives
            ends its workers itself.
        grace_s: What stopping a connector and keeping its output may take.
    """

    def __init__(
        self,
        session: Session,
        *,
        interrupt: Callable[[], None] = _interrupt,
        leave: Callable[[], None] = _leave,
        grace_s: float = _GRACE_S,
    ) -> None:
        self._session = session
        self._interrupt = interrupt
        self._leave = leave
        self._grace_s = grace_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="hydrotest-follower", daemon=True)

    def __repr__(self) -> str:
        return f"Follower({self._session!r}{', over' if self._is_over.is_set() else ''})"

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End watching: the worker has ended in good order."""
        self._is_over.set()

    def _follow(self) -> None:
        while not (self._session.is_ending or self._session.owner.is_dead()):
            if self._is_over.wait(_POLL_S):
                return
        self._interrupt()
        while not self._session.owner.is_dead():
            if self._is_over.wait(_POLL_S):
                return
        if not self._is_over.wait(self._grace_s):
            self._leave()
