"""Cutting a connector's output into lines, without any I/O.

`LineSplitter` takes the bytes as they come from a pipe, however they are cut, and
gives back blocks of whole lines; `hydrotest_core.protocol.sorting` says what they are.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from hydrotest_core.protocol.lines import MAX_LINE_BYTES, Line, Problem, ProblemKind

__all__ = ["Block", "LineSplitter", "Oversize"]

_HEAD_BYTES = 2048
"""How much of a line that is too long goes into the report of its problem."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines that follow one another.

    Attributes:
        number: The number of the first line, from 1.
        lines: Their bytes without the line feeds; a carriage return stays.
        is_ascii: Known to be ASCII; `False` means that nobody knows.
    """

    number: int
    lines: list[bytes]
    is_ascii: bool


@dataclass(frozen=True, slots=True)
class Oversize:
    """A line that was too long to be kept whole.

    Attributes:
        number: Its number, from 1.
        kept: Its begin, as much of it as a line may have.
        size_bytes: Its true length without the line feed.
        sha256: The hash of all of it, as hex digits.
    """

    number: int
    kept: bytes
    size_bytes: int
    sha256: str

    def as_line(self) -> Line:
        """Return the line as a problem; its `raw` is its first 2,048 bytes."""
        detail = (
            f"The line has {self.size_bytes} bytes; only the first {len(self.kept)} are kept."
            f" sha256={self.sha256}"
        )
        head = self.kept[:_HEAD_BYTES]
        return Line(self.number, head, None, Problem(ProblemKind.TOO_LONG, detail))


class LineSplitter:
    """Cuts bytes into lines; what comes out doesn't depend on how they were cut going in.

    Memory is bounded by what is fed at once and the longest line allowed.

    Args:
        max_line_bytes: A longer line comes out as `Oversize`.
    """

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._next = 1
        self._carry = _Carry(max_line_bytes)

    def __repr__(self) -> str:
        return f"LineSplitter({self.line_count} lines, {self._carry.size_bytes} bytes begun)"

    @property
    def line_count(self) -> int:
        """How many lines came out so far."""
        return self._next - 1

    def feed(self, data: bytes) -> list[Block | Oversize]:
        """Take the next bytes and return the lines that they complete, in order."""
        lines = data.split(b"\n")
        rest = lines.pop()
        found: list[Block | Oversize] = []
        is_ascii = data.isascii()
        if lines and self._carry.size_bytes:
            self._carry.add(lines[0])
            is_ascii = is_ascii and self._carry.is_ascii
            whole = self._carry.take(self._next)
            if isinstance(whole, Oversize):
                found.append(whole)
                self._next += 1
                del lines[0]
            else:
                lines[0] = whole
        found += self._blocks(lines, is_ascii=is_ascii, is_short=len(data) <= self._max)
        self._carry.add(rest)
        return found

    def finish(self) -> list[Block | Oversize]:
        """Return the last line if no line feed ended it; the splitter is then done."""
        return [self._take_carried()] if self._carry.size_bytes else []

    def _take_carried(self) -> Block | Oversize:
        is_ascii = self._carry.is_ascii
        whole = self._carry.take(self._next)
        self._next += 1
        if isinstance(whole, Oversize):
            return whole
        return Block(self._next - 1, [whole], is_ascii)

    def _blocks(
        self, lines: list[bytes], *, is_ascii: bool, is_short: bool
    ) -> list[Block | Oversize]:
        if not lines:
            return []
        if is_short or max(map(len, lines)) <= self._max:
            block = Block(self._next, lines, is_ascii)
            self._next += len(lines)
            return [block]
        # A single feed with a line too long in it: only whoever feeds that much gets here.
        found: list[Block | Oversize] = []
        for line in lines:
            self._carry.add(line)
            found.append(self._take_carried())
        return found


class _Carry:
    """The begin of a line whose end hasn't come yet."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._reset()

    def _reset(self) -> None:
        # BytesIO gives its content away without copying it, which a bytearray can't.
        self._kept = io.BytesIO()
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.is_ascii = True

    def add(self, data: bytes) -> None:
        if not data:
            return
        room = self._max - self.size_bytes
        self.size_bytes += len(data)
        self.is_ascii = self.is_ascii and data.isascii()
        if room < 0:
            self._hash.update(data)
        elif len(data) <= room:
            self._kept.write(data)
        else:
            self._kept.write(memoryview(data)[:room])
            with self._kept.getbuffer() as content:
                self._hash.update(content)
            self._hash.update(memoryview(data)[room:])

    def take(self, number: int) -> bytes | Oversize:
        kept, size, digest = self._kept.getvalue(), self.size_bytes, self._hash
        self._reset()
        return Oversize(number, kept, size, digest.hexdigest()) if size > self._max else kept
