"""Reading the pipes of a running connector, all at once, until one of three ends."""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import selectors
import time
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["TICK_S", "PumpEnd", "Sink", "pump"]

Sink: TypeAlias = "Callable[[bytes], None]"
"""What takes the bytes of one source."""

TICK_S: Final = 0.5
"""How long `pump` goes without asking whether to go on, in seconds."""

_READ_BYTES: Final = 256 * 1024
"""What still fits the processor's cache with all that is made of it; measured best."""

_PIPE_BYTES: Final = 1024 * 1024
"""What an unprivileged process may ask for by default (`/proc/sys/fs/pipe-max-size`)."""


class PumpEnd(enum.StrEnum):
    """Why `pump` returned.

    Attributes:
        EOF: All sources have ended; nothing more can come.
        DEADLINE: The deadline passed.
        STOPPED: `on_tick` said so.
    """

    EOF = "eof"
    DEADLINE = "deadline"
    STOPPED = "stopped"


def pump(
    sources: Mapping[int, Sink],
    *,
    deadline: float | None = None,
    on_tick: Callable[[], bool] = lambda: True,
) -> PumpEnd:
    """Read all sources as they have something, and give each one's bytes to its sink.

    No source can keep another one waiting: each gives at most 256 KiB before the next
    has its turn. Nothing is kept here. After `DEADLINE` or `STOPPED` what is still in
    the pipes is lost or read by another call; the descriptors stay open in any case,
    and blocking ones are so again.

    Args:
        sources: File descriptors of pipes or sockets, open for reading, and who takes
            what comes from them. Pipes are made larger where the system allows it.
        deadline: When to give up, by `time.monotonic()`; `None` for never. It also
            holds while bytes keep coming.
        on_tick: Called each half second, or sooner, between two reads; `False` stops.

    Raises:
        OSError: What the system says when a source breaks instead of ending, for
            example `ConnectionResetError` from a Docker engine that is gone.
    """
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for descriptor, sink in sources.items():
            stack.enter_context(_non_blocking(descriptor))
            _enlarge(descriptor)
            selector.register(descriptor, selectors.EVENT_READ, sink)
        return _turn(selector, deadline, on_tick)


def _turn(
    selector: selectors.BaseSelector, deadline: float | None, on_tick: Callable[[], bool]
) -> PumpEnd:
    next_tick = time.monotonic() + TICK_S
    while selector.get_map():
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            return PumpEnd.DEADLINE
        if now >= next_tick:
            if not on_tick():
                return PumpEnd.STOPPED
            next_tick = now + TICK_S
        until = next_tick if deadline is None else min(next_tick, deadline)
        for key, _ in selector.select(max(0.0, until - now)):
            if not _read(key.fd, key.data):
                selector.unregister(key.fd)
    return PumpEnd.EOF


def _read(descriptor: int, sink: Sink) -> bool:
    """Pass on what is there; say whether more may come."""
    try:
        data = os.read(descriptor, _READ_BYTES)
    except BlockingIOError:  # It was ready and is no longer: rare, but it happens.
        return True
    if data:
        sink(data)
    return bool(data)


@contextlib.contextmanager
def _non_blocking(descriptor: int) -> Iterator[None]:
    was_blocking = os.get_blocking(descriptor)
    os.set_blocking(descriptor, False)
    try:
        yield
    finally:
        os.set_blocking(descriptor, was_blocking)


def _enlarge(descriptor: int) -> None:
    """Give a pipe room, so that the connector and we seldom wait for each other."""
    # Not a pipe, more than the user's share, or not Linux: then it stays as it is.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
