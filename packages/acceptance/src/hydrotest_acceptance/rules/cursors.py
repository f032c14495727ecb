"""Cursor values: where a state keeps them, and which of two comes first.

A cursor may be a number, a date with or without time, epoch seconds or milliseconds, or
a plain string. Two values that can't be compared give `None`, never a guess.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hydrotest_core.protocol import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["comes_before", "state_cursor"]

# Epoch values from here on are milliseconds: as seconds they would lie beyond the year 5000.
_MILLISECONDS_FROM = 100_000_000_000


def state_cursor(stream_state: Any, cursor_field: Sequence[str]) -> Any:
    """Return the cursor's value in a stream's state, or `MISSING`.

    Looked for, in this order: under the whole path of the cursor, under its last
    name anywhere in the state, and under `cursor` in an object that also has
    `cursor_field` (the form of Airbyte's database sources). Where several are
    found, as in a state per slice, the smallest is the one that bounds them all.
    """
    here = stream_state
    for name in cursor_field:
        here = here.get(name, MISSING) if isinstance(here, dict) else MISSING
    if here is not MISSING and not isinstance(here, dict | list):
        return here
    found = [value for value in _values(stream_state, cursor_field[-1]) if value is not None]
    smallest: Any = MISSING
    for value in found:
        if smallest is MISSING or comes_before(value, smallest):
            smallest = value
    return smallest


def _values(state: Any, name: str) -> Iterator[Any]:
    if isinstance(state, dict):
        if "cursor" in state and "cursor_field" in state and not isinstance(state["cursor"], dict):
            yield state["cursor"]
        for key, value in state.items():
            if isinstance(value, dict | list):
                yield from _values(value, name)
            elif key == name:
                yield value
    elif isinstance(state, list):
        for member in state:
            yield from _values(member, name)


def comes_before(left: Any, right: Any) -> bool | None:
    """Say whether `left` is smaller than `right`; `None` where they can't be compared.

    Booleans and null aren't cursors. A number and a date are compared as points in
    time. Dates without a zone count as UTC.
    """
    for comparable in (_as_numbers, _as_moments, _as_numbers_in_text, _as_text):
        pair = comparable(left, right)
        if pair is not None:
            return bool(pair[0] < pair[1])
    return None


def _as_numbers(left: Any, right: Any) -> tuple[Any, Any] | None:
    return (left, right) if _is_number(left) and _is_number(right) else None


def _as_moments(left: Any, right: Any) -> tuple[Any, Any] | None:
    first, second = _moment(left), _moment(right)
    return None if first is None or second is None else (first, second)


def _as_numbers_in_text(left: Any, right: Any) -> tuple[Any, Any] | None:
    if not isinstance(left, str) or not isinstance(right, str):
        return None
    first, second = _number(left), _number(right)
    return None if first is None or second is None else (first, second)


def _as_text(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Two texts are compared as text, unless one of them is a date and the other isn't."""
    if not isinstance(left, str) or not isinstance(right, str):
        return None
    return (left, right) if _moment(left) is None and _moment(right) is None else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moment(value: Any) -> datetime | None:
    """Return a point in time, from text in ISO 8601 or from an epoch number."""
    try:
        if _is_number(value):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, str) and not value.isdigit():
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
