"""Writing down what a connector says, once, as it comes.

`hydrotest_core.connector.layout` says where. Lines are copied, never written anew.
What came is on its way to the disk within a second
(`hydrotest_core.connector.appender`), and `close` writes the rest: when we are
killed all but the last second is there, and `hydrotest_core.connector.evidence`
reads it without the index too.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import msgspec

from hydrotest_core.connector.appender import Appender
from hydrotest_core.connector.execution import StreamCount
from hydrotest_core.connector.layout import (
    INDEX_FILE,
    MESSAGE_FILES,
    PROBLEMS_FILE,
    STDERR_FILE,
    STDOUT_FILE,
    StoredProblem,
    StreamIndex,
    records_file,
)
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol.messages import MessageType
from hydrotest_core.protocol.sorting import StreamKey, sort_block
from hydrotest_core.protocol.splitter import Block, LineSplitter, Oversize
from hydrotest_core.redaction import Redactor
from hydrotest_core.sealed import make_private_dir, open_private

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from hydrotest_core.protocol.lines import Line

__all__ = ["OutputRecorder", "OutputSummary"]

_STORED_PROBLEMS: Final = 1000
_LONG_LINE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSummary:
    """What a connector said, in numbers.

    Attributes:
        stdout_bytes: Bytes that came on stdout, before secrets were replaced.
        stderr_bytes: The same for stderr.
        line_count: Lines on stdout, a last one without a line feed counted too.
        problem_count: Lines on stdout that are no message; `problems.jsonl` has the
            first 1,000.
        message_counts: Messages by their type, `{"RECORD": 1000, "STATE": 3}`.
        streams: The streams that had records, in order of appearance.
        redactions: How often a secret was replaced, by the secret's name.
    """

    stdout_bytes: int
    stderr_bytes: int
    line_count: int
    problem_count: int
    message_counts: dict[str, int]
    streams: list[StreamCount]
    redactions: dict[str, int]


class _Stream:
    """The file of one stream, and how many records it has."""

    def __init__(self, key: StreamKey, path: str) -> None:
        self.namespace, self.name = key
        self.path = path
        self.records = 0

    def as_count(self) -> StreamCount:
        return StreamCount(
            stream=self.name, namespace=self.namespace, records=self.records, path=self.path
        )


class OutputRecorder:
    """Takes the bytes of a connector's stdout and stderr and writes them down, sorted.

    Call it from one thread. Memory doesn't grow with the output, only with the number
    of streams. As a context manager it closes itself; closing again is fine.

    Args:
        directory: An existing, private, empty folder.
        redactor: What must not be written down.

    Raises:
        InfrastructureError: From any method, when the disk is full or the folder isn't
            as said above.
    """

    def __init__(self, directory: Path, redactor: Redactor | None = None) -> None:
        redactor = redactor or Redactor()
        self._directory = directory
        self._clean_stdout = redactor.stream()
        self._clean_stderr = redactor.stream()
        self._splitter = LineSplitter()
        self._streams: dict[StreamKey, _Stream] = {}
        self._counts: Counter[str] = Counter()
        self._stdout_bytes = self._stderr_bytes = 0
        self._problem_count = self._stored_problems = 0
        self._summary: OutputSummary | None = None
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
        return self._counts[MessageType.RECORD]

    def stdout(self, data: bytes) -> None:
        """Take the next bytes of stdout, however they are cut."""
        self._stdout_bytes += len(data)
        self._take_stdout(self._clean_stdout.feed(data))

    def stderr(self, data: bytes) -> None:
        """Take the next bytes of stderr, however they are cut."""
        self._stderr_bytes += len(data)
        self._append(STDERR_FILE, self._clean_stderr.feed(data))

    def close(self) -> OutputSummary:
        """Write what is left and return the numbers; the last begun line counts."""
        try:
            if self._summary is None:
                self._summary = self._finish()
        finally:
            self._appender.close()
        return self._summary

    def _finish(self) -> OutputSummary:
        self._take_stdout(self._clean_stdout.flush())
        self._append(STDERR_FILE, self._clean_stderr.flush())
        self._take_lines(self._splitter.finish())
        summary = self._summarise()
        self._append(INDEX_FILE, msgspec.json.encode(StreamIndex(streams=summary.streams)))
        return summary

    def _take_stdout(self, clean: bytes) -> None:
        self._append(STDOUT_FILE, clean)
        self._take_lines(self._splitter.feed(clean))

    def _take_lines(self, found: list[Block | Oversize]) -> None:
        for item in found:
            if isinstance(item, Oversize):
                self._take_others([item.as_line()])
                continue
            block = sort_block(item, explain_at_most=_STORED_PROBLEMS - self._stored_problems)
            for key, lines in block.records.items():
                self._take_records(key, lines)
            self._take_others(block.others)
            self._problem_count += block.unexplained

    def _take_records(self, key: StreamKey, lines: list[bytes]) -> None:
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(key, records_file(len(self._streams)))
        stream.records += len(lines)
        self._counts[MessageType.RECORD] += len(lines)
        self._append_lines(stream.path, lines)

    def _take_others(self, lines: list[Line]) -> None:
        by_file: dict[str, list[bytes]] = {}
        for line in lines:
            if line.message is None:
                self._take_problem(line)
            else:
                self._counts[line.message.type] += 1
                by_file.setdefault(MESSAGE_FILES[line.message.type], []).append(line.raw)
        for path, raws in by_file.items():
            self._append_lines(path, raws)

    def _take_problem(self, line: Line) -> None:
        self._problem_count += 1
        if self._stored_problems == _STORED_PROBLEMS:
            return
        self._stored_problems += 1
        self._append_lines(PROBLEMS_FILE, [msgspec.json.encode(StoredProblem.of(line))])

    def _append_lines(self, path: str, lines: list[bytes]) -> None:
        if len(lines[0]) > _LONG_LINE_BYTES:  # Only the first one comes from more than one read.
            self._append(path, lines.pop(0), b"\n")
        if lines:
            lines.append(b"")
            self._append(path, b"\n".join(lines))

    def _append(self, path: str, *pieces: bytes) -> None:
        if pieces[0]:
            self._appender.append(f"{self._directory}/{path}", *pieces)

    def _summarise(self) -> OutputSummary:
        hits = Counter(self._clean_stdout.hits) + Counter(self._clean_stderr.hits)
        return OutputSummary(
            stdout_bytes=self._stdout_bytes,
            stderr_bytes=self._stderr_bytes,
            line_count=self._splitter.line_count,
            problem_count=self._problem_count,
            message_counts={str(kind): count for kind, count in self._counts.items()},
            streams=[stream.as_count() for stream in self._streams.values()],
            redactions=dict(hits),
        )


def _prepare(directory: Path) -> None:
    """Make what is there from the first moment on."""
    try:
        for name in ("messages", "records"):
            make_private_dir(directory / name)
        for name in (STDOUT_FILE, STDERR_FILE):
            open_private(directory / name).close()
    except OSError as exc:
        message = "The folder for a connector's output can't be used."
        raise InfrastructureError(
            message,
            path=exc.filename,
            reason=exc.strerror,
            hint="it must exist, be empty and belong to you",
        ) from exc
