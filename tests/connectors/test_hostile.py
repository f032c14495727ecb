"""source-hostile keeps every rule as long as no flag tells it otherwise."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG: dict[str, Any] = {"api_key": "hostile-key-7Jq2vX9mLdT4"}
FUTURE = {"updated_at": "2999-12-31T23:59:59Z"}


@pytest.fixture
def read(hostile, hostile_catalog) -> Callable[..., Any]:
    """Read with flags; from a state where one is given."""

    def run(*flags: str, config: Any = CONFIG, catalog: Any = hostile_catalog, **files: Any) -> Any:
        config = {**config, "flags": list(flags)}
        return hostile.run("read", config=config, catalog=catalog, **files)

    return run


def stream_state(name: str, blob: dict[str, Any], **more: str) -> dict[str, Any]:
    descriptor = {"name": name, **more}
    stream = {"stream_descriptor": descriptor, "stream_state": blob}
    return {"type": "STREAM", "stream": stream}


def test_its_specification_is_the_expected_one(hostile, input_of) -> None:
    said = hostile.run("spec")

    assert (said.code, said.stderr) == (0, b"")
    assert said.of("SPEC") == [input_of("source-hostile", "spec.json")]


@pytest.mark.parametrize(
    ("name", "status"), [("config.json", "SUCCEEDED"), ("invalid_config.json", "FAILED")]
)
def test_check_tells_a_good_config_from_a_bad_one(hostile, input_of, name, status) -> None:
    said = hostile.run("check", config=input_of("source-hostile", name))

    assert said.code == 0
    assert [one["status"] for one in said.of("CONNECTION_STATUS")] == [status]


@pytest.mark.parametrize("mode", ["full_refresh", None], ids=["full_refresh", "incremental"])
def test_what_it_reads_is_what_it_declares(hostile, read, configured, judge_read, mode) -> None:
    discovered = hostile.run("discover", config=CONFIG)

    judge_read(read(catalog=configured(discovered, mode)), discovered)


def test_two_reads_give_the_same_records(read) -> None:
    first, second = read(), read()

    assert [one["data"] for one in first.of("RECORD")] == [
        one["data"] for one in second.of("RECORD")
    ]


def test_the_expected_records_are_its_first_ones(read, connectors) -> None:
    said = read()
    path = connectors / "source-hostile" / "integration_tests" / "expected_records.jsonl"
    for number, line in enumerate(path.read_text().splitlines()):
        expected = json.loads(line)

        assert said.records(expected["stream"])[number % 3] == expected["data"]


def test_the_size_of_its_data_can_be_chosen(read) -> None:
    said = read(config={**CONFIG, "dataset": {"size": "custom", "count": 40}})

    assert [len(said.records(name)) for name in ("users", "orders", "countries")] == [40, 20, 5]


@pytest.mark.parametrize(
    ("stream", "cursor", "more"),
    [("users", "updated_at", {}), ("orders", "sequence", {"namespace": "shop"})],
)
def test_a_read_from_each_state_gives_what_is_not_older(read, stream, cursor, more) -> None:
    whole = read()
    for state in whole.states(stream):
        blob = state["stream"]["stream_state"]
        rest = read(state=[stream_state(stream, blob, **more)]).records(stream)

        assert rest == [one for one in whole.records(stream) if one[cursor] >= blob[cursor]]
        assert rest


def test_a_global_and_a_legacy_state_are_taken_too(read) -> None:
    blob = {"updated_at": "2024-01-02T00:00:00Z"}
    stream = stream_state("users", blob)["stream"]

    for state in (
        [{"type": "GLOBAL", "global": {"stream_states": [stream]}}],
        [{"type": "LEGACY", "data": {"users": blob}}],
        {"users": blob},
    ):
        assert len(read(state=state).records("users")) == 2


def test_a_state_in_the_future_gives_no_records_and_the_same_state(read, input_of) -> None:
    future = input_of("source-hostile", "abnormal_state.json")
    said = read(state=future)

    assert said.records("users") == said.records("orders") == []
    assert said.states("users")[0]["stream"] == future[0]["stream"]
    assert said.states("orders")[0]["stream"] == future[1]["stream"]


def test_the_same_name_in_another_namespace_is_another_stream(read) -> None:
    said = read(state=[stream_state("users", FUTURE, namespace="shop")])

    assert len(said.records("users")) == 25


UNKNOWN = {"stream": {"name": "unicorns"}, "sync_mode": "full_refresh"}
INVALID = {"stream": {"name": "users"}, "sync_mode": "INVALID"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"catalog": {"streams": [UNKNOWN]}}, "unicorns"),
        ({"catalog": {"streams": [INVALID]}}, "INVALID"),
        ({"catalog": {"streams": [{}]}}, "configured"),
        ({"catalog": "{"}, "JSON"),
        ({"config": {"api_key": "wrong"}}, "key"),
        ({"state": [{"stream": {}}]}, "state"),
        ({"state": [stream_state("users", {"updated_at": 7})]}, "type"),
    ],
    ids=["stream", "mode", "entry", "no-json", "config", "state", "cursor"],
)
def test_what_cannot_be_read_is_refused_with_a_trace(read, given, text) -> None:
    said = read(**given)

    assert said.code == 1
    assert len(said.errors) == 1
    assert text in said.errors[0]
    assert not said.of("RECORD")


def test_an_unknown_flag_is_refused_with_the_nearest(read) -> None:
    said = read("bad-lime")

    assert said.code == 1
    assert "bad-line" in said.errors[0]


def test_the_script_starts_as_its_folder_says(program, connectors) -> None:
    script = connectors / "source-hostile" / "source_hostile.py"

    assert program(sys.executable, "-B", script).run("spec").of("SPEC")


def test_a_flag_can_be_sent_to_another_command_by_the_environment(hostile) -> None:
    said = hostile.run("spec", env={"HOSTILE_FLAGS": "noise-line@spec, exit-4@spec,crash"})

    assert said.code == 4
    assert said.stdout.startswith(b"Downloading")
