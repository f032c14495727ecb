"""Reading what a connector said, from the folder of an execution, again and again.

Everything is read as it is asked for and nothing is kept, so memory doesn't grow
with the output. The folder of an execution that was cut short reads as far as it
goes.
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from hydrotest_core.connector.execution import ExecutionManifest, StreamCount
from hydrotest_core.connector.layout import (
    INDEX_FILE,
    MANIFEST_FILE,
    MESSAGE_FILES,
    PROBLEMS_FILE,
    RECORDS_PATTERN,
    STDERR_FILE,
    STDOUT_FILE,
    StoredProblem,
    StreamIndex,
)
from hydrotest_core.connector.records import RecordLine, read_record
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol.lines import Line, parse_line
from hydrotest_core.protocol.splitter import Block, LineSplitter, Oversize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hydrotest_core.protocol.messages import AirbyteMessage, MessageType

__all__ = ["Evidence"]

_READ_BYTES: Final = 256 * 1024
_TAIL_BYTES: Final = 64 * 1024


_PROBLEM = msgspec.json.Decoder(StoredProblem)


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
                short by our own end, and nobody knows how the connector ended.
        """
        path = self.directory / MANIFEST_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=ExecutionManifest)
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
            raw = (self.directory / INDEX_FILE).read_bytes()
            streams = msgspec.json.decode(raw, type=StreamIndex).streams
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return list(self._streams_by_files())
        # An index that names other files isn't ours.
        is_ours = all(re.fullmatch(RECORDS_PATTERN, stream.path) for stream in streams)
        return streams if is_ours else list(self._streams_by_files())

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
                for number, raw in self._whole_lines(known.path):
                    record = read_record(raw)
                    if record is None:
                        self._refuse(known.path, number)
                    yield RecordLine(
                        line=number,
                        artifact=known.path,
                        emitted_at=record.emitted_at,
                        data=record.data,
                        raw=raw,
                    )

    def problems(self) -> Iterator[Line]:
        """Yield the lines that are no message, with their numbers on stdout.

        The first 1,000 are kept, shortened to 2,048 bytes each; the manifest counts all.
        """
        for number, raw in self._whole_lines(PROBLEMS_FILE):
            try:
                yield _PROBLEM.decode(raw).as_line()
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._refuse(PROBLEMS_FILE, number)

    def walk(self) -> Iterator[Line]:
        """Yield all of stdout, line by line, records and problems too, in order."""
        splitter = LineSplitter()
        for data in self._pieces(STDOUT_FILE):
            yield from _parsed(splitter.feed(data))
        yield from _parsed(splitter.finish())

    @property
    def is_last_line_complete(self) -> bool:
        """Whether stdout ended with a line feed, or is empty."""
        return self._tail(STDOUT_FILE, 1) in {b"", b"\n"}

    def stderr_tail(self, n: int = 50) -> list[str]:
        r"""Return the last `n` lines of stderr, of its last 64 KiB.

        They are the connector's words, so untrusted; what isn't UTF-8 stands as `\xff`.
        """
        tail = self._tail(STDERR_FILE, _TAIL_BYTES).removesuffix(b"\n")
        lines = tail.split(b"\n")[-n:] if tail and n > 0 else []
        return [line.decode("utf-8", "backslashreplace") for line in lines]

    def _streams_by_files(self) -> Iterator[StreamCount]:
        for path in sorted((self.directory / "records").glob("*.jsonl"), key=_place):
            name = f"records/{path.name}"
            first = next(self._whole_lines(name), None)
            record = read_record(first[1]) if first else None
            if record is None or not re.fullmatch(RECORDS_PATTERN, name):
                continue
            yield StreamCount(
                stream=record.stream,
                namespace=record.namespace,
                records=sum(piece.count(b"\n") for piece in self._pieces(name)),
                path=name,
            )

    def _refuse(self, path: str, number: int) -> NoReturn:
        message = "A file of the execution was changed since it was written."
        hint = "delete the execution's folder and run it again"
        raise InfrastructureError(message, path=self.directory / path, line=number, hint=hint)

    def _whole_lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield (line number, line); a last line without a line feed was torn by a crash."""
        path = self.directory / name
        if not path.exists():
            return
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.endswith(b"\n"):
                    yield number, raw[:-1]

    def _pieces(self, name: str) -> Iterator[bytes]:
        path = self.directory / name
        if not path.exists():
            return
        with path.open("rb", buffering=0) as file:
            while data := file.read(_READ_BYTES):
                yield data

    def _tail(self, name: str, size: int) -> bytes:
        path = self.directory / name
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read()


def _place(path: Path) -> tuple[int, str]:
    # 1000.jsonl comes after 999.jsonl.
    return len(path.name), path.name


def _parsed(found: list[Block | Oversize]) -> Iterator[Line]:
    for item in found:
        if isinstance(item, Oversize):
            yield item.as_line()
        else:
            for number, raw in enumerate(item.lines, item.number):
                yield parse_line(raw, number)
