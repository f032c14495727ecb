"""Rules about how much a connector says: in all, and in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hydrotest_core.connector.execution import Ending
from hydrotest_core.protocol.lines import MAX_LINE_BYTES
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Severity, Where

if TYPE_CHECKING:
    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.connector.execution import LongLine

__all__ = ["keeps_lines_short", "keeps_within_limit"]

LIMIT: Final = Rule(
    code="HT-RUN-009",
    title="the connector says no more than may be kept of it",
    why="What comes after the limit is not kept, so nobody can judge it.",
    source="house rule, ADR-0008",
)
LINES: Final = Rule(
    code="HT-RUN-010",
    title="no line is so long that the platform warns about it",
    why="The platform counts lines of 20,000,000 characters and more and warns; much longer ones "
    "don't fit into its memory.",
    source="Airbyte platform, VersionedAirbyteStreamFactory: maximum character length of a record",
)


def keeps_within_limit(evidence: Evidence) -> Judgement:
    """Judge that the connector wasn't stopped for all it said."""
    manifest = evidence.manifest
    if manifest.ending is not Ending.TOO_MUCH_OUTPUT:
        return Judgement(rule=LIMIT, checked=1)
    finding = Finding(
        rule=LIMIT,
        where=Where(command=manifest.command),
        expected=f"at most {manifest.max_output_bytes:,} bytes on stdout and stderr",
        got=f"more; stopped after {manifest.line_count:,} lines in {manifest.duration_s:.0f} s",
        hint="read less, by a smaller catalog or a later start date, or raise --max-output",
    )
    return Judgement(rule=LIMIT, findings=(finding,), checked=1)


def keeps_lines_short(evidence: Evidence) -> Judgement:
    """Judge the longest lines: a warning where the platform warns, an error where one was cut."""
    manifest = evidence.manifest
    cut = [line for line in manifest.long_lines if line.size_bytes > MAX_LINE_BYTES]
    long = [line for line in manifest.long_lines if line.size_bytes <= MAX_LINE_BYTES]
    # Those beyond the first ten are of either sort; they are counted with the first one.
    unknown = manifest.long_line_count - len(manifest.long_lines)
    findings = []
    if cut:
        expected = f"lines of at most {MAX_LINE_BYTES:,} bytes"
        findings.append(_finding(evidence, cut, expected, unknown, Severity.ERROR))
        unknown = 0
    if long:
        expected = "lines of less than 20,000,000 characters"
        findings.append(_finding(evidence, long, expected, unknown, Severity.WARNING))
    return Judgement(rule=LINES, findings=tuple(findings), checked=manifest.line_count)


def _finding(
    evidence: Evidence, lines: list[LongLine], expected: str, unknown: int, severity: Severity
) -> Finding:
    longest = max(lines, key=lambda line: line.size_bytes)
    is_cut = severity is Severity.ERROR
    size = f"{longest.size_bytes:,} bytes" if is_cut else f"{longest.characters:,} characters"
    return Finding(
        rule=LINES,
        where=Where(command=evidence.manifest.command),
        expected=expected,
        got=f"a line of {size}" + ("; only its begin is kept" if is_cut else ""),
        hint="write smaller records: leave large files to a file reference, page through lists",
        severity=severity,
        examples=tuple(
            Example(
                artifact=evidence.artifact(line.path),
                line=line.path_line,
                text=f"line {line.line} of stdout, {line.size_bytes:,} bytes",
            )
            for line in lines
        ),
        total=len(lines) + unknown,
        checked=evidence.manifest.line_count,
    )
