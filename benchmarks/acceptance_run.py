"""How much of the main job's time is the connector's own, and where does the rest go?

The main job is one pytest run that judges `source-faker` from nothing kept. What is
promised of it: overhead (the part of the wall time that isn't the connector's own, on
the critical path) of at most 15 % on Docker with two workers, and no execution twice.

**The connector's own time on the critical path** is the longest chain of executions, by
their `duration_s`, in which each could only begin after the one before it: the same
worker ran both, or the worker waited for one that another worker ran. It is what the run
would take if the harness took no time, with the same tests on the same workers in the
same order. `duration_s` is from the connector's start to its end, so what it takes to
make and remove a container is overhead.

Not the time during which any connector runs (printed too): with two workers one is
mostly there, and would hide all that the other one loses between its executions.

The peer of one execution is what a person would type: `docker run --rm` with the same
files, or the bare program, in turns with ours in the same run.

    python benchmarks/acceptance_run.py --json result.json --markdown result.md

The image and the environment are made before anything is measured. This file is also the
pytest plugin that watches the run; it notes times in all its processes, no more.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hydrotest_core.connector.cache import CachedExecution, ExecutionCache
    from hydrotest_core.connector.execution import (
        ConnectorRunner,
        ConnectorUnderTest,
        ExecutionInputs,
    )

DOCKER, PROCESS = "docker", "process"
CONNECTOR = Path(__file__).resolve().parent.parent / "connectors" / "source-faker"
VERSION = "dev"
MOST_OVERHEAD = 0.15
PEER_OF = {DOCKER: "`docker run --rm`", PROCESS: "the bare program"}
EVENTS = "HYDROTEST_BENCH_EVENTS"


# --- the plugin that watches: a line in a file for each event, of any of the processes


def note(event: str, **facts: Any) -> None:
    line = json.dumps({"event": event, "at": time.time(), "process": os.getpid(), **facts})
    with Path(os.environ[EVENTS]).open("a") as file:
        file.write(line + "\n")


def is_watched(config: pytest.Config) -> bool:
    return EVENTS in os.environ and config.getoption("acceptance_test_config", None) is not None


def pytest_addoption() -> None:
    if EVENTS in os.environ:
        note("loaded")


@pytest.hookimpl(tryfirst=True, specname="pytest_configure")
def pytest_watch(config: pytest.Config) -> None:
    if not is_watched(config):
        return
    from hydrotest_core.connector.cache import ExecutionCache  # noqa: PLC0415 - ours to measure

    run = ExecutionCache.run

    @functools.wraps(run)
    def watched(self: ExecutionCache, inputs: ExecutionInputs) -> CachedExecution:
        asked = time.time()
        cached = run(self, inputs)
        note("execution", asked=asked, key=cached.key, reused=cached.is_reused)
        return cached

    ExecutionCache.run = watched  # type: ignore[method-assign] # to see who asks, and when


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if is_watched(config):
        note("configured")


def pytest_runtest_logstart() -> None:
    if EVENTS in os.environ:
        note("test")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish() -> Iterator[None]:
    if EVENTS in os.environ:
        note("finishing")
    yield
    if EVENTS in os.environ:
        note("finished")


# --- one run, and what its executions say


@dataclass(frozen=True)
class Call:
    """An execution that a test asked for; times in seconds since the run's start."""

    worker: int
    key: str
    is_reused: bool
    asked: float
    started: float
    duration: float
    returned: float

    @property
    def ended(self) -> float:
        return self.started + self.duration


@dataclass(frozen=True)
class Run:
    """One pytest run. Seconds; `parts` is where what isn't the connector's own time went."""

    runner: str
    wall: float
    own: float
    own_count: int
    any_runs: float
    all_durations: float
    first_line: float
    parts: Mapping[str, float]
    before: float
    after: float
    executions: int
    distinct: int
    asked: int
    tests: int
    load: float

    @property
    def overhead(self) -> float:
        return (self.wall - self.own) / self.wall


