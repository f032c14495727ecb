"""Are the records that were written down produced, and only they, and in order?

Linear in the records that come; what is kept is bounded by the records that are expected.
Records are equal as `canonical` says. Two of the same in the file must come twice.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from hydrotest_acceptance.rules.breaches import Breaches, Place, Show, as_is, dotted, shown
from hydrotest_acceptance.rules.canonical import canonical, differences, ignore, plain
from hydrotest_acceptance.rules.catalogue import EXPECTED_ORDER, EXPECTED_RECORDS, NO_OTHER_RECORDS
from hydrotest_acceptance.rules.expected_in_order import ExpectedInOrderJudge
from hydrotest_acceptance.rules.expected_pairs import Actual, Differences
from hydrotest_acceptance.rules.keys import key_bytes, key_paths
from hydrotest_core.protocol import value_at
from hydrotest_core.run.findings import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hydrotest_acceptance.rules.canonical import Ignored
    from hydrotest_acceptance.rules.expected_file import ExpectedRecord
    from hydrotest_acceptance.rules.record_pass import Record, RecordJudge
    from hydrotest_core.protocol import AirbyteStream

__all__ = ["ExpectedRecordsJudge", "expected_judge"]

# Without a primary key the nearest record is looked for among so many.
MAX_SAMPLE: Final = 50
MAX_EXAMPLES: Final = 3


def expected_judge(
    stream: AirbyteStream,
    expected: Sequence[ExpectedRecord],
    *,
    extra_fields: bool = False,
    exact_order: bool = False,
    extra_records: bool = True,
    ignored_fields: Iterable[str] = (),
    show: Show = as_is,
) -> RecordJudge:
    """Return the judge for one of the combinations of flags that `expect_records` allows.

    Args:
        stream: The stream, as discovered.
        expected: Its records in the file.
        extra_fields: Records may have fields that the file doesn't have. Goes with
            `exact_order`, and without `extra_records`: records are then compared by position.
        exact_order: The order of the file is asked for.
        extra_records: Other records may come too, between the expected ones as well.
        ignored_fields: Paths to leave out of the comparison, `a/b`, `items/*/price`.
        show: Takes secrets out of example texts.
    """
    paths = list(ignored_fields)
    ignored = ignore(paths) if paths else None
    if extra_fields:
        return ExpectedInOrderJudge(stream, expected, ignored=ignored, show=show)
    return ExpectedRecordsJudge(
        stream,
        expected,
        exact_order=exact_order,
        extra_records=extra_records,
        ignored=ignored,
        show=show,
    )


class ExpectedRecordsJudge:
    """Judges HT-READ-030, -031 and -032 by the contents of records.

    A record that is missing is shown with its nearest relative: the record of the same
    primary key, or without one the record that shares most fields among the first others.

    Args:
        stream: The stream, as discovered.
        expected: Its records in the file.
        exact_order: The order of the file is asked for.
        extra_records: Other records may come too.
        ignored: What to leave out of the comparison.
        show: Takes secrets out of example texts.
    """

    def __init__(
        self,
        stream: AirbyteStream,
        expected: Sequence[ExpectedRecord],
        *,
        exact_order: bool = False,
        extra_records: bool = True,
        ignored: Ignored | None = None,
        show: Show = as_is,
    ) -> None:
        self._stream = stream
        self._expected = expected
        self._exact_order = exact_order
        self._extra_records = extra_records
        self._ignored = ignored
        self._show = show
        self._wanted = [canonical(record.data, ignored) for record in expected]
        self._left = Counter(self._wanted)
        self._paths = key_paths(stream.source_defined_primary_key)
        self._by_key = {self._key(record.data) for record in expected} if self._paths else set()
        self._relatives: dict[bytes, Actual] = {}
        self._others: list[Actual] = []
        self._next = 0
        self._seen = 0
        self._unexpected = 0

    def see(self, record: Record, place: Place, /) -> None:
        """Look at one record."""
        self._seen += 1
        text = canonical(record, self._ignored)
        if self._next < len(self._wanted) and text == self._wanted[self._next]:
            self._next += 1
        if self._left[text] > 0:
            self._left[text] -= 1
            return
        self._unexpected += 1
        if self._paths:
            key = self._key(record)
            if key in self._by_key and key not in self._relatives:
                self._relatives[key] = Actual(record, place)
                return
        if len(self._others) < MAX_SAMPLE:
            self._others.append(Actual(record, place))

    def judgements(self) -> tuple[Judgement, ...]:
        """Return what came of presence, of other records, and of the order."""
        missing = list(self._missing())
        differing = Differences(self._stream, self._show)
        absent = Breaches(EXPECTED_RECORDS, self._stream.descriptor, show=self._show)
        relatives = self._relatives.copy()
        for n, wanted in enumerate(missing):
            left = plain(wanted.data, self._ignored)
            # One record stands for one expected.
            relative = relatives.pop(self._key(wanted.data), None) if self._paths else None
            if relative is None:
                self._note_absent(absent, wanted, self._nearest(left) if n < MAX_EXAMPLES else "")
            else:
                actual = Actual(plain(relative.data, self._ignored), relative.place)
                differing.note(wanted, left, actual)
        checked = len(self._expected)
        presence = Judgement(
            rule=EXPECTED_RECORDS,
            findings=(*absent.findings(checked), *differing.breaches().findings(checked)),
            checked=checked,
        )
        count = self._unexpected - differing.records
        others = self._judge_others(count, [*relatives.values(), *self._others][:MAX_EXAMPLES])
        return presence, others, self._judge_order(has_missing=bool(missing))

    def _key(self, record: Any) -> bytes:
        return key_bytes([value_at(record, path) for path in self._paths])

    def _missing(self) -> Iterator[ExpectedRecord]:
        """Yield the expected records that didn't come; of equal ones, the last in the file."""
        left = self._left.copy()
        late = []
        for wanted, text in zip(reversed(self._expected), reversed(self._wanted), strict=True):
            if left[text] > 0:
                left[text] -= 1
                late.append(wanted)
        yield from reversed(late)

    def _note_absent(self, absent: Breaches, wanted: ExpectedRecord, nearest: str) -> None:
        absent.add(
            expected="every record of the file among those that come",
            got="no such record",
            place=wanted,
            text=f"{shown(wanted.data, self._show)}{nearest}",
            hint="if the data of the account has changed, write the file anew; else see why "
            "the connector loses it",
            waive="expect_records:\n  bypass_reason: …",
        )

    def _nearest(self, left: Any) -> str:
        """Return in words which of the other records is most like a missing one."""
        if not isinstance(left, dict) or not self._others:
            return ""
        fields = {name: canonical(value) for name, value in left.items()}
        best: tuple[int, Actual | None] = (0, None)
        for other in self._others:
            data = plain(other.data, self._ignored)
            shared = sum(
                name in data and canonical(data[name]) == text for name, text in fields.items()
            )
            best = max(best, (shared, other), key=lambda pair: pair[0])
        nearest = best[1]
        if nearest is None:
            return ""
        found = differences(left, plain(nearest.data, self._ignored))
        paths = ", ".join(dict.fromkeys(dotted(path) for path, _ in islice(found, 5)))
        return f" — nearest: {nearest.place.artifact}:{nearest.place.line}, differs in {paths}"

    def _judge_others(self, count: int, examples: Sequence[Actual]) -> Judgement:
        if self._extra_records:
            return Judgement(rule=NO_OTHER_RECORDS, skipped="expect_records.extra_records is true")
        breaches = Breaches(NO_OTHER_RECORDS, self._stream.descriptor, show=self._show)
        for n, other in enumerate(examples):
            breaches.add(
                expected="only the records of the file",
                got="another record",
                place=other.place,
                value=other.data,
                hint="add it to the file, or set extra_records: true",
                waive="expect_records:\n  extra_records: true",
                times=1 if n else count - len(examples) + 1,
            )
        return breaches.judgement(self._seen)

    def _judge_order(self, *, has_missing: bool) -> Judgement:
        if not self._exact_order:
            return Judgement(rule=EXPECTED_ORDER, skipped="expect_records.exact_order is false")
        if has_missing:
            return Judgement(rule=EXPECTED_ORDER, skipped="not all expected records came")
        breaches = Breaches(EXPECTED_ORDER, self._stream.descriptor, show=self._show)
        if self._next < len(self._expected):
            wanted = self._expected[self._next]
            breaches.add(
                expected="the expected records in the order of the file",
                got=f"only the first {self._next} of {len(self._expected)} in that order",
                place=wanted,
                value=wanted.data,
                hint="the record shown comes before those above it in the file; where the order "
                "means nothing, set exact_order: false",
                waive="expect_records:\n  exact_order: false",
            )
        return breaches.judgement(len(self._expected))
