from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_acceptance.rules.canonical import canonical
from hydrotest_acceptance.rules.expected import ExpectedRecordsJudge, expected_judge
from hydrotest_acceptance.rules.expected_file import ExpectedRecord
from hydrotest_acceptance.rules.expected_in_order import ExpectedInOrderJudge
from hydrotest_acceptance.testing import declared_stream, see
from hydrotest_core.run.findings import Outcome

PRESENT, OTHERS, ORDER = "HT-READ-030", "HT-READ-031", "HT-READ-032"
A, B, C = {"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}


def judged(expected, actual, *, key=(("id",),), **flags):
    """Return the judgements of records against what is expected, by code."""
    written = [ExpectedRecord(data, n, "expected.jsonl") for n, data in enumerate(expected, 1)]
    stream = declared_stream(key=[list(path) for path in key] if key else None)
    return see(expected_judge(stream, written, **flags), *actual)


def outcomes(found):
    return {code: judgement.outcome for code, judgement in found.items()}


with_and_without_key = pytest.mark.parametrize("key", [(("id",),), None], ids=["key", "no key"])


@with_and_without_key
@pytest.mark.parametrize(
    ("flags", "actual", "codes"),
    [
        # Extra records allowed, in any order: the default.
        ({}, [A, B], []),
        ({}, [B, C, A], []),
        ({}, [A], [PRESENT]),
        ({}, [], [PRESENT]),
        ({}, [A, {**B, "v": "x"}], [PRESENT]),
        ({}, [A, {**B, "more": 1}], [PRESENT]),
        # Only the expected ones, in any order.
        ({"extra_records": False}, [B, A], []),
        ({"extra_records": False}, [A, B, C], [OTHERS]),
        ({"extra_records": False}, [A, B, B], [OTHERS]),
        ({"extra_records": False}, [A], [PRESENT]),
        # In order, with others in between.
        ({"exact_order": True}, [A, B], []),
        ({"exact_order": True}, [C, A, C, B, C], []),
        ({"exact_order": True}, [B, A, B], []),
        ({"exact_order": True}, [B, A], [ORDER]),
        ({"exact_order": True}, [A, C], [PRESENT]),
        # In order, and only they.
        ({"exact_order": True, "extra_records": False}, [A, B], []),
        ({"exact_order": True, "extra_records": False}, [B, A], [ORDER]),
        ({"exact_order": True, "extra_records": False}, [A, B, C], [OTHERS]),
        ({"exact_order": True, "extra_records": False}, [C, A, B], [OTHERS]),
        # In order, only they, with fields of their own.
        ({"extra_fields": True}, [{**A, "x": 1}, {**B, "y": 2}], []),
        ({"extra_fields": True}, [A, {"id": 2}], [PRESENT]),
        ({"extra_fields": True}, [B, A], [PRESENT]),
        ({"extra_fields": True}, [A], [PRESENT]),
        ({"extra_fields": True}, [A, B, C], [OTHERS]),
    ],
    ids=str,
)  # fmt: skip
def test_each_combination_of_flags_finds_what_it_asks_for(key, flags, actual, codes):
    found = judged([A, B], actual, key=key, **flags)

    assert [code for code, outcome in outcomes(found).items() if outcome is Outcome.FAILED] == codes


@with_and_without_key
@pytest.mark.parametrize("flags", [{}, {"extra_fields": True}, {"extra_records": False}], ids=str)
def test_nothing_expected_and_nothing_that_came_is_inconclusive(key, flags):
    found = judged([], [], key=key, **flags)

    assert Outcome.PASSED not in outcomes(found).values()
    assert Outcome.FAILED not in outcomes(found).values()


def test_flags_that_are_off_are_skipped_with_a_reason():
    found = judged([A], [A])

    assert (found[OTHERS].skipped, found[ORDER].skipped) == (
        "expect_records.extra_records is true",
        "expect_records.exact_order is false",
    )


def test_the_order_is_not_judged_while_records_are_missing():
    found = judged([A, B, C], [C, A], exact_order=True)

    assert found[PRESENT].outcome is Outcome.FAILED
    assert found[ORDER].outcome is Outcome.SKIPPED


def test_missing_records_are_counted_and_three_of_them_shown():
    expected = [{"id": n} for n in range(10)]

    found = judged(expected, expected[:2])[PRESENT]
    (finding,) = found.findings
    assert (finding.total, finding.checked, found.checked) == (8, 10, 10)
    assert [example.place for example in finding.examples] == [
        "expected.jsonl:3",
        "expected.jsonl:4",
        "expected.jsonl:5",
    ]


def test_a_record_with_another_value_is_shown_beside_the_expected_one_by_its_key():
    actual = [{"id": 9, "v": "b"}, {**B, "v": "x", "more": 1}, A]

    (value, more) = judged([A, B], actual)[PRESENT].findings
    assert (value.where.path, value.got, value.total) == ("v", "another value", 1)
    assert value.examples[0].place == "records/000.jsonl:2"
    assert value.examples[0].text == 'expected "b", got "x" (expected.jsonl:2)'
    assert (more.where.path, more.examples[0].text) == (
        "more",
        "expected nothing, got 1 (expected.jsonl:2)",
    )
    assert value.waive == 'ignored_fields:\n  "users":\n    - name: "v"\n      bypass_reason: …'


def test_a_field_that_differs_in_many_records_is_one_finding():
    expected = [{"id": n, "v": n} for n in range(50)]
    actual = [{"id": n, "v": str(n)} for n in range(50)]

    (finding,) = judged(expected, actual)[PRESENT].findings
    assert (finding.where.path, finding.total, len(finding.examples)) == ("v", 50, 3)


def test_a_changed_record_is_not_another_record():
    found = judged([A, B], [A, {**B, "v": "x"}], extra_records=False)

    assert found[PRESENT].outcome is Outcome.FAILED
    assert found[OTHERS].outcome is Outcome.PASSED


def test_without_a_key_the_nearest_record_is_named_with_where_it_differs():
    actual = [{"id": 8, "v": "q"}, {**B, "v": "x"}, {"other": 1}]

    (finding,) = judged([B], actual, key=None)[PRESENT].findings
    assert finding.examples[0].text == (
        '{"id":2,"v":"b"} — nearest: records/000.jsonl:2, differs in v'
    )


def test_other_records_are_counted_and_shown():
    actual = [A, *({"id": n} for n in range(10, 20))]

    (finding,) = judged([A], actual, extra_records=False)[OTHERS].findings
    assert (finding.total, finding.checked) == (10, 11)
    assert [example.line for example in finding.examples] == [2, 3, 4]


def test_a_record_expected_twice_comes_twice():
    assert judged([A, A], [A, B, A])[PRESENT].outcome is Outcome.PASSED
    (finding,) = judged([A, A], [A])[PRESENT].findings
    assert (finding.total, finding.examples[0].line) == (1, 2)


def test_two_expected_records_of_one_key_are_told_apart():
    found = judged([A, {**A, "v": "z"}], [{**A, "v": "z"}, A])

    assert found[PRESENT].outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("left", "right", "outcome"),
    [
        ({"a": 1}, {"a": 1.0}, Outcome.PASSED),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, Outcome.PASSED),
        ({"a": 1}, {"a": True}, Outcome.FAILED),
        ({"a": -1}, {"a": -2}, Outcome.FAILED),
        ({"a": [1, 2]}, {"a": [2, 1]}, Outcome.FAILED),
        ({"a": None}, {}, Outcome.FAILED),
    ],
    ids=str,
)
@pytest.mark.parametrize("flags", [{}, {"extra_fields": True}], ids=str)
def test_records_are_compared_as_json(flags, left, right, outcome):
    assert judged([left], [right], key=None, **flags)[PRESENT].outcome is outcome


