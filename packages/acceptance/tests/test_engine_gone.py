"""A run of the plugin whose engine goes away in the middle."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from hydrotest_core.testing.fake_engine import FakeEngine
from hydrotest_core.testing.faulting_engine import Fault, FaultingEngine

# It is the discovery that the engine doesn't survive.
WAITS = 'while [ ! -f "$here/go" ]; do sleep 0.05; done\n'


@pytest.fixture
def fake(tmp_path_factory):
    with FakeEngine(tmp_path_factory.mktemp("e")) as fake:
        yield fake


@pytest.fixture
def engine(fake):
    with FaultingEngine(None, fake.address, outage_s=0.5) as engine:
        yield engine


@pytest.fixture
def judge(run, tiny, fake, engine):
    """Return a function that judges the tiny connector on the fake engine."""
    entrypoint = ["sh", str(tiny.folder / "source.sh")]
    variables = {"AIRBYTE_ENTRYPOINT": " ".join(entrypoint)}
    fake.add_image("airbyte/source-tiny:dev", entrypoint, environment=variables)
    (tiny.folder / "hydrotest.yaml").write_text("kind: image\nimage: airbyte/source-tiny\n")

    def start(*options):
        return run("--runner", "docker", *options, DOCKER_HOST=engine.address)

    return start


def fail_at_discovery(engine, tiny, fault):
    """Have the engine fail as soon as the connector discovers."""

    def wait():
        deadline = time.monotonic() + 60
        while "discover" not in tiny.calls and time.monotonic() < deadline:
            time.sleep(0.05)
        engine.fail(fault)
        (tiny.folder / "go").touch()

    tiny.does("discover", WAITS)
    threading.Thread(target=wait, daemon=True).start()


def test_a_sound_engine_lets_everything_be_judged(judge, fake):
    result = judge()

    assert result.exit_code == 0, result.text
    assert result.report["runner"] == "docker"
    assert [name for things in fake.things.values() for name in things] == []


@pytest.mark.parametrize(
    ("fault", "workers"),
    [
        pytest.param(Fault.CLOSE, "0", id="close, alone"),
        pytest.param(Fault.CLOSE, "2", id="close, two workers"),
        pytest.param(Fault.REFUSE, "0", id="refuse, alone"),
    ],
)
def test_an_engine_that_dies_makes_the_rest_inconclusive(judge, engine, tiny, fault, workers):
    fail_at_discovery(engine, tiny, fault)

    result = judge("-n", workers)

    assert result.exit_code == 10, result.text
    outcomes = Counter(result.outcomes.values())
    assert outcomes["inconclusive"] >= 10, "discovery and what comes after it"
    assert outcomes["passed"] >= 10, "spec was judged before"
    assert outcomes.keys() <= {"passed", "inconclusive", "skipped"}


def test_the_cause_is_named_once_with_the_way_out(judge, engine, tiny):
    fail_at_discovery(engine, tiny, Fault.RESET)

    result = judge()

    reasons = {
        one["reason"] for one in result.report["verdicts"] if one["outcome"] == "inconclusive"
    }
    assert len(reasons) == 1, reasons
    assert " hint: " in reasons.pop()
    summary = result.text.partition("\nInconclusive\n")[2].partition("\nSkipped\n")[0]
    assert summary.count("hint:") == 1, summary


def test_an_engine_that_came_back_lets_the_rest_be_judged(judge, engine, tiny, fake):
    fail_at_discovery(engine, tiny, Fault.RESTART)

    result = judge("-n", "0")

    # Whoever asks during the outage has no answer; after it everything is as ever.
    outcomes = Counter(result.outcomes.values())
    assert result.exit_code == 10, result.text
    assert outcomes["inconclusive"] >= 1
    assert outcomes.keys() <= {"passed", "inconclusive", "skipped"}
    assert judge("-n", "0").exit_code == 0
    assert [name for things in fake.things.values() for name in things] == []


@pytest.mark.soak
def test_a_silent_engine_costs_thirty_seconds_in_all(judge, engine, tiny):
    """Each test by itself would wait for as long."""
    fail_at_discovery(engine, tiny, Fault.STALL)

    result = judge()

    assert result.exit_code == 10, result.text
    assert result.report["duration_s"] < 30