def critical_chain(calls: Iterable[Call]) -> list[Call]:
    """Return the chain of executions that the definition above means."""
    of_worker: dict[int, list[Call]] = {}
    of_key: dict[str, list[Call]] = {}
    for call in sorted(calls, key=lambda call: call.returned):
        chain = of_worker.get(call.worker, [])
        if not call.is_reused:
            of_key[call.key] = chain = [*chain, call]
        elif call.key in of_key:
            chain = max(chain, of_key[call.key], key=_length)
        of_worker[call.worker] = chain
    return max(of_worker.values(), key=_length)


def _length(chain: Iterable[Call]) -> float:
    return sum(call.duration for call in chain)


def covered(calls: Iterable[Call]) -> float:
    """Return the seconds during which at least one of them runs."""
    total = until = 0.0
    for call in sorted(calls, key=lambda call: call.started):
        total += max(0.0, call.ended - max(call.started, until))
        until = max(until, call.ended)
    return total


def run_once(runner: str, workers: int, home: Path) -> Run:
    """Run pytest from nothing kept, and see what its processes noted."""
    shutil.rmtree(home / "executions", ignore_errors=True)
    before = set(home.glob("runs/*"))
    events = home / "events.jsonl"
    events.unlink(missing_ok=True)
    argv = [
        sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(CONNECTOR.parent),
        "-p", "no:cacheprovider", "-p", "hydrotest_acceptance.plugin", "-p", Path(__file__).stem,
        "--acceptance-test-config", str(CONNECTOR), "--hydrotest-home", str(home),
        "--runner", runner, "-n", str(workers),
    ]  # fmt: skip
    search = [str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        EVENTS: str(events),
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
    }
    load = os.getloadavg()[0]
    begin = time.time()
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as pytest_run:
        assert pytest_run.stdout is not None
        output = [pytest_run.stdout.readline()]
        first_line = time.time() - begin
        output += pytest_run.stdout.readlines()
    end = time.time()
    if pytest_run.returncode:
        sys.exit(b"".join(output).decode() + f"\npytest ended with {pytest_run.returncode}")
    (folder,) = set(home.glob("runs/*")) - before
    return _read(runner, folder, _lines(events), begin, end, first_line, load)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _read(
    runner: str,
    folder: Path,
    events: Sequence[Mapping[str, Any]],
    begin: float,
    end: float,
    first_line: float,
    load: float,
) -> Run:
    logged = _lines(folder / "executions.jsonl")
    report = json.loads((folder / "report.json").read_text())
    times = {one["key"]: (one["started_at_ms"] / 1000 - begin, one["duration_s"]) for one in logged}
    calls = [
        Call(
            worker=one["process"],
            key=one["key"],
            is_reused=one["reused"],
            asked=one["asked"] - begin,
            started=times[one["key"]][0],
            duration=times[one["key"]][1],
            returned=one["at"] - begin,
        )
        for one in events
        if one["event"] == "execution"
    ]
    ran = [call for call in calls if not call.is_reused]
    chain = critical_chain(calls)
    own = _length(chain)
    return Run(
        runner=runner,
        wall=end - begin,
        own=own,
        own_count=len(chain),
        any_runs=covered(ran),
        all_durations=_length(ran),
        first_line=first_line,
        parts=_parts(events, ran, chain, begin, end),
        before=statistics.median(call.started - call.asked for call in ran),
        after=statistics.median(call.returned - call.ended for call in ran),
        executions=sum(not one["reused"] for one in logged),
        distinct=len({one["key"] for one in logged}),
        asked=len(logged),
        tests=len(report["verdicts"]),
        load=load,
    )


