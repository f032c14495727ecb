"""Ctrl-C, SIGTERM and SIGHUP: the first ends our work in good order, the second ends it at once.

In good order means by `KeyboardInterrupt`: connectors are stopped, what they said is kept,
reports are written. At once means that nothing of ours is run any more; what is left then is
the reaper's work.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["SIGNALS", "Interrupts"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Who starts us (nox, uv, a CI's agent) passes on what the terminal has sent us already.
_SAME_PRESS_S: Final = 0.3


class Interrupts:
    """What this process does about the signals that ask it to end.

    Args:
        is_patient: Pass over all signals but the first: for a worker, whose end is its
            owner's affair.

    Attributes:
        first: The first that came, if any.
        on_first: Called in the main thread, before `KeyboardInterrupt` is raised there.
    """

    def __init__(self, *, is_patient: bool = False) -> None:
        self.first: signal.Signals | None = None
        self.on_first: Callable[[], None] = lambda: None
        self._is_patient = is_patient
        self._came_at = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __repr__(self) -> str:
        return f"Interrupts({self.first.name if self.first else 'none so far'})"

    def listen(self) -> None:
        """Begin; does nothing outside the main thread, where signals never arrive.

        A signal that is ignored stays so: `nohup` and a shell's `&` mean it.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._hear)

    def stop(self) -> None:
        """Put back what the signals did before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self._came_at = signal.Signals(number), now
            self.on_first()
            raise KeyboardInterrupt
        if not self._is_patient and now - self._came_at >= _SAME_PRESS_S:
            # As the system itself would: a shell sees 130, and no code of ours stands in the way.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
