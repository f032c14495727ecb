from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.volume import keeps_lines_short, keeps_within_limit
from hydrotest_core.connector.execution import Ending, LongLine
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.untrusted import as_it_came


def _long(line: int, size_bytes: int) -> LongLine:
    return LongLine(
        line=line,
        path="records/000.jsonl",
        path_line=line - 1,
        characters=min(size_bytes, 2**26),
        size_bytes=size_bytes,
    )


def test_a_connector_that_was_stopped_for_all_it_said_fails(evidence_of):
    evidence = evidence_of(
        ending=Ending.TOO_MUCH_OUTPUT, max_output_bytes=5_000_000, line_count=70_000, duration_s=3.2
    )
    judgement = keeps_within_limit(evidence)

    [finding] = judgement.findings
    assert judgement.outcome is Outcome.FAILED
    assert finding.expected == "at most 5,000,000 bytes on stdout and stderr"
    assert finding.got == "more; stopped after 70,000 lines in 3 s"
    assert "--max-output" in as_it_came(finding.hint)


@pytest.mark.parametrize("ending", [Ending.EXITED, Ending.TIMED_OUT])
def test_any_other_end_is_within_the_limit(evidence_of, ending):
    assert keeps_within_limit(evidence_of(ending=ending)).outcome is Outcome.PASSED


def test_without_long_lines_nothing_is_said(evidence_of):
    judgement = keeps_lines_short(evidence_of(b"{}", b"x"))

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 2)


def test_a_second_line_the_platform_warns_about_is_a_warning(evidence_of):
    evidence = evidence_of(
        line_count=9, long_line_count=2, long_lines=[_long(3, 20_000_000), _long(5, 30_000_000)]
    )
    judgement = keeps_lines_short(evidence)

    [finding] = judgement.findings
    assert judgement.outcome is Outcome.PASSED
    assert (finding.severity, finding.total, finding.checked) == (Severity.WARNING, 2, 9)
    assert finding.got == "a line of 30,000,000 characters"
    assert [(one.artifact, one.line) for one in finding.examples] == [
        ("records/000.jsonl", 2),
        ("records/000.jsonl", 4),
    ]


def test_a_line_that_was_cut_is_an_error_with_its_true_length(evidence_of):
    evidence = evidence_of(
        line_count=90,
        long_line_count=14,
        long_lines=[_long(3, 20_000_000), _long(5, 1_000_000_000)],
    )
    cut, long = keeps_lines_short(evidence).findings

    assert cut.severity is Severity.ERROR
    assert cut.got == "a line of 1,000,000,000 bytes; only its begin is kept"
    assert (cut.total, long.total) == (13, 1)


def test_nothing_said_is_nothing_to_judge(evidence_of):
    assert keeps_lines_short(evidence_of()).outcome is Outcome.INCONCLUSIVE
