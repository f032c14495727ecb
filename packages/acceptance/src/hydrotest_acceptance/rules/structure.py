"""Do records have the fields their schema declares: some in each, and each in some?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydrotest_acceptance.rules.breaches import Breaches, Place, Show, as_is
from hydrotest_acceptance.rules.catalogue import DATA_POINTS, STRUCTURE_OVERLAP
from hydrotest_core.errors import ProtocolViolation
from hydrotest_core.protocol import (
    ITEM,
    MISSING,
    leaves,
    missing_leaves,
    path_text,
    record_paths,
    value_at,
)
from hydrotest_core.run.findings import Judgement, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hydrotest_acceptance.rules.record_pass import Record
    from hydrotest_core.protocol import AirbyteStream, Leaf, Path

__all__ = ["DataPointsJudge", "StructureJudge"]


def _leaves(stream: AirbyteStream) -> tuple[list[Leaf], str]:
    """Return the schema's leaves, or why there are none to judge by."""
    try:
        found = leaves(stream.json_schema)
    except ProtocolViolation as exc:
        return [], exc.message
    return found, "" if found else "the schema declares no fields"


class StructureJudge:
    """Judges that each record has a field of its schema: HT-READ-014.

    A field whose value is null, or an empty object or list, counts although what the
    schema declares inside it can't be there.

    Args:
        stream: The stream, as discovered.
        show: Takes secrets out of example texts.
    """

    def __init__(self, stream: AirbyteStream, *, show: Show = as_is) -> None:
        found, self._skipped = _leaves(stream)
        self._paths = {leaf.path for leaf in found}
        self._scalars = {path[0] for path in self._paths if len(path) == 1}
        self._containers = [
            name
            for name in dict.fromkeys(leaf.path[0] for leaf in found)
            if isinstance(name, str) and name not in self._scalars
        ]
        self._checked = 0
        self._breaches = Breaches(STRUCTURE_OVERLAP, stream.descriptor, show=show)

    def see(self, record: Record, place: Place, /) -> None:
        """Judge one record."""
        if self._skipped:
            return
        self._checked += 1
        # Almost every record has a scalar field at its top, and is through here.
        if not record.keys().isdisjoint(self._scalars):
            return
        if not self._paths.isdisjoint(record_paths(record)) or self._has_empty_one(record):
            return
        self._breaches.add(
            expected="at least one field that the schema declares",
            got="none of them",
            place=place,
            value=record,
            hint="is it another stream's record, or is the data wrapped in one more object?",
        )

    def judgements(self) -> tuple[Judgement]:
        """Return what came of all records."""
        return (self._breaches.judgement(self._checked, self._skipped),)

    def _has_empty_one(self, record: Record) -> bool:
        values = (record[name] for name in self._containers if name in record)
        return any(value is None or value in ([], {}) for value in values)


class DataPointsJudge:
    """Judges that each declared field comes with a value at least once: HT-READ-015.

    A field that no record has is an error; one that is null wherever it comes is a
    warning, because it was looked for and the account has no data for it. Of a `oneOf` or
    `anyOf` one variant is enough.

    Args:
        stream: The stream, as discovered.
        show: Takes secrets out of example texts.
    """

    def __init__(self, stream: AirbyteStream, *, show: Show = as_is) -> None:
        self._leaves, self._skipped = _leaves(stream)
        self._absent = {leaf.path for leaf in self._leaves}
        self._null = set(self._absent)
        self._checked = 0
        self._stream = stream.descriptor
        self._show = show

    def see(self, record: Record, place: Place, /) -> None:
        """Judge one record."""
        del place
        self._checked += 1
        if self._absent:
            self._absent -= record_paths(record)
        # A wide schema over narrow records must cost what the records cost.
        if len(self._null) > len(record):
            self._null -= _paths_with_values(record)
        elif self._null:
            self._null -= {path for path in self._null if _has_value(record, path)}

    def judgements(self) -> tuple[Judgement]:
        """Return what came of all records."""
        if self._skipped or not self._checked:
            return (Judgement(rule=DATA_POINTS, skipped=self._skipped),)
        breaches = Breaches(
            DATA_POINTS, self._stream, show=self._show, max_places=len(self._leaves)
        )
        absent = list(self._missing(self._absent))
        for path in absent:
            breaches.add(
                path_text(path),
                expected="the field in at least one record",
                got="no record has it",
                hint="put data for it into the test account, or take it out of the schema",
                waive="validate_data_points: false",
            )
        for path in self._missing(self._null):
            if path not in absent:
                breaches.add(
                    path_text(path),
                    expected="a value in at least one record",
                    got="null wherever it comes",
                    severity=Severity.WARNING,
                    hint="put data for it into the test account: its type was never judged",
                )
        return (breaches.judgement(self._checked),)

    def _missing(self, without: Iterable[Path]) -> Iterator[Path]:
        left = set(without)
        seen = {leaf.path for leaf in self._leaves if leaf.path not in left}
        yield from missing_leaves(self._leaves, seen)


def _paths_with_values(record: Record) -> set[Path]:
    """Return the paths under which some value isn't null."""
    found: set[Path] = set()
    pending: list[tuple[Path, Any]] = [((), record)]
    while pending:
        path, value = pending.pop()
        if value is None:
            continue
        found.add(path)
        if isinstance(value, dict):
            pending += [((*path, name), child) for name, child in value.items()]
        elif isinstance(value, list):
            pending += [((*path, ITEM), child) for child in value]
    return found


def _has_value(record: Record, path: Path) -> bool:
    """Return whether some value at the path isn't null; every item of a list is looked at."""
    values: list[Any] = [record]
    for step in path:
        if step is ITEM:
            values = [item for value in values if isinstance(value, list) for item in value]
        else:
            found = (value_at(value, (step,)) for value in values)
            values = [value for value in found if value is not MISSING]
    return any(value is not None for value in values)
