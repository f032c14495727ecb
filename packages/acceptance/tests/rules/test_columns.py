from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.columns import ExtraColumnsJudge
from hydrotest_acceptance.testing import declared_stream, see
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.untrusted import as_it_came

CODE = "HT-READ-013"
TEXT = {"type": ["null", "string"]}


def paths(judgement):
    return [finding.where.path for finding in judgement.findings]


def test_declared_columns_pass():
    judge = ExtraColumnsJudge(declared_stream(id=TEXT, name=TEXT), fail=True)

    found = see(judge, {"id": "1"}, {"id": "1", "name": None}, {})[CODE]
    assert (found.outcome, found.checked) == (Outcome.PASSED, 3)


def test_an_undeclared_column_of_the_second_record_fails():
    judge = ExtraColumnsJudge(declared_stream(id=TEXT), fail=True)

    found = see(judge, {"id": "1"}, {"id": "1", "nick": "x", "more": 1})[CODE]
    assert found.outcome is Outcome.FAILED
    assert paths(found) == ["nick", "more"]
    assert (found.findings[0].total, found.findings[0].examples[0].text) == (1, '"x"')


def test_unless_asked_it_is_a_warning():
    found = see(ExtraColumnsJudge(declared_stream(id=TEXT)), {"nick": "x"})[CODE]

    assert found.outcome is Outcome.PASSED
    assert [finding.severity for finding in found.findings] == [Severity.WARNING]


def test_it_can_be_switched_off():
    found = see(ExtraColumnsJudge(declared_stream(id=TEXT), fail=False), {"nick": "x"})[CODE]

    assert found.outcome is Outcome.SKIPPED


def test_no_records_are_inconclusive():
    assert see(ExtraColumnsJudge(declared_stream(id=TEXT)))[CODE].outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("schema", "record"),
    [
        ({"type": "object", "properties": {"a": {"properties": {"b": TEXT}}}}, {"a": {"x": 1}}),
        (
            {"properties": {"a": {"type": "array", "items": {"properties": {"b": TEXT}}}}},
            {"a": [{"b": "1"}, {"x": 1}]},
        ),
        (
            {"properties": {"a": {"items": {"items": {"properties": {"b": TEXT}}}}}},
            {"a": [[], [{"x": 1}]]},
        ),
        (
            {"properties": {"a": {"$ref": "#/definitions/d"}},
             "definitions": {"d": {"properties": {"b": TEXT}}}},
            {"a": {"x": 1}},
        ),
        (
            {"properties": {"a": {"oneOf": [{"type": "null"}, {"properties": {"b": TEXT}},
                                            {"type": "object", "properties": {"c": TEXT}}]}}},
            {"a": {"b": "1", "c": "2", "x": 1}},
        ),
        (
            {"properties": {"a": {"type": "object", "allOf": [{"properties": {"b": TEXT}}]}}},
            {"a": {"x": 1}},
        ),
    ],
    ids=["object", "array", "array of arrays", "reference", "variants", "allOf"],
)  # fmt: skip
def test_a_column_in_something_nested_is_found(schema, record):
    found = see(ExtraColumnsJudge(declared_stream(schema), fail=True), record)[CODE]

    assert len(found.findings) == 1
    assert as_it_came(found.findings[0].where.path or "").endswith("x")


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "object"},
        {"type": ["null", "object"], "properties": {}},
        {"type": "object", "properties": {"b": TEXT}, "patternProperties": {"^x": TEXT}},
        {"type": "object", "properties": {"b": TEXT}, "additionalProperties": TEXT},
        {"type": "object", "properties": {"b": TEXT}, "additionalProperties": False},
        {"anyOf": [{"properties": {"b": TEXT}}, {"type": "object"}]},
        {},
        True,
        {"$ref": "#/definitions/nowhere"},
        {"$ref": "http://example.com/other.json"},
        {"type": "string"},
    ],
    ids=str,
)
def test_an_open_object_holds_what_it_likes(declared):
    found = see(ExtraColumnsJudge(declared_stream(a=declared), fail=True), {"a": {"x": 1}})[CODE]

    assert found.findings == ()


def test_inside_an_object_that_closes_itself_columns_are_looked_at():
    inner = {"type": "object", "properties": {"c": TEXT}}
    outer = {"type": "object", "properties": {"b": inner}, "additionalProperties": False}

    found = see(ExtraColumnsJudge(declared_stream(a=outer), fail=True), {"a": {"b": {"x": 1}}})[
        CODE
    ]
    assert paths(found) == ["a.b.x"]


def test_additional_properties_true_does_not_declare_a_column():
    schema = {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True}

    assert paths(see(ExtraColumnsJudge(declared_stream(schema), fail=True), {"x": 1})[CODE]) == [
        "x"
    ]


def test_a_schema_that_contains_itself_is_followed_as_deep_as_the_record():
    schema = {"type": "object", "properties": {"id": TEXT, "child": {"$ref": "#"}}}
    record = {"id": "1", "child": {"id": "2", "child": {"id": "3", "x": 1}}}

    found = see(ExtraColumnsJudge(declared_stream(schema), fail=True), record)[CODE]
    assert paths(found) == ["child.child.x"]


def test_references_in_a_circle_end():
    schema = {
        "$ref": "#/definitions/a",
        "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}},
    }

    found = see(ExtraColumnsJudge(declared_stream(schema), fail=True), {"x": 1})[CODE]
    assert found.outcome is Outcome.SKIPPED


def test_a_schema_that_declares_nothing_is_skipped():
    found = see(ExtraColumnsJudge(declared_stream({"type": "object"}), fail=True), {"x": 1})[CODE]

    assert found.outcome is Outcome.SKIPPED
