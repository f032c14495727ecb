from __future__ import annotations

import contextlib
import re
import shlex
from types import SimpleNamespace

import pytest

from hydrotest_acceptance.judge import Judge
from hydrotest_acceptance.session import Options
from hydrotest_acceptance.suites.test_basic_read import TestBasicRead as BasicRead
from hydrotest_acceptance.verdicts import attach, carried, rerun_command
from hydrotest_core.errors import EngineUnavailable, InfrastructureError, UsageError
from hydrotest_core.run.findings import Finding, Judgement, Outcome, Rule, Severity, Where
from hydrotest_core.untrusted import as_it_came

RULE = Rule(code="HT-A-001", title="a title", why="why", source="house rule")
ERROR = Finding(rule=RULE, where=Where(stream="users"), expected="this", got="that")
WARNING = Finding(rule=RULE, expected="this", got="that", severity=Severity.WARNING)
PASSED = Judgement(rule=RULE, checked=1)
FAILED = Judgement(rule=RULE, findings=(ERROR,), checked=1)
WARNED = Judgement(rule=RULE, findings=(WARNING,), checked=1)
EMPTY = Judgement(rule=RULE)
NODEID = "source-x::TestBasicRead::test_read[inputs0]"
OPTIONS = Options(folder="/home/me/source x", runner="process", version=None, home="/h")
HOSTILE = "\x1b]0;x\x07"


@pytest.fixture
def verdict_of(request, monkeypatch):
    """Return a function that runs a test's body and gives (report, verdict)."""
    monkeypatch.delenv("HYDROTEST_RERUN", raising=False)

    def make(body, judge=None, *, when="call", nodeid=NODEID, seen=("key",), options=OPTIONS):
        call = pytest.CallInfo.from_call(body, when)
        report = pytest.TestReport.from_item_and_call(request.node, call)
        report.nodeid = nodeid
        item = SimpleNamespace(cls=BasicRead, location=("suites/test_basic_read.py", 11, "x"))
        session = SimpleNamespace(executor=SimpleNamespace(seen=list(seen)), options=options)
        attach(item, call, report, judge, session, duration_s=1.5)  # type: ignore[arg-type] # stand-ins
        verdict = carried(report)
        assert verdict is not None
        return report, verdict

    return make


def judge_of(*judgements, aside=()):
    judge = Judge()
    judge.note(*aside)
    with contextlib.suppress(pytest.fail.Exception):
        judge(*judgements)
    return judge


def raising(error):
    def body():
        raise error

    return body


def nothing():
    pass


class TestOutcome:
    def test_of_a_test_that_passed(self, verdict_of):
        report, verdict = verdict_of(nothing, judge_of(PASSED, WARNED), seen=["a", "b", "a"])

        assert report.passed
        assert verdict.outcome is Outcome.PASSED
        assert verdict.test == "TestBasicRead::test_read[inputs0]"
        assert verdict.suite == "basic_read"
        assert verdict.reason == ""
        assert verdict.findings == (WARNING,)
        assert verdict.rules == ("HT-A-001",)
        assert verdict.duration_s == 1.5
        assert verdict.executions == ("a", "b")

    def test_of_a_failure_is_told_by_its_findings(self, verdict_of):
        judge = Judge()

        report, verdict = verdict_of(lambda: judge(PASSED, FAILED), judge)

        assert report.failed
        assert verdict.outcome is Outcome.FAILED
        assert verdict.reason == ""
        assert verdict.findings == (ERROR,)

    def test_of_a_failure_that_was_only_noted(self, verdict_of):
        """The suite forgot to call the judge; what was noted counts all the same."""
        judge = Judge()

        report, verdict = verdict_of(lambda: judge.note(PASSED, FAILED), judge)

        assert report.failed
        assert report.longreprtext == "HT-A-001  users"
        assert verdict.outcome is Outcome.FAILED

    def test_of_a_failure_that_was_noted_before_a_skip(self, verdict_of):
        report, verdict = verdict_of(
            raising(pytest.skip.Exception("no stream")), judge_of(aside=[FAILED])
        )

        assert report.failed
        assert verdict.outcome is Outcome.FAILED

    def test_of_a_test_that_fails_by_itself_is_its_reason(self, verdict_of):
        report, verdict = verdict_of(raising(pytest.fail.Exception("nothing was judged")), Judge())

        assert report.failed
        assert verdict.reason == "nothing was judged"

    def test_of_an_error_after_a_failure_was_noted_is_its_reason(self, verdict_of):
        judge = judge_of(aside=[FAILED])

        _, verdict = verdict_of(raising(UsageError("No file.", hint="make it")), judge)

        assert verdict.outcome is Outcome.FAILED
        assert verdict.reason == "No file. hint: make it"
        assert verdict.findings == (ERROR,)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (KeyError("spec"), "KeyError: 'spec'"),
            (AssertionError(), "AssertionError"),
            (ValueError("no"), "ValueError: no"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_of_a_mistake_of_ours_has_the_errors_name(self, verdict_of, error, reason):
        report, verdict = verdict_of(raising(error), Judge())

        assert verdict.outcome is Outcome.FAILED
        assert verdict.reason == reason
        # Here the traceback helps.
        assert "def body" in report.longreprtext

    def test_without_a_judge_is_that_of_pytest(self, verdict_of):
        report, verdict = verdict_of(raising(pytest.fail.Exception("missing")), when="setup")

        assert report.failed
        assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "missing")


