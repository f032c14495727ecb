from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.records import SchemaJudge
from hydrotest_acceptance.testing import declared_stream, see
from hydrotest_core.run.findings import Outcome, Severity

USABLE, CODE = "HT-READ-011", "HT-READ-012"


@pytest.fixture
def judge_of():
    """Judge records by a schema for their field `a`, or by a whole schema."""

    def judge_of(declared, *records, whole=False, **options):
        schema = declared if whole else {"type": "object", "properties": {"a": declared}}
        return see(SchemaJudge(declared_stream(schema), **options), *records)

    return judge_of


def test_records_that_keep_their_types_pass(judge_of):
    found = judge_of({"type": ["null", "string"]}, {"a": "x"}, {"a": None}, {})

    assert found[USABLE].outcome is Outcome.PASSED
    assert (found[CODE].outcome, found[CODE].checked) == (Outcome.PASSED, 3)


def test_no_records_are_inconclusive(judge_of):
    assert judge_of({"type": "string"})[CODE].outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("declared", "bad", "expected", "got"),
    [
        ({"type": ["null", "string"]}, 1, "null or string", "integer"),
        ({"type": "integer"}, True, "integer", "boolean"),
        ({"type": ["null", "integer"]}, 1.0, "null or integer", "number with a decimal point"),
        ({"type": "number"}, "1", "number", "string"),
        ({"format": "date-time"}, "now", "format date-time", "another string"),
        ({"enum": ["x", 1]}, "y", 'one of ["x",1]', "another value (string)"),
        ({"const": 1}, 2, "exactly 1", "another value (integer)"),
        ({"pattern": "^x"}, "y", 'a text that matches "^x"', "another string"),
        ({"minimum": 3}, 2, "at least 3 (minimum)", "a value (integer) that breaks it"),
        ({"maxLength": 1}, "ab", "characters at most 1 (maxLength)", "a value (string) that breaks it"),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            1,
            "exactly one of the 2 variants under oneOf",
            "a value (integer) for which that isn't so",
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            1,
            "at least one of the 2 variants under anyOf",
            "a value (integer) for which that isn't so",
        ),
        ({"not": {"type": "string"}}, "x", "what not asks for", "a value (string) that breaks it"),
        ({"uniqueItems": True}, [1, 1], "what uniqueItems asks for", "a value (array) that breaks it"),
        (False, 1, "what falseSchema asks for", "a value (integer) that breaks it"),
    ],
    ids=str,
)  # fmt: skip
def test_a_second_record_that_breaks_the_schema_fails_in_words(
    judge_of, declared, bad, expected, got
):
    found = judge_of(declared, {}, {"a": bad})[CODE]

    (finding,) = found.findings
    assert found.outcome is Outcome.FAILED
    assert (finding.where.path, finding.expected, finding.got) == ("a", expected, got)
    assert (finding.total, finding.checked) == (1, 2)
    assert [example.line for example in finding.examples] == [2]
    assert finding.hint


def test_the_second_column_is_judged_too(judge_of):
    schema = {"properties": {"a": {"type": ["null", "string"]}, "b": {"type": "integer"}}}

    found = judge_of(schema, {"a": "ok", "b": "not an int"}, whole=True)[CODE]
    assert [finding.where.path for finding in found.findings] == ["b"]


def test_all_that_one_record_breaks_is_found(judge_of):
    schema = {
        "required": ["c", "d"],
        "properties": {"a": {"type": "string"}, "b": {"items": {"type": "integer"}}},
        "additionalProperties": False,
    }

    found = judge_of(schema, {"a": 1, "b": [1, "x", "y"], "z": 1, "y": 2}, whole=True)[CODE]
    by_path = {finding.where.path: finding.got for finding in found.findings}
    assert by_path == {
        "a": "integer",
        "b[]": "string",
        "c": "no such field",
        "d": "no such field",
        "z": "an undeclared field",
        "y": "an undeclared field",
    }
    assert {finding.total for finding in found.findings} == {1}


def test_many_bad_records_are_one_finding_a_place(judge_of):
    found = judge_of({"type": "string"}, *[{"a": n} for n in range(500)])[CODE]

    (finding,) = found.findings
    assert (finding.total, finding.checked, len(finding.examples)) == (500, 500, 3)


def test_a_schema_that_cannot_be_used_is_a_finding_and_its_records_are_skipped(judge_of):
    found = judge_of({"type": "bogus"}, {"a": 1})

    (finding,) = found[USABLE].findings
    assert found[USABLE].outcome is Outcome.FAILED
    assert (finding.where.path, finding.where.command) == ("properties.a.type", "discover")
    assert found[CODE].outcome is Outcome.SKIPPED
    assert USABLE in found[CODE].skipped


def test_a_record_nested_deeper_than_can_be_judged_fails(judge_of):
    record: dict[str, object] = {}
    for _ in range(300):
        record = {"a": record}

    (finding,) = judge_of({"type": "integer"}, record)[CODE].findings
    assert finding.got == "deeper nesting"


def test_examples_and_expectations_are_redacted(judge_of):
    found = judge_of(
        {"enum": ["s3cret"]},
        {"a": "a s3cret one"},
        show=lambda text, /: text.replace("s3cret", "***"),
    )[CODE]

    (finding,) = found.findings
    assert finding.examples[0].text == '"a *** one"'
    assert "s3cret" not in finding.expected


def test_a_value_is_shortened(judge_of):
    (finding,) = judge_of({"type": "integer"}, {"a": "x" * 10_000})[CODE].findings

    assert len(finding.examples[0].text) == 160


class TestPatternsThatCannotBeRun:
    SLOW = r"^(?=a)(a+)+$"

    def test_are_a_finding_of_their_own_and_blame_no_record(self, judge_of):
        found = judge_of({"pattern": self.SLOW}, {"a": "a"}, {"a": "a" * 100_000 + "!"})

        (finding,) = found[USABLE].findings
        assert (found[USABLE].outcome, found[CODE].outcome) == (Outcome.PASSED, Outcome.PASSED)
        assert finding.severity is Severity.WARNING
        assert "^(?=a)(a+)+$" in str(finding.where.path)
        assert "more than 512 characters" in str(finding.got)
        assert finding.hint

    def test_that_ran_leave_no_finding(self, judge_of):
        assert judge_of({"pattern": self.SLOW}, {"a": "a"})[USABLE].findings == ()

    def test_do_not_hide_what_else_is_wrong(self, judge_of):
        declared = {"pattern": self.SLOW, "maxLength": 10}

        assert judge_of(declared, {"a": "a" * 600})[CODE].outcome is Outcome.FAILED

    @pytest.mark.parametrize("wrapped", ["not", "oneOf"])
    def test_only_warn_where_taking_them_as_fitting_breaks_the_rule(self, judge_of, wrapped):
        slow = {"pattern": self.SLOW}
        declared = {"not": slow} if wrapped == "not" else {"oneOf": [slow, {"type": "string"}]}

        found = judge_of(declared, {"a": "a" * 600})[CODE]

        assert found.outcome is Outcome.PASSED
        assert [one.severity for one in found.findings] == [Severity.WARNING]

    def test_in_the_names_of_fields_leave_a_record_unjudged(self, judge_of):
        schema = {"patternProperties": {"^b": {"type": "string"}}}

        found = judge_of(schema, {"b": 1, "b" * 40_000: 1}, whole=True)

        assert found[CODE].outcome is Outcome.INCONCLUSIVE
        assert "name of more than" in str(found[USABLE].findings[0].got)
