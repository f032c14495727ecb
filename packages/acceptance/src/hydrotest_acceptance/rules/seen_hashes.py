"""A set of 64-bit hashes that takes 8 bytes a slot, for telling duplicates in long streams."""

from __future__ import annotations

from array import array
from typing import Final

__all__ = ["SeenHashes"]

_MASK: Final = (1 << 64) - 1
_FIRST_SLOTS: Final = 1 << 10


class SeenHashes:
    """Says of each key whether it came before, up to a number of different keys.

    A Python set of a million hashes takes about 64 MB; this takes 16. Two keys with one
    hash look like a duplicate: with four million keys that happens in one of two million reads.

    Args:
        limit: How many different keys are remembered; later ones are only compared.
    """

    def __init__(self, limit: int = 4_000_000) -> None:
        self._limit = limit
        self._count = 0
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))

    def __repr__(self) -> str:
        return f"<SeenHashes count={self._count} limit={self._limit}>"

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """True once keys are no longer remembered."""
        return self._count >= self._limit

    def add(self, key: bytes) -> bool:
        """Return whether `key` came before; remember it unless the limit is reached."""
        # 0 marks a free slot. Python's hash of bytes is keyed, so nobody can aim at it.
        wanted = (hash(key) & _MASK) or 1
        slots = self._slots
        mask = len(slots) - 1
        slot = wanted & mask
        while (found := slots[slot]) != 0:
            if found == wanted:
                return True
            slot = (slot + 1) & mask
        if self._count < self._limit:
            slots[slot] = wanted
            self._count += 1
            if self._count * 2 > len(slots):
                self._grow()
        return False

    def _grow(self) -> None:
        old = self._slots
        self._slots = slots = array("Q", bytes(8 * 2 * len(old)))
        mask = len(slots) - 1
        for wanted in old:
            if wanted:
                slot = wanted & mask
                while slots[slot] != 0:
                    slot = (slot + 1) & mask
                slots[slot] = wanted
