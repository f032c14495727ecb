from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.run.findings import (
    Example,
    Finding,
    Judgement,
    Outcome,
    Rule,
    Severity,
    Verdict,
    Where,
)

RULE = Rule(code="HT-X-001", title="A rule", why="because", source="house rule")


def a_finding(severity=Severity.ERROR):
    return Finding(rule=RULE, expected="this", got="that", severity=severity)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        pytest.param(Where(), "connector", id="nothing known"),
        pytest.param(Where(command="spec"), "spec", id="a command"),
        pytest.param(Where(stream="users", command="read"), "users", id="a stream"),
        pytest.param(Where(stream="users", namespace="crm"), "crm.users", id="with namespace"),
        pytest.param(Where(stream="users", path="zip"), "users zip", id="with path"),
        pytest.param(Where(path="start_date", command="spec"), "start_date", id="a path alone"),
    ],
)
def test_a_place_is_said_as_exactly_as_it_is_known(where, text):
    assert text == where.name


@pytest.mark.parametrize(
    ("example", "text"),
    [
        pytest.param(Example(artifact="stdout", line=14), "stdout:14", id="with line"),
        pytest.param(Example(artifact="stdout"), "stdout", id="without"),
    ],
)
def test_an_example_says_the_file_and_the_line(example, text):
    assert text == example.place


@pytest.mark.parametrize(
    ("judgement", "outcome"),
    [
        pytest.param(Judgement(rule=RULE, checked=3), Outcome.PASSED, id="passes"),
        pytest.param(
            Judgement(rule=RULE, findings=(a_finding(),), checked=3), Outcome.FAILED, id="fails"
        ),
        pytest.param(
            Judgement(rule=RULE, findings=(a_finding(Severity.NOTE), a_finding()), checked=3),
            Outcome.FAILED,
            id="fails on the second",
        ),
        pytest.param(
            Judgement(rule=RULE, findings=(a_finding(Severity.WARNING),), checked=3),
            Outcome.PASSED,
            id="a warning alone",
        ),
        pytest.param(Judgement(rule=RULE), Outcome.INCONCLUSIVE, id="nothing to judge"),
        pytest.param(Judgement(rule=RULE, skipped="not asked"), Outcome.SKIPPED, id="skipped"),
        pytest.param(
            Judgement(rule=RULE, findings=(a_finding(),)),
            Outcome.FAILED,
            id="found without a count",
        ),
    ],
)
def test_a_judgement_never_passes_on_nothing(judgement, outcome):
    assert outcome is judgement.outcome


def test_a_verdict_survives_the_way_between_processes():
    verdict = Verdict(test="t", suite="spec", outcome=Outcome.FAILED, findings=(a_finding(),))

    assert verdict == msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict)
