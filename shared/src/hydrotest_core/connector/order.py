"""The order in which lines and files came together on stdout, and when they came.

A line of stdout lies in the file of its kind or stream; `order.log` says which one was
next. It is text, about a byte a line, of which zstd leaves a fraction:

```
+A records/000.jsonl     the letter A is this file from here on
0 AAB                    0 ms after the start: two lines of A, then one of B
50 !4096                 50 ms after the start: 4,096 bytes on stderr
>1000000000 9f86d081…    the next line was cut: its true length, and the SHA-256 of it all
~                        the next line had no line feed
```

What came within 50 ms stands under one time. Whatever says something about a line comes
before that line's letter, so of an `order.log` that was cut off everything that is left
holds: a last line without a line feed is read as far as it goes. No I/O here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Cut", "OrderEntry", "OrderWriter", "read_order"]

_WINDOW_MS: Final = 50


@dataclass(frozen=True, slots=True)
class Cut:
    """What is known of a line of which only the begin was kept: its length and its hash."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """Lines that came one after the other, or bytes on stderr.

    Attributes:
        at_ms: When the first of it came, in ms since the start; the last at most 50 later.
        files: The file of each line.
        stderr_bytes: How many bytes came on stderr.
        cut: Set when the first of the lines was cut.
        is_ended: Whether a line feed ended the first of the lines.
    """

    at_ms: int
    files: list[str]
    stderr_bytes: int = 0
    cut: Cut | None = None
    is_ended: bool = True


class OrderWriter:
    """Puts the order in words; each method returns what is to be appended to the log."""

    def __init__(self) -> None:
        self._files = 0
        self._notes: list[str] = []
        self._begin_ms = -_WINDOW_MS
        self._is_open = False
        self._stderr_bytes = 0

    def __repr__(self) -> str:
        return f"OrderWriter({self._files} files)"

    def note_file(self, letter: str, path: str) -> None:
        """Say which letter a file has that wasn't spoken of before."""
        self._files += 1
        self._notes.append(f"+{letter} {path}\n")

    def note_cut(self, cut: Cut) -> None:
        """Say that the line that comes next was cut."""
        self._notes.append(f">{cut.size_bytes} {cut.sha256}\n")

    def note_unended(self) -> None:
        """Say that the line that comes next had no line feed."""
        self._notes.append("~\n")

    def lines(self, letters: str, now_ms: int) -> bytes:
        """Say of which files lines came; what was noted is about the first one."""
        text = self._turn(now_ms)
        if self._notes:
            text += self._end_line() + "".join(self._notes)
            self._notes.clear()
        if not self._is_open:
            self._is_open = True
            text += f"{self._begin_ms} "
        return (text + letters).encode()

    def stderr(self, size_bytes: int, now_ms: int) -> bytes:
        """Say that bytes came on stderr; that is put down when their 50 ms are over."""
        text = self._turn(now_ms)
        self._stderr_bytes += size_bytes
        return text.encode()

    def finish(self) -> bytes:
        """Return what is left to be said."""
        return self._end_window().encode()

    def _turn(self, now_ms: int) -> str:
        if self._begin_ms <= now_ms < self._begin_ms + _WINDOW_MS:
            return ""
        text = self._end_window()
        self._begin_ms = now_ms
        return text

    def _end_window(self) -> str:
        text = self._end_line()
        if self._stderr_bytes:
            text += f"{self._begin_ms} !{self._stderr_bytes}\n"
            self._stderr_bytes = 0
        return text

    def _end_line(self) -> str:
        text = "\n" if self._is_open else ""
        self._is_open = False
        return text


def read_order(lines: Iterable[tuple[bytes, bool]]) -> Iterator[OrderEntry]:
    """Read the log of the order.

    Args:
        lines: Its lines without line feeds, and whether there was one.

    Raises:
        ValueError: Nothing of ours wrote this.
    """
    files: dict[str, str] = {}
    cut: Cut | None = None
    is_ended = True
    for raw, is_whole in lines:
        # A letter may have been torn in the middle.
        text = raw.decode(errors="strict" if is_whole else "ignore")
        if text[:1].isdigit():
            entry = _entry(text, files, cut, is_ended=is_ended, is_whole=is_whole)
            if entry is not None:
                yield entry
            cut, is_ended = None, True
        elif not is_whole:
            return
        elif text[:1] == "+":
            letter, _, path = text[1:].partition(" ")
            files[letter] = path
        elif text[:1] == ">":
            size, _, digest = text[1:].partition(" ")
            cut = Cut(int(size), digest)
        elif text == "~":
            is_ended = False
        else:
            message = f"no entry of an order: {text[:40]!r}"
            raise ValueError(message)


def _entry(
    text: str, files: dict[str, str], cut: Cut | None, *, is_ended: bool, is_whole: bool
) -> OrderEntry | None:
    at, _, letters = text.partition(" ")
    if letters[:1] == "!":
        return OrderEntry(int(at), [], int(letters[1:])) if is_whole else None
    try:
        return OrderEntry(int(at), [files[letter] for letter in letters], 0, cut, is_ended)
    except KeyError as exc:
        message = f"no file has the letter {exc}"
        raise ValueError(message) from None
