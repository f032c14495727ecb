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
import itertools
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol.lines import MAX_DEPTH, Line, looks_like_message, parse_line
from hydrotest_core.protocol.messages import (
    AirbyteRecordMessageFileReference,
    AirbyteRecordMessageMeta,
    MessageType,
)
from hydrotest_core.protocol.splitter import Block

__all__ = ["Letters", "Place", "SortedBlock", "StreamKey", "sort_block", "stream_key"]

_PIECE_BYTES = 256 * 1024
_FEW = 6

# Latin letters, then two ranges without a surrogate or a character that ends a line.
_RANGES = ((65, 26), (97, 26), (0x4E00, 0x5200), (0x20000, 0xF0000))
_MASKS = [bytes(other == code for other in range(256)) for code in range(128)]

StreamKey: TypeAlias = "tuple[str | None, str]"
"""A stream's (namespace, name)."""

Place: TypeAlias = "str | tuple[str, ...]"
"""Where a line belongs: a stream's name, or its (namespace, name), for a record; (type,) for
another message; () for a line with a problem."""


class Letters(dict[Place, str]):
    """Gives each place a character of its own: Latin letters, then rarer ones.

    Raises:
        InfrastructureError: When a letter is asked for, and a million are given away.
    """

    def __missing__(self, place: Place) -> str:
        index = len(self)
        for first, size in _RANGES:
            if index < size:
                letter = self[place] = chr(first + index)
                return letter
            index -= size
        message = "The connector has more streams than can be kept apart."
        raise InfrastructureError(message, streams=len(self), hint="mend its stream names")


@dataclass(frozen=True, slots=True)
class SortedBlock:
    """What the lines of a block are.

    Attributes:
        letters: Where each line belongs, in order, as one character.
        lines: The lines by place, in order.
        problems: The lines with a problem, in order, as far as they were to be explained.
        longest_bytes: The length of the longest line.
    """

    letters: str
    lines: dict[Place, list[bytes]]
    problems: list[Line]
    longest_bytes: int


def stream_key(place: Place) -> StreamKey | None:
    """Return the stream whose records belong there; `None` where no records do."""
    if isinstance(place, str):
        return None, place
    return (place[0], place[1]) if len(place) > 1 else None


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
class _Envelope(
    msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="RECORD"
):
    record: _Record


class _Typed(msgspec.Struct, gc=False):
    """What no message lacks."""

    type: MessageType


_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# One line at a time: on real lines `decode_lines` over a whole block takes as long once
# it is checked that each line held exactly one object, and it can't say which one failed.
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_type = msgspec.json.Decoder(_Typed).decode


def sort_block(
    block: Block,
    letters: Letters,
    *,
    explain_at_most: int | None = None,
    explain_broken_at_most: int | None = None,
) -> SortedBlock:
    """Sort the lines of a block by what they are.

    Args:
        block: The lines, as `LineSplitter` gives them.
        letters: The letters of the places; those of new ones are added.
        explain_at_most: Of how many lines with a problem to say which problem it is;
            that takes ten times as long as to see that there is one. All if `None`.
        explain_broken_at_most: The same for lines that were meant to be messages, by
            `looks_like_message`: no flood of text must hide a record that was lost.
    """
    longest = max(map(len, block.lines))
    every = len(block.lines)
    odd = _OddLines(
        every if explain_at_most is None else explain_at_most,
        every if explain_broken_at_most is None else explain_broken_at_most,
    )
    if _is_plain(block, longest):
        places = _places(block, odd)
    else:
        # Line by line, so that what becomes of a line doesn't depend on its neighbours.
        places = []
        for number, raw in enumerate(block.lines, block.number):
            alone = Block(number, [raw], block.is_ascii)
            if _is_plain(alone, len(raw)):
                places += _places(alone, odd)
            else:
                places.append(odd.place(raw, number))
    order = "".join(map(letters.__getitem__, places))
    groups = _group(block.lines, places, order, letters)
    return SortedBlock(order, groups, odd.problems, longest)


def _places(block: Block, odd: _OddLines) -> list[Place]:
    places: list[Place] = []
    add = places.append
    for raw in block.lines:
        try:
            record = _decode_envelope(raw).record
        except _REFUSED:
            add(odd.place(raw, block.number + len(places)))
            continue
        # Most streams have no namespace, and a tuple for each record costs more than
        # all else in this loop but the decoding.
        if record.namespace is None:
            add(record.stream)
        else:
            add((record.namespace, record.stream))
    return places


def _group(
    lines: list[bytes], places: list[Place], order: str, letters: Letters
) -> dict[Place, list[bytes]]:
    """Return the lines of each place."""
    found = dict.fromkeys(places)
    if len(found) > _FEW or not order.isascii():
        groups: dict[Place, list[bytes]] = {place: [] for place in found}
        for place, raw in zip(places, lines, strict=True):
            groups[place].append(raw)
        return groups
    # For a few places, faster than a look-up for each line.
    codes = order.encode()
    return {
        place: list(itertools.compress(lines, codes.translate(_MASKS[ord(letters[place])])))
        for place in found
    }


class _OddLines:
    """Looks closely at the lines that aren't plainly records."""

    def __init__(self, explain_at_most: int, explain_broken_at_most: int) -> None:
        self.problems: list[Line] = []
        self._left = {False: explain_at_most, True: explain_broken_at_most}

    def place(self, raw: bytes, number: int) -> Place:
        """Say where a line belongs."""
        if not all(self._left.values()) and self._is_too_many(raw):
            return ()
        line = parse_line(raw, number)
        if line.message is None:
            self._explain(line)
            return ()
        record = line.message.record
        if line.message.type is not MessageType.RECORD or record is None:
            return (line.message.type,)
        namespace = record.namespace
        return record.stream if namespace is None else (namespace, record.stream)

    def _is_too_many(self, raw: bytes) -> bool:
        is_broken = looks_like_message(raw)  # Text can't be one that is good.
        return self._left[is_broken] == 0 and not (is_broken and _has_type(raw))

    def _explain(self, line: Line) -> None:
        is_broken = looks_like_message(line.raw)
        if self._left[is_broken]:
            self._left[is_broken] -= 1
            self.problems.append(line)


def _has_type(raw: bytes) -> bool:
    try:
        _decode_type(raw)
    except _REFUSED:
        return False
    return True


def _is_plain(block: Block, longest: int) -> bool:
    """Tell whether decoding envelopes is enough to know that records are good.

    That checks neither the text nor the nesting of what it skips.
    """
    if longest > 2 * MAX_DEPTH and any(map(_may_be_deep, block.lines)):
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
