"""A settings file as values, each with its place; and a mistake in it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydrotest_core.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

__all__ = [
    "Document",
    "Mark",
    "Mistake",
    "PathPart",
    "did_you_mean",
    "dotted",
    "nearest",
    "not_utf8",
    "read_bytes",
]

# A key of a mapping or an index of a list.
PathPart = str | int

_PLAIN_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing in a file that a person has to mend.

    Attributes:
        file: The file's name as the person gave it.
        line: From 1; 0 where the whole file is meant.
        column: From 1.
        path: `acceptance_tests.basic_read.tests[0].timeout_seconds`, or "".
        message: What is wrong, in words.
        hint: What to do, or "".
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.message}"
        if self.path:
            text += f" ({self.path})"
        return f"{text} hint: {self.hint}" if self.hint else text


@dataclass(slots=True)
class Mark:
    """Where a value stands, and where its parts do.

    Attributes:
        line: From 1.
        column: From 1.
        text: A scalar as it was written, without its quotes; `None` for the others.
        keys: Line and column of each key.
        parts: The marks of the values, by key or index. An aliased value has the
            marks of the place where it was written.
    """

    line: int
    column: int
    text: str | None = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    parts: dict[PathPart, Mark] = field(default_factory=dict)

    def at(self, path: Iterable[PathPart]) -> Mark:
        """Return the mark of the value at `path`, or of the nearest thing around it."""
        mark = self
        for part in path:
            if part not in mark.parts:
                break
            mark = mark.parts[part]
        return mark

    def position_of(self, path: Sequence[PathPart]) -> tuple[int, int]:
        """Return line and column of the value at `path`, or of what is around it."""
        mark = self.at(path)
        return mark.line, mark.column

    def position_of_key(self, path: Sequence[PathPart]) -> tuple[int, int]:
        """Return line and column of the key that `path` ends in, else of its value."""
        *above, key = path
        return self.at(above).keys.get(str(key)) or self.position_of(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file holds.

    Attributes:
        file: The file's name as the person gave it.
        value: Plain Python values; dates are `datetime` values. Parts may be shared
            where the file has aliases: don't change them.
        marks: The place of each.
    """

    file: str
    value: Any
    marks: Mark

    def mistake(
        self, path: Sequence[PathPart], message: str, hint: str = "", *, at_key: bool = False
    ) -> Mistake:
        """Return a mistake at the value at `path`, or at its key."""
        find = self.marks.position_of_key if at_key and path else self.marks.position_of
        line, column = find(path)
        return Mistake(
            file=self.file, line=line, column=column, path=dotted(path), message=message, hint=hint
        )


def dotted(path: Iterable[PathPart]) -> str:
    """Write a path for people: `tests[0].name`; a key with odd characters as `['a b']`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def did_you_mean(word: str) -> str:
    """Return the hint that asks so."""
    return f"did you mean {word!r}?"


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return a hint: the valid word that was probably meant, else all of them."""
    words = list(valid)
    close = difflib.get_close_matches(word, words, n=1)
    if close:
        return did_you_mean(close[0])
    return f"valid here: {', '.join(words)}" if words else ""


def read_bytes(path: str | os.PathLike[str], what: str, limit: int | None = None) -> bytes:
    """Read a file that a person named.

    Args:
        path: The file.
        what: What it is, in a word: `config`.
        limit: The most bytes that are read.

    Raises:
        UsageError: When it isn't there, can't be read, or is larger than `limit`.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            data = opened.read(-1 if limit is None else limit + 1)
    except FileNotFoundError as exc:
        message = f"The {what} file isn't there."
        raise UsageError(message, path=file, hint=_hint_for_missing(file)) from exc
    except OSError as exc:
        message = f"The {what} file can't be read."
        hint = "give the path of a plain file that you may read"
        raise UsageError(message, path=file, error=exc.strerror, hint=hint) from exc
    if limit is not None and len(data) > limit:
        message = f"The {what} file is too large."
        hint = "check that it is the right file"
        raise UsageError(message, path=file, limit_bytes=limit, hint=hint)
    return data


def not_utf8(file: str, data: bytes, error: UnicodeDecodeError) -> Mistake:
    """Say where `data` stops to be UTF-8."""
    line_start = data.rfind(b"\n", 0, error.start) + 1
    return Mistake(
        file=file,
        line=data.count(b"\n", 0, error.start) + 1,
        column=len(data[line_start : error.start].decode("utf-8", "replace")) + 1,
        message="not UTF-8",
        hint="save the file as UTF-8",
    )


def _hint_for_missing(file: Path) -> str:
    if not file.parent.is_dir():
        return f"the folder {file.parent} isn't there either; check the path"
    siblings = [entry.name for entry in file.parent.iterdir() if entry.is_file()]
    close = difflib.get_close_matches(file.name, siblings, n=1)
    return did_you_mean(close[0]) if close else "make it, or give another path"