@pytest.mark.parametrize("flags", [{}, {"extra_fields": True}, {"exact_order": True}], ids=str)
def test_ignored_fields_are_not_compared(flags):
    expected = [{"id": 1, "at": 1, "items": [{"price": 1, "n": 1}]}]
    actual = [{"id": 1, "at": 2, "items": [{"price": 2, "n": 1}]}]

    ignored = judged(expected, actual, ignored_fields=["at", "items/*/price"], **flags)
    assert ignored[PRESENT].outcome is Outcome.PASSED
    assert judged(expected, actual, **flags)[PRESENT].outcome is Outcome.FAILED


def test_values_are_redacted_wherever_they_are_shown():
    def show(text, /):
        return text.replace("s3cret", "***")

    secret = {"id": 1, "v": "s3cret"}
    for flags, actual in (
        ({}, [{"id": 1, "v": "s3cret2"}]),
        ({}, [{"id": 2, "v": "s3cret2"}]),
        ({"extra_records": False}, [secret, {"id": 3, "v": "s3cret"}]),
        ({"extra_fields": True}, [{"id": 1, "v": "s3cret2"}, secret]),
        ({"exact_order": True}, [secret]),
    ):
        found = judged([secret], actual, show=show, **flags)
        texts = [
            example.text
            for judgement in found.values()
            for finding in judgement.findings
            for example in finding.examples
        ]
        assert not any("s3cret" in text for text in texts)


def test_the_flags_choose_the_judge():
    assert isinstance(
        expected_judge(declared_stream(), [], extra_fields=True), ExpectedInOrderJudge
    )
    assert isinstance(expected_judge(declared_stream(), []), ExpectedRecordsJudge)


# The plain reading of the flags, for short lists: what the judge does in one pass.


def holds(expected, actual, *, exact_order, extra_records):
    wanted, came = [canonical(one) for one in expected], [canonical(one) for one in actual]
    if Counter(wanted) - Counter(came):
        return False
    if not extra_records and Counter(came) - Counter(wanted):
        return False
    if exact_order:
        choices = itertools.combinations(came, len(wanted))
        return any(list(choice) == wanted for choice in choices)
    return True


RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, 2)}, optional={"v": st.sampled_from([1, 1.0, 2])}),
    max_size=5,
)


@given(RECORDS, RECORDS, st.booleans(), st.booleans(), st.sampled_from([(("id",),), None]))
@settings(max_examples=300, deadline=None)
def test_the_verdict_is_that_of_the_plain_reading(expected, actual, exact_order, extra, key):
    flags = {"exact_order": exact_order, "extra_records": extra}

    found = judged(expected, actual, key=key, **flags)
    has_failed = Outcome.FAILED in outcomes(found).values()
    assert has_failed != holds(expected, actual, **flags)
