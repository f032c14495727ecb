from __future__ import annotations

from dataclasses import dataclass

import pytest

from hydrotest_acceptance.rules.breaches import Breaches, combine, dotted, kind_of, quoted, shown
from hydrotest_core.protocol import StreamDescriptor
from hydrotest_core.run.findings import Judgement, Outcome, Rule, Severity

RULE = Rule(code="HT-T-001", title="a title", why="a reason", source="house rule")
OTHER = Rule(code="HT-T-002", title="a title", why="a reason", source="house rule")


@dataclass
class At:
    line: int
    artifact: str = "records/000.jsonl"


def hidden(text, /):
    return text.replace("s3cret", "******")


def test_many_instances_at_one_place_are_one_finding_with_three_examples():
    breaches = Breaches(RULE, StreamDescriptor("users", "public"))
    for line in range(1, 1001):
        breaches.add("address.zip", expected="string", got="integer", place=At(line), value=line)

    (finding,) = breaches.findings(checked=2000)
    assert (finding.total, finding.checked, finding.got) == (1000, 2000, "integer")
    assert [example.place for example in finding.examples] == [
        "records/000.jsonl:1",
        "records/000.jsonl:2",
        "records/000.jsonl:3",
    ]
    assert [example.text for example in finding.examples] == ["1", "2", "3"]
    assert finding.where.name == "public.users address.zip"


def test_another_path_or_another_expectation_is_another_finding():
    breaches = Breaches(RULE)
    breaches.add("a", expected="string", got="null")
    breaches.add("b", expected="string", got="null")
    breaches.add("a", expected="format date", got="another string")

    assert [finding.where.path for finding in breaches.findings()] == ["a", "b", "a"]


def test_kinds_of_what_was_got_are_counted():
    breaches = Breaches(RULE)
    for got in ("integer", "null", "integer"):
        breaches.add(expected="string", got=got)

    assert breaches.findings()[0].got == "integer (2), null (1)"


def test_more_kinds_than_can_be_read_are_left_out():
    breaches = Breaches(RULE)
    for n in range(300):
        breaches.add(expected="string", got=f"kind {n}")

    assert breaches.findings()[0].got == (
        "other (100), kind 0 (1), kind 1 (1), kind 2 (1), kind 3 (1) and 196 more"
    )


def test_a_place_that_breaks_twice_in_one_record_counts_once():
    breaches = Breaches(RULE)
    place = At(1)
    breaches.add("tags[]", expected="string", got="integer", place=place)
    breaches.add("tags[]", expected="string", got="integer", place=place)
    breaches.add("tags[]", expected="string", got="integer", place=At(2))

    assert breaches.findings()[0].total == 2


def test_places_beyond_the_limit_are_counted_together():
    breaches = Breaches(RULE, max_places=2)
    for n in range(5):
        breaches.add(f"field{n}", expected="string", got="null")

    findings = breaches.findings(checked=5)
    assert [finding.total for finding in findings] == [1, 1, 3]
    assert findings[-1].severity is Severity.ERROR


def test_warnings_beyond_the_limit_stay_warnings():
    breaches = Breaches(RULE, max_places=1)
    for n in range(3):
        breaches.add(f"field{n}", expected="string", got="null", severity=Severity.WARNING)

    assert {finding.severity for finding in breaches.findings()} == {Severity.WARNING}


def test_an_example_is_redacted_before_it_is_cut():
    value = "x" * 150 + "s3cret" + "y" * 50

    text = shown(value, hidden)
    assert "s3c" not in text
    assert text.endswith("…")
    assert len(text) == 160


def test_examples_go_through_the_redactor():
    breaches = Breaches(RULE, show=hidden)
    breaches.add(expected="a", got="b", place=At(1), value={"key": "s3cret"})

    assert breaches.findings()[0].examples[0].text == '{"key":"******"}'


def test_a_path_goes_through_the_redactor():
    breaches = Breaches(RULE, show=hidden)
    breaches.add("tokens.s3cret", expected="a", got="b")

    assert breaches.findings()[0].where.path == "tokens.******"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (["address", "zip"], "address.zip"),
        (["tags", 0, "name"], "tags[].name"),
        ([0, 1], "[][]"),
        ([], ""),
        (["a.b", "c"], '["a.b"].c'),
    ],
    ids=str,
)
def test_a_path_is_written_for_reading(path, text):
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"),
        (1, "integer"),
        (1.0, "number"),
        ("", "string"),
        (None, "null"),
        ([], "array"),
        ({}, "object"),
    ],
    ids=str,
)
def test_a_value_has_a_kind(value, kind):
    assert kind_of(value) == kind


def test_text_is_quoted_so_that_yaml_can_read_it():
    assert quoted('a "b": c') == '"a \\"b\\": c"'


def test_judgements_of_streams_become_one_a_rule():
    failed = Breaches(RULE, StreamDescriptor("b"))
    failed.add(expected="a", got="b")

    one, two = combine(
        [
            Judgement(rule=RULE, checked=3),
            Judgement(rule=OTHER, skipped="no key"),
            failed.judgement(checked=2),
            Judgement(rule=OTHER, skipped="no key"),
        ]
    )
    assert (one.checked, one.outcome, len(one.findings)) == (5, Outcome.FAILED, 1)
    assert (two.skipped, two.outcome) == ("no key", Outcome.SKIPPED)


def test_a_rule_applied_to_one_stream_is_not_skipped():
    (one,) = combine([Judgement(rule=RULE, skipped="no key"), Judgement(rule=RULE, checked=1)])

    assert one.outcome is Outcome.PASSED


def test_nothing_combined_is_nothing():
    assert combine([]) == []