def _parts(
    events: Sequence[Mapping[str, Any]],
    ran: Sequence[Call],
    chain: Sequence[Call],
    begin: float,
    end: float,
) -> dict[str, float]:
    """Cut the wall time at what was noted; all parts together are what the chain leaves."""
    controller = events[0]["process"]
    starts = min(call.started for call in ran)
    ends = max(call.ended for call in ran)

    def first(event: str, *, in_worker: bool = False) -> float:
        return min(
            float(one["at"]) - begin
            for one in events
            if one["event"] == event and (one["process"] != controller) == in_worker
        )

    cuts = {
        "Python and pytest start": first("loaded"),
        "session, engine and connector looked up": first("configured"),
        "workers start and join": first("configured", in_worker=True),
        "collection": first("test", in_worker=True),
    }
    parts: dict[str, float] = {}
    at = 0.0
    for name, until in cuts.items():
        # What goes on beside the first execution costs nothing.
        parts[name] = max(0.0, min(until, starts) - at)
        at += parts[name]
    of_containers = sum(
        call.started - max(call.asked, starts) + min(call.returned, ends) - call.ended
        for call in chain
        if call.started > starts
    )
    return {
        **parts,
        "up to the first connector's start": starts - at,
        "between: starting, ending and keeping an execution": of_containers,
        "between: judging, and waiting": ends - starts - _length(chain) - of_containers,
        "judging after the last execution": first("finishing") - ends,
        "reports": first("finished") - first("finishing"),
        "summary, session's end, exit": end - begin - first("finished"),
    }


# --- one execution beside its peer


@dataclass(frozen=True)
class Pair:
    """The same command by our runner and by its peer, in seconds; `own` is `duration_s`."""

    runner: str
    command: str
    ours: float
    own: float
    peer: float


class Commands:
    """Runs single commands of the connector, ours and the peer's, on the same files."""

    def __init__(self, runner: str, home: Path) -> None:
        from hydrotest_core.connector.runner import choose_runner  # noqa: PLC0415 - see note()
        from hydrotest_core.connector.session import Session  # noqa: PLC0415

        self._name = runner
        self._connector = resolve(runner, home)
        self._session = Session.open()
        self._runner: ConnectorRunner = choose_runner(runner, self._session)[0]
        inputs = CONNECTOR / "integration_tests"
        self._files = {
            "config": json.loads((inputs / "config.json").read_text()),
            "catalog": json.loads((inputs / "configured_catalog.json").read_text()),
        }

    def close(self) -> None:
        self._session.close()

    def pair(self, command: str) -> Pair:
        with tempfile.TemporaryDirectory(prefix="acceptance-run-") as folder:
            ours, own = self._ours(command, Path(folder))
            peer = self._peer(command, Path(folder))
        return Pair(self._name, command, ours, own, peer)

    def _ours(self, command: str, folder: Path) -> tuple[float, float]:
        from hydrotest_core.connector.execution import (  # noqa: PLC0415
            Command,
            ExecutionInputs,
            Network,
        )
        from hydrotest_core.redaction import SecretDict  # noqa: PLC0415

        inputs = ExecutionInputs(
            connector=self._connector,
            command=Command(command),
            config=SecretDict(self._files["config"]),
            configured_catalog=self._files["catalog"],
            network=Network.NONE if command == "spec" else Network.BRIDGE,
            output_dir=folder,
        )
        begin = time.perf_counter()
        result = self._runner.run(inputs)
        seconds = time.perf_counter() - begin
        assert result.manifest.exit_code == 0
        return seconds, result.manifest.duration_s

    def _peer(self, command: str, folder: Path) -> float:
        inputs = folder / "inputs"
        inputs.mkdir()
        at = Path("/inputs") if self._name == DOCKER else inputs
        words = [command]
        for name in {"spec": (), "read": ("config", "catalog")}[command]:
            (inputs / f"{name}.json").write_text(json.dumps(self._files[name]))
            words += [f"--{name}", str(at / f"{name}.json")]
        argv = [*self._connector.argv, *words]
        if self._name == DOCKER:
            folder.chmod(0o755)
            network = "none" if command == "spec" else "bridge"
            argv = [
                "docker", "run", "--rm", "--network", network, "-v", f"{inputs}:/inputs:ro",
                self._connector.identity, *words,
            ]  # fmt: skip
        environment = {**os.environ, **self._connector.environment}
        with (folder / "peer.out").open("wb") as output:
            begin = time.perf_counter()
            subprocess.run(argv, stdout=output, stderr=output, env=environment, check=True)
            return time.perf_counter() - begin


