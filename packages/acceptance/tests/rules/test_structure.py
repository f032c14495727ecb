from __future__ import annotations

from typing import Any

import pytest

from hydrotest_acceptance.rules import structure
from hydrotest_acceptance.rules.structure import DataPointsJudge, StructureJudge
from hydrotest_acceptance.testing import declared_stream, see
from hydrotest_core.errors import ProtocolViolation
from hydrotest_core.run.findings import Outcome, Severity

OVERLAP, POINTS = "HT-READ-014", "HT-READ-015"
TEXT = {"type": ["null", "string"]}
ADDRESS = {"type": ["null", "object"], "properties": {"zip": TEXT, "town": TEXT}}


def paths(judgement, severity=Severity.ERROR):
    return [one.where.path for one in judgement.findings if one.severity is severity]


@pytest.mark.parametrize(
    "record",
    [
        {"id": "1"},
        {"id": None, "more": 1},
        {"address": {"zip": "1"}},
        {"address": None},
        {"address": {}},
        {"tags": [{"name": "x"}]},
        {"tags": [{}, {"name": "x"}]},
        {"tags": []},
    ],
    ids=str,
)
def test_a_record_with_a_declared_field_passes(record):
    tags = {"type": "array", "items": {"type": "object", "properties": {"name": TEXT}}}
    judge = StructureJudge(declared_stream(id=TEXT, address=ADDRESS, tags=tags))

    assert see(judge, record)[OVERLAP].outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "record", [{}, {"other": 1}, {"user": {"id": 1}}, {"address": {"street": 1}}], ids=str
)
def test_a_second_record_without_any_declared_field_fails(record):
    judge = StructureJudge(declared_stream(id=TEXT, address=ADDRESS))

    found = see(judge, {"id": "1"}, record)[OVERLAP]
    (finding,) = found.findings
    assert found.outcome is Outcome.FAILED
    assert (finding.total, finding.checked, finding.examples[0].line) == (1, 2, 2)


def test_no_records_leave_the_overlap_inconclusive():
    assert see(StructureJudge(declared_stream(id=TEXT)))[OVERLAP].outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("schema", [{"type": "object"}, {"type": "object", "properties": {}}])
def test_a_schema_without_fields_is_skipped(schema):
    found = see(StructureJudge(declared_stream(schema)), {"a": 1})[OVERLAP]

    assert found.outcome is Outcome.SKIPPED


def test_a_schema_that_unfolds_to_more_than_can_be_walked_is_skipped(monkeypatch):
    too_many = ProtocolViolation("The JSON schema unfolds to more than can be walked.")

    def leaves(schema):
        raise too_many

    monkeypatch.setattr(structure, "leaves", leaves)

    found = see(StructureJudge(declared_stream(id=TEXT)), {"id": "1"})[OVERLAP]
    assert (found.outcome, found.skipped) == (
        Outcome.SKIPPED,
        "The JSON schema unfolds to more than can be walked.",
    )


def test_fields_that_all_come_with_values_pass():
    judge = DataPointsJudge(declared_stream(id=TEXT, address=ADDRESS))

    found = see(judge, {"id": "1"}, {"address": {"zip": "1"}}, {"address": {"town": "x"}})[POINTS]
    assert (found.outcome, found.findings) == (Outcome.PASSED, ())


def test_a_field_that_no_record_has_fails():
    judge = DataPointsJudge(declared_stream(id=TEXT, address=ADDRESS, name=TEXT))

    found = see(judge, {"id": "1", "address": {"zip": "1"}}, {"id": "2"})[POINTS]
    assert found.outcome is Outcome.FAILED
    assert paths(found) == ["address.town", "name"]


def test_a_field_that_is_always_null_is_a_warning():
    judge = DataPointsJudge(declared_stream(id=TEXT, name=TEXT))

    found = see(judge, {"id": "1", "name": None}, {"id": None, "name": None})[POINTS]
    assert found.outcome is Outcome.PASSED
    assert paths(found, Severity.WARNING) == ["name"]


@pytest.mark.parametrize("width", [1, 40], ids=["narrow schema", "wide schema"])
def test_values_are_found_in_narrow_and_in_wide_schemas(width):
    tags = {"type": "array", "items": {"type": "object", "properties": {"n": TEXT, "m": TEXT}}}
    schema: dict[str, Any] = {"a": TEXT, "b": TEXT, "address": ADDRESS, "tags": tags}
    wide: dict[str, Any] = {f"wide{n}": TEXT for n in range(width)}
    records = [
        {"a": "1", "b": None, "address": {"zip": "1", "town": None}, "tags": [{"n": None}]},
        {"a": None, "b": None, "address": None, "tags": [{"n": None, "m": None}, {"n": "1"}]},
        dict.fromkeys(wide, "1"),
    ]

    found = see(DataPointsJudge(declared_stream(**schema, **wide)), *records)[POINTS]
    assert paths(found, Severity.WARNING) == ["address.town", "b", "tags[].m"]
    assert paths(found) == []


def test_an_empty_list_has_no_data_point():
    tags = {"type": "array", "items": {"type": "string"}}

    assert paths(see(DataPointsJudge(declared_stream(f=tags)), {"f": []})[POINTS]) == ["f[]"]
    assert not see(DataPointsJudge(declared_stream(f=tags)), {"f": [None, "x"]})[POINTS].findings


def test_one_variant_of_several_is_enough():
    choice = {
        "oneOf": [
            {"type": "object", "properties": {"a": TEXT, "b": TEXT}},
            {"type": "object", "properties": {"c": TEXT}},
        ]
    }

    assert not see(DataPointsJudge(declared_stream(f=choice)), {"f": {"c": "1"}})[POINTS].findings
    assert paths(see(DataPointsJudge(declared_stream(f=choice)), {"f": {}})[POINTS]) == [
        "f.a",
        "f.b",
        "f.c",
    ]


def test_no_records_leave_data_points_inconclusive():
    assert see(DataPointsJudge(declared_stream(id=TEXT)))[POINTS].outcome is Outcome.INCONCLUSIVE


def test_a_schema_without_fields_has_no_data_points():
    found = see(DataPointsJudge(declared_stream({"type": "object"})), {"a": 1})[POINTS]

    assert found.outcome is Outcome.SKIPPED
