"""source-shell keeps the rules with nothing but sh and awk."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = {"unit": "celsius"}
STREAM = "observations"


@pytest.fixture
def shell(program, connectors):
    return program("sh", connectors / "source-shell" / "source.sh")


@pytest.fixture
def read(shell, input_of) -> Callable[..., Any]:
    catalog = input_of("source-shell", "configured_catalog.json")

    def run(**files: Any) -> Any:
        return shell.run("read", **{"config": CONFIG, "catalog": catalog, **files})

    return run


def state_of(timestamp: Any, **descriptor: str) -> list[dict[str, Any]]:
    named = {"name": STREAM, **descriptor}
    stream = {"stream_descriptor": named, "stream_state": {"observed_at": timestamp}}
    return [{"type": "STREAM", "stream": stream}]


def test_its_specification_is_the_one_in_its_folder(shell, connectors) -> None:
    said = shell.run("spec")

    assert said.of("SPEC") == [json.loads((connectors / "source-shell" / "spec.json").read_text())]
    assert (said.code, said.stdout.count(b"\n")) == (0, 1)


@pytest.mark.parametrize(
    ("name", "status"), [("config.json", "SUCCEEDED"), ("invalid_config.json", "FAILED")]
)
def test_check_tells_a_good_config_from_a_bad_one(shell, input_of, name, status) -> None:
    said = shell.run("check", config=input_of("source-shell", name))

    assert said.code == 0
    assert [one["status"] for one in said.of("CONNECTION_STATUS")] == [status]


@pytest.mark.parametrize("mode", ["full_refresh", None], ids=["full_refresh", "incremental"])
def test_what_it_reads_is_what_it_declares(shell, read, configured, judge_read, mode) -> None:
    discovered = shell.run("discover", config=CONFIG)

    judge_read(read(catalog=configured(discovered, mode)), discovered)


def test_awkward_cells_arrive_as_they_were_meant(read) -> None:
    said = read()

    assert [one["name"] for one in said.records("stations")][:3] == [
        "Harbour, east mole",
        "Old Mill",
        'The "Beak"',
    ]
    assert said.records("stations")[3]["altitude"] is None
    assert said.records(STREAM)[11]["note"] == "C:\\logs kept"
    assert said.records(STREAM)[16]["note"] == "naïve thermometer"


def test_temperatures_can_be_had_in_kelvin(read) -> None:
    said = read(config={"unit": "kelvin"})

    assert [one["temperature"] for one in said.records(STREAM)][:3] == [279.65, 277.15, 265.65]


def test_a_read_from_each_state_gives_what_is_not_older(read) -> None:
    whole = read()
    assert len(whole.states(STREAM)) == 5
    for state in whole.states(STREAM):
        cursor = state["stream"]["stream_state"]["observed_at"]
        rest = read(state=[state]).records(STREAM)

        assert rest == [one for one in whole.records(STREAM) if one["observed_at"] >= cursor]
        assert rest


def test_a_state_in_the_future_gives_no_records_and_the_same_state(read, input_of) -> None:
    future = input_of("source-shell", "abnormal_state.json")
    said = read(state=future)

    assert said.records(STREAM) == []
    assert [one["stream"] for one in said.states(STREAM)] == [future[0]["stream"]]
    assert len(said.records("stations")) == 4


@pytest.mark.parametrize(
    ("state", "count"),
    [
        ([], 18),
        (state_of(None), 18),
        (state_of("2025-03-02T18:00:00Z", namespace="elsewhere"), 18),
        (state_of("2025-03-01T06:00:00Z") + state_of("2025-03-02T18:00:00Z"), 3),
        ([{"global": {"stream_states": [state_of("2025-03-02T18:00:00Z")[0]["stream"]]}}], 3),
    ],
    ids=["empty", "null", "other-namespace", "last-wins", "global"],
)
def test_a_state_is_read_for_what_it_is(read, state, count) -> None:
    assert len(read(state=state).records(STREAM)) == count


def entry(name: str, mode: str, **more: str) -> dict[str, Any]:
    return {"streams": [{"stream": {"name": name, **more}, "sync_mode": mode}]}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"catalog": entry("unicorns", "full_refresh")}, "unicorns"),
        ({"catalog": entry(STREAM, "INVALID")}, "INVALID"),
        ({"catalog": entry("stations", "incremental")}, "incremental"),
        ({"catalog": entry("stations", "full_refresh", namespace="x")}, "x.stations"),
        ({"catalog": entry('"\\$(reboot) `*`', "full_refresh")}, "reboot"),
        ({"catalog": '{"streams": ['}, "JSON"),
        ({"catalog": "{}"}, "no streams"),
        ({"config": {}}, "unit"),
        ({"config": "{'unit': 1}"}, "JSON"),
        ({"state": "[,]"}, "JSON"),
        ({"state": state_of("yesterday")}, "timestamp"),
        ({"state": state_of(1740787200)}, "timestamp"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_trace(read, given, text) -> None:
    said = read(**given)

    assert said.code == 1
    assert len(said.messages) == said.stdout.count(b"\n") == 1
    assert text in said.errors[0]


@pytest.mark.parametrize(
    "argv", [["fetch"], ["check"], ["check", "--config"], ["check", "-x", "y"]]
)
def test_a_wrong_command_line_is_refused_with_a_trace(shell, argv) -> None:
    shell.argv += argv[:-1]
    said = shell.run(argv[-1])

    assert said.code == 1
    assert len(said.errors) == 1


def test_a_broken_row_ends_the_read_without_a_complete_stream(read, shell, connectors) -> None:
    copy = shell.folder / "copy"
    shutil.copytree(connectors / "source-shell", copy)
    with (copy / "data" / "observations.csv").open("a") as file:
        file.write("19,harbour\n")
    shell.argv = ["sh", str(copy / "source.sh")]
    said = read()

    assert said.code == 1
    assert len(said.errors) == 1
    assert said.statuses(STREAM) == ["STARTED", "RUNNING"]
    assert len(said.records(STREAM)) == 18


def test_the_expected_records_are_its_first_ones(read, connectors) -> None:
    said = read()
    path = connectors / "source-shell" / "integration_tests" / "expected_records.jsonl"
    expected = [json.loads(line) for line in path.read_text().splitlines()]
    for name in ("stations", STREAM):
        ours = [one["data"] for one in expected if one["stream"] == name]

        assert ours
        assert ours == said.records(name)[: len(ours)]