def resolve(runner: str, home: Path) -> ConnectorUnderTest:
    """Return the connector, its image or environment made where it isn't there yet."""
    from hydrotest_core.connector.folder import ConnectorFolder  # noqa: PLC0415

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    folder = ConnectorFolder.load(CONNECTOR)
    if runner == DOCKER:
        from hydrotest_core.connector.image import ensure_image  # noqa: PLC0415

        return ensure_image(folder, VERSION, build_if_missing=True, progress=say)
    from hydrotest_core.connector.environment import resolve_process  # noqa: PLC0415

    return resolve_process(folder, VERSION, home=home, progress=say)


# --- the measurements, in turns


def measure_all(
    runners: Sequence[str], workers: int, repeat: int, home: Path
) -> tuple[list[Run], list[Pair]]:
    runs: list[Run] = []
    pairs: list[Pair] = []
    for runner in runners:
        resolve(runner, home)
    for turn in range(1, repeat + 1):
        for runner in runners:
            run = run_once(runner, workers, home)
            runs.append(run)
            print(
                f"run {turn}/{repeat}  {runner}: {run.wall:.1f} s, overhead {run.overhead:.1%}, "
                f"load {run.load:.1f}",
                file=sys.stderr,
            )
            commands = Commands(runner, home)
            pairs += [commands.pair(command) for command in ("spec", "read")]
            commands.close()
    return runs, pairs


@dataclass(frozen=True)
class Target:
    text: str
    measured: str
    is_met: bool


def judge(runs: Sequence[Run]) -> list[Target]:
    """Compare what was measured with what was promised."""
    targets = []
    found = [run for run in runs if run.runner == DOCKER]
    if found:
        overhead = statistics.median(run.overhead for run in found)
        text = f"overhead at most {MOST_OVERHEAD:.0%} of the wall time, Docker"
        targets.append(Target(text, f"{overhead:.1%}", overhead <= MOST_OVERHEAD))
    counts = Counter((run.executions, run.distinct) for run in runs)
    measured = ", ".join(f"{ran} of {distinct}" for ran, distinct in counts)
    targets.append(
        Target("executions = distinct executions", measured, all(ran == n for ran, n in counts))
    )
    return targets


# --- the report


