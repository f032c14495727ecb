"""How much of the main job's time is the connector's own, and where does the rest go?

The main job is one pytest run that judges `source-faker` from nothing kept. What is
promised of it, on Docker with two workers: overhead of at most 15 % of the wall time,
and no execution twice.

**The peer** is what a person would type: `docker run --rm`, or the bare program, with the
same files. It runs the same executions in the same lanes, each waiting for what its worker
waited for, right after each of our runs. So it pays for containers too.

**Overhead** is the wall time less the peer's: what our run takes beyond the connector's own
time, as anybody has it who runs that image. A second figure counts the engine's work as ours
as well: the wall time less the connector's **bare** time on the critical path. That is the
longest chain of executions, by their `duration_s`, in which each could only begin after the
one before it: the same worker ran both, or the worker waited for one that another ran.
`duration_s` is from the connector's start to its end, so what an engine needs to start and
to remove a container is in this figure, and nobody who uses an engine can avoid it. We
don't take the time during which any connector runs (printed too): with two workers one is
mostly there, and would hide what the other one loses between executions.

    python benchmarks/acceptance_run.py --json=result.json --markdown=result.md

The image and the environment are made before anything is measured. This file is also the
pytest plugin that watches a run: all its processes note times, and no more.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hydrotest_core.connector.cache import CachedExecution, ExecutionCache
    from hydrotest_core.connector.execution import ConnectorUnderTest, ExecutionInputs

DOCKER, PROCESS = "docker", "process"
PEER_OF = {DOCKER: "`docker run --rm`", PROCESS: "the bare program"}
CONNECTOR = Path(__file__).resolve().parent.parent / "connectors" / "source-faker"
VERSION = "dev"
MOST_OVERHEAD = 0.15
EVENTS = "HYDROTEST_BENCH_EVENTS"
INPUTS = "/inputs"


# --- the plugin that watches: a line in a file for each event, from any of the processes


def note(event: str, **facts: Any) -> None:
    who = {"process": os.getpid(), "lane": f"{os.getpid()}.{threading.get_native_id()}"}
    line = json.dumps({"event": event, "at": time.time(), **who, **facts})
    with Path(os.environ[EVENTS]).open("a") as file:
        file.write(line + "\n")


def pytest_addoption() -> None:
    if EVENTS in os.environ:
        note("loaded")


@pytest.hookimpl(tryfirst=True, specname="pytest_configure")
def pytest_watch() -> None:
    if EVENTS not in os.environ:
        return
    from hydrotest_core.connector.cache import ExecutionCache  # noqa: PLC0415 - ours to measure

    run = ExecutionCache.run

    @functools.wraps(run)
    def watched(self: ExecutionCache, inputs: ExecutionInputs) -> CachedExecution:
        asked = time.time()
        cached = run(self, inputs)
        ran = {} if cached.is_reused else invocation(inputs)
        note("execution", key=cached.key, asked=asked, reused=cached.is_reused, **ran)
        return cached

    ExecutionCache.run = watched  # type: ignore[method-assign] # to see who asks, and when


def invocation(inputs: ExecutionInputs) -> dict[str, Any]:
    """Return what the peer needs to run the same; source-faker's config holds no secret."""
    from hydrotest_core.connector.runner import prepare  # noqa: PLC0415 - ours to measure

    told = prepare(inputs, PurePosixPath(INPUTS))
    files = {name: data.decode() for name, data in told.files.items()}
    return {"arguments": told.arguments, "files": files, "network": inputs.network}


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    if EVENTS in os.environ:
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


# --- one run, and what it noted


@dataclass(frozen=True)
class Call:
    """An execution that a worker asked for; times in seconds since the run's start."""

    worker: str
    key: str
    is_reused: bool
    asked: float
    started: float
    duration: float
    returned: float
    arguments: Sequence[str] = ()
    files: Mapping[str, str] | None = None
    network: str = ""

    @property
    def ended(self) -> float:
        return self.started + self.duration


@dataclass(frozen=True)
class Watched:
    """A pytest run as it was seen; `events` with times since the run's start."""

    wall: float
    first_line: float
    load: float
    calls: Sequence[Call]
    events: Sequence[Mapping[str, Any]]
    controller: int
    logged: Sequence[Mapping[str, Any]]

    @property
    def ran(self) -> list[Call]:
        return [call for call in self.calls if not call.is_reused]

    def first(self, event: str, *, in_worker: bool = False) -> float:
        return min(
            float(one["at"])
            for one in self.events
            if one["event"] == event and (one["process"] != self.controller) == in_worker
        )


