"""Writing down what a connector says, once, as it comes.

`hydrotest_core.connector.layout` says where. Lines are copied, never written anew.
What came is on its way to the disk within a second
(`hydrotest_core.connector.appender`), and `close` writes the rest: when we are
killed all but the last second is there, and `hydrotest_core.connector.evidence`
reads it without the index too. Of a line only what is whole is written, or what there is
of it when the output ends.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import msgspec

from hydrotest_core.connector.appender import Appender
from hydrotest_core.connector.execution import MAX_OUTPUT_BYTES, LongLine, StreamCount
from hydrotest_core.connector.layout import (
    INDEX_FILE,
    MESSAGE_FILES,
    ORDER_FILE,
    PROBLEM_LINES_FILE,
    PROBLEMS_FILE,
    STDERR_FILE,
    STORED_PROBLEMS,
    StoredProblem,
    StreamIndex,
    records_file,
)
from hydrotest_core.connector.order import Cut, OrderWriter
from hydrotest_core.disk import disk_errors
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol.lines import looks_like_message
from hydrotest_core.protocol.messages import MessageType
from hydrotest_core.protocol.sorting import Letters, Place, StreamKey, sort_block, stream_key
from hydrotest_core.protocol.splitter import Block, LineSplitter, Oversize
from hydrotest_core.redaction import Redactor
from hydrotest_core.sealed import make_private_dir, open_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from hydrotest_core.protocol.lines import Line

__all__ = ["OutputRecorder", "OutputSummary"]

_LONG_PIECE_BYTES: Final = 1024 * 1024
_LONG_LINE_CHARACTERS: Final = 20_000_000
_LONG_LINES: Final = 10
_PIECE_BYTES: Final = 256 * 1024
# Bytes that go on with a character, and those that begin one outside the first plane,
# which is two UTF-16 units.
_CONTINUED: Final = bytes(range(0x80, 0xC0))
_BUT_WIDE: Final = bytes(range(0xF0)) + bytes(range(0xF8, 0x100))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSummary:
    """What a connector said, in numbers.

    Attributes:
        stdout_bytes: Bytes that came on stdout, before secrets were replaced.
        stderr_bytes: The same for stderr.
        line_count: Lines on stdout, a last one without a line feed counted too.
        problem_count: Lines on stdout that are no message; `problems.jsonl` has the
            first 1,000 of text, and of broken messages.
        long_line_count: Lines of 20,000,000 characters or more, from which on the platform
            warns.
        long_lines: The first ten of them.
        is_cut: Whether more came than might be kept.
        message_counts: Messages by their type, `{"RECORD": 1000, "STATE": 3}`.
        streams: The streams that had records, in order of appearance.
        redactions: How often a secret was replaced, by the secret's name.
    """

    stdout_bytes: int
    stderr_bytes: int
    line_count: int
    problem_count: int
    long_line_count: int
    long_lines: list[LongLine]
    is_cut: bool
    message_counts: dict[str, int]
    streams: list[StreamCount]
    redactions: dict[str, int]


class _File:
    """A file that lines go to, and how many it has."""

    def __init__(self, place: Place, path: str) -> None:
        self.path = path
        self.stream: StreamKey | None = stream_key(place)
        self.kind = MessageType.RECORD if self.stream else MessageType(place[0]) if place else None
        self.lines = 0

    def as_count(self) -> StreamCount:
        assert self.stream is not None
        namespace, name = self.stream
        return StreamCount(stream=name, namespace=namespace, records=self.lines, path=self.path)


class OutputRecorder:
    """Takes the bytes of a connector's stdout and stderr and writes them down, sorted.

    Call it from one thread. Memory doesn't grow with the output, only with the number
    of streams. As a context manager it closes itself; closing again is fine.

    Args:
        directory: An existing, private, empty folder.
        redactor: What must not be written down.
        max_bytes: How much is kept, of both pipes together.
        clock: Seconds that never go back, for the times of arrival.

    Raises:
        InfrastructureError: From any method, when the disk is full or the folder isn't
            as said above.
    """

    def __init__(
        self,
        directory: Path,
        redactor: Redactor | None = None,
        *,
        max_bytes: int = MAX_OUTPUT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        redactor = redactor or Redactor()
        self._directory = directory
        self._clean_stdout, self._clean_stderr = redactor.output_streams()
        self._splitter = LineSplitter()
        self._order = OrderWriter()
        self._files: dict[Place, _File] = {}
        self._letters = Letters()
        self._streams: list[_File] = []
        self._record_count = 0
        self._max_bytes = max_bytes
        self._stdout_bytes = self._stderr_bytes = 0
        self._is_cut = False
        self._stored_problems = {False: 0, True: 0}
        self._long_line_count = 0
        self._long_lines: list[LongLine] = []
        self._summary: OutputSummary | None = None
        self._clock = clock
        self._began = clock()
        _prepare(directory)
        self._appender = Appender()

    def __repr__(self) -> str:
        state = "open" if self._summary is None else "closed"
        return f"OutputRecorder({state}, {self._splitter.line_count} lines)"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        # What went wrong first is what the person must hear of.
        with contextlib.suppress(InfrastructureError):
            self.close()

    @property
    def size_bytes(self) -> int:
        """How many bytes came so far, on both pipes; for limits and for progress."""
        return self._stdout_bytes + self._stderr_bytes

    @property
    def record_count(self) -> int:
        """How many records came so far; for progress."""
        return self._record_count

    def check(self) -> None:
        """Raise what the disk said since; a connector that is silent would never hear of it.

        Raises:
            InfrastructureError: Not all of what came could be written.
        """
        self._appender.check()

    @property
    def is_cut(self) -> bool:
        """Whether more came than may be kept: whoever says that much is to be stopped."""
        return self._is_cut

    def stdout(self, data: bytes) -> None:
        """Take the next bytes of stdout, however they are cut."""
        data = self._within_limit(data)
        self._stdout_bytes += len(data)
        clean = self._clean_stdout.feed(data)
        self._take_lines(self._splitter.feed(clean), len(clean))

    def stderr(self, data: bytes) -> None:
        """Take the next bytes of stderr, however they are cut."""
        data = self._within_limit(data)
        self._stderr_bytes += len(data)
        self._take_stderr(self._clean_stderr.feed(data))

    def close(self) -> OutputSummary:
        """Write what is left and return the numbers; the last begun line counts."""
        try:
            if self._summary is None:
                self._summary = self._finish()
        finally:
            self._appender.close()
        return self._summary

    def _within_limit(self, data: bytes) -> bytes:
        room = self._max_bytes - self.size_bytes
        if len(data) <= room:
            return data
        self._is_cut = True
        return data[: max(room, 0)]

    def _finish(self) -> OutputSummary:
        clean = self._clean_stdout.flush()
        self._take_lines(self._splitter.feed(clean), len(clean))
        self._take_stderr(self._clean_stderr.flush())
        if rest := self._splitter.finish():
            self._order.note_unended()
            self._take_lines(rest, 0)
        self._append(ORDER_FILE, self._order.finish())
        summary = self._summarise()
        index = StreamIndex(streams=summary.streams)
        self._append(INDEX_FILE, msgspec.json.encode(index))
        return summary

    def _now_ms(self) -> int:
        return int((self._clock() - self._began) * 1000)

    def _take_stderr(self, clean: bytes) -> None:
        if clean:
            self._append(ORDER_FILE, self._order.stderr(len(clean), self._now_ms()))
            self._append(STDERR_FILE, clean)

    def _take_lines(self, found: list[Block | Oversize], size_bytes: int) -> None:
        for item in found:
            if isinstance(item, Oversize):
                self._take_oversize(item)
            else:
                self._take_block(item, size_bytes)

    def _take_oversize(self, oversize: Oversize) -> None:
        self._order.note_cut(Cut(oversize.size_bytes, oversize.sha256))
        self._take_sorted(self._letters[()], {(): [oversize.kept]}, 0)
        self._take_long(oversize.number, self._file(()), 0, oversize.kept, oversize.size_bytes)
        self._take_problems([oversize.as_line()])

    def _take_block(self, block: Block, size_bytes: int) -> None:
        found = sort_block(
            block,
            self._letters,
            explain_at_most=STORED_PROBLEMS - self._stored_problems[False],
            explain_broken_at_most=STORED_PROBLEMS - self._stored_problems[True],
        )
        self._take_sorted(found.letters, found.lines, size_bytes)
        if found.longest_bytes >= _LONG_LINE_CHARACTERS:
            self._look_for_long(block, found.letters)
        self._take_problems(found.problems)

    def _take_sorted(self, letters: str, lines: dict[Place, list[bytes]], size_bytes: int) -> None:
        files = [self._file(place) for place in lines]
        self._append(ORDER_FILE, self._order.lines(letters, self._now_ms()))
        groups: dict[str, list[bytes]] = {}
        for file, its_lines in zip(files, lines.values(), strict=True):
            file.lines += len(its_lines)
            if file.stream:
                self._record_count += len(its_lines)
            # Only the first one comes from more than one read; it isn't copied once more.
            if len(its_lines[0]) > _LONG_PIECE_BYTES:
                self._append(file.path, its_lines.pop(0), b"\n")
            if its_lines:
                groups[f"{self._directory}/{file.path}"] = its_lines
        self._appender.append_lines(groups, size_bytes)

    def _file(self, place: Place) -> _File:
        file = self._files.get(place)
        if file is None:
            file = self._files[place] = _File(place, self._new_path(place))
            self._order.note_file(self._letters[place], file.path)
            if file.stream:
                self._streams.append(file)
        return file

    def _new_path(self, place: Place) -> str:
        if stream_key(place):
            return records_file(len(self._streams))
        return MESSAGE_FILES[MessageType(place[0])] if place else PROBLEM_LINES_FILE

    def _take_problems(self, lines: list[Line]) -> None:
        for line in lines:
            is_broken = looks_like_message(line.raw)
            if self._stored_problems[is_broken] < STORED_PROBLEMS:
                self._stored_problems[is_broken] += 1
                self._append(PROBLEMS_FILE, msgspec.json.encode(StoredProblem.of(line)), b"\n")

    def _look_for_long(self, block: Block, letters: str) -> None:
        files = {letter: self._files[place] for place, letter in self._letters.items()}
        left = Counter(letters)
        for number, (letter, raw) in enumerate(zip(letters, block.lines, strict=True)):
            left[letter] -= 1
            self._take_long(block.number + number, files[letter], left[letter], raw, len(raw))

    def _take_long(self, line: int, file: _File, after: int, kept: bytes, size_bytes: int) -> None:
        """Note a line with more characters than the platform likes.

        Args:
            line: Its number on stdout.
            file: Where it went.
            after: How many lines went there after it.
            kept: Its bytes, as far as they were kept.
            size_bytes: Its true length.
        """
        characters = _characters(kept) if len(kept) >= _LONG_LINE_CHARACTERS else 0
        if characters < _LONG_LINE_CHARACTERS:
            return
        self._long_line_count += 1
        if len(self._long_lines) < _LONG_LINES:
            self._long_lines.append(
                LongLine(
                    line=line,
                    path=file.path,
                    path_line=file.lines - after,
                    characters=characters,
                    size_bytes=size_bytes,
                )
            )

    def _append(self, path: str, *pieces: bytes) -> None:
        if pieces[0]:
            self._appender.append(f"{self._directory}/{path}", *pieces)

    def _summarise(self) -> OutputSummary:
        hits = Counter(self._clean_stdout.hits) + Counter(self._clean_stderr.hits)
        return OutputSummary(
            stdout_bytes=self._stdout_bytes,
            stderr_bytes=self._stderr_bytes,
            line_count=self._splitter.line_count,
            problem_count=self._files[()].lines if () in self._files else 0,
            long_line_count=self._long_line_count,
            long_lines=self._long_lines,
            is_cut=self._is_cut,
            message_counts=self._message_counts(),
            streams=[stream.as_count() for stream in self._streams],
            redactions=dict(hits),
        )

    def _message_counts(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for file in self._files.values():
            if file.kind:
                counts[file.kind.value] += file.lines
        return dict(counts)


def _characters(raw: bytes) -> int:
    """Return how many UTF-16 units a line has; what isn't UTF-8 counts as anything."""
    units = 0
    for start in range(0, len(raw), _PIECE_BYTES):
        piece = raw[start : start + _PIECE_BYTES]
        units += len(piece.translate(None, _CONTINUED)) + len(piece.translate(None, _BUT_WIDE))
    return units


def _prepare(directory: Path) -> None:
    """Make what is there from the first moment on."""
    message = "The folder for a connector's output can't be used."
    otherwise = "it must exist, be empty and belong to you"
    with disk_errors(message, directory, otherwise=otherwise):
        for name in ("messages", "records"):
            make_private_dir(directory / name)
        for name in (ORDER_FILE, STDERR_FILE):
            open_private(directory / name).close()
