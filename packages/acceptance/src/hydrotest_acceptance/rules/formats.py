"""What the formats of record values mean where the draft 7 reading doesn't fit connectors.

`date-time` decides a column's type in the destination, so it accepts what warehouses take as
a timestamp with time zone, which is more than RFC 3339 and less than "looks like a date".
`time` accepts a zone or none, because Airbyte has a type for each; `uuid` isn't a format of
draft 7, but CAT checked it. All other formats are jsonschema-rs's own.

Source: Airbyte acceptance tests reference, "Schema format checking"; CAT's verdicts on the
texts that the tests of this module list.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FORMATS", "is_date_time", "is_time", "is_uuid"]

_TIME: Final = r"(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](?:[.,][0-9]*+)?"
_OFFSET: Final = r"[+-](?:(?:[01][0-9]|2[0-4])(?::?[0-5][0-9])?|[0-9](?::[0-5][0-9])?)"
# A zone's name isn't looked up: "PST" has no one meaning, and "ZZZ" was always let through.
# `*+` never gives back what it took, so a megabyte of blanks costs one pass.
_ZONE: Final = rf"\s*+(?:(?:z|[A-Z]{{1,5}}(?:{_OFFSET})?|{_OFFSET})\s*+)?"

_DATE_TIME: Final = re.compile(
    rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})[\sT]{_TIME}{_ZONE}", re.ASCII
)
_CLOCK: Final = re.compile(
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?",
    re.ASCII,
)
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_DAYS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2
_LEAP_DAY: Final = 29
_MONTHS: Final = 12
_NO_ZONE: Final = len("2021-01-02T03:04:05")


def is_date_time(text: str) -> bool:
    """Return whether a warehouse can take `text` as a timestamp.

    Year, month, day, hour, minute and second must be there and exist in the calendar;
    one digit may do for two, a blank for the `T`; a fraction and a zone may follow.
    """
    return _is_common(text) or _is_lenient(text)


def _is_common(text: str) -> bool:
    """Return whether `text` is a timestamp in the form that nearly all have.

    A quarter of what the whole rule costs, in code that runs for each value. `fromisoformat`
    takes more than we do, so what it is given is of one shape.
    """
    if text[16:17] != ":" or text[7] != "-" or text[10] not in "T " or text[11:13] == "24":
        return False
    if len(text) != _NO_ZONE and not text.endswith(("Z", "+00:00")):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_lenient(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if not (year and 1 <= month <= _MONTHS and day):
        return False
    return day <= _DAYS[month] or (month == _FEBRUARY and day == _LEAP_DAY and _is_leap(year))


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def is_time(text: str) -> bool:
    """Return whether `text` is `HH:MM:SS`, with or without a fraction and a zone."""
    return _CLOCK.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Return whether `text` is a UUID in its form of 36 characters. Source: RFC 9562, 4."""
    return _UUID.fullmatch(text) is not None


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "date-time": is_date_time,
    "time": is_time,
    "uuid": is_uuid,
}
"""The formats that are judged here rather than by jsonschema-rs."""