class TestInconclusive:
    @pytest.mark.parametrize(
        "error", [InfrastructureError("It broke."), EngineUnavailable("None.", engine="unix:///x")]
    )
    @pytest.mark.parametrize("when", ["setup", "call"])
    def test_is_what_the_machine_is_to_blame_for(self, verdict_of, error, when):
        report, verdict = verdict_of(raising(error), Judge(), when=when)

        assert report.skipped
        assert report.longrepr == ("suites/test_basic_read.py", 12, f"Skipped: {error}")
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.reason == str(error)

    def test_is_it_too_where_something_failed_before(self, verdict_of):
        _, verdict = verdict_of(raising(InfrastructureError("It broke.")), judge_of(FAILED))

        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.findings == (ERROR,)

    @pytest.mark.parametrize("judgements", [[EMPTY], []], ids=["nothing to judge", "no rule"])
    def test_is_a_test_in_which_the_judge_had_nothing(self, verdict_of, judgements):
        judge = judge_of(*judgements)

        report, verdict = verdict_of(raising(pytest.skip.Exception(judge.reason)), judge)

        assert report.skipped
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.reason == judge.reason

    @pytest.mark.parametrize("aside", [[], [PASSED]], ids=["at once", "after a look"])
    def test_is_no_test_that_had_no_wish_to_judge(self, verdict_of, aside):
        judge = judge_of(aside=aside)

        _, verdict = verdict_of(raising(pytest.skip.Exception("no stream has a cursor")), judge)

        assert verdict.outcome is Outcome.SKIPPED
        assert verdict.reason == "no stream has a cursor"

    def test_is_no_rule_that_was_not_applied(self, verdict_of):
        judge = judge_of(Judgement(rule=RULE, skipped="it has no advanced_auth"))

        _, verdict = verdict_of(raising(pytest.skip.Exception(judge.reason)), judge)

        assert verdict.outcome is Outcome.SKIPPED
        assert verdict.reason == "it has no advanced_auth"

    def test_is_no_section_that_is_bypassed(self, verdict_of):
        _, verdict = verdict_of(raising(pytest.skip.Exception("bypassed: none")), when="setup")

        assert verdict.outcome is Outcome.SKIPPED


def printed(report):
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext


