from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.expected_file import judge_expected_streams, load_expected_records
from hydrotest_acceptance.testing import configured_catalog
from hydrotest_core.errors import SettingsError, UsageError
from hydrotest_core.protocol import (
    StreamDescriptor,
)
from hydrotest_core.run.findings import Outcome
from hydrotest_core.untrusted import as_it_came

LINE = '{"stream": "%s", "data": {"id": %d}, "emitted_at": 1626172757000}\n'


@pytest.fixture
def load(tmp_path):
    def load(text):
        file = tmp_path / "expected_records.jsonl"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_expected_records(file)

    return load


def test_records_are_read_by_stream_with_their_lines(load):
    expected = load(LINE % ("a", 1) + "\n" + LINE % ("b", 2) + LINE % ("a", 3))

    assert [(one.line, one.data) for one in expected.of(StreamDescriptor("a"))] == [
        (1, {"id": 1}),
        (4, {"id": 3}),
    ]
    assert expected.of(StreamDescriptor("b"))[0].artifact == "expected_records.jsonl"
    assert expected.of(StreamDescriptor("c")) == []


def test_a_stream_with_a_namespace_is_found_by_its_name_alone(load):
    assert len(load(LINE % ("a", 1)).of(StreamDescriptor("a", "public"))) == 1


def test_records_with_a_namespace_are_of_that_stream_only(load):
    expected = load('{"stream": "a", "namespace": "x", "data": {}, "emitted_at": 1}')

    assert len(expected.of(StreamDescriptor("a", "x"))) == 1
    assert expected.of(StreamDescriptor("a", "y")) == []
    assert expected.of(StreamDescriptor("a")) == []


def test_a_file_may_end_without_a_line_feed_and_have_windows_line_ends(load):
    assert len(load((LINE % ("a", 1) * 2).replace("\n", "\r\n").strip()).by_stream) == 1


def test_all_lines_that_are_no_records_are_told_at_once(load):
    with pytest.raises(SettingsError) as raised:
        load(
            LINE % ("a", 1)
            + 'nonsense\n{"stream": "a", "data": {}}\n{"stream": "a", "emitted_at": 1}\n'
            + '{"data": {}, "emitted_at": 1}\n{"stream": "a", "data": [], "emitted_at": 1}\n'
        )

    mistakes = raised.value.facts["mistakes"]
    assert [str(one).split(".jsonl:")[1].split(":")[0] for one in mistakes] == list("23456")


def test_bytes_that_are_no_text_are_a_mistake(load):
    with pytest.raises(SettingsError):
        load(b'{"stream": "\xff", "data": {}, "emitted_at": 1}')


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"correct expect_records\.path"):
        load_expected_records(tmp_path / "nowhere.jsonl")


def test_a_file_about_what_is_read_passes(load):
    judgement = judge_expected_streams(load(LINE % ("a", 1)), configured_catalog("a", "b"))

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 1)


def test_a_second_stream_that_is_not_read_fails(load):
    expected = load(LINE % ("a", 1) + LINE % ("b", 1) + LINE % ("b", 2))

    (finding,) = judge_expected_streams(expected, configured_catalog("a")).findings
    assert (finding.where.stream, finding.examples[0].place) == ("b", "expected_records.jsonl:2")


def test_a_stream_that_may_be_empty_and_is_expected_says_so(load):
    judgement = judge_expected_streams(
        load(LINE % ("b", 1)), configured_catalog("a"), empty_streams=["b"]
    )

    assert "empty_streams names it" in as_it_came(judgement.findings[0].hint)


@pytest.mark.parametrize(("namespace", "found"), [("x", 0), ("y", 1), (None, 1)])
def test_a_namespace_of_the_file_is_meant(load, namespace, found):
    expected = load('{"stream": "a", "namespace": "x", "data": {}, "emitted_at": 1}')

    judgement = judge_expected_streams(expected, configured_catalog("a", namespace=namespace))
    assert len(judgement.findings) == found


def test_high_strictness_asks_for_every_stream_but_the_empty_ones(load):
    expected = load(LINE % ("a", 1))

    judgement = judge_expected_streams(
        expected, configured_catalog("a", "b", "c"), empty_streams=["b"], must_cover=True
    )
    (finding,) = judgement.findings
    assert finding.where.stream == "c"
    assert finding.waive == 'empty_streams:\n  - name: "c"\n    bypass_reason: …'


def test_an_empty_file_is_inconclusive(load):
    assert judge_expected_streams(load(""), configured_catalog("a")).outcome is Outcome.INCONCLUSIVE
