from __future__ import annotations

from dataclasses import dataclass

from hydrotest_acceptance.rules.expected_file import ExpectedRecord
from hydrotest_acceptance.rules.expected_pairs import Actual, Differences
from hydrotest_core.protocol import AirbyteStream, SyncMode

STREAM = AirbyteStream(name="users", json_schema={}, supported_sync_modes=[SyncMode.FULL_REFRESH])


@dataclass
class At:
    line: int
    artifact: str = "records/000.jsonl"


def noted(*pairs, show=str, **options):
    """Return what comes of pairs of an expected record and one that came."""
    found = Differences(STREAM, show)
    for line, (left, right) in enumerate(pairs, 1):
        wanted = ExpectedRecord(left, line, "expected.jsonl")
        found.note(wanted, left, Actual(right, At(line)), **options)
    return found, found.breaches().findings()


def test_equal_pairs_leave_nothing():
    found, findings = noted(({"a": 1}, {"a": 1}), ({"b": []}, {"b": []}))

    assert (found.records, findings) == (0, ())


def test_a_difference_of_the_second_pair_is_shown_with_both_values():
    found, (finding,) = noted(({"a": 1}, {"a": 1}), ({"a": {"b": 1}}, {"a": {"b": None}}))

    assert found.records == 1
    assert (finding.where.path, finding.got) == ("a.b", "another value")
    assert finding.examples[0].text == "expected 1, got null (expected.jsonl:2)"


def test_a_record_that_differs_at_several_places_is_one_record():
    found, findings = noted(({"a": 1, "b": 1}, {"a": 2, "c": 1}))

    assert found.records == 1
    assert [finding.where.path for finding in findings] == ["a", "b", "c"]
    assert findings[1].examples[0].text == "expected 1, got nothing (expected.jsonl:1)"


def test_a_record_that_differs_everywhere_is_not_shown_whole():
    left, right = {f"f{n}": 1 for n in range(100)}, {f"f{n}": 2 for n in range(100)}

    _, findings = noted((left, right))
    assert len(findings) == 20


def test_extra_fields_may_be_allowed():
    assert noted(({"a": 1}, {"a": 1, "b": 1}), extra_fields=True)[1] == ()


def test_what_waives_a_field_is_named_by_stream_and_path():
    _, (finding,) = noted(({"a": [{"b": 1}]}, {"a": [{"b": 2}]}))

    assert finding.waive == (
        'ignored_fields:\n  "users":\n    - name: "a/*/b"\n      bypass_reason: …'
    )


def test_values_are_redacted_and_shortened():
    _, (finding,) = noted(
        ({"a": "s3cret"}, {"a": "s3cret" + "x" * 1000}),
        show=lambda text: text.replace("s3cret", "***"),
    )

    assert "s3cret" not in finding.examples[0].text
    assert len(finding.examples[0].text) < 200
