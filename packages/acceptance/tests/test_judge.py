from __future__ import annotations

import pytest

from hydrotest_acceptance.judge import Judge
from hydrotest_core.run.findings import Finding, Judgement, Outcome, Rule, Severity, Where


def rule(code):
    return Rule(code=code, title="a title", why="why", source="house rule")


def finding(code="HT-A-001", severity=Severity.ERROR, **where):
    return Finding(
        rule=rule(code), where=Where(**where), expected="this", got="that", severity=severity
    )


def judgement(code="HT-A-001", *findings, checked=1, skipped=""):
    return Judgement(rule=rule(code), findings=findings, checked=checked, skipped=skipped)


PASSED = judgement("HT-A-001")
FAILED = judgement("HT-A-002", finding("HT-A-002", stream="users", path="id"))
WARNED = judgement("HT-A-003", finding("HT-A-003", Severity.WARNING))
EMPTY = judgement("HT-A-004", checked=0)
SKIPPED = judgement("HT-A-005", checked=0, skipped="the file has no such section")


@pytest.fixture
def judge():
    return Judge()


def outcome_of(judge, *principal, aside=()):
    judge.note(*aside)
    try:
        judge(*principal)
    except pytest.fail.Exception:
        assert judge.outcome is Outcome.FAILED
    return judge.outcome


@pytest.mark.parametrize(
    ("principal", "outcome"),
    [
        ([PASSED], Outcome.PASSED),
        ([FAILED], Outcome.FAILED),
        ([PASSED, FAILED], Outcome.FAILED),
        ([WARNED], Outcome.PASSED),
        ([EMPTY], Outcome.INCONCLUSIVE),
        ([SKIPPED], Outcome.SKIPPED),
        ([EMPTY, PASSED], Outcome.PASSED),
        ([SKIPPED, PASSED], Outcome.PASSED),
        ([SKIPPED, EMPTY], Outcome.INCONCLUSIVE),
        ([EMPTY, FAILED], Outcome.FAILED),
        ([], Outcome.INCONCLUSIVE),
    ],
    ids=[
        "passed", "failed", "second failed", "a warning", "nothing to judge", "not applied",
        "second passed", "second passed, first not applied", "second had nothing",
        "second failed, first had nothing", "none",
    ],
)  # fmt: skip
def test_the_outcome_is_the_one_that_weighs_most(judge, principal, outcome):
    assert outcome_of(judge, *principal) is outcome


def test_without_any_call_it_is_inconclusive(judge):
    assert judge.outcome is Outcome.INCONCLUSIVE
    assert judge.reason == "no rule was applied"
    assert judge.findings == judge.rules == ()


@pytest.mark.parametrize(
    ("aside", "principal", "outcome"),
    [
        ([PASSED], [], Outcome.INCONCLUSIVE),
        ([PASSED], [EMPTY], Outcome.INCONCLUSIVE),
        ([PASSED], [SKIPPED], Outcome.SKIPPED),
        ([FAILED], [PASSED], Outcome.FAILED),
        ([PASSED, FAILED], [PASSED], Outcome.FAILED),
        ([EMPTY, SKIPPED], [PASSED], Outcome.PASSED),
    ],
    ids=["alone", "with nothing", "with a skip", "fails", "second fails", "had nothing"],
)
def test_what_is_noted_can_fail_a_test_but_not_pass_it(judge, aside, principal, outcome):
    assert outcome_of(judge, *principal, aside=aside) is outcome


def test_noting_a_failure_does_not_end_the_test(judge):
    judge.note(FAILED)

    assert judge.outcome is Outcome.FAILED


