from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.keys import PrimaryKeyJudge
from hydrotest_acceptance.testing import configured_catalog, declared_stream, see
from hydrotest_core.run.findings import Outcome


@pytest.fixture
def judge():
    return PrimaryKeyJudge(declared_stream(key=[["id"]]))


def test_a_declared_stream_has_the_columns_it_is_given():
    stream = declared_stream(id={"type": "integer"})

    assert stream.json_schema["properties"] == {"id": {"type": "integer"}}
    assert stream.source_defined_primary_key is None


def test_a_schema_of_ones_own_is_taken_as_it_is():
    assert declared_stream({"type": "array"}).json_schema == {"type": "array"}


def test_a_configured_catalog_has_the_streams_it_is_given():
    found = configured_catalog("users", ("pets", "zoo"), namespace="shop")

    assert [(one.stream.name, one.stream.namespace) for one in found.streams] == [
        ("users", "shop"),
        ("pets", "zoo"),
    ]


def test_records_are_judged_in_their_order(judge):
    found = see(judge, {"id": 1}, b'{"name": "x"}')["HT-READ-020"]

    assert found.outcome is Outcome.FAILED
    assert [one.line for one in found.findings[0].examples] == [2]


def test_good_records_pass(judge):
    assert see(judge, {"id": 1}, {"id": 2})["HT-READ-020"].outcome is Outcome.PASSED


@pytest.mark.parametrize("bad", [b"{", [1]], ids=["no JSON", "no object"])
def test_a_record_that_no_judge_sees_is_a_mistake_of_the_test(judge, bad):
    with pytest.raises(ValueError, match="no record"):
        see(judge, {"id": 1}, bad)
