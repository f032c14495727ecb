"""How fast is a connector's output read, sorted and written down, and at what memory?

Ours is the whole way: `pump`, line splitter, sorting, and `OutputRecorder` writing each
line to the file of its stream, packed where much comes, and the order. The peers only parse: a bare
`orjson.loads` per line, and the published pydantic models. All read the same bytes
from the same child process, each in a process of its own, in turns, in one run. The
child writes a ready block again and again, so that it costs next to nothing: records
of about 300 bytes of three streams, mixed at random, which suits us least, since no
two neighbours can be written in one piece.

    python benchmarks/core_pump.py --json result.json --markdown result.md

It needs `orjson` and `airbyte-protocol-models` beside `hydrotest-core`.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import platform
import random
import resource
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Reader: TypeAlias = "Callable[[int, str], tuple[int, int]]"
"""Reads a pipe to its end, may write to a folder, returns (records, bytes)."""

OURS, ORJSON, PYDANTIC = "hydrotest", "orjson per line", "pydantic models per line"
MEGABYTE = 1_000_000
PIPE_BYTES = 1024 * 1024
PEER_BUFFER_BYTES = 64 * 1024
LINES_IN_BLOCK = 8000
FLAT_MB = 10


@dataclass(frozen=True)
class Case:
    """What is measured: a variant, the size of its input, and where it writes."""

    variant: str
    megabytes: int
    directory: str = ""

    @property
    def title(self) -> str:
        where = f" to {self.directory}" if self.directory else ""
        return f"{self.variant}{where}"


@dataclass(frozen=True)
class Sample:
    """One measurement; seconds from the first byte to the last one dealt with."""

    records: int
    size_bytes: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class Row:
    """The median of a case's samples."""

    case: Case
    records_per_s: float
    megabytes_per_s: float
    cpu_us_per_record: float
    peak_rss_mb: float
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Target:
    text: str
    measured: str
    is_met: bool


# --- the child that stands for a connector


def _block() -> bytes:
    chance = random.Random(1)
    lines = []
    for number in range(LINES_IN_BLOCK):
        stream = chance.choice(("users", "purchases", "products"))
        data = {
            "id": number,
            "name": f"Name {chance.randrange(10**9)}",
            "email": f"person{chance.randrange(10**6)}@example.com",
            "address": {
                "city": f"Town {chance.randrange(999)}",
                "zip": str(chance.randrange(10**5)),
            },
            "price": round(chance.random() * 1000, 2),
            "tags": ["new", f"t{chance.randrange(99)}"],
            "is_active": chance.random() < 0.5,
            "returned_at": None,
            "updated_at": f"2026-01-{chance.randrange(1, 29):02d}T00:00:00Z",
        }
        record = {"stream": stream, "data": data, "emitted_at": 1_760_000_000_000 + number}
        lines.append(json.dumps({"type": "RECORD", "record": record}, separators=(",", ":")))
    return "".join(line + "\n" for line in lines).encode()


def generate(megabytes: int) -> None:
    block = memoryview(_block())
    left = megabytes * MEGABYTE
    while left > 0:
        at = 0
        while at < len(block):
            at += os.write(1, block[at:])
        left -= len(block)


# --- what is measured, each in a process of its own


def hydrotest() -> Reader:
    from hydrotest_core.connector.pump import PumpEnd, pump  # noqa: PLC0415 - see VARIANTS
    from hydrotest_core.connector.recorder import OutputRecorder  # noqa: PLC0415 - see VARIANTS

    def read(source: int, directory: str) -> tuple[int, int]:
        with OutputRecorder(Path(directory)) as recorder:
            assert pump({source: recorder.stdout}) is PumpEnd.EOF
            summary = recorder.close()
        assert summary.problem_count == 0
        return summary.message_counts["RECORD"], summary.stdout_bytes

    return read


def orjson_per_line() -> Reader:
    import orjson  # noqa: PLC0415 - see VARIANTS

    return _per_line(orjson.loads)


def pydantic_per_line() -> Reader:
    from airbyte_protocol.models import AirbyteMessage  # noqa: PLC0415 - see VARIANTS

    return _per_line(AirbyteMessage.parse_raw)


def _per_line(parse: Callable[[bytes], object]) -> Reader:
    def read(source: int, directory: str) -> tuple[int, int]:
        del directory
        records = size = 0
        # Measured no slower than cutting large reads by hand, with any size of buffer.
        with open(source, "rb", buffering=PEER_BUFFER_BYTES, closefd=False) as pipe:
            for line in pipe:
                parse(line)
                records += 1
                size += len(line)
        return records, size

    return read


# Each imports what it needs when it is called, so that a process holds nothing else.
VARIANTS: dict[str, Callable[[], Reader]] = {
    OURS: hydrotest,
    ORJSON: orjson_per_line,
    PYDANTIC: pydantic_per_line,
}


def measure(case: Case) -> Sample:
    read = VARIANTS[case.variant]()
    argv = [sys.executable, __file__, "--generate", str(case.megabytes)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        source = child.stdout.fileno()
        # All get the large pipe that ours would ask for by itself.
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        select.select([source], [], [])
        cpu, start = time.process_time(), time.perf_counter()
        records, size = read(source, case.directory)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Sample(records, size, seconds, cpu_seconds, peak)


# --- the measurements, in turns


def measure_apart(case: Case) -> Sample:
    """Measure in a new process; what it wrote is deleted at once."""
    parent = case.directory or tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="core-pump-", dir=parent) as directory:
        request = json.dumps([case.variant, case.megabytes, directory])
        argv = [sys.executable, __file__, "--measure", request]
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    return Sample(**json.loads(done.stdout))


