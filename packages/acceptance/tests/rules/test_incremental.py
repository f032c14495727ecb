from __future__ import annotations

import pytest

from hydrotest_acceptance.rules import incremental as rules
from hydrotest_core.run.findings import Outcome


def record(stream, at, namespace=None, **data):
    body = {"stream": stream, "data": {"at": at, **data}, "emitted_at": 1}
    return {"type": "RECORD", "record": body | ({"namespace": namespace} if namespace else {})}


def state(stream, blob, namespace=None):
    descriptor = {"name": stream} | ({"namespace": namespace} if namespace else {})
    inner = {"stream_descriptor": descriptor, "stream_state": blob}
    stats = {"recordCount": 1.0}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": inner, "sourceStats": stats}}


def global_state(**blobs):
    streams = [{"stream_descriptor": {"name": n}, "stream_state": b} for n, b in blobs.items()]
    whole = {"shared_state": {}, "stream_states": streams}
    return {"type": "STATE", "state": {"type": "GLOBAL", "global": whole}}


def legacy_state(**data):
    return {"type": "STATE", "state": {"data": data}}


READ = [
    record("a", 1), record("a", 2), state("a", {"at": 2}),
    record("b", 1), state("b", {"at": 1}),
    record("a", 3), state("a", {"at": 3}),
]  # fmt: skip


def test_the_final_state_is_the_last_of_each_stream(evidence_of):
    final = rules.final_state(evidence_of(*READ))

    assert [one["stream"]["stream_state"] for one in final] == [{"at": 3}, {"at": 1}]
    assert all(set(one) == {"type", "stream"} for one in final)


def test_a_global_state_is_handed_on_as_it_came(evidence_of):
    final = rules.final_state(evidence_of(global_state(a={"at": 1}), global_state(a={"at": 2})))

    assert [one["type"] for one in final] == ["GLOBAL"]
    assert final[0]["global"]["stream_states"][0]["stream_state"] == {"at": 2}


def test_a_legacy_state_is_handed_on_as_legacy(evidence_of):
    assert rules.final_state(evidence_of(legacy_state(a=1))) == [
        {"type": "LEGACY", "data": {"a": 1}}
    ]


def test_streams_of_one_name_in_two_namespaces_keep_their_own_state(evidence_of):
    final = rules.final_state(evidence_of(state("a", {"at": 1}), state("a", {"at": 2}, "shop")))

    assert len(final) == 2


def test_checkpoints_know_what_came_after_them(evidence_of):
    points = rules.checkpoints(evidence_of(*READ))

    assert [(point.line, point.stream, point.after) for point in points] == [
        (3, (None, "a"), {(None, "a"): 1, (None, "b"): 1}),
        (5, (None, "b"), {(None, "a"): 1, (None, "b"): 0}),
        (7, (None, "a"), {(None, "a"): 0, (None, "b"): 0}),
    ]
    assert [len(point.state) for point in points] == [1, 2, 2]


def test_the_sample_leaves_out_the_last_state_and_takes_each_stream(evidence_of):
    points = rules.checkpoints(evidence_of(*READ))

    assert [point.line for point in rules.sample(points, 4)] == [3, 5]


def test_a_lone_state_is_sampled_all_the_same(evidence_of):
    points = rules.checkpoints(evidence_of(record("a", 1), state("a", {"at": 1})))

    assert [point.line for point in rules.sample(points, 4)] == [2]


def test_the_sample_is_bounded(evidence_of):
    many = [message for n in range(40) for message in (record("a", n), state("a", {"at": n}))]

    assert len(rules.sample(rules.checkpoints(evidence_of(*many)), 4)) == 4


def test_nothing_to_sample_gives_nothing(evidence_of):
    assert rules.sample(rules.checkpoints(evidence_of()), 4) == []


@pytest.mark.parametrize(
    ("messages", "missing"),
    [(READ, 0), ([record("a", 1)], 1), ([state("a", {})], 1), ([], 2)],
    ids=["both", "no state", "no record", "nothing"],
)
def test_a_first_read_has_records_and_states(evidence_of, messages, missing):
    assert len(rules.has_records_and_states(evidence_of(*messages)).findings) == missing


STATE = [state("a", {"at": 5})["state"], state("b", {"at": "2024-01-05"})["state"]]


def test_records_from_the_state_on_pass(evidence_of, configured_of):
    read = evidence_of(record("a", 5), record("a", 6), record("b", "2024-01-05T00:00:00Z"))

    judgement = rules.records_follow_state(read, configured_of("a", "b"), STATE)

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 3)


def test_each_stream_with_records_from_before_the_state_is_found(evidence_of, configured_of):
    read = evidence_of(record("a", 6), record("a", 4), record("a", 3), record("b", "2024-01-04"))

    judgement = rules.records_follow_state(read, configured_of("a", "b"), STATE)

    assert [(f.where.stream, f.total, f.examples[0].line) for f in judgement.findings] == [
        ("a", 2, 2),
        ("b", 1, 1),
    ]


def test_no_records_after_the_state_are_an_answer(evidence_of, configured_of):
    judgement = rules.records_follow_state(evidence_of(), configured_of("a", "b"), STATE)

    assert judgement.outcome is Outcome.PASSED


def test_a_state_without_its_cursor_can_not_be_judged(evidence_of, configured_of):
    blind = [state("a", {"page": 3})["state"]]

    judgement = rules.records_follow_state(evidence_of(record("a", 1)), configured_of("a"), blind)

    assert judgement.outcome is Outcome.SKIPPED


def test_records_are_held_against_a_global_state(evidence_of, configured_of):
    whole = [global_state(a={"at": 5})["state"]]

    judgement = rules.records_follow_state(evidence_of(record("a", 1)), configured_of("a"), whole)

    assert judgement.outcome is Outcome.FAILED


def test_the_rest_after_a_checkpoint_is_read(evidence_of):
    point = rules.checkpoints(evidence_of(*READ))[0]

    assert rules.rest_is_read(evidence_of(record("a", 3), record("b", 1)), point).findings == ()
    lost = rules.rest_is_read(evidence_of(), point)
    assert [finding.where.stream for finding in lost.findings] == ["a", "b"]


def test_a_future_state_gives_no_records(evidence_of):
    streams = rules.streams_of(STATE)

    assert rules.nothing_after_future_state(evidence_of(), streams).outcome is Outcome.PASSED
    read = evidence_of(record("a", 1), record("b", 1))
    judgement = rules.nothing_after_future_state(read, streams)
    assert [finding.where.stream for finding in judgement.findings] == ["a", "b"]
    assert rules.nothing_after_future_state(read, []).outcome is Outcome.INCONCLUSIVE


def test_a_cursor_that_goes_back_is_found_each_time(evidence_of, configured_of):
    ats = [3, 2, 4, 1]
    points = rules.checkpoints(evidence_of(*[state("a", {"at": at}) for at in ats]))

    judgement = rules.cursors_never_go_back(points, configured_of("a"))

    assert [finding.got for finding in judgement.findings] == ["2", "1"]


def test_a_cursor_that_stays_or_grows_passes(evidence_of, configured_of):
    points = rules.checkpoints(evidence_of(*[state("a", {"at": at}) for at in (1, 1, 2)]))

    judgement = rules.cursors_never_go_back(points, configured_of("a"))

    assert (judgement.outcome, judgement.checked) == (Outcome.PASSED, 2)
