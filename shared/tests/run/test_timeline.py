from __future__ import annotations

import pytest

from hydrotest_core.connector.execution import Command, Ending, StreamCount
from hydrotest_core.run.timeline import ended, is_clean, stream_bars, timeline


def test_executions_stand_where_they_happened(a_report, an_execution):
    ran = [an_execution(Command.CHECK, "c", 0, 5), an_execution(Command.READ, "r", 5, 10)]

    line = timeline(a_report(duration_s=20, executions=ran), limit=10)

    assert [(bar.start_pct, bar.width_pct, bar.end_pct) for bar in line.bars] == [
        (0, 25, 25),
        (25, 50, 75),
    ]


def test_the_axis_reaches_to_the_last_end(a_report, an_execution):
    ran = [an_execution(Command.READ, "r", 5, 35)]

    assert timeline(a_report(duration_s=20, executions=ran), limit=10).length_s == 40


def test_an_execution_of_an_earlier_run_says_how_old_it_is(a_report, an_execution):
    ran = [an_execution(Command.SPEC, "s", -90, 2, reused=True)]

    (bar,) = timeline(a_report(duration_s=20, executions=ran), limit=10).bars

    assert (bar.start_pct, bar.width_pct, bar.before) == (0, 10, "1 min 30 s")
    assert "from the cache, 1 min 30 s before this run" in bar.title


def test_an_execution_reused_within_the_run_has_no_age(a_report, an_execution):
    ran = [an_execution(Command.SPEC, "s", 1, 2, reused=True)]

    (bar,) = timeline(a_report(duration_s=20, executions=ran), limit=10).bars

    assert bar.before == ""
    assert bar.title.endswith("from the cache")


def test_a_clock_that_went_back_puts_nothing_before_the_axis(a_report, an_execution):
    ran = [an_execution(Command.SPEC, "s", -1, 2)]

    (bar,) = timeline(a_report(duration_s=20, executions=ran), limit=10).bars

    assert (bar.start_pct, bar.before) == (0, "")


@pytest.mark.parametrize("jump_s", [-3600, 3600])
@pytest.mark.parametrize("reused", [False, True])
def test_a_clock_that_jumped_by_an_hour_makes_no_run_an_hour_long(
    a_report, an_execution, jump_s, reused
):
    ran = [
        an_execution(Command.CHECK, "c", 0, 5),
        an_execution(Command.READ, "r", 5 + jump_s, 10, reused=reused),
    ]

    line = timeline(a_report(duration_s=20, executions=ran), limit=10)

    assert line.length_s == 20
    assert all(0 <= bar.start_pct <= bar.end_pct <= 100 for bar in line.bars)
    assert line.bars[1].width_pct == 50


def test_a_bar_stays_on_the_plot_and_visible(a_report, an_execution):
    ran = [an_execution(Command.SPEC, "s", 20, 0)]

    (bar,) = timeline(a_report(duration_s=20, executions=ran), limit=10).bars

    assert bar.width_pct > 0
    assert bar.end_pct <= 100


def test_only_so_many_bars_are_drawn(a_report, an_execution):
    ran = [an_execution(Command.READ, str(index), index, 1) for index in range(9)]

    assert len(timeline(a_report(executions=ran), limit=4).bars) == 4


@pytest.mark.parametrize(
    ("length_s", "labels"),
    [
        pytest.param(34.1, ["0 s", "10 s", "20 s", "30 s"], id="tens"),
        pytest.param(1.0, ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"], id="fractions"),
        pytest.param(5400, ["0 s", "2000 s", "4000 s"], id="hours"),
        pytest.param(0, ["0 s", "0.0002 s", "0.0004 s", "0.0006 s", "0.0008 s", "0.001 s"], id="no time"),
    ],
)  # fmt: skip
def test_ticks_are_round_numbers(a_report, length_s, labels):
    line = timeline(a_report(duration_s=length_s, executions=[]), limit=1)

    assert labels == [tick.label for tick in line.ticks]
    assert all(0 <= tick.at_pct <= 100.001 for tick in line.ticks)


@pytest.mark.parametrize(
    ("changes", "text", "clean"),
    [
        pytest.param({}, "exit 0", True, id="well"),
        pytest.param({"exit_code": 1}, "exit 1", False, id="with an exit code"),
        pytest.param({"ending": Ending.SIGNALLED, "exit_code": None, "signal": 11}, "signal 11", False, id="by a signal"),
        pytest.param({"ending": Ending.SIGNALLED, "exit_code": None}, "signalled", False, id="by an unknown signal"),
        pytest.param({"ending": Ending.TIMED_OUT, "exit_code": None, "signal": 9}, "timed out", False, id="by us"),
        pytest.param({"ending": Ending.OUT_OF_MEMORY, "exit_code": 137}, "out of memory", False, id="out of memory"),
    ],
)  # fmt: skip
def test_how_an_execution_ended(an_execution, changes, text, clean):
    execution = an_execution(Command.READ, "r", 0, 1, **changes)

    assert (text, clean) == (ended(execution), is_clean(execution))


def test_a_stream_has_a_bar_for_its_largest_read_and_marks_for_the_others(an_execution):
    reads = [
        an_execution(Command.READ, "one", 0, 1, [("users", 50), ("orders", 100)]),
        an_execution(Command.READ, "two", 0, 1, [("users", 10), ("orders", 100)]),
    ]

    orders, users = stream_bars(reads)

    assert (
        orders.stream,
        orders.records,
        orders.width_pct,
        orders.marks_pct,
    ) == ("orders", 100, 100, ())
    assert (
        users.stream,
        users.records,
        users.width_pct,
        users.marks_pct,
    ) == ("users", 50, 50, (10,))
    assert users.title == "one: 50, two: 10"


def test_streams_of_one_name_in_two_namespaces_stay_apart(an_execution):
    counts = [
        StreamCount(stream="users", namespace=namespace, records=5, path="records/000.jsonl")
        for namespace in ("crm", None)
    ]

    bars = stream_bars([an_execution(Command.READ, "one", 0, 1, streams=counts)])

    assert {"crm.users", "users"} == {bar.stream for bar in bars}


def test_streams_without_records_have_no_bar(an_execution):
    (bar,) = stream_bars([an_execution(Command.READ, "one", 0, 1, [("users", 0)])])

    assert (bar.records, bar.width_pct) == (0, 0)
