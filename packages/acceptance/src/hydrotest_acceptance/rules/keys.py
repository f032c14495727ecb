"""Does each record have a primary key that a destination can use, and one of its own?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_acceptance.rules.breaches import Breaches, Place, Show, as_is, dotted, kind_of, shown
from hydrotest_acceptance.rules.catalogue import PRIMARY_KEY, PRIMARY_KEY_UNIQUE
from hydrotest_acceptance.rules.seen_hashes import SeenHashes
from hydrotest_core.protocol import MISSING, value_at
from hydrotest_core.run.findings import Finding, Judgement, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydrotest_acceptance.rules.record_pass import Record
    from hydrotest_core.protocol import AirbyteStream

__all__ = ["PrimaryKeyJudge", "key_bytes", "key_paths"]


def key_paths(key: Sequence[Sequence[str]] | None) -> tuple[tuple[str, ...], ...]:
    """Return the paths to a key's parts, empty ones left out."""
    return tuple(tuple(path) for path in key or () if path)


def key_bytes(parts: Sequence[Any]) -> bytes:
    """Return a key's values in one form: `1` and `1.0` alike, `1`, `true` and `"1"` not."""
    return msgspec.json.encode(
        [None if part is MISSING else int(part) if _is_whole(part) else part for part in parts],
        order="sorted",
    )


def _is_whole(part: Any) -> bool:
    return type(part) is float and part.is_integer()


class PrimaryKeyJudge:
    """Judges the source's own primary key: HT-READ-020, and its duplicates, HT-READ-021.

    Args:
        stream: The stream, as discovered.
        show: Takes secrets out of example texts.
        limit: How many different keys are remembered to tell duplicates.
    """

    def __init__(
        self, stream: AirbyteStream, *, show: Show = as_is, limit: int = 4_000_000
    ) -> None:
        self._show = show
        self._paths = key_paths(stream.source_defined_primary_key)
        self._names = [dotted(path) for path in self._paths]
        self._all = ", ".join(self._names)
        self._stream = stream.descriptor
        self._checked = 0
        self._keyed = 0
        self._seen = SeenHashes(limit)
        self._keys = Breaches(PRIMARY_KEY, self._stream, show=show)
        self._twins = Breaches(PRIMARY_KEY_UNIQUE, self._stream, show=show)

    def see(self, record: Record, place: Place, /) -> None:
        """Judge one record."""
        if not self._paths:
            return
        self._checked += 1
        parts = [value_at(record, path) for path in self._paths]
        has_value = False
        for name, part in zip(self._names, parts, strict=True):
            if part is MISSING:
                if len(parts) > 1:
                    self._partly_absent(name, place)
            elif type(part) in (dict, list):
                self._not_scalar(name, part, place)
                return
            elif part is not None:
                has_value = True
        if not has_value:
            self._without_value(parts, place)
            return
        self._keyed += 1
        if self._seen.add(key_bytes(parts)):
            self._duplicate(parts, place)

    def judgements(self) -> tuple[Judgement, Judgement]:
        """Return what came of the keys, and of their duplicates."""
        if not self._paths:
            why = "the stream has no source-defined primary key"
            return (
                Judgement(rule=PRIMARY_KEY, skipped=why),
                Judgement(rule=PRIMARY_KEY_UNIQUE, skipped=why),
            )
        twins = self._twins.findings(self._keyed)
        if self._seen.is_full and self._keyed > len(self._seen):
            twins = (*twins, self._forgetful())
        return (
            self._keys.judgement(self._checked),
            Judgement(rule=PRIMARY_KEY_UNIQUE, findings=twins, checked=self._keyed),
        )

    def _partly_absent(self, name: str, place: Place) -> None:
        self._keys.add(
            name,
            expected="every part of the primary key in the record",
            got="no such field",
            place=place,
            severity=Severity.WARNING,
            hint="emit the field, as null where there is no value",
        )

    def _not_scalar(self, name: str, part: Any, place: Place) -> None:
        self._keys.add(
            name,
            expected="a scalar value: string, integer, number, boolean or null",
            got=kind_of(part),
            place=place,
            value=part,
            hint="choose a field with a scalar value as the key; destinations can't compare others",
        )

    def _without_value(self, parts: Sequence[Any], place: Place) -> None:
        absent = all(part is MISSING for part in parts)
        several = len(parts) > 1
        self._keys.add(
            self._all,
            expected="a value in at least one part of the primary key" if several else "a value",
            got="no such field" if absent else "null in all its parts" if several else "null",
            place=place,
            hint="fill the key in every record, or declare a key that every record has",
            waive="validate_primary_keys_data_type: false",
        )

    def _duplicate(self, parts: Sequence[Any], place: Place) -> None:
        key = [None if part is MISSING else part for part in parts]
        self._twins.add(
            self._all,
            expected="a key of its own for each record",
            got="a key that an earlier record has",
            place=place,
            text=shown(key[0] if len(key) == 1 else key, self._show),
            severity=Severity.WARNING,
            hint="correct where one read must not repeat a row; else the key lacks a part",
        )

    def _forgetful(self) -> Finding:
        stream = self._stream
        return Finding(
            rule=PRIMARY_KEY_UNIQUE,
            where=Where(stream=stream.name, namespace=stream.namespace, command="read"),
            expected="all keys compared with each other",
            got=f"only the first {len(self._seen)} different keys were remembered",
            severity=Severity.NOTE,
            checked=self._keyed,
        )