class TestWhatPytestPrints:
    @pytest.mark.parametrize(
        "error",
        [
            UsageError("No such stream.", streams=HOSTILE),
            InfrastructureError("It broke.", reason=HOSTILE),
            pytest.fail.Exception(HOSTILE),
            pytest.skip.Exception(HOSTILE),
            ValueError(HOSTILE),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_has_no_control_character(self, verdict_of, error):
        report, _ = verdict_of(raising(error), Judge())

        assert "\\x1b]0;x\\x07" in printed(report)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed(report))

    def test_of_an_error_of_ours_has_no_traceback(self, verdict_of):
        report, _ = verdict_of(raising(UsageError("No file.", path="a.json", hint="make it")))

        assert report.longrepr == "No file. (path=a.json) hint: make it"

    def test_of_what_is_harmless_stays_as_pytest_made_it(self, verdict_of):
        report, _ = verdict_of(raising(ValueError("harmless")))

        assert not isinstance(report.longrepr, str)


class TestCarried:
    def report(self, outcome="failed", longrepr="boom", when="teardown", nodeid=NODEID):
        return pytest.TestReport(
            nodeid, ("suites/x.py", 1, "x"), {}, outcome, longrepr, when, duration=0.5
        )

    def test_a_verdict_survives_the_way(self, verdict_of):
        report, verdict = verdict_of(nothing, judge_of(WARNED))
        again = pytest.TestReport._from_json(report._to_json())

        assert carried(again) == verdict

    def test_other_properties_are_no_verdict(self):
        report = self.report(outcome="passed", longrepr=None)
        report.user_properties.append(("mine", "{}"))

        assert carried(report) is None

    @pytest.mark.parametrize("outcome", ["passed", "skipped"])
    def test_there_is_none_where_nothing_was_attached(self, outcome):
        assert carried(self.report(outcome, None, "setup")) is None

    @pytest.mark.parametrize("when", ["teardown", "???"], ids=["tear-down", "a dead worker"])
    def test_a_failure_without_one_is_told_in_pytests_words(self, monkeypatch, when):
        monkeypatch.setenv("HYDROTEST_RERUN", "nox -s acceptance -- source-x")

        verdict = carried(self.report(when=when))

        assert verdict is not None
        assert verdict.test == "TestBasicRead::test_read[inputs0]"
        assert verdict.suite == "basic_read"
        assert verdict.outcome is Outcome.FAILED
        assert verdict.reason == "boom"
        assert verdict.duration_s == 0.5
        assert as_it_came(verdict.rerun).startswith("nox -s acceptance -- source-x -k ")

    def test_a_failure_without_words_says_when(self):
        verdict = carried(self.report(longrepr=None))

        assert verdict is not None
        assert verdict.reason == "teardown failed"

    def test_a_name_that_is_not_ours_has_no_suite(self):
        verdict = carried(self.report(nodeid="test_x.py"))

        assert verdict is not None
        assert (verdict.test, verdict.suite) == ("test_x.py", "")

    def test_half_a_character_does_not_stop_the_run(self, verdict_of):
        """A user's JSON file may hold one as an escape; nothing can be sent with it."""
        half = Finding(rule=RULE, where=Where(path="\ud800"), expected="\udfff", got="fine")
        judge = judge_of(Judgement(rule=RULE, findings=(WARNING, half), checked=1))

        _, verdict = verdict_of(raising(ValueError("\ud800")), judge)

        assert verdict.findings[0] == WARNING
        assert verdict.findings[1].where.path == "\\ud800"
        assert verdict.findings[1].expected == "\\udfff"
        assert verdict.reason == "ValueError: \\ud800"


class TestRerunCommand:
    @pytest.mark.parametrize(
        ("nodeid", "expression"),
        [
            (NODEID, "TestBasicRead and test_read and inputs0"),
            ("x::TestBasicRead::test_read", "TestBasicRead and test_read"),
            (
                "x::TestDiscovery::test_defined_keyword_exist_in_schema[inputs0-not]",
                "TestDiscovery and test_defined_keyword_exist_in_schema and inputs0-not",
            ),
            ("x::TestSpec::test_spec[inputs1]", "TestSpec and test_spec[inputs1]"),
            (
                "x::TestDiscovery::test_discover[inputs0]",
                "TestDiscovery and test_discover[inputs0]",
            ),
        ],
    )
    def test_selects_by_class_name_and_parameters(self, monkeypatch, nodeid, expression):
        monkeypatch.setenv("HYDROTEST_RERUN", "again")

        assert rerun_command(nodeid) == f"again -k '{expression}'"

    def test_is_pytests_own_where_nothing_ran_us(self, verdict_of):
        _, verdict = verdict_of(nothing, judge_of(PASSED))

        assert verdict.rerun == (
            "pytest -p hydrotest_acceptance.plugin --acceptance-test-config '/home/me/source x' "
            "--runner process -k 'TestBasicRead and test_read and inputs0'"
        )

    def test_keeps_the_version_that_was_asked_for(self, monkeypatch):
        monkeypatch.delenv("HYDROTEST_RERUN", raising=False)
        options = Options(folder="x", runner="docker", version="1.2.0", home="/h")

        assert "--runner docker --connector-version 1.2.0 -k" in rerun_command(NODEID, options)

    def test_keeps_an_isolation_that_was_asked_for(self, monkeypatch):
        monkeypatch.delenv("HYDROTEST_RERUN", raising=False)
        options = Options(folder="x", runner="docker", version=None, home="/h", isolation="relaxed")

        assert "--runner docker --isolation relaxed -k" in rerun_command(NODEID, options)

    def test_is_nothing_where_nobody_knows_it(self, monkeypatch):
        monkeypatch.delenv("HYDROTEST_RERUN", raising=False)

        assert rerun_command(NODEID) == ""

    def test_selects_just_that_test(self, run, monkeypatch):
        monkeypatch.setenv("HYDROTEST_RERUN", "again")
        tests = [
            "source-tiny::TestSpec::test_spec[inputs0]",
            "source-tiny::TestDiscovery::test_discover[inputs0]",
            "source-tiny::TestDiscovery::test_defined_keyword_exist_in_schema[inputs0-not]",
            "source-tiny::TestBasicRead::test_read[inputs0]",
        ]
        expressions = [shlex.split(rerun_command(test))[-1] for test in tests]

        found = run("--collect-only", "-q", "-k", " or ".join(f"({one})" for one in expressions))

        assert sorted(line for line in found.text.splitlines() if "::" in line) == sorted(tests)
