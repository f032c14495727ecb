"""Environments. `nox -l` lists them; `tasks.py` holds the verbs.

nox -s acceptance -- source-faker            judge one connector
nox -s acceptance -- source-faker -k read    what isn't a connector's name goes to pytest
nox -s tests                                 every package's tests, then what crosses packages
"""

from __future__ import annotations

import difflib
import itertools
import os
import secrets
import shutil
import tomllib
from pathlib import Path
from typing import Any

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent.resolve()
CONNECTORS = ROOT / "connectors"
RESULTS = ROOT / ".hydrotest"
WORKSPACE = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
# name -> folder: core first, then the four packages that stand on it.
PACKAGES = {
    "core" if folder.name == "shared" else folder.name: folder
    for pattern in WORKSPACE["members"]
    for folder in sorted(ROOT.glob(pattern))
    if (folder / "pyproject.toml").exists()
}
HOUSE = "house"
TEST_TOOLS = ("pytest", "pytest-xdist", "pytest-timeout", "hypothesis")
# What a package's tests need besides the package: referees, and a browser to look at pages.
TEST_EXTRAS = {
    "core": ("airbyte-protocol-models", "docker", "jsonschema", "mypy", "orjson", "playwright"),
    "acceptance": ("jsonschema[format-nongpl]",),
    HOUSE: ("airbyte-protocol-models", "import-linter", "invoke", "jsonschema", "nox", "pyyaml"),
}

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "imports", "deps", "tests"]

# Options of pytest, xdist and our plugin whose value is the next argument.
TAKE_A_VALUE = frozenset({
    "-k", "-m", "-n", "-p", "-c", "-o", "-W", "-r", "--maxfail", "--dist", "--runner", "--isolation",
    "--numprocesses", "--maxprocesses", "--durations", "--tb", "--junitxml", "--hydrotest-home",
    "--deselect", "--timeout", "--max-age", "--connector-version",
})  # fmt: skip


@nox.session
def acceptance(session: nox.Session) -> None:
    """Judge connectors: `-- source-faker [--runner docker|process|auto] [pytest options]`."""
    _install(session, "-e", _with_docker(PACKAGES["core"]), "-e", str(PACKAGES["acceptance"]))
    folders, options = _connectors_and_options(session)
    if not any(option.startswith(("-n", "--numprocesses")) for option in options):
        options = ["-n", "auto", "--maxprocesses", "4", *options]
    failed = []
    for folder in folders or _all_connectors():
        name = folder.name if folder.parent == CONNECTORS else str(folder)
        try:
            session.run(
                "python", "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder.parent),
                "-p", "no:cacheprovider", "-p", "hydrotest_acceptance.plugin",
                "--acceptance-test-config", str(folder), "--hydrotest-home", str(RESULTS), *options,
                env={"HYDROTEST_RERUN": f"./run nox -s acceptance -- {name}"},
                # After Ctrl-C a run needs more than nox's 0.3 s to stop and to write its report.
                interrupt_timeout=30, terminate_timeout=10,
            )  # fmt: skip
        except CommandFailed as exc:
            failed.append(f"{name} ({exc.reason})")
    if failed:
        session.error(f"not passed: {', '.join(failed)}")


