"""Remembering that an engine was lost, so that each of many runs needn't wait for it anew."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Final

from hydrotest_core.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KNOCK_S", "Loss"]

KNOCK_S: Final = 2
"""How long an engine that was lost has to show that it is back, in seconds."""

_ASK_EVERY_S: Final = 10.0


class Loss:
    """What an engine was lost by, until it answers again.

    Runs that come meanwhile fail by the same error: one cause, told once.

    Args:
        knock: Asks the engine for a sign of life; raises `EngineUnavailable` without one.
        ask_every_s: How long its silence is taken for granted.
    """

    def __init__(self, knock: Callable[[], None], *, ask_every_s: float = _ASK_EVERY_S) -> None:
        self._knock = knock
        self._ask_every_s = ask_every_s
        self._error: EngineUnavailable | None = None
        self._ask_again_at = 0.0

    def __repr__(self) -> str:
        return f"Loss({self._error!r})"

    def remember(self, error: EngineUnavailable) -> None:
        """Keep what a run failed by; the next one asks whether the engine is back."""
        self._error = error
        self._ask_again_at = time.monotonic()

    def refuse_while_gone(self) -> None:
        """Let a run begin, unless the engine was lost and isn't back.

        Raises:
            EngineUnavailable: What it was lost by.
        """
        error = self._error
        if error is None:
            return
        if time.monotonic() >= self._ask_again_at:
            try:
                self._knock()
            except EngineUnavailable:
                self._ask_again_at = time.monotonic() + self._ask_every_s
            else:
                self._error = None
                return
        raise copy.copy(error) from None
