"""Where things stand on the page's plots, in percent of the plot's width. No drawing here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydrotest_core.connector.execution import Command, Ending
from hydrotest_core.run.wording import counted, grouped, seconds, size
from hydrotest_core.untrusted import as_it_came

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydrotest_core.run.report import ExecutionSummary, RunReport
    from hydrotest_core.untrusted import UntrustedText

__all__ = [
    "Bar",
    "StreamBar",
    "Tick",
    "Timeline",
    "ended",
    "is_clean",
    "stream_bars",
    "timeline",
]

_TICKS = 5
_THINNEST_PCT = 0.4


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis."""

    at_pct: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One execution on the time axis.

    Attributes:
        execution: What ran.
        start_pct: Where it begins.
        width_pct: How long it is; never thinner than can be seen.
        title: All about it, in one sentence, for a pointer that rests on it.
        before: How long before the run it happened, for one from the cache; else "".
    """

    execution: ExecutionSummary
    start_pct: float
    width_pct: float
    title: str
    before: str

    @property
    def end_pct(self) -> float:
        """Where it ends."""
        return self.start_pct + self.width_pct


@dataclass(frozen=True, slots=True)
class Timeline:
    """The executions on one axis that begins with the run."""

    length_s: float
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBar:
    """The records of one stream: the longest read as a bar, the others as marks on it."""

    stream: UntrustedText
    records: int
    width_pct: float
    marks_pct: tuple[float, ...]
    title: str


def timeline(report: RunReport, limit: int) -> Timeline:
    """Place the first `limit` executions on one axis.

    An execution of an earlier run can't stand where it happened; it begins at the
    axis's start and says how long before the run it was.
    """
    executions = report.executions[:limit]
    ends = [_offset_s(report, each) + each.duration_s for each in executions]
    length_s = max([report.duration_s, *ends, 0.001])
    bars = tuple(_bar(report, execution, length_s) for execution in executions)
    return Timeline(length_s, _ticks(length_s), bars)


def _offset_s(report: RunReport, execution: ExecutionSummary) -> float:
    offset_s = (execution.started_at_ms - report.started_at_ms) / 1000
    if offset_s > report.duration_s:
        # Nothing begins after the run: the clock was set meanwhile.
        return max(0.0, report.duration_s - execution.duration_s)
    return offset_s


def _bar(report: RunReport, execution: ExecutionSummary, length_s: float) -> Bar:
    offset_s = _offset_s(report, execution)
    before = seconds(-offset_s) if execution.reused and offset_s < 0 else ""
    start_pct = min(max(offset_s, 0) / length_s * 100, 100 - _THINNEST_PCT)
    width_pct = max(execution.duration_s / length_s * 100, _THINNEST_PCT)
    return Bar(
        execution=execution,
        start_pct=start_pct,
        width_pct=min(width_pct, 100 - start_pct),
        title=_title(execution, before),
        before=before,
    )


def _title(execution: ExecutionSummary, before: str) -> str:
    facts = [
        f"{execution.command} {execution.key}",
        seconds(execution.duration_s),
        ended(execution),
        counted(execution.record_count, "record"),
    ]
    if execution.peak_rss_bytes is not None:
        facts.append(f"peak {size(execution.peak_rss_bytes)}")
    if execution.reused:
        facts.append(f"from the cache, {before} before this run" if before else "from the cache")
    return ", ".join(facts)


def ended(execution: ExecutionSummary) -> str:
    """Return how an execution ended: `exit 0`, `timed out`, `signal 11`."""
    if execution.ending is Ending.EXITED:
        return f"exit {execution.exit_code}"
    if execution.ending is Ending.SIGNALLED and execution.signal is not None:
        return f"signal {execution.signal}"
    return execution.ending.replace("_", " ")


def is_clean(execution: ExecutionSummary) -> bool:
    """Say whether an execution ended by itself with exit code 0."""
    return execution.ending is Ending.EXITED and execution.exit_code == 0


def _ticks(length_s: float) -> tuple[Tick, ...]:
    rough = length_s / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)
    count = math.floor(length_s / step + 1e-9)
    return tuple(
        Tick(index * step / length_s * 100, f"{index * step:g} s") for index in range(count + 1)
    )


def stream_bars(executions: Sequence[ExecutionSummary]) -> list[StreamBar]:
    """Return a bar for each stream of all reads, the one with the most records first."""
    counts: dict[str, dict[str, int]] = {}
    for execution in executions:
        if execution.command is Command.READ:
            for each in execution.streams:
                name = ".".join(as_it_came(part) for part in (each.namespace, each.stream) if part)
                counts.setdefault(name, {})[execution.key] = each.records
    longest = max((max(reads.values()) for reads in counts.values()), default=0)
    bars = [_stream_bar(name, reads, max(longest, 1)) for name, reads in counts.items()]
    return sorted(bars, key=lambda bar: -bar.records)


def _stream_bar(name: str, reads: dict[str, int], longest: int) -> StreamBar:
    records = max(reads.values())
    others = sorted({count for count in reads.values() if count != records})
    return StreamBar(
        stream=name,
        records=records,
        width_pct=max(records / longest * 100, _THINNEST_PCT if records else 0),
        marks_pct=tuple(count / longest * 100 for count in others),
        title=", ".join(f"{key}: {grouped(count)}" for key, count in reads.items()),
    )
