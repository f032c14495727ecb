"""Where a record that came differs from the expected one that it stands for."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hydrotest_acceptance.rules.breaches import Breaches, Place, Show, dotted, quoted, shown
from hydrotest_acceptance.rules.canonical import differences
from hydrotest_acceptance.rules.catalogue import EXPECTED_RECORDS
from hydrotest_core.protocol import MISSING, value_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydrotest_acceptance.rules.expected_file import ExpectedRecord
    from hydrotest_core.protocol import AirbyteStream

__all__ = ["Actual", "Differences"]

MAX_DIFFERENCES: Final = 20
MAX_TEXT: Final = 60


class Actual(NamedTuple):
    """A record that came and that nothing expected."""

    data: Any
    place: Place


class Differences:
    """Notes where records that stand for each other differ: findings of HT-READ-030."""

    def __init__(self, stream: AirbyteStream, show: Show) -> None:
        self.records = 0
        self._show = show
        self._stream_name = stream.name
        self._places = Breaches(
            EXPECTED_RECORDS, stream.descriptor, show=show, max_places=MAX_DIFFERENCES
        )

    def note(
        self, wanted: ExpectedRecord, left: Any, actual: Actual, *, extra_fields: bool = False
    ) -> bool:
        """Note all differences of one pair; return whether there are any."""
        found = list(
            islice(differences(left, actual.data, extra_fields=extra_fields), MAX_DIFFERENCES)
        )
        for path, got in found:
            self._places.add(
                dotted(path),
                expected="the value of the expected record",
                got=got,
                place=actual.place,
                text=self._pair(wanted, value_at(left, path), value_at(actual.data, path)),
                hint="if the data of the account has changed, write the file anew; else see "
                "what the connector does to this field",
                waive=_waive_field(self._stream_name, path),
            )
        self.records += bool(found)
        return bool(found)

    def breaches(self) -> Breaches:
        """Return what was noted, by path."""
        return self._places

    def _pair(self, wanted: ExpectedRecord, left: Any, right: Any) -> str:
        texts = [
            "nothing" if one is MISSING else shown(one, self._show, MAX_TEXT)
            for one in (left, right)
        ]
        return f"expected {texts[0]}, got {texts[1]} ({wanted.artifact}:{wanted.line})"


def _waive_field(stream: str, path: Sequence[str | int]) -> str:
    name = quoted("/".join("*" if isinstance(step, int) else step for step in path))
    return f"ignored_fields:\n  {quoted(stream)}:\n    - name: {name}\n      bypass_reason: …"
