"""Numbers and lengths as people read them; the same words in every report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hydrotest_core.untrusted import as_it_came

if TYPE_CHECKING:
    from hydrotest_core.untrusted import UntrustedText

__all__ = ["counted", "digest", "grouped", "rate", "seconds", "size", "when"]

_MINUTE_S = 60
_HOUR_S = 3600
_KILO = 1000
_DIGEST_DIGITS = 12


def grouped(number: int) -> str:
    """Return `1 000 000` for a million; a blank is no one's decimal mark."""
    return f"{number:,}".replace(",", " ")


def counted(number: int, noun: str) -> str:
    """Return `1 test` or `2 tests`, for nouns that take an s."""
    return f"{grouped(number)} {noun if number == 1 else noun + 's'}"


def seconds(duration_s: float) -> str:
    """Return `0.9 s`, `3 min 20 s` or `1 h 05 min`."""
    if duration_s < _MINUTE_S:
        return f"{duration_s:.1f} s"
    whole = round(duration_s)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02d} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02d} min"


def size(size_bytes: int) -> str:
    """Return `212 MB`, in powers of ten."""
    number = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if number < _KILO:
            return f"{number:.0f} {unit}"
        number /= _KILO
    return f"{number:.1f} TB"


def rate(records_per_s: float) -> str:
    """Return `4 310 rec/s`."""
    return f"{grouped(round(records_per_s))} rec/s"


def when(epoch_ms: int) -> str:
    """Return `2026-11-21 03:12:07 UTC`."""
    return f"{datetime.fromtimestamp(epoch_ms / _KILO, UTC):%Y-%m-%d %H:%M:%S} UTC"


def digest(identity: UntrustedText) -> UntrustedText:
    """Return `sha256:b967c0de1234` for a long digest: enough to tell two apart."""
    kind, colon, value = as_it_came(identity).rpartition(":")
    return f"{kind}{colon}{value[:_DIGEST_DIGITS]}"