def measure_all(cases: Sequence[Case], runs: int) -> list[Row]:
    samples: dict[Case, list[Sample]] = {case: [] for case in cases}
    for run in range(1, runs + 1):
        for case in cases:
            sample = measure_apart(case)
            samples[case].append(sample)
            speed = sample.size_bytes / MEGABYTE / sample.seconds
            print(f"run {run}/{runs}  {case.title}: {speed:.0f} MB/s", file=sys.stderr)
    return [_row(case, found) for case, found in samples.items()]


def _row(case: Case, samples: Sequence[Sample]) -> Row:
    def median(value: Callable[[Sample], float]) -> float:
        return statistics.median(map(value, samples))

    return Row(
        case=case,
        records_per_s=median(lambda sample: sample.records / sample.seconds),
        megabytes_per_s=median(lambda sample: sample.size_bytes / MEGABYTE / sample.seconds),
        cpu_us_per_record=median(lambda sample: sample.cpu_seconds / sample.records * 1e6),
        peak_rss_mb=max(sample.peak_rss_bytes for sample in samples) / MEGABYTE,
        samples=samples,
    )


def judge(rows: Sequence[Row], directory: str) -> list[Target]:
    """Compare what was measured with what was promised, for one place to write to."""
    ours = sorted(
        (row for row in rows if row.case.variant == OURS and row.case.directory == directory),
        key=lambda row: row.case.megabytes,
    )
    small, large = ours[0], ours[-1]
    orjson = next(
        row
        for row in rows
        if row.case.variant == ORJSON and row.case.megabytes == large.case.megabytes
    )
    pydantic = next(row for row in rows if row.case.variant == PYDANTIC)
    to_orjson, to_pydantic = _times(large, orjson), _times(large, pydantic)
    growth = large.peak_rss_mb - small.peak_rss_mb
    memory = f"{large.peak_rss_mb:.0f} MB"
    return [
        Target("no slower than orjson per line", f"{to_orjson:.2f} times", to_orjson >= 1),
        Target("8 times the pydantic models", f"{to_pydantic:.1f} times", to_pydantic >= 8),
        Target("peak memory under 150 MB", memory, large.peak_rss_mb < 150),
        Target("memory flat", f"{growth:+.0f} MB", growth <= FLAT_MB),
    ]


def _times(ours: Row, peer: Row) -> float:
    """Return the median of the ratios of each run: what the machine does else cancels out."""
    return statistics.median(
        (one.records / one.seconds) / (other.records / other.seconds)
        for one, other in zip(ours.samples, peer.samples, strict=True)
    )


# --- the report


def as_markdown(rows: Sequence[Row], targets: dict[str, list[Target]], runs: int) -> str:
    lines = [
        (
            f"Median of {runs} runs in turns (ratios: run by run), peak memory of all; "
            f"{os.cpu_count()} cores, Python {platform.python_version()}."
        ),
        "",
        "| variant | input | records/s | MB/s | CPU per record | peak memory |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.case.title} | {row.case.megabytes:,} MB | {row.records_per_s:,.0f} "
        f"| {row.megabytes_per_s:.0f} | {row.cpu_us_per_record:.2f} µs | {row.peak_rss_mb:.0f} MB |"
        for row in rows
    ]
    for directory, found in targets.items():
        lines += [
            "",
            f"Targets, writing to {directory} (ratios run by run):",
            "",
            "| target | measured | |",
            "|---|---|---|",
        ]
        lines += [
            f"| {target.text} | {target.measured} | {'met' if target.is_met else '**missed**'} |"
            for target in found
        ]
    return "\n".join(lines) + "\n"


def as_json(rows: Sequence[Row], targets: dict[str, list[Target]]) -> str:
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    content = {
        "benchmark": "core_pump",
        "machine": machine,
        "rows": [asdict(row) for row in rows],
        "targets": {
            where: [asdict(target) for target in found] for where, found in targets.items()
        },
    }
    return json.dumps(content, indent=1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write all samples there")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    parser.add_argument("--runs", type=int, default=3, help="measurements of each case")
    parser.add_argument("--small", type=int, default=100, metavar="MB")
    parser.add_argument("--large", type=int, default=2000, metavar="MB")
    parser.add_argument("--pydantic", type=int, default=20, metavar="MB")
    parser.add_argument(
        "--directory",
        action="append",
        help=f"where ours writes; give it again for more places (default: {tempfile.gettempdir()})",
    )
    parser.add_argument("--generate", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.generate:
        generate(asked.generate)
    elif asked.measure:
        print(json.dumps(asdict(measure(Case(*json.loads(asked.measure))))))
    else:
        compare(asked)


def compare(asked: argparse.Namespace) -> None:
    directories = asked.directory or [tempfile.gettempdir()]
    sizes = [asked.small, asked.large]
    for directory in directories:
        needed = 1.2 * asked.large * MEGABYTE
        if shutil.disk_usage(directory).free < needed:
            sys.exit(f"{directory} needs {needed / 1e9:.1f} GB of free space; give --large less")
    cases = []
    for size in sizes:  # Beside its peer in time, too.
        cases += [Case(OURS, size, directory) for directory in directories]
        cases.append(Case(ORJSON, size))
    cases.append(Case(PYDANTIC, asked.pydantic))
    rows = measure_all(cases, asked.runs)
    targets = {directory: judge(rows, directory) for directory in directories}
    table = as_markdown(rows, targets, asked.runs)
    print(table)
    if asked.markdown:
        asked.markdown.write_text(table)
    if asked.json:
        asked.json.write_text(as_json(rows, targets))


if __name__ == "__main__":
    main()
