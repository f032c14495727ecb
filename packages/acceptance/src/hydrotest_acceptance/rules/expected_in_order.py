"""Do the records have the fields of the expected ones, position by position?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydrotest_acceptance.rules.breaches import Breaches, Place, Show, as_is
from hydrotest_acceptance.rules.canonical import plain
from hydrotest_acceptance.rules.catalogue import EXPECTED_RECORDS, NO_OTHER_RECORDS
from hydrotest_acceptance.rules.expected_pairs import Actual, Differences
from hydrotest_core.run.findings import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydrotest_acceptance.rules.canonical import Ignored
    from hydrotest_acceptance.rules.expected_file import ExpectedRecord
    from hydrotest_acceptance.rules.record_pass import Record
    from hydrotest_core.protocol import AirbyteStream

__all__ = ["ExpectedInOrderJudge"]


class ExpectedInOrderJudge:
    """Judges HT-READ-030 and -031 by position: the n-th record has the n-th expected's fields.

    This is `extra_fields`: which record stands for which can only be told by position, for
    without all its fields nothing else identifies a record.

    Args:
        stream: The stream, as discovered.
        expected: Its records in the file.
        ignored: What to leave out of the comparison.
        show: Takes secrets out of example texts.
    """

    def __init__(
        self,
        stream: AirbyteStream,
        expected: Sequence[ExpectedRecord],
        *,
        ignored: Ignored | None = None,
        show: Show = as_is,
    ) -> None:
        self._expected = expected
        self._ignored = ignored
        self._seen = 0
        self._differing = Differences(stream, show)
        self._others = Breaches(NO_OTHER_RECORDS, stream.descriptor, show=show)
        self._stream = stream.descriptor
        self._show = show

    def see(self, record: Record, place: Place, /) -> None:
        """Look at one record."""
        position = self._seen
        self._seen += 1
        if position >= len(self._expected):
            self._others.add(
                expected=f"{len(self._expected)} records, as many as the file has",
                got="more records",
                place=place,
                value=record,
                hint="add them to the file; extra_fields goes only with extra_records: false",
            )
            return
        wanted = self._expected[position]
        actual = Actual(plain(record, self._ignored), place)
        left = plain(wanted.data, self._ignored)
        self._differing.note(wanted, left, actual, extra_fields=True)

    def judgements(self) -> tuple[Judgement, ...]:
        """Return what came of presence, and of other records."""
        checked = len(self._expected)
        absent = Breaches(EXPECTED_RECORDS, self._stream, show=self._show)
        for wanted in self._expected[self._seen :]:
            absent.add(
                expected=f"{checked} records, as many as the file has",
                got="fewer records",
                place=wanted,
                value=wanted.data,
                hint="records are compared by position; the missing one may stand before this",
            )
        found = (*absent.findings(checked), *self._differing.breaches().findings(checked))
        return (
            Judgement(rule=EXPECTED_RECORDS, findings=found, checked=checked),
            self._others.judgement(self._seen),
        )
