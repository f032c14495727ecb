"""Sorting the lines of a connector's output by what they are, without any I/O.

A record is read no further than its envelope: type, stream, namespace, emitted_at
and meta, and that `data` is an object of well-formed JSON. All that isn't plainly
such a record goes to `parse_line`, which decides. So both agree, but for one thing
that only reading the data tells: a number too big to be read (`1e400`, 5,000
digits) passes here and is a problem for who reads the record
(`hydrotest_core.connector.records.read_data`).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from hydrotest_core.protocol.lines import MAX_DEPTH, Line, parse_line
from hydrotest_core.protocol.messages import (
    AirbyteRecordMessageFileReference,
    AirbyteRecordMessageMeta,
    MessageType,
)

if TYPE_CHECKING:
    from hydrotest_core.protocol.splitter import Block

__all__ = ["SortedBlock", "StreamKey", "sort_block"]

_PIECE_BYTES = 256 * 1024

StreamKey: TypeAlias = "tuple[str | None, str]"
"""A stream's (namespace, name)."""


@dataclass(frozen=True, slots=True)
class SortedBlock:
    """What the lines of a block are.

    Attributes:
        records: Record lines by stream, in order; the streams in order of appearance.
        others: All other messages, and the lines with a problem, in order.
        unexplained: How many lines with a problem were counted only.
    """

    records: dict[StreamKey, list[bytes]]
    others: list[Line]
    unexplained: int


class _Object(msgspec.Struct, gc=False):
    """Any JSON object: its syntax is checked, its content is skipped."""


class _Record(msgspec.Struct, gc=False, kw_only=True):
    stream: str
    data: _Object
    emitted_at: int
    namespace: str | None = None
    meta: AirbyteRecordMessageMeta | None = None
    file_reference: AirbyteRecordMessageFileReference | None = None


# With anything beside the two keys it is for `parse_line` to say if the line is good.
class _Envelope(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    type: Literal["RECORD"]
    record: _Record


class _Typed(msgspec.Struct, gc=False):
    """What no message lacks."""

    type: MessageType


_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# One line at a time: on real lines `decode_lines` over a whole block takes as long once
# it is checked that each line held exactly one object, and it can't say which one failed.
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_type = msgspec.json.Decoder(_Typed).decode


def sort_block(block: Block, *, explain_at_most: int | None = None) -> SortedBlock:
    """Sort the lines of a block by what they are; nothing is raised.

    Args:
        block: The lines, as `LineSplitter` gives them.
        explain_at_most: Of how many lines with a problem to say which problem it is;
            that takes ten times as long as to see that there is one. All if `None`.
    """
    bins = _Bins(len(block.lines) if explain_at_most is None else explain_at_most)
    if _is_plain(block):
        _put_envelopes(block, bins)
    else:
        for number, raw in enumerate(block.lines, block.number):
            bins.put(raw, number)
    return bins.as_sorted()


def _put_envelopes(block: Block, bins: _Bins) -> None:
    records = bins.records
    for number, raw in enumerate(block.lines, block.number):
        try:
            record = _decode_envelope(raw).record
        except _REFUSED:
            bins.put(raw, number)
            continue
        namespace = record.namespace
        # Most streams have no namespace, and a tuple for each record costs more than
        # all else in this loop but the decoding.
        key = record.stream if namespace is None else (namespace, record.stream)
        try:
            records[key].append(raw)
        except KeyError:
            records[key] = [raw]


class _Bins:
    """Where the lines of one block go."""

    def __init__(self, explain_at_most: int) -> None:
        self.records: dict[str | tuple[str, str], list[bytes]] = {}
        self._others: list[Line] = []
        self._left = explain_at_most
        self._unexplained = 0

    def put(self, raw: bytes, number: int) -> None:
        """Look closely at a line and put it where it belongs."""
        if self._left == 0 and not _has_type(raw):
            self._unexplained += 1
            return
        line = parse_line(raw, number)
        if line.problem:
            self._put_problem(line)
        elif line.message and line.message.type is MessageType.RECORD and line.message.record:
            record = line.message.record
            namespace = record.namespace
            key = record.stream if namespace is None else (namespace, record.stream)
            self.records.setdefault(key, []).append(raw)
        else:
            self._others.append(line)

    def _put_problem(self, line: Line) -> None:
        if self._left == 0:
            self._unexplained += 1
            return
        self._left -= 1
        self._others.append(line)

    def as_sorted(self) -> SortedBlock:
        """Return what was put in."""
        records: dict[StreamKey, list[bytes]] = {
            (None, key) if isinstance(key, str) else key: lines
            for key, lines in self.records.items()
        }
        return SortedBlock(records, self._others, self._unexplained)


def _has_type(raw: bytes) -> bool:
    try:
        _decode_type(raw)
    except _REFUSED:
        return False
    return True


def _is_plain(block: Block) -> bool:
    """Tell whether decoding envelopes is enough to know that records are good.

    That checks neither the text nor the nesting of what it skips.
    """
    if max(map(len, block.lines)) > 2 * MAX_DEPTH and any(map(_may_be_deep, block.lines)):
        return False
    return block.is_ascii or _is_utf8(block.lines)


def _may_be_deep(raw: bytes) -> bool:
    return len(raw) > 2 * MAX_DEPTH and raw.count(b"{") + raw.count(b"[") > MAX_DEPTH


def _is_utf8(lines: list[bytes]) -> bool:
    # A line feed is never part of a character, so what holds for the whole holds for each.
    whole = lines[0] if len(lines) == 1 else b"\n".join(lines)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # In pieces: as text, 64 MiB may take 256.
        for start in range(0, len(whole), _PIECE_BYTES):
            decoder.decode(whole[start : start + _PIECE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