@nox.session
@nox.parametrize("package", [*PACKAGES, HOUSE], ids=[*PACKAGES, HOUSE])
def tests(session: nox.Session, package: str) -> None:
    """Run the tests: each package with only itself installed, then what crosses packages."""
    tools = (*TEST_TOOLS, *TEST_EXTRAS.get(package, ()))
    if package == HOUSE:
        _install(session, *_editable(), *tools)
        where = ROOT / "tests"
    else:
        _install_built(session, package, *tools)
        where = PACKAGES[package] / "tests"
    session.run("python", "-m", "pytest", "-n", "2", str(where), *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    _install(session, "ruff")
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly, in source and tests."""
    stubs = ("types-PyYAML", "types-docker", "types-jsonschema")
    _install(session, *_editable(), *TEST_TOOLS, "mypy", *stubs, *TEST_EXTRAS["core"])
    _install(session, "jsonschema[format-nongpl]")
    for folder in PACKAGES.values():
        session.run("mypy", str(folder / "src"))
        tests_of_it = (folder / "tests").relative_to(ROOT)
        session.run("mypy", "--explicit-package-bases", str(tests_of_it))
    session.run("mypy", "--explicit-package-bases", "tests", "conftest.py")


@nox.session
def imports(session: nox.Session) -> None:
    """Check the star: packages meet only in the core, and its rooms have one direction."""
    _install(session, "import-linter", *_editable())
    session.run("lint-imports")


@nox.session
def deps(session: nox.Session) -> None:
    """Check that each package declares what it imports, and imports what it declares."""
    _install(session, "deptry", *_editable())
    for folder in PACKAGES.values():
        with session.chdir(folder):
            # pytest loads the first two by their entry points; the plugin sets their options.
            # The third is of the standard library, from 3.14 on.
            ignored = "DEP002=pytest-timeout|pytest-xdist,DEP001=compression"
            session.run("deptry", "src", "--per-rule-ignores", ignored)


@nox.session
def flakes(session: nox.Session) -> None:
    """Run what needs no engine again and again, in random order: `-- 50 [pytest options]`."""
    extras = {extra for several in TEST_EXTRAS.values() for extra in several}
    _install(session, *_editable(), *TEST_TOOLS, "pytest-randomly", *sorted(extras))
    times, options = 50, session.posargs
    if options and options[0].isdigit():
        times, *options = int(options[0]), *options[1:]
    for turn in range(1, times + 1):
        seed = secrets.randbits(32)
        session.log(f"turn {turn} of {times}: seed {seed}")
        try:
            session.run(
                "python", "-m", "pytest", "-n", "2", "-q", "-x", "-p", "no:cacheprovider",
                "-m", "not docker and not soak", f"--randomly-seed={seed}", *options,
            )  # fmt: skip
        except CommandFailed:
            again = f"nox -s flakes -- 1 --randomly-seed={seed}"
            session.error(f"turn {turn} of {times} failed. hint: the same order: {again}")


@nox.session
def soak(session: nox.Session) -> None:
    """Run the core's tests that take long and need room: ten gigabytes, one line of one."""
    _install(session, *_editable(), *TEST_TOOLS, *TEST_EXTRAS["core"])
    session.run("python", "-m", "pytest", "--soak", "-m", "soak", "shared/tests", *session.posargs)


@nox.session
def red(session: nox.Session) -> None:
    """See each promise's test fail: break a copy of the code it guards. `-- R5` takes one."""
    tree = Path(session.create_tmp()).resolve() / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in (
        *("conftest.py", "pyproject.toml", "noxfile.py", "tasks.py", "run", ".ci", "docs"),
        *("constraints.in", "constraints.txt", "shared", "packages", "connectors", "tests"),
    ):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tree / name)
    folders = [tree / folder.relative_to(ROOT) for folder in PACKAGES.values()]
    editable = [arg for folder in folders for arg in ("-e", _with_docker(folder))]
    extras = {extra for several in TEST_EXTRAS.values() for extra in several}
    _install(session, *editable, *TEST_TOOLS, *sorted(extras))
    session.run("python", "tests/promises.py", str(tree), *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, ours beside the peer in one run: `-- core`, `-- acceptance --repeat 5`."""
    _install(session, *_editable(), "orjson", "airbyte-protocol-models", "jsonschema")
    known = {path.stem: path for path in sorted((ROOT / "benchmarks").glob("*.py"))}
    named = list(itertools.takewhile(lambda word: not word.startswith("-"), session.posargs))
    options = session.posargs[len(named) :]
    for name in named or ["core", "acceptance"]:
        scripts = [path for stem, path in known.items() if stem.startswith(name)]
        if not scripts:
            session.error(f"no benchmark named {name!r}. hint: {', '.join(known)}")
        for script in scripts:
            session.run("python", str(script), *options)


def _install(session: nox.Session, *what: str) -> None:
    session.install("-c", str(ROOT / "constraints.txt"), *what)


def _install_built(session: nox.Session, package: str, *tools: str) -> None:
    """Install a package as its users get it: built, not editable, and none of its siblings.

    uv takes a local folder as unchanged while its pyproject.toml is, so it is told to look again.
    """
    project = _project(PACKAGES[package])
    folders = [PACKAGES[package]]
    if any(need.startswith("hydrotest-core") for need in project["dependencies"]):
        folders.insert(0, PACKAGES["core"])
    again: list[str] = []
    if session.venv_backend == "uv":
        names = [_project(folder)["name"] for folder in folders]
        again = [arg for name in names for arg in ("--reinstall-package", name)]
    _install(session, *again, *map(_with_docker, folders), *tools)


def _editable() -> list[str]:
    return [arg for folder in PACKAGES.values() for arg in ("-e", _with_docker(folder))]


def _project(folder: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project


def _with_docker(folder: Path) -> str:
    return f"{folder}[docker]" if folder == PACKAGES["core"] else str(folder)


def _all_connectors() -> list[Path]:
    return [path.parent for path in sorted(CONNECTORS.glob("*/acceptance-test-config.yml"))]


def _connectors_and_options(session: nox.Session) -> tuple[list[Path], list[str]]:
    """Tell connectors from pytest's arguments: a name in connectors/, or a folder with a config."""
    folders: list[Path] = []
    options: list[str] = []
    previous = ""
    for arg in session.posargs:
        is_value = previous in TAKE_A_VALUE
        previous = arg
        if arg.startswith("-") or is_value:
            options.append(arg)
            continue
        for folder in (CONNECTORS / arg, Path(session.invoked_from, arg)):
            if folder.is_dir():
                folders.append(folder.resolve())
                break
        else:
            if os.sep in arg:
                session.error(f"there is no folder {arg!r}. hint: check the path")
            names = sorted(path.name for path in CONNECTORS.iterdir() if path.is_dir())
            near = difflib.get_close_matches(arg, names, n=1) or names
            session.error(f"no connector {arg!r}. hint: did you mean {' or '.join(near)}?")
    return folders, options
