from __future__ import annotations

import pytest

from hydrotest_acceptance.rules.presence import (
    judge_declared_streams,
    judge_empty_streams,
    record_counts,
)
from hydrotest_acceptance.testing import configured_catalog
from hydrotest_core.connector.execution import StreamCount
from hydrotest_core.protocol import (
    StreamDescriptor,
)
from hydrotest_core.run.findings import Outcome, Severity
from hydrotest_core.untrusted import as_it_came


def count(stream, records, namespace=None):
    return StreamCount(
        stream=stream, namespace=namespace, records=records, path="records/000.jsonl"
    )


def test_counts_are_by_name_and_namespace():
    assert record_counts([count("a", 1), count("a", 2, "x")]) == {
        StreamDescriptor("a"): 1,
        StreamDescriptor("a", "x"): 2,
    }


def test_records_of_declared_streams_pass():
    judgement = judge_declared_streams([count("a", 3), count("b", 4)], configured_catalog("a", "b"))

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 7)


def test_records_of_a_second_stream_nobody_asked_for_fail():
    judgement = judge_declared_streams([count("a", 3), count("b", 4)], configured_catalog("a"))

    (finding,) = judgement.findings
    assert judgement.outcome is Outcome.FAILED
    assert (finding.where.stream, finding.total) == ("b", 4)


@pytest.mark.parametrize(("declared", "given"), [(None, "x"), ("x", None), ("x", "y")])
def test_another_namespace_is_another_stream_and_the_hint_says_so(declared, given):
    judgement = judge_declared_streams([count("a", 3, given)], configured_catalog(("a", declared)))

    (finding,) = judgement.findings
    assert "namespace" in as_it_came(finding.hint)


def test_no_records_at_all_leave_declared_streams_unjudged():
    assert judge_declared_streams([], configured_catalog("a")).outcome is Outcome.INCONCLUSIVE


def test_streams_with_records_pass():
    judgement = judge_empty_streams([count("a", 1), count("b", 1)], configured_catalog("a", "b"))

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 2)


def test_a_second_stream_without_records_fails_and_can_be_waived():
    judgement = judge_empty_streams([count("a", 1)], configured_catalog("a", 'b: "x"'))

    (finding,) = judgement.findings
    assert judgement.outcome is Outcome.FAILED
    assert finding.waive == 'empty_streams:\n  - name: "b: \\"x\\""\n    bypass_reason: …'


def test_records_in_another_namespace_are_not_this_streams():
    judgement = judge_empty_streams([count("a", 1, "x")], configured_catalog("a"))

    assert judgement.outcome is Outcome.FAILED


def test_a_stream_that_may_be_empty_is_not_judged():
    judgement = judge_empty_streams([], configured_catalog("a"), empty_streams=["a"])

    assert judgement.outcome is Outcome.INCONCLUSIVE


def test_a_stream_that_may_be_empty_and_is_not_is_a_warning():
    judgement = judge_empty_streams(
        [count("a", 2)], configured_catalog("a", "b"), empty_streams=["a", "b"]
    )

    (finding,) = judgement.findings
    assert (finding.severity, finding.got) == (Severity.WARNING, "2 records")


def test_an_empty_catalog_is_inconclusive():
    assert judge_empty_streams([], configured_catalog()).outcome is Outcome.INCONCLUSIVE
