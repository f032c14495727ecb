"""Following a container's memory while it runs; also the sign that the engine is alive."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

import docker.errors

from hydrotest_core.connector.docker_errors import FOREIGN, open_client
from hydrotest_core.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MemoryWatch", "resident_bytes"]

_ENDS_WITHIN_S: Final = 5.0


class MemoryWatch:
    """Follows a container's memory by the engine's own samples, one a second.

    It is also the sign of life: an engine that goes silent for a while is `lost`.

    Args:
        address: The engine; the samples have a connection of their own.
        name: The container.
        silence_s: How long a while is.
    """

    def __init__(self, address: str, name: str, silence_s: int) -> None:
        self._address = address
        self._name = name
        self._silence_s = silence_s
        self._is_over = False
        self.peak_bytes: int | None = None
        self.lost: Exception | None = None
        self._thread = threading.Thread(target=self._follow, name="hydrotest-stats", daemon=True)

    def __repr__(self) -> str:
        return f"MemoryWatch({self._name!r}, peak_bytes={self.peak_bytes}, lost={self.lost!r})"

    def start(self) -> None:
        """Begin; the container has been started."""
        self._thread.start()

    def stop(self) -> None:
        """End; the container is gone, so the samples end by themselves."""
        self._is_over = True
        self._thread.join(_ENDS_WITHIN_S)

    def _follow(self) -> None:
        try:
            with contextlib.closing(open_client(self._address, self._silence_s)) as client:
                for sample in client.stats(self._name, decode=True, stream=True):
                    self._take(sample)
        except docker.errors.NotFound:
            return  # It ended before we asked.
        except (EngineUnavailable, *FOREIGN) as exc:
            self.lost = None if self._is_over else exc

    def _take(self, sample: Mapping[str, Any]) -> None:
        found = resident_bytes(sample)
        if found is not None:
            self.peak_bytes = max(found, self.peak_bytes or 0)


def resident_bytes(sample: Mapping[str, Any]) -> int | None:
    """Return what a sample says of anonymous memory; `None` once the container has ended.

    Source: Linux kernel, cgroup v1 `memory.stat` (`total_rss`) and v2 (`anon`).
    """
    stats = (sample.get("memory_stats") or {}).get("stats") or {}
    found = stats.get("total_rss", stats.get("anon"))
    return found if isinstance(found, int) else None
