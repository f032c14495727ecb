from __future__ import annotations

import json

import pytest

from hydrotest_acceptance.rules.states import judge_states
from hydrotest_acceptance.testing import configured_catalog
from hydrotest_core.protocol import (
    StreamDescriptor,
    parse_line,
)
from hydrotest_core.run.findings import Outcome, Severity

STATES, COUNTS = "HT-READ-041", "HT-READ-042"


def lines(*messages):
    return [parse_line(json.dumps(one).encode(), n) for n, one in enumerate(messages, 1)]


def stats(records):
    return {} if records is None else {"sourceStats": {"recordCount": records}}


def stream_state(name, records=1.0, namespace=None):
    descriptor = {"name": name, "namespace": namespace}
    stream = {"stream_descriptor": descriptor, "stream_state": {"cursor": 1}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": stream, **stats(records)}}


def global_state(records=1.0):
    body = {"stream_states": [], "shared_state": {"lsn": 1}}
    return {"type": "STATE", "state": {"type": "GLOBAL", "global": body, **stats(records)}}


LEGACY = {"type": "STATE", "state": {"type": "LEGACY", "data": {}}}
TYPELESS = {"type": "STATE", "state": {"data": {}}}


def judged(messages, **counts):
    known = {StreamDescriptor(name): number for name, number in counts.items()}
    found = judge_states(lines(*messages), configured_catalog(*counts), known)
    return {judgement.rule.code: judgement for judgement in found}


def test_a_state_for_each_stream_with_right_counts_passes():
    found = judged([stream_state("a", 2.0), stream_state("b", 3.0), stream_state("a", 1)], a=3, b=3)

    assert {one.outcome for one in found.values()} == {Outcome.PASSED}
    assert {one.checked for one in found.values()} == {2}


def test_a_second_stream_without_state_fails():
    found = judged([stream_state("a"), stream_state("a", 0)], a=1, b=0)

    (finding,) = found[STATES].findings
    assert found[STATES].outcome is Outcome.FAILED
    assert (finding.where.stream, finding.got) == ("b", "none")


def test_no_states_at_all_fail_for_every_stream():
    found = judged([], a=1, b=1)

    assert [one.where.stream for one in found[STATES].findings] == ["a", "b"]
    assert found[COUNTS].outcome is Outcome.INCONCLUSIVE


def test_an_empty_catalog_is_inconclusive():
    found = judged([])

    assert {one.outcome for one in found.values()} == {Outcome.INCONCLUSIVE}


def test_a_global_state_covers_every_stream():
    found = judged([global_state(2.0), global_state(3.0)], a=4, b=1)

    assert {one.outcome for one in found.values()} == {Outcome.PASSED}
    assert (found[STATES].checked, found[COUNTS].checked) == (2, 1)


def test_global_states_are_counted_together():
    found = judged([global_state(2.0)], a=4, b=1)

    (finding,) = found[COUNTS].findings
    assert finding.expected.startswith("5 records")
    assert finding.got.startswith("2 records")


@pytest.mark.parametrize(
    ("message", "got"),
    [(LEGACY, "type LEGACY"), (TYPELESS, "no type, which means LEGACY")],
    ids=["LEGACY", "no type"],
)
def test_a_legacy_state_fails_and_nothing_else_is_said(message, got):
    found = judged([message, message], a=1, b=1)

    (finding,) = found[STATES].findings
    assert (finding.got, finding.total) == (got, 2)
    assert [example.place for example in finding.examples] == [
        "messages/states.jsonl:1",
        "messages/states.jsonl:2",
    ]
    assert found[COUNTS].outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "state",
    [
        stream_state("a", None),
        {"type": "STATE", "state": {**stream_state("a")["state"], "sourceStats": {}}},
    ],
    ids=["no stats", "empty stats"],
)
def test_a_second_state_without_count_fails_and_its_stream_is_not_counted(state):
    found = judged([stream_state("a"), state, state], a=1)

    (finding,) = found[STATES].findings
    assert (finding.where.stream, finding.where.path) == ("a", "sourceStats.recordCount")
    assert (finding.total, finding.examples[0].line) == (2, 2)
    assert found[COUNTS].outcome is Outcome.INCONCLUSIVE


def test_counts_of_a_second_stream_that_do_not_add_up_fail():
    found = judged([stream_state("a", 2.0), stream_state("b", 1e6)], a=2, b=1_000_001)

    (finding,) = found[COUNTS].findings
    assert found[COUNTS].outcome is Outcome.FAILED
    assert finding.where.stream == "b"
    assert finding.expected.startswith("1000001 records")
    assert finding.got.startswith("1000000 records")


def test_a_stream_without_records_is_counted_too():
    found = judged([stream_state("a", 3.0)], a=0)

    assert found[COUNTS].outcome is Outcome.FAILED


def test_a_state_of_a_stream_nobody_asked_for_is_a_warning():
    found = judged([stream_state("a"), stream_state("a", namespace="x")], a=1)

    (finding,) = found[STATES].findings
    assert (finding.severity, finding.where.namespace) == (Severity.WARNING, "x")
    assert found[STATES].outcome is Outcome.PASSED


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL"])
def test_a_state_without_what_its_type_promises_fails(kind):
    found = judged([{"type": "STATE", "state": {"type": kind, **stats(1)}}], a=1)

    assert found[STATES].outcome is Outcome.FAILED


def test_lines_that_are_no_states_are_passed_over():
    found = judged([{"type": "bogus"}, {"type": "LOG"}, stream_state("a")], a=1)

    assert found[STATES].outcome is Outcome.PASSED
