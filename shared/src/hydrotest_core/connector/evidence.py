"""Reading what a connector said, from the folder of an execution, again and again.

Everything is read as it is asked for and nothing is kept, so memory doesn't grow
with the output. The folder of an execution that was cut short reads as far as it
goes; what one file tells of a line that another one lacks is left out.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from hydrotest_core.connector.execution import FORMAT_VERSION, ExecutionManifest, StreamCount
from hydrotest_core.connector.layout import (
    INDEX_FILE,
    MANIFEST_FILE,
    MESSAGE_FILES,
    ORDER_FILE,
    PROBLEM_LINES_FILE,
    PROBLEMS_FILE,
    RECORDS_PATTERN,
    STDERR_FILE,
    StoredProblem,
    StreamIndex,
)
from hydrotest_core.connector.order import Cut, OrderEntry, read_order
from hydrotest_core.connector.records import RecordLine, read_record
from hydrotest_core.connector.stored import PACKED, StoredFile
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol.lines import Line, parse_line
from hydrotest_core.protocol.splitter import Oversize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hydrotest_core.protocol.messages import AirbyteMessage, MessageType
    from hydrotest_core.untrusted import UntrustedText

__all__ = ["Evidence", "OutputLine"]

_TAIL_BYTES: Final = 64 * 1024
_LINE_FILES: Final = {PROBLEM_LINES_FILE, *MESSAGE_FILES.values()}
_UNENDED: Final = re.compile(rb"^~$", re.MULTILINE)

_PROBLEM = msgspec.json.Decoder(StoredProblem)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLine:
    """One line of stdout, where it lies and when it came.

    Attributes:
        number: Its place on stdout, from 1.
        raw: Its bytes without the line feed.
        artifact: The file that has it, `records/000.jsonl`.
        artifact_line: Its line there, from 1.
        at_ms: When it came, in ms since the output was opened, at most 50 too early.
        cut: What is known of all of it, where only its begin was kept.
        is_ended: Whether the connector ended it with a line feed.
    """

    number: int
    raw: bytes
    artifact: str
    artifact_line: int
    at_ms: int
    cut: Cut | None
    is_ended: bool

    def as_line(self) -> Line:
        """Return what the line says."""
        if self.cut is not None:
            return Oversize(self.number, self.raw, self.cut.size_bytes, self.cut.sha256).as_line()
        return parse_line(self.raw, self.number)


class Evidence:
    """What the folder of one execution tells.

    Args:
        directory: The folder; it may be of a run that was cut short, even empty.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        return f"Evidence({str(self.directory)!r})"

    @functools.cached_property
    def manifest(self) -> ExecutionManifest:
        """What ran and how it ended.

        Raises:
            InfrastructureError: When it isn't there or can't be read: the run was cut
                short by our own end, and nobody knows how the connector ended. Or the
                folder is of another format than this hydrotest's.
        """
        path = self.directory / MANIFEST_FILE
        try:
            raw = path.read_bytes()
            version = msgspec.json.decode(raw, type=_Versioned).format_version
            if version != FORMAT_VERSION:
                _refuse_version(path, version)
            return msgspec.json.decode(raw, type=ExecutionManifest)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
            message = "The execution has no readable manifest."
            hint = "it was cut short; run it again"
            raise InfrastructureError(message, path=path, reason=exc, hint=hint) from exc

    @functools.cached_property
    def streams(self) -> list[StreamCount]:
        """The streams that had records, in order of appearance.

        From the index, or from the files where the index is missing or torn.
        """
        try:
            raw = b"".join(self._stored(INDEX_FILE).pieces())
            streams = msgspec.json.decode(raw, type=StreamIndex).streams
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return list(self._streams_by_files())
        # An index that names other files isn't ours.
        is_ours = all(re.fullmatch(RECORDS_PATTERN, stream.path) for stream in streams)
        return streams if is_ours else list(self._streams_by_files())

    def artifact(self, name: str) -> str:
        """Return a file's name as it lies there: where the output is large, it is packed.

        Args:
            name: The plain one, `messages/states.jsonl`.
        """
        return self._stored(name).artifact

    def messages(self, kind: MessageType) -> Iterator[AirbyteMessage]:
        """Yield the messages of one type, in the order in which the connector said them.

        Records come one stream after the other.
        """
        for line in self.lines(kind):
            if line.message is not None:
                yield line.message

    def lines(self, kind: MessageType) -> Iterator[Line]:
        """Yield the same as `messages` with the raw lines.

        A line's number is its place in the file of its kind (for records: of its
        stream), not on stdout; `walk` gives that.
        """
        path = MESSAGE_FILES.get(kind)
        for name in [path] if path else [stream.path for stream in self.streams]:
            for number, raw in self._whole_lines(name):
                yield parse_line(raw, number)

    def records(self, stream: str, namespace: str | None = None) -> Iterator[RecordLine]:
        """Yield the records of one stream in order; of an unknown stream there are none.

        Raises:
            InfrastructureError: When a file of the execution was changed since.
        """
        for known in self.streams:
            if (known.stream, known.namespace) == (stream, namespace):
                artifact = self.artifact(known.path)
                for number, raw in self._whole_lines(known.path):
                    record = read_record(raw)
                    if record is None:
                        self._refuse(artifact, number)
                    yield RecordLine(
                        line=number,
                        artifact=artifact,
                        emitted_at=record.emitted_at,
                        data=record.data,
                        raw=raw,
                    )

    def problems(self) -> Iterator[Line]:
        """Yield the lines that are no message, with their numbers on stdout.

        The first 1,000 of text and of broken messages are kept, shortened to 2,048 bytes
        each; the manifest counts all.
        """
        for number, raw in self._whole_lines(PROBLEMS_FILE):
            try:
                yield _PROBLEM.decode(raw).as_line()
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._refuse(PROBLEMS_FILE, number)

    def walk(self) -> Iterator[Line]:
        """Yield all of stdout, line by line, records and problems too, in order."""
        for line in self.output():
            yield line.as_line()

    def stdout(self) -> Iterator[bytes]:
        """Yield the bytes of stdout as they came, secrets replaced, long lines cut."""
        for line in self.output():
            yield line.raw + b"\n" if line.is_ended else line.raw

    def stderr(self) -> Iterator[bytes]:
        """Yield the bytes of stderr as they came, secrets replaced."""
        yield from self._stored(STDERR_FILE).pieces()

    def output(self) -> Iterator[OutputLine]:
        """Yield all of stdout, line by line, in order, each with where it lies.

        Raises:
            InfrastructureError: When a file of the execution was changed since, or the
                folder is of an older format.
        """
        number = 0
        readers: dict[str, _Reader] = {}
        for entry in self._order():
            cut, is_ended = entry.cut, entry.is_ended
            for name in entry.files:
                reader = readers.get(name)
                if reader is None:
                    reader = readers[name] = self._reader(name)
                raw = reader.next_line()
                if raw is None:
                    return  # Told of by the order, but lost in a crash.
                number += 1
                yield OutputLine(
                    number=number,
                    raw=raw,
                    artifact=reader.artifact,
                    artifact_line=reader.line,
                    at_ms=entry.at_ms,
                    cut=cut,
                    is_ended=is_ended,
                )
                cut, is_ended = None, True

    @property
    def is_last_line_complete(self) -> bool:
        """Whether stdout ended with a line feed, or is empty."""
        return _UNENDED.search(self._tail(ORDER_FILE, _TAIL_BYTES)) is None

    def stderr_tail(self, n: int = 50) -> list[UntrustedText]:
        r"""Return the last `n` lines of stderr, of its last 64 KiB.

        They are the connector's words, so untrusted; what isn't UTF-8 stands as `\xff`.
        """
        tail = self._tail(STDERR_FILE, _TAIL_BYTES).removesuffix(b"\n")
        lines = tail.split(b"\n")[-n:] if tail and n > 0 else []
        return [line.decode("utf-8", "backslashreplace") for line in lines]

    def _streams_by_files(self) -> Iterator[StreamCount]:
        found = {path.name.removesuffix(PACKED) for path in (self.directory / "records").glob("*")}
        # 1000.jsonl comes after 999.jsonl.
        for name in sorted(found, key=lambda name: (len(name), name)):
            path = f"records/{name}"
            if not re.fullmatch(RECORDS_PATTERN, path):
                continue
            first = next(self._whole_lines(path), None)
            record = read_record(first[1]) if first else None
            if record is None:
                continue
            yield StreamCount(
                stream=record.stream,
                namespace=record.namespace,
                records=sum(piece.count(b"\n") for piece in self._stored(path).pieces()),
                path=path,
            )

    def _order(self) -> Iterator[OrderEntry]:
        order = self._stored(ORDER_FILE)
        if not order.exists and (self.directory / "stdout.log").exists():
            _refuse_version(self.directory, 1)
        try:
            yield from read_order(order.lines())
        except ValueError as exc:
            self._refuse(order.artifact, 0, exc)

    def _reader(self, name: str) -> _Reader:
        if name not in _LINE_FILES and not re.fullmatch(RECORDS_PATTERN, name):
            self._refuse(ORDER_FILE, 0, f"{name} is no file for lines")
        return _Reader(self._stored(name))

    def _refuse(self, path: str, number: int, reason: object = None) -> NoReturn:
        message = "A file of the execution was changed since it was written."
        hint = "delete the execution's folder and run it again"
        facts: dict[str, object] = {"line": number} if number else {"reason": reason}
        raise InfrastructureError(message, path=self.directory / path, **facts, hint=hint)

    def _stored(self, name: str) -> StoredFile:
        return StoredFile(self.directory, name)

    def _whole_lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield (line number, line); a last line without a line feed was torn by a crash."""
        for number, (raw, is_whole) in enumerate(self._stored(name).lines(), 1):
            if is_whole:
                yield number, raw

    def _tail(self, name: str, size: int) -> bytes:
        stored = self._stored(name)
        return stored.tail(size) if stored.exists else b""


class _Reader:
    """A file whose lines are taken one by one, in turns with others."""

    def __init__(self, stored: StoredFile) -> None:
        self.artifact = stored.artifact
        self.line = 0
        self._lines = stored.lines()

    def next_line(self) -> bytes | None:
        raw, is_whole = next(self._lines, (b"", False))
        self.line += 1
        return raw if is_whole else None


class _Versioned(msgspec.Struct):
    format_version: int


def _refuse_version(path: Path, version: int) -> NoReturn:
    message = f"The execution was written down in format {version}; this hydrotest reads {FORMAT_VERSION}."
    hint = "run it again, or read it with the hydrotest that wrote it"
    raise InfrastructureError(message, path=path, hint=hint)
