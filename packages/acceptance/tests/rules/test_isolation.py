from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.isolation import is_as_strict, refusal, works_as_isolated
from hydrotest_core.connector.execution import Command
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.untrusted import as_it_came

REFUSED = b"PermissionError: [Errno 13] Permission denied: '/etc/x'\n"


@pytest.mark.parametrize(
    ("profile", "places"),
    [
        ("strict", []),
        ("writable", ["root file system"]),
        ("relaxed", ["root file system", "user", "capabilities"]),
    ],
)
def test_each_relaxation_is_a_warning_that_says_what_it_gives_up(profile, places):
    judgement = is_as_strict(profile)

    assert [finding.where.path for finding in judgement.findings] == places
    assert {finding.severity for finding in judgement.findings} <= {Severity.WARNING}
    assert all(": " in as_it_came(finding.got) for finding in judgement.findings)
    assert judgement.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "line",
    [
        b"PermissionError: [Errno 13] Permission denied: '/etc/x'",
        b"mkdir: cannot create directory '/x': Read-only file system",
        b"chown: changing ownership of 'x': Operation not permitted",
        b"open /data/x: permission denied",
        b"Error: EACCES, open '/data/x'",
        b"Error: EROFS, mkdir '/data'",
        b"java.nio.file.AccessDeniedException: /data/x",
    ],
)
@pytest.mark.parametrize("place", ["stderr.log", "stdout"])
def test_what_runtimes_say_of_a_refusal_is_understood(evidence_of, line, place):
    text = b"a line before\n" + line + b"\n"
    evidence = evidence_of(stderr=text) if place == "stderr.log" else evidence_of(unended=text)
    found = refusal(evidence)

    assert found is not None
    assert (found.artifact, found.line) == (place, 2)
    assert as_it_came(found.text) == line.decode()


@pytest.mark.parametrize("line", [b"all is well", b"PACES", b"", b"permission was granted"])
def test_other_lines_are_no_refusal(evidence_of, line):
    assert refusal(evidence_of(stderr=line)) is None


def test_only_the_part_of_a_long_line_that_says_it_is_shown(evidence_of):
    found = refusal(evidence_of(stderr=b"x" * 5000 + b"Permission denied" + b"y" * 5000))

    assert len(as_it_came(found.text)) <= 200
    assert "Permission denied" in as_it_came(found.text)


class Again:
    """Stands for running a connector under other profiles; it works under some of them."""

    def __init__(self, evidence_of, *works_under):
        self._evidence_of = evidence_of
        self._works_under = works_under
        self.asked = []

    def __call__(self, profile):
        self.asked.append(profile)
        if profile in self._works_under:
            return self._evidence_of()
        return self._evidence_of(stderr=REFUSED, exit_code=1)


@pytest.mark.parametrize(
    ("works_under", "code", "asked"),
    [
        (["writable", "relaxed"], "HT-ISO-003", ["writable"]),
        (["relaxed"], "HT-ISO-001", ["writable", "relaxed"]),
        ([], None, ["writable", "relaxed"]),
    ],
    ids=["writes", "needs root", "fails anyway"],
)
def test_what_a_connector_needed_is_found_by_giving_it_more(evidence_of, works_under, code, asked):
    again = Again(evidence_of, *works_under)
    failed = evidence_of(stderr=REFUSED, exit_code=1, command=Command.CHECK)

    judgements = works_as_isolated(failed, again)

    assert [one.rule.code for one in judgements] == ([code] if code else [])
    assert again.asked == asked
    for one in judgements:
        (finding,) = one.findings
        assert one.outcome is Outcome.FAILED
        assert finding.where.command == "check"
        assert "Permission denied" in as_it_came(finding.examples[0].text)
        assert "--isolation" in as_it_came(finding.hint)


def test_a_connector_to_which_nothing_was_refused_is_not_run_again(evidence_of):
    again = Again(evidence_of, "writable", "relaxed")

    assert works_as_isolated(evidence_of(stderr=b"boom", exit_code=1), again) == ()
    assert again.asked == []


def test_a_connector_that_hides_its_failure_has_not_worked(evidence_of):
    failed = evidence_of(stderr=REFUSED, exit_code=1)

    assert works_as_isolated(failed, lambda _: evidence_of(stderr=REFUSED)) == ()
