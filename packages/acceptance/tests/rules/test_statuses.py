from __future__ import annotations

import json

import pytest

from hydrotest_acceptance.rules.statuses import judge_stream_statuses
from hydrotest_acceptance.testing import configured_catalog
from hydrotest_core.protocol import (
    StreamDescriptor,
    parse_line,
)
from hydrotest_core.run.findings import Outcome


def lines(*messages):
    return [parse_line(json.dumps(one).encode(), n) for n, one in enumerate(messages, 1)]


def status(stream, text, namespace=None):
    descriptor = {"name": stream, "namespace": namespace}
    return {
        "type": "TRACE",
        "trace": {
            "type": "STREAM_STATUS",
            "emitted_at": 1.0,
            "stream_status": {"stream_descriptor": descriptor, "status": text},
        },
    }


def life(stream, text):
    return [status(stream, word) for word in text.split()]


def judged(messages, *names, counts=None):
    known = {StreamDescriptor(name): number for name, number in (counts or {"a": 1}).items()}
    return judge_stream_statuses(lines(*messages), configured_catalog(*names), known)


@pytest.mark.parametrize(
    "text", ["STARTED RUNNING COMPLETE", "STARTED RUNNING RUNNING RUNNING COMPLETE"]
)
def test_a_life_in_order_passes(text):
    judgement = judged(life("a", text), "a")

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 1)


def test_a_stream_without_records_need_not_run():
    assert judged(life("a", "STARTED COMPLETE"), "a", counts={"b": 1}).outcome is Outcome.PASSED


def test_streams_may_take_turns():
    messages = [
        status("a", "STARTED"),
        status("b", "STARTED"),
        status("a", "RUNNING"),
        status("b", "RUNNING"),
        status("b", "COMPLETE"),
        status("a", "COMPLETE"),
    ]

    assert judged(messages, "a", "b").outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("text", "got", "hint"),
    [
        ("", "no status at all", "at each stage"),
        ("STARTED", "STARTED", "COMPLETE when"),
        ("STARTED RUNNING", "STARTED, RUNNING", "COMPLETE when"),
        ("RUNNING COMPLETE", "RUNNING, COMPLETE", "STARTED before"),
        ("COMPLETE RUNNING STARTED", "COMPLETE, RUNNING, STARTED", "STARTED before"),
        ("STARTED RUNNING INCOMPLETE", "STARTED, RUNNING, INCOMPLETE", "cut short"),
        ("STARTED INCOMPLETE COMPLETE", "STARTED, INCOMPLETE, COMPLETE", "cut short"),
        (
            "STARTED COMPLETE STARTED RUNNING COMPLETE",
            "STARTED, COMPLETE, STARTED, RUNNING, COMPLETE",
            "once, in this order",
        ),
        ("STARTED STARTED RUNNING COMPLETE", "STARTED x2, RUNNING, COMPLETE", "said once"),
        ("STARTED RUNNING COMPLETE COMPLETE", "STARTED, RUNNING, COMPLETE x2", "said once"),
        ("STARTED COMPLETE", "STARTED, COMPLETE", "RUNNING with"),
    ],
)
def test_a_second_stream_out_of_order_fails_with_what_it_said(text, got, hint):
    messages = life("b", "STARTED RUNNING COMPLETE") + life("a", text)

    judgement = judged(messages, "b", "a", counts={"a": 1, "b": 1})
    (finding,) = judgement.findings
    assert judgement.outcome is Outcome.FAILED
    assert (finding.where.stream, finding.got) == ("a", got)
    assert hint in finding.hint
    assert finding.waive == "validate_stream_statuses: false"


def test_examples_are_the_last_lines_of_the_stream():
    messages = life("a", "STARTED RUNNING STARTED RUNNING INCOMPLETE")

    (finding,) = judged(messages, "a").findings
    assert [example.place for example in finding.examples] == [
        "messages/traces.jsonl:3",
        "messages/traces.jsonl:4",
        "messages/traces.jsonl:5",
    ]


def test_a_stream_that_nobody_asked_for_fails():
    messages = life("a", "STARTED RUNNING COMPLETE") + life("z", "STARTED")

    (finding,) = judged(messages, "a").findings
    assert finding.where.stream == "z"
    assert "isn't in the configured catalog" in finding.hint


def test_a_stream_of_another_namespace_is_another_stream():
    messages = [status("a", text, "x") for text in ("STARTED", "RUNNING", "COMPLETE")]

    assert len(judged(messages, "a").findings) == 2


def test_a_stream_that_never_comes_to_rest_is_cut():
    (finding,) = judged(life("a", "STARTED COMPLETE " * 1000), "a").findings

    assert finding.got.endswith("COMPLETE, …")
    assert len(finding.got) < 200


def test_other_traces_and_lines_that_are_none_are_passed_over():
    other = {
        "type": "TRACE",
        "trace": {"type": "ERROR", "emitted_at": 1, "error": {"message": "x"}},
    }
    messages = [other, {"type": "bogus"}, *life("a", "STARTED RUNNING COMPLETE")]

    assert judged(messages, "a").outcome is Outcome.PASSED


def test_an_empty_catalog_is_inconclusive():
    assert judged([]).outcome is Outcome.INCONCLUSIVE