def median(runs: Sequence[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(map(value, runs))


def as_markdown(
    runs: Sequence[Run], pairs: Sequence[Pair], targets: Sequence[Target], workers: int
) -> str:
    found = {
        runner: [run for run in runs if run.runner == runner]
        for runner in dict.fromkeys(run.runner for run in runs)
    }
    loads = sorted(run.load for run in runs)
    lines = [
        (
            f"{CONNECTOR.name}, {workers} workers, median of {len(runs) // len(found)} runs in turns; "
            f"{os.cpu_count()} cores, Python {platform.python_version()}, load before a run "
            f"{loads[0]:.1f} to {loads[-1]:.1f}. Making the image and the environment is not in it."
        ),
        "",
        "| | " + " | ".join(found) + " |",
        "|---|" + "---:|" * len(found),
    ]
    lines += [
        f"| {title} | " + " | ".join(value(group) for group in found.values()) + " |"
        for title, value in _rows(found).items()
    ]
    lines += ["", "Own time on the critical path: the longest chain of executions that had to"]
    lines += ["follow each other, being of one worker or waited for; see the benchmark's text."]
    lines += ["", "| one execution | ours | of it the connector's | peer | ours to peer |"]
    lines += ["|---|---:|---:|---:|---:|"]
    lines += [_pair_row(group) for group in _by_command(pairs)]
    lines += ["", "| target | measured | |", "|---|---|---|"]
    lines += [
        f"| {target.text} | {target.measured} | {'met' if target.is_met else '**missed**'} |"
        for target in targets
    ]
    return "\n".join(lines) + "\n"


def _rows(found: Mapping[str, Sequence[Run]]) -> dict[str, Callable[[Sequence[Run]], str]]:
    def seconds(value: Callable[[Run], float]) -> Callable[[Sequence[Run]], str]:
        return lambda runs: f"{median(runs, value):.2f} s"

    def percent(value: Callable[[Run], float]) -> Callable[[Sequence[Run]], str]:
        return lambda runs: f"{median(runs, value):.1%}"

    def spread(runs: Sequence[Run]) -> str:
        return f"{min(run.overhead for run in runs):.1%} to {max(run.overhead for run in runs):.1%}"

    def part(name: str) -> Callable[[Sequence[Run]], str]:
        return lambda runs: (
            f"{median(runs, lambda run: run.parts[name]):.2f} s, "
            f"{median(runs, lambda run: run.parts[name] / run.wall):.1%}"
        )

    some = next(iter(found.values()))[0]
    return {
        "wall time": seconds(lambda run: run.wall),
        "own time on the critical path": seconds(lambda run: run.own),
        "**overhead**": percent(lambda run: run.overhead),
        "overhead, least to most": spread,
        **{f"- {name}": part(name) for name in some.parts},
        "for comparison: no connector runs": percent(lambda run: 1 - run.any_runs / run.wall),
        "all executions one after another": seconds(lambda run: run.all_durations),
        "first line on the screen after": seconds(lambda run: run.first_line),
        "an execution's fixed cost: before its start": seconds(lambda run: run.before),
        "… and after its end": seconds(lambda run: run.after),
        "executions run / distinct / asked for": lambda runs: ", ".join(
            dict.fromkeys(f"{run.executions} / {run.distinct} / {run.asked}" for run in runs)
        ),
    }


def _by_command(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    for runner, command in dict.fromkeys((pair.runner, pair.command) for pair in pairs):
        yield [pair for pair in pairs if (pair.runner, pair.command) == (runner, command)]


def _pair_row(pairs: Sequence[Pair]) -> str:
    ours, own, peer, ratio = (
        statistics.median(values)
        for values in (
            [pair.ours for pair in pairs],
            [pair.own for pair in pairs],
            [pair.peer for pair in pairs],
            [pair.ours / pair.peer for pair in pairs],
        )
    )
    one = pairs[0]
    return (
        f"| {one.command}, {one.runner} to {PEER_OF[one.runner]} | {ours:.2f} s | {own:.2f} s "
        f"| {peer:.2f} s | {ratio:.2f} |"
    )


def as_json(
    runs: Sequence[Run], pairs: Sequence[Pair], targets: Sequence[Target], workers: int
) -> str:
    content = {
        "benchmark": "acceptance_run",
        "connector": CONNECTOR.name,
        "workers": workers,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "runs": [{**dataclasses.asdict(run), "overhead": run.overhead} for run in runs],
        "pairs": [dataclasses.asdict(pair) for pair in pairs],
        "targets": [dataclasses.asdict(target) for target in targets],
    }
    return json.dumps(content, indent=1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write all runs there")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    parser.add_argument(
        "--runner",
        action="append",
        choices=(DOCKER, PROCESS),
        help="which runner; give it again for more (default: both)",
    )
    parser.add_argument("--workers", type=int, default=2, help="pytest's workers (default: 2)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default: 3)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acceptance-run-") as home:
        runners = asked.runner or [DOCKER, PROCESS]
        runs, pairs = measure_all(runners, asked.workers, asked.repeat, Path(home))
    targets = judge(runs)
    table = as_markdown(runs, pairs, targets, asked.workers)
    print(table)
    if asked.markdown:
        asked.markdown.write_text(table)
    if asked.json:
        asked.json.write_text(as_json(runs, pairs, targets, asked.workers))


if __name__ == "__main__":
    main()
