"""The files of an execution as they lie on disk: plain, or as frames of zstd.

`records/000.jsonl` may lie there as `records/000.jsonl.zst`. A frame is readable by
itself, carries a checksum, and holds a mebibyte at most;
`zstdcat`, DuckDB and every other reader of zstd take the file as it is. While a plain
file is being packed both are there, and the plain one counts.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from hydrotest_core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["FRAME_BYTES", "PACKED", "Packer", "StoredFile", "chunks", "packed_name"]

PACKED: Final = ".zst"
FRAME_BYTES: Final = 1024 * 1024

_LEVEL: Final = 1
_READ_BYTES: Final = 256 * 1024
_HEADER_BYTES: Final = 18


def _zstd() -> Any:
    # Most executions are small and need none.
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd


def packed_name(path: str) -> str:
    """Return the name of a file once it is packed."""
    return path + PACKED


class Packer:
    """Makes frames of bytes."""

    def __init__(self) -> None:
        zstd = _zstd()
        parameter = zstd.CompressionParameter
        options = {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1}
        self._compressor = zstd.ZstdCompressor(options=options)

    def frame(self, data: bytes | memoryview) -> bytes:
        """Return one frame that holds `data`, at most `FRAME_BYTES`."""
        self._compressor.set_pledged_input_size(len(data))
        packed: bytes = self._compressor.compress(data, self._compressor.FLUSH_FRAME)
        return packed


def chunks(pieces: Sequence[bytes]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of `pieces` again, joined or cut to at most `FRAME_BYTES` each."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        if held and size + len(piece) > FRAME_BYTES:
            yield b"".join(held)
            held, size = [], 0
        if len(piece) > FRAME_BYTES:
            view = memoryview(piece)
            yield from (view[at : at + FRAME_BYTES] for at in range(0, len(view), FRAME_BYTES))
        else:
            held.append(piece)
            size += len(piece)
    if held:
        yield b"".join(held)


class StoredFile:
    """A file of an execution, read from its begin to its end.

    It is open only while it reads, so that any number of them can be read in turns.

    Args:
        directory: The execution's folder.
        name: The file's name while it is plain, `records/000.jsonl`.

    Attributes:
        artifact: Its name as it lies there now.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._plain = directory / name
        self._is_packed = not self._plain.exists()
        self.artifact = packed_name(name) if self._is_packed else name
        self._path = directory / self.artifact
        self.exists = not self._is_packed or self._path.exists()
        if not self.exists:
            self.artifact = name
        self._at = 0

    def __repr__(self) -> str:
        return f"StoredFile({str(self._path)!r}, at={self._at})"

    def read(self) -> bytes:
        """Return the next bytes, at most `FRAME_BYTES`; none at the end.

        A frame at the end that was torn by a crash gives what it holds.

        Raises:
            InfrastructureError: The file was changed since it was written.
        """
        if not self.exists:
            return b""
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._at)
            if self._is_packed:
                return self._read_frame(file)
            data = file.read(_READ_BYTES)
            self._at += len(data)
            return data

    def pieces(self) -> Iterator[bytes]:
        """Yield all that is left to be read."""
        while data := self.read():
            yield data

    def lines(self) -> Iterator[tuple[bytes, bool]]:
        """Yield each line without its line feed, and whether there was one."""
        begun: list[bytes] = []
        for data in self.pieces():
            first, *lines = data.split(b"\n")
            begun.append(first)
            if not lines:
                continue
            yield b"".join(begun), True
            begun = [lines.pop()]
            for line in lines:
                yield line, True
        if rest := b"".join(begun):
            yield rest, False

    def tail(self, size: int) -> bytes:
        """Return the last bytes, `size` at most; what is packed has to be read for that."""
        if not self._is_packed:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - size))
                return file.read()
        last = b""
        for data in self.pieces():
            last = (last + data)[-size:]
        return last

    def _read_frame(self, file: Any) -> bytes:
        zstd = _zstd()
        unpacker = zstd.ZstdDecompressor()
        found: list[bytes] = []
        try:
            while not unpacker.eof:
                data = file.read(_READ_BYTES)
                if not found and len(data) >= _HEADER_BYTES:
                    _refuse_bomb(zstd.get_frame_info(data).decompressed_size)
                if not data:  # The end, or torn by a crash of ours.
                    break
                found.append(unpacker.decompress(data))
            self._at = file.tell() - len(unpacker.unused_data)
        except (zstd.ZstdError, ValueError) as exc:
            message = "A file of the execution was changed since it was written."
            hint = "delete the execution's folder and run it again"
            raise InfrastructureError(
                message, path=self._path, byte=self._at, reason=exc, hint=hint
            ) from exc
        return b"".join(found)


def _refuse_bomb(size: int | None) -> None:
    if size is None or size > FRAME_BYTES:
        message = f"a frame of {size} bytes is none of ours"
        raise ValueError(message)
