from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.lines import speaks_protocol
from hydrotest_core.connector.layout import STORED_PROBLEMS
from hydrotest_core.run.findings import Outcome, Severity

LOG = {"type": "LOG", "log": {"level": "INFO", "message": "hello"}}
BROKEN = b'{"type": "RECORD", "rec'


def test_text_on_stdout_is_a_warning_and_a_broken_message_an_error(evidence_of):
    judgement = speaks_protocol(
        evidence_of(LOG, b"starting up", BROKEN, b"going on", b'{"type":"ODD"}')
    )

    assert [(f.severity, f.total, f.examples[0].line) for f in judgement.findings] == [
        (Severity.WARNING, 2, 2),
        (Severity.ERROR, 1, 3),
        (Severity.ERROR, 1, 5),
    ]


def test_only_messages_pass(evidence_of):
    assert speaks_protocol(evidence_of(LOG, LOG)).outcome is Outcome.PASSED
    assert speaks_protocol(evidence_of()).outcome is Outcome.INCONCLUSIVE


def test_the_first_five_lines_are_shown_with_their_numbers(evidence_of):
    [finding] = speaks_protocol(evidence_of(LOG, *[b"text %d" % n for n in range(9)])).findings

    assert [(one.line, one.text) for one in finding.examples] == [
        (n + 2, f"text {n}") for n in range(5)
    ]
    assert (finding.total, finding.checked) == (9, 10)


MANY = STORED_PROBLEMS + 500


def test_lines_that_were_not_kept_are_counted_too(evidence_of):
    [finding] = speaks_protocol(evidence_of(*[b"text"] * MANY)).findings

    assert finding.total == MANY


def test_a_broken_message_behind_a_flood_of_text_is_found(evidence_of):
    judgement = speaks_protocol(evidence_of(*[b"text"] * MANY, BROKEN, LOG))

    assert [(f.severity, f.total, f.examples[0].line) for f in judgement.findings] == [
        (Severity.WARNING, MANY, 1),
        (Severity.ERROR, 1, MANY + 1),
    ]


def test_text_behind_a_flood_of_broken_messages_stays_a_warning(evidence_of):
    judgement = speaks_protocol(evidence_of(*[BROKEN] * MANY, b"text"))

    assert [(f.severity, f.total) for f in judgement.findings] == [
        (Severity.ERROR, MANY),
        (Severity.WARNING, 1),
    ]


@pytest.mark.parametrize(
    ("raw", "severity"),
    [
        (b"", Severity.WARNING),
        (b"[INFO] text", Severity.WARNING),
        (b"\0\0", Severity.WARNING),
        (b"caf\xe9", Severity.ERROR),
        (b"\xef\xbb\xbf{}", Severity.ERROR),
        ('{"type":"LOG"}'.encode("utf-16"), Severity.ERROR),
        ('{"type":"LOG"}'.encode("utf-16-be"), Severity.ERROR),
        (b"  {", Severity.ERROR),
    ],
    ids=["empty", "text", "NUL", "Latin-1", "a mark", "UTF-16", "UTF-16 without", "blanks"],
)
def test_what_the_platform_would_lose_is_an_error(evidence_of, raw, severity):
    [finding] = speaks_protocol(evidence_of(LOG, raw)).findings

    assert finding.severity is severity
