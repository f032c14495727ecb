"""One pass over a stream's records for all rules that look at them.

Each record is decoded once and shown to every judge; nothing is kept but what a judge
keeps. A judge is asked for its judgements when the records are through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from hydrotest_acceptance.rules.breaches import Breaches, Place, Show, as_is, kind_of
from hydrotest_acceptance.rules.catalogue import READABLE_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hydrotest_core.protocol import StreamDescriptor
    from hydrotest_core.run.findings import Judgement

__all__ = ["Record", "RecordJudge", "RecordPass", "RecordPlace"]


class RecordPlace(Place, Protocol):
    """A record where it was seen, not yet decoded; an evidence's `RecordLine` is one."""

    @property
    def data(self) -> msgspec.Raw:
        """The record's data as JSON."""
        ...


Record: TypeAlias = dict[str, Any]
"""A record's data, decoded. Shared by all judges: read it, never change it."""


class RecordJudge(Protocol):
    """Judges a stream's records, one at a time."""

    def see(self, record: Record, place: Place, /) -> None:
        """Look at one record."""
        ...

    def judgements(self) -> Sequence[Judgement]:
        """Return what came of all records seen, one judgement a rule."""
        ...


class RecordPass:
    """Shows each record of one stream to all judges.

    Records that can't be decoded, or whose data isn't an object, are findings of
    HT-READ-001 and reach no judge.

    Args:
        stream: The stream whose records they are.
        judges: Who looks at the records, in this order.
        show: Takes secrets out of example texts.

    Attributes:
        readable: How many records the judges saw.
    """

    def __init__(
        self,
        stream: StreamDescriptor,
        judges: Sequence[RecordJudge],
        *,
        show: Show = as_is,
    ) -> None:
        self.readable = 0
        self._judges = judges
        self._unreadable = Breaches(READABLE_RECORDS, stream, show=show)
        self._unreadable_count = 0

    def __repr__(self) -> str:
        return f"<RecordPass readable={self.readable} judges={len(self._judges)}>"

    def run(self, records: Iterable[RecordPlace]) -> list[Judgement]:
        """Show all records to all judges, and return every judgement."""
        # Called once a record and judge: look-ups are hoisted out of the loop.
        decode = msgspec.json.Decoder().decode
        sees = [judge.see for judge in self._judges]
        count = 0
        for place in records:
            try:
                record = decode(place.data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                self._refuse(place, "data that can't be read as JSON", str(exc))
                continue
            if type(record) is not dict:
                self._refuse(place, f"data of type {kind_of(record)}", "")
                continue
            count += 1
            for see in sees:
                see(record, place)
        self.readable += count
        return self.judgements()

    def judgements(self) -> list[Judgement]:
        """Return what came of all records so far."""
        readable = self._unreadable.judgement(self.readable + self._unreadable_count)
        return [readable, *(one for judge in self._judges for one in judge.judgements())]

    def _refuse(self, place: RecordPlace, got: str, text: str) -> None:
        self._unreadable_count += 1
        self._unreadable.add(
            expected="a JSON object of readable values",
            got=got,
            place=place,
            text=text,
            hint="look at the line: numbers beyond a double, broken UTF-8 and lone surrogates "
            "can't be stored by any destination",
        )
