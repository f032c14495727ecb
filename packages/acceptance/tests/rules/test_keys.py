from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.keys import PrimaryKeyJudge, key_bytes
from hydrotest_acceptance.testing import declared_stream, see
from hydrotest_core.protocol import MISSING
from hydrotest_core.run.findings import Outcome, Severity

KEY, TWINS = "HT-READ-020", "HT-READ-021"


@pytest.fixture
def judge():
    return PrimaryKeyJudge(declared_stream(key=[["id"]]))


@pytest.fixture
def composite():
    return PrimaryKeyJudge(declared_stream(key=[["id"], ["meta", "rev"]]))


def test_records_with_keys_of_their_own_pass(judge):
    found = see(judge, {"id": 1}, {"id": "1"}, {"id": True}, {"id": 1.5})

    assert found[KEY].outcome is Outcome.PASSED
    assert found[TWINS].outcome is Outcome.PASSED
    assert found[KEY].checked == 4
    assert not found[TWINS].findings


@pytest.mark.parametrize(
    ("record", "got"),
    [({"id": None}, "null"), ({}, "no such field"), ({"id": []}, "array"), ({"id": {}}, "object")],
    ids=str,
)
def test_a_second_record_without_a_usable_key_fails(judge, record, got):
    found = see(judge, {"id": 1}, record)

    (finding,) = found[KEY].findings
    assert found[KEY].outcome is Outcome.FAILED
    assert (finding.got, finding.total, finding.checked) == (got, 1, 2)
    assert finding.where.path == "id"
    assert finding.examples[0].line == 2


def test_no_records_are_inconclusive(judge):
    found = see(judge)

    assert {one.outcome for one in found.values()} == {Outcome.INCONCLUSIVE}


@pytest.mark.parametrize("key", [None, [], [[]]], ids=str)
def test_a_stream_without_key_is_skipped(key):
    found = see(PrimaryKeyJudge(declared_stream(key=key)), {"id": 1})

    assert {one.outcome for one in found.values()} == {Outcome.SKIPPED}


def test_one_value_is_enough_for_a_key_of_several_parts(composite):
    found = see(composite, {"id": 1, "meta": {"rev": None}}, {"id": None, "meta": {"rev": 1}})

    assert found[KEY].outcome is Outcome.PASSED
    assert not found[KEY].findings


def test_a_key_that_is_null_in_all_its_parts_fails(composite):
    found = see(composite, {"id": 1, "meta": {"rev": 1}}, {"id": None, "meta": {"rev": None}})

    (finding,) = found[KEY].findings
    assert finding.got == "null in all its parts"
    assert finding.where.path == "id, meta.rev"


def test_an_absent_part_is_a_warning_where_another_has_a_value(composite):
    found = see(composite, {"id": 1, "meta": {"rev": 1}}, {"id": 2, "meta": "text"})

    (finding,) = found[KEY].findings
    assert finding.severity is Severity.WARNING
    assert finding.where.path == "meta.rev"
    assert found[KEY].outcome is Outcome.PASSED


def test_the_second_part_must_be_scalar_too(composite):
    found = see(composite, {"id": 1, "meta": {"rev": {"a": 1}}})

    assert [finding.where.path for finding in found[KEY].findings] == ["meta.rev"]


def test_a_repeated_key_is_a_warning_with_the_second_line(judge):
    found = see(judge, {"id": 1}, {"id": 2}, {"id": 1}, {"id": 1})

    (finding,) = found[TWINS].findings
    assert found[TWINS].outcome is Outcome.PASSED
    assert (finding.severity, finding.total) == (Severity.WARNING, 2)
    assert [example.line for example in finding.examples] == [3, 4]


def test_keys_of_several_parts_differ_in_any_of_them(composite):
    found = see(
        composite,
        {"id": 1, "meta": {"rev": 1}},
        {"id": 1, "meta": {"rev": 2}},
        {"id": 2, "meta": {"rev": 1}},
        {"id": 1, "meta": {"rev": 2}},
    )

    assert found[TWINS].findings[0].total == 1
    assert found[TWINS].findings[0].examples[0].text == "[1,2]"


def test_numbers_are_keys_by_their_value(judge):
    assert see(judge, b'{"id": 1}', b'{"id": 1.0}')[TWINS].findings[0].total == 1


def test_keys_beyond_the_limit_are_said_to_be_not_compared():
    judge = PrimaryKeyJudge(declared_stream(key=[["id"]]), limit=2)

    found = see(judge, {"id": 1}, {"id": 2}, {"id": 3})
    (note,) = found[TWINS].findings
    assert note.severity is Severity.NOTE


def test_a_key_in_an_example_is_redacted():
    judge = PrimaryKeyJudge(
        declared_stream(key=[["id"]]), show=lambda text, /: text.replace("s", "*")
    )

    found = see(judge, {"id": "secret"}, {"id": "secret"})
    assert found[TWINS].findings[0].examples[0].text == '"*ecret"'


@pytest.mark.parametrize(
    ("left", "right"),
    [((1,), (True,)), ((1,), ("1",)), ((-1,), (-2,)), ((None,), ("null",)), ((1, 2), (2, 1))],
    ids=str,
)
def test_different_keys_are_different(left, right):
    assert key_bytes(left) != key_bytes(right)


@pytest.mark.parametrize(
    ("left", "right"), [((1,), (1.0,)), ((None,), (MISSING,)), ((2**70,), (2**70,))], ids=str
)
def test_equal_keys_are_equal(left, right):
    assert key_bytes(left) == key_bytes(right)
