"""The promises of `docs/reliability.md`: read, written as a page, and seen red.

`tests/promises/*.yaml` says what is promised, which tests hold it, what was measured, and
how the code can be broken so that a named test turns red. This file is a program, too:

    python tests/promises.py TREE [ID...]     breaks TREE, a copy, and looks at the tests

Run it by `./run nox -s red [-- ID...]`, which makes the copy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import yaml

ROOT = Path(__file__).parents[1]
FILES = Path(__file__).parent / "promises"
PAGE = ROOT / "docs" / "reliability.md"
LANES = {"U": "everywhere", "D": "with a Docker engine", "S": "soak, when asked for"}
GROUPS = {
    "R": "Nothing is left behind",
    "O": "Any output is survived",
    "C": "What is kept stays right",
    "H": "Hostile content stays text",
    "S": "Secrets stay secret",
    "I": "The connector is isolated",
    "P": "And ourselves",
}
ASKED_FOR = [
    *(f"R{n}" for n in range(1, 8)),
    *(f"O{n}" for n in range(1, 10)),
    *("C1", "C3", "C5", "C6"),
    *(f"H{n}" for n in range(2, 7)),
    *("I1", "I2", "I3"),
    *(f"S{n}" for n in range(2, 6)),
    *("P1", "P5", "P6"),
]
FAILED = 1


class Break(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change to the code that a test must see: `find` stands in `file` just once."""

    file: str
    find: str
    replace: str
    red: str


class Promise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One promise, or one side of it."""

    id: str
    says: str
    lanes: list[str]
    measured: str
    tests: list[str]
    breaks: list[Break]

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands on the page."""
        return list(GROUPS).index(self.id[0]), int(self.id[1:])


def promises() -> list[Promise]:
    """Return all promises, in the page's order."""
    found = []
    for path in sorted(FILES.glob("*.yaml")):
        try:
            found += msgspec.convert(yaml.safe_load(path.read_text()), list[Promise])
        except (msgspec.ValidationError, yaml.YAMLError) as exc:
            message = f"{path.name}: {exc}"
            raise ValueError(message) from exc
    return sorted(found, key=lambda promise: promise.place)


def page(found: list[Promise]) -> str:
    """Return `docs/reliability.md`."""
    lines = [
        "# Reliability",
        "",
        "A judge must outlive what it judges.",
        "Here is what hydrotest promises about its own behaviour, the tests that hold each promise, and what was measured.",
        "",
        "Each test was seen to fail: `tests/promises/` says for each promise how its code can be broken, and",
        "`./run nox -s red` breaks a copy of it in every one of these ways and expects the named test to turn red.",
        "This page is made from the same files: `HYDROTEST_UPDATE_GOLDEN=1 ./run nox -s 'tests(house)' -- -k page_of_promises`.",
        "",
        "Lanes: " + "; ".join(f"**{lane}** {words}" for lane, words in LANES.items()) + ".",
    ]
    for prefix, title in GROUPS.items():
        rows = [promise for promise in found if promise.id.startswith(prefix)]
        if not rows:
            continue
        lines += [
            "",
            f"## {title}",
            "",
            "| | promise | lane | measured | tests |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(promise) for promise in rows]
    return "\n".join(lines) + "\n"


def _row(promise: Promise) -> str:
    tests = "<br>".join(
        f"[`{name_of(test)}`](../{test.partition('::')[0]})" for test in promise.tests
    )
    cells = [promise.id, promise.says, " ".join(promise.lanes), promise.measured, tests]
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def name_of(test: str) -> str:
    """Return a test's own name: `a/test_b.py::TestC::test_d` -> `test_d`."""
    return test.rpartition("::")[2]


def main(arguments: list[str]) -> int:
    """Break the tree in every way, and return 0 when each test saw its break."""
    tree, *wanted = arguments
    unseen = []
    for promise in promises():
        if wanted and promise.id not in wanted:
            continue
        for broken in promise.breaks:
            begin = time.monotonic()
            verdict = _see(Path(tree), broken)
            seconds = f"{time.monotonic() - begin:.0f} s"
            print(f"{promise.id:<4} {verdict:<12} {seconds:>6}  {broken.red}", flush=True)
            if verdict != "red":
                unseen.append(f"{promise.id} {broken.red}: {verdict}")
    print(f"\n{len(unseen)} breaks were not seen", *unseen, sep="\n  ")
    return 1 if unseen else 0


def _see(tree: Path, broken: Break) -> str:
    path = tree / broken.file
    good = path.read_text()
    if good.count(broken.find) != 1:
        return "no such code"
    path.write_text(good.replace(broken.find, broken.replace))
    try:
        done = _test(tree, broken.red)
    finally:
        path.write_text(good)
    if done.returncode == FAILED and " failed" in done.stdout:
        return "red"
    # A break that nobody can even import tells nothing about the test.
    return {0: "GREEN", FAILED: "error", 5: "not found"}.get(done.returncode, "error")


def _test(tree: Path, test: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", test]
    # A file changed twice in a second would be taken from its old compiled form.
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        argv, cwd=tree, env=variables, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
