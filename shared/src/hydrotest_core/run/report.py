"""One run as a value: what was judged, what ran, and what every test came to.

Everything that is shown to a person is made from a `RunReport` alone, so a page
or a JUnit file can be made again from `report.json`, on another machine, later.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

# msgspec reads a struct's annotations while the program runs, so their names must be there.
from hydrotest_core.connector.execution import Command, Ending, StreamCount
from hydrotest_core.run.findings import Outcome, Verdict
from hydrotest_core.untrusted import UntrustedText

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hydrotest_core.connector.execution import ExecutionManifest

__all__ = ["ExecutionSummary", "RunReport", "count_outcomes", "overall", "summarise"]


class ExecutionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader of the report wants to know of one execution.

    Attributes:
        key: What identifies it; verdicts name it by this.
        command: Which command ran.
        attempt: The n-th of several equal executions.
        ending: How it came to its end.
        exit_code: `null` when a signal ended it.
        signal: The signal's number, or `null`.
        duration_s: Seconds from start to end of the connector.
        started_at_ms: Milliseconds since epoch, UTC. With `reused` this may
            lie before the run.
        peak_rss_bytes: The largest resident set, or `null` where it can't be known.
        line_count: Lines on stdout.
        problem_count: Lines on stdout that are no protocol message.
        message_counts: Messages by type.
        streams: Records by stream.
        directory: Its folder, relative to the report's folder, with `/`.
        reused: It was taken from the cache; nothing was started.
        stderr_tail: The last few lines of stderr, redacted.
    """

    key: str
    command: Command
    attempt: int = 1
    ending: Ending
    exit_code: int | None
    signal: int | None = None
    duration_s: float
    started_at_ms: int
    peak_rss_bytes: int | None = None
    line_count: int = 0
    problem_count: int = 0
    message_counts: dict[str, int] = {}
    streams: list[StreamCount] = []
    directory: str
    reused: bool = False
    stderr_tail: list[UntrustedText] = []

    @property
    def record_count(self) -> int:
        """Records of all streams together."""
        return sum(stream.records for stream in self.streams)

    @property
    def records_per_s(self) -> float | None:
        """Records a second over the connector's whole life, or `None` without records."""
        if not self.record_count or self.duration_s <= 0:
            return None
        return self.record_count / self.duration_s


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """`report.json`: one run of hydrotest. Times are ms since epoch, UTC.

    Attributes:
        format_version: The version of this file's format; it has nothing to do
            with the release.
        hydrotest: The release that wrote it.
        run_id: The run's name; the run's folder ends with it.
        kind: Which question was asked: `acceptance`.
        started_at_ms: When the run began.
        ended_at_ms: When it was over.
        duration_s: Wall time, by the monotonic clock.
        connector: The connector's name, `source-faker`.
        version: The version as it was asked for: `dev`, `7.2.0`.
        image: The image reference, or `null` where there is none.
        identity: What was judged, whatever it is called: an image digest, or
            `env:` and a hash.
        runner: `docker`, `process` or `scripted`.
        runner_why: One sentence: why this runner.
        isolation: The profile in force, in words.
        settings_file: The file that said what to test.
        warnings: What makes the verdicts worth less than they look.
        plugins: Third-party plugins that were active, `name version`.
        interrupted: What cut the run short, in words, `Ctrl-C`; empty for a run that
            came to its own end. The verdicts are those of the tests that had ended.
        not_run: Tests that had not come to an end when the run was cut short.
        verdicts: What each test came to, in the order of the run.
        executions: What was run or reused, in the order of the start.
        counts: Tests by outcome. Always counted from `verdicts`; what a file
            says here is not believed.
    """

    format_version: int = 1
    hydrotest: str
    run_id: str
    kind: str = "acceptance"
    started_at_ms: int
    ended_at_ms: int
    duration_s: float
    connector: UntrustedText
    version: UntrustedText
    image: UntrustedText | None = None
    identity: UntrustedText
    runner: str
    runner_why: UntrustedText = ""
    isolation: str = ""
    settings_file: UntrustedText = ""
    warnings: list[UntrustedText] = []
    plugins: list[str] = []
    verdicts: list[Verdict] = []
    executions: list[ExecutionSummary] = []
    counts: dict[Outcome, int] = {}
    interrupted: UntrustedText = ""
    not_run: int = 0

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "counts", count_outcomes(self.verdicts))

    @property
    def outcome(self) -> Outcome:
        """What the whole run came to."""
        return overall(verdict.outcome for verdict in self.verdicts)


def summarise(
    manifest: ExecutionManifest,
    *,
    directory: str,
    reused: bool = False,
    stderr_tail: Iterable[UntrustedText] = (),
) -> ExecutionSummary:
    """Return what the report keeps of an execution's manifest."""
    return ExecutionSummary(
        key=manifest.key,
        command=manifest.command,
        attempt=manifest.attempt,
        ending=manifest.ending,
        exit_code=manifest.exit_code,
        signal=manifest.signal,
        duration_s=manifest.duration_s,
        started_at_ms=manifest.started_at_ms,
        peak_rss_bytes=manifest.peak_rss_bytes,
        line_count=manifest.line_count,
        problem_count=manifest.problem_count,
        message_counts=manifest.message_counts,
        streams=manifest.streams,
        directory=directory,
        reused=reused,
        stderr_tail=list(stderr_tail),
    )


def count_outcomes(verdicts: Iterable[Verdict]) -> dict[Outcome, int]:
    """Return how many tests came to each outcome; every outcome is a key."""
    seen = Counter(verdict.outcome for verdict in verdicts)
    return {outcome: seen[outcome] for outcome in Outcome}


def overall(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what many tests come to together.

    A failure decides, then a test that could not be judged. One that passed
    outweighs those that were skipped; with nothing but skipped tests the whole
    is skipped, and with nothing at all it is inconclusive.
    """
    present = set(outcomes)
    for outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.PASSED, Outcome.SKIPPED):
        if outcome in present:
            return outcome
    return Outcome.INCONCLUSIVE