class TestFailing:
    def test_nothing_happens_where_all_passed(self, judge):
        judge(PASSED, WARNED)
        judge.stop_if_failed()

        assert judge.complaint == ""

    @pytest.mark.parametrize("judgements", [[FAILED], [PASSED, FAILED]], ids=["first", "second"])
    def test_a_failure_says_the_rule_and_the_place(self, judge, judgements):
        with pytest.raises(pytest.fail.Exception) as failed:
            judge(*judgements)

        assert str(failed.value) == judge.complaint == "HT-A-002  users id"

    def test_a_failure_that_was_noted_fails_at_the_next_stop(self, judge):
        judge.note(FAILED)

        with pytest.raises(pytest.fail.Exception, match="HT-A-002"):
            judge.stop_if_failed()

    def test_a_failure_that_was_noted_fails_at_the_end(self, judge):
        judge.note(FAILED)

        with pytest.raises(pytest.fail.Exception, match="HT-A-002"):
            judge(PASSED)

    def test_warnings_are_no_part_of_it(self, judge):
        with pytest.raises(pytest.fail.Exception) as failed:
            judge(WARNED, FAILED)

        assert "HT-A-003" not in str(failed.value)

    @pytest.mark.parametrize(
        ("count", "last"), [(10, "HT-B-001  s9"), (11, "and 1 more"), (5000, "and 4990 more")]
    )
    def test_only_the_first_ten_have_a_line(self, judge, count, last):
        many = judgement("HT-B-001", *(finding("HT-B-001", stream=f"s{n}") for n in range(count)))

        with pytest.raises(pytest.fail.Exception) as failed:
            judge(many)

        lines = str(failed.value).splitlines()
        assert lines[-1] == last
        assert len(lines) <= 11
        assert len(judge.findings) == count

    def test_a_connectors_words_are_made_visible(self, judge):
        hostile = judgement("HT-B-001", finding("HT-B-001", stream="\x1b]0;x\x07"))

        with pytest.raises(pytest.fail.Exception) as failed:
            judge(PASSED, hostile)

        assert "\\x1b]0;x\\x07" in str(failed.value)
        assert "\x1b" not in str(failed.value)


class TestReason:
    @pytest.mark.parametrize(
        ("principal", "reason"),
        [
            ([EMPTY], "HT-A-004 had nothing to judge"),
            ([SKIPPED], "the file has no such section"),
            ([EMPTY, SKIPPED], "the file has no such section; HT-A-004 had nothing to judge"),
            ([EMPTY, EMPTY], "HT-A-004 had nothing to judge"),
            ([], "no rule was applied"),
            ([PASSED], "no rule was applied"),
        ],
        ids=["nothing", "skipped", "both", "twice", "no rule", "passed"],
    )
    def test_says_why_nothing_was_judged(self, judge, principal, reason):
        judge(*principal)

        assert judge.reason == reason

    def test_is_not_about_what_was_noted(self, judge):
        judge.note(SKIPPED, EMPTY)

        assert judge.reason == "no rule was applied"

    def test_makes_a_connectors_words_visible(self, judge):
        judge(judgement(checked=0, skipped="no stream \x1b[2J"))

        assert judge.reason == "no stream \\x1b[2J"


class TestCollection:
    def test_findings_are_all_of_them_in_order(self, judge):
        judge.note(WARNED)
        with pytest.raises(pytest.fail.Exception):
            judge(PASSED, FAILED)

        assert [one.rule.code for one in judge.findings] == ["HT-A-003", "HT-A-002"]
        assert [one.rule.code for one in judge.judgements] == ["HT-A-003", "HT-A-001", "HT-A-002"]

    def test_calls_add_up(self, judge):
        judge(EMPTY)
        judge(PASSED)

        assert judge.outcome is Outcome.PASSED
        assert len(judge.judgements) == 2

    def test_rules_are_those_that_had_something_to_judge(self, judge):
        judge.note(EMPTY, PASSED)
        judge(PASSED, SKIPPED, WARNED, judgement("HT-A-006", finding("HT-A-006", Severity.NOTE)))

        assert judge.rules == ("HT-A-001", "HT-A-003", "HT-A-006")

    def test_its_text_says_what_it_came_to(self, judge):
        judge(PASSED)

        assert repr(judge) == "<Judge passed 1 judgements>"


def test_a_test_that_is_about_to_fail_is_looked_at_again():
    asked = []

    def look(judgements):
        asked.append([one.rule.code for one in judgements])
        return [judgement("HT-A-009", finding("HT-A-009"))]

    judge = Judge(look)
    judge(PASSED, WARNED)
    assert asked == []

    assert outcome_of(judge, FAILED) is Outcome.FAILED
    assert asked == [["HT-A-001", "HT-A-003", "HT-A-002"]]
    assert judge.rules == ("HT-A-009", "HT-A-001", "HT-A-003", "HT-A-002")


def test_a_second_look_takes_no_failure_back():
    assert outcome_of(Judge(lambda _: [PASSED]), FAILED) is Outcome.FAILED