def watch(runner: str, workers: int, home: Path) -> Watched:
    """Run pytest from nothing kept."""
    shutil.rmtree(home / "executions", ignore_errors=True)
    before = set(home.glob("runs/*"))
    noted = home / "events.jsonl"
    noted.unlink(missing_ok=True)
    argv = [
        sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(CONNECTOR.parent),
        "-p", "no:cacheprovider", "-p", "hydrotest_acceptance.plugin", "-p", Path(__file__).stem,
        "--acceptance-test-config", str(CONNECTOR), "--hydrotest-home", str(home),
        "--runner", runner, "-n", str(workers),
    ]  # fmt: skip
    search = [str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")]
    variables = {EVENTS: str(noted), "PYTHONPATH": os.pathsep.join(filter(None, search))}
    load = os.getloadavg()[0]
    begin = time.time()
    with subprocess.Popen(
        argv, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdout is not None
        output = child.stdout.readline()
        first_line = time.time() - begin
        output += child.stdout.read()
    wall = time.time() - begin
    if child.returncode:
        sys.exit(f"{output.decode()}\npytest ended with {child.returncode}")
    (folder,) = set(home.glob("runs/*")) - before
    events = [{**one, "at": one["at"] - begin} for one in _lines(noted)]
    logged = _lines(folder / "executions.jsonl")
    calls = _calls(events, logged, begin)
    return Watched(wall, first_line, load, calls, events, events[0]["process"], logged)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _calls(
    events: Iterable[Mapping[str, Any]], logged: Iterable[Mapping[str, Any]], begin: float
) -> list[Call]:
    of_key = {one["key"]: one for one in logged}
    return [
        Call(
            worker=one["lane"],
            key=one["key"],
            is_reused=one["reused"],
            asked=one["asked"] - begin,
            started=of_key[one["key"]]["started_at_ms"] / 1000 - begin,
            duration=of_key[one["key"]]["duration_s"],
            returned=one["at"],
            arguments=one.get("arguments", ()),
            files=one.get("files"),
            network=one.get("network", ""),
        )
        for one in events
        if one["event"] == "execution"
    ]


def critical_chain(calls: Iterable[Call]) -> list[Call]:
    """Return the chain of executions that this file's text defines."""
    of_worker: dict[str, list[Call]] = {}
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


def parts_of(seen: Watched, chain: Sequence[Call]) -> dict[str, float]:
    """Cut the wall time at what was noted; all parts together are what the chain leaves."""
    starts = min(call.started for call in seen.ran)
    ends = max(call.ended for call in seen.ran)
    cuts = {
        "Python and pytest start": seen.first("loaded"),
        "session, engine and connector looked up": seen.first("configured"),
        "workers start and join": seen.first("configured", in_worker=True),
        "collection": seen.first("test", in_worker=True),
        "the first execution is prepared": starts,
    }
    parts: dict[str, float] = {}
    at = 0.0
    for name, until in cuts.items():
        # What goes on beside the first execution costs nothing.
        parts[name] = max(0.0, min(until, starts) - at)
        at += parts[name]
    around = sum(
        call.started - max(call.asked, starts) + min(call.returned, ends) - call.ended
        for call in chain
        if call.started > starts
    )
    return {
        **parts,
        "executions are started, removed and kept": around,
        "judging, and waiting for each other": ends - starts - _length(chain) - around,
        "judging after the last execution": seen.first("finishing") - ends,
        "reports": seen.first("finished") - seen.first("finishing"),
        "summary, session's end, exit": seen.wall - seen.first("finished"),
    }


# --- the peer: the same executions without us


def replay(
    calls: Iterable[Call], runner: str, connector: ConnectorUnderTest
) -> tuple[float, dict[str, float]]:
    """Run what the workers ran, in their order; return the wall time and each one's seconds."""
    lanes = defaultdict(list)
    done: dict[str, threading.Event] = {}
    for call in sorted(calls, key=lambda call: call.returned):
        lanes[call.worker].append(call)
        done[call.key] = threading.Event()
    seconds: dict[str, float] = {}

    def follow(lane: Iterable[Call]) -> None:
        for call in lane:
            if call.is_reused:
                done[call.key].wait()
                continue
            try:
                seconds[call.key] = _run_bare(call, runner, connector)
            finally:
                done[call.key].set()

    begin = time.perf_counter()
    with ThreadPoolExecutor(len(lanes)) as pool:
        for lane in [pool.submit(follow, lane) for lane in lanes.values()]:
            lane.result()
    return time.perf_counter() - begin, seconds


def _run_bare(call: Call, runner: str, connector: ConnectorUnderTest) -> float:
    assert call.files is not None
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="acceptance-run-") as folder:
        for name, text in call.files.items():
            Path(folder, name).write_text(text)
        if runner == DOCKER:
            Path(folder).chmod(0o755)
            argv = [
                "docker", "run", "--rm", "--network", call.network, "-v", f"{folder}:{INPUTS}:ro",
                connector.identity, *call.arguments,
            ]  # fmt: skip
        else:
            arguments = [word.replace(INPUTS, folder, 1) for word in call.arguments]
            argv = [*connector.argv, *arguments]
        variables = {**os.environ, **connector.environment}
        with Path(folder, "said").open("wb") as said:
            # Its exit code is for the tests to judge: one read is meant to fail.
            subprocess.run(argv, stdout=said, stderr=said, env=variables, check=False)
    return time.perf_counter() - begin


# --- the measurements, in turns


@dataclass(frozen=True)
class Run:
    """One run beside its peer, in seconds; see `as_markdown` for what each is called."""

    runner: str
    wall: float
    own: float
    chain: int
    peer_wall: float
    any_runs: float
    all_durations: float
    first_line: float
    parts: Mapping[str, float]
    before: Sequence[float]
    after: Sequence[float]
    ours_each: Sequence[float]
    peer_each: Sequence[float]
    executions: int
    distinct: int
    asked: int
    load: float

    @property
    def overhead(self) -> float:
        return (self.wall - self.peer_wall) / self.wall

    @property
    def beyond_bare(self) -> float:
        return (self.wall - self.own) / self.wall


def measure(runner: str, workers: int, home: Path, connector: ConnectorUnderTest) -> Run:
    seen = watch(runner, workers, home)
    ran = seen.ran
    chain = critical_chain(seen.calls)
    peer_wall, peers = replay(seen.calls, runner, connector)
    return Run(
        runner=runner,
        wall=seen.wall,
        own=_length(chain),
        chain=len(chain),
        peer_wall=peer_wall,
        any_runs=covered(ran),
        all_durations=_length(ran),
        first_line=seen.first_line,
        parts=parts_of(seen, chain),
        before=[call.started - call.asked for call in ran],
        after=[call.returned - call.ended for call in ran],
        ours_each=[call.returned - call.asked for call in ran],
        peer_each=[peers[call.key] for call in ran],
        executions=sum(not one["reused"] for one in seen.logged),
        distinct=len({one["key"] for one in seen.logged}),
        asked=len(seen.logged),
        load=seen.load,
    )


def measure_all(runners: Sequence[str], workers: int, repeat: int, home: Path) -> list[Run]:
    connectors = {runner: resolve(runner, home) for runner in runners}
    runs = []
    for turn in range(1, repeat + 1):
        for runner, connector in connectors.items():
            run = measure(runner, workers, home, connector)
            runs.append(run)
            print(
                f"run {turn}/{repeat}  {runner}: {run.wall:.1f} s, overhead {run.overhead:.1%} "
                f"({run.beyond_bare:.1%} with the engine's), peer {run.peer_wall:.1f} s, load {run.load:.1f}",
                file=sys.stderr,
            )
    return runs


def resolve(runner: str, home: Path) -> ConnectorUnderTest:
    """Return the connector, its image or environment made where it isn't there yet."""
    from hydrotest_core.connector.folder import ConnectorFolder  # noqa: PLC0415 - not in a worker

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    folder = ConnectorFolder.load(CONNECTOR)
    if runner == DOCKER:
        from hydrotest_core.connector.image import ensure_image  # noqa: PLC0415 - the same

        return ensure_image(folder, VERSION, build_if_missing=True, progress=say)
    from hydrotest_core.connector.environment import resolve_process  # noqa: PLC0415 - the same

    return resolve_process(folder, VERSION, home=home, progress=say)


@dataclass(frozen=True)
class Target:
    text: str
    measured: str
    is_met: bool


def judge(runs: Sequence[Run]) -> list[Target]:
    """Compare what was measured with what was promised."""
    targets = []
    for runner, found in by_runner(runs).items():
        overhead = median(found, lambda run: run.overhead)
        text = f"overhead at most {MOST_OVERHEAD:.0%} ({runner}, against {PEER_OF[runner]})"
        targets.append(Target(text, f"{overhead:.1%}", overhead <= MOST_OVERHEAD))
    counts = Counter((run.executions, run.distinct) for run in runs)
    measured = ", ".join(f"{ran} run, {distinct} distinct" for ran, distinct in counts)
    once = all(ran == distinct for ran, distinct in counts)
    return [*targets, Target("each distinct execution once", measured, once)]


def by_runner(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found = defaultdict(list)
    for run in runs:
        found[run.runner].append(run)
    return found


def median(runs: Iterable[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(map(value, runs))


def median_of_each(runs: Iterable[Run], values: Callable[[Run], Iterable[float]]) -> float:
    return statistics.median(one for run in runs for one in values(run))


# --- the report


def as_markdown(runs: Sequence[Run], targets: Sequence[Target], workers: int) -> str:
    found = by_runner(runs)
    loads = [run.load for run in runs]
    circumstances = (
        f"{CONNECTOR.name}, {workers} workers, median of {len(runs) // len(found)} runs in turns "
        f"(ratios: run by run); {os.cpu_count()} cores, Python {platform.python_version()}, load "
        f"{min(loads):.1f} to {max(loads):.1f}. Making image and environment is not in it."
    )
    lines = [
        circumstances,
        "",
        "| | " + " | ".join(found) + " |",
        "|---|" + "---:|" * len(found),
    ]
    lines += [
        f"| {title} | " + " | ".join(map(value, found.values())) + " |"
        for title, value in _rows(runs[0]).items()
    ]
    lines += [
        "",
        "Overhead: wall time less what the peer takes for the same executions in the same lanes.",
        "The critical path is the longest chain of executions (by `duration_s`) that had to follow",
        "each other, being of one worker or waited for.",
        "",
        "| target | measured | |",
        "|---|---|---|",
    ]
    lines += [
        f"| {target.text} | {target.measured} | {'met' if target.is_met else '**missed**'} |"
        for target in targets
    ]
    return "\n".join(lines) + "\n"


def _rows(some: Run) -> dict[str, Callable[[Sequence[Run]], str]]:
    def seconds(value: Callable[[Run], float]) -> Callable[[Sequence[Run]], str]:
        return lambda runs: f"{median(runs, value):.2f} s"

    def percent(value: Callable[[Run], float]) -> Callable[[Sequence[Run]], str]:
        return lambda runs: f"{median(runs, value):.1%}"

    def each(values: Callable[[Run], Iterable[float]]) -> Callable[[Sequence[Run]], str]:
        return lambda runs: f"{median_of_each(runs, values):.2f} s"

    def part(name: str) -> Callable[[Sequence[Run]], str]:
        return lambda runs: (
            f"{median(runs, lambda run: run.parts[name]):.2f} s, "
            f"{median(runs, lambda run: run.parts[name] / run.wall):.1%}"
        )

    def spread(runs: Sequence[Run]) -> str:
        found = sorted(run.overhead for run in runs)
        return f"{found[0]:.1%} to {found[-1]:.1%}"

    def ratio(runs: Sequence[Run]) -> str:
        pairs = (pair for run in runs for pair in zip(run.ours_each, run.peer_each, strict=True))
        return f"{statistics.median(ours / peer for ours, peer in pairs):.2f}"

    def counts(runs: Sequence[Run]) -> str:
        found = (f"{run.executions} / {run.distinct} / {run.asked}" for run in runs)
        return ", ".join(dict.fromkeys(found))

    return {
        "wall time": seconds(lambda run: run.wall),
        f"the same executions by the peer ({', '.join(PEER_OF.values())})": seconds(
            lambda run: run.peer_wall
        ),
        "**overhead**": percent(lambda run: run.overhead),
        "least and most": spread,
        "bare time on the critical path": seconds(lambda run: run.own),
        "executions on it": lambda runs: f"{median(runs, lambda run: run.chain):.0f}",
        "wall time beyond that, the engine's work included": percent(lambda run: run.beyond_bare),
        **{f"of it: {name}": part(name) for name in some.parts},
        "no connector runs": percent(lambda run: 1 - run.any_runs / run.wall),
        "all own times together": seconds(lambda run: run.all_durations),
        "one execution": each(lambda run: run.ours_each),
        "the same by the peer": each(lambda run: run.peer_each),
        "ours to the peer's": ratio,
        "fixed cost of an execution, before its start": each(lambda run: run.before),
        "after its end": each(lambda run: run.after),
        "first line on the screen after": seconds(lambda run: run.first_line),
        "executions run / distinct / asked for": counts,
    }


def as_json(runs: Sequence[Run], targets: Sequence[Target], workers: int) -> str:
    content = {
        "benchmark": "acceptance_run",
        "connector": CONNECTOR.name,
        "workers": workers,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "runs": [{**asdict(run), "overhead": run.overhead} for run in runs],
        "targets": [asdict(target) for target in targets],
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
    if min(asked.workers, asked.repeat) < 1:
        parser.error("--workers and --repeat are at least 1")
    with tempfile.TemporaryDirectory(prefix="acceptance-run-") as home:
        runs = measure_all(
            asked.runner or [DOCKER, PROCESS], asked.workers, asked.repeat, Path(home)
        )
    targets = judge(runs)
    table = as_markdown(runs, targets, asked.workers)
    print(table)
    if asked.markdown:
        asked.markdown.write_text(table)
    if asked.json:
        asked.json.write_text(as_json(runs, targets, asked.workers))


if __name__ == "__main__":
    main()
