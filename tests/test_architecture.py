"""The plan of the house, held: who may import what, and what may stand in no file."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import hydrotest_acceptance.rules
from hydrotest_core.run.findings import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
PACKAGES = sorted(
    path
    for pattern in ("shared/src/*", "packages/*/src/*")
    for path in ROOT.glob(pattern)
    if path.is_dir()
)
ROOMS = (
    "cli", "testing", "run", "connector", "http", "protocol", "settings", "redaction", "sealed",
    "disk", "untrusted", "errors",
)  # fmt: skip

# Where a library may be imported while the program runs, by path below `src/`. What only a
# type checker sees, and what a test imports, may stand anywhere.
PLACES: dict[str, tuple[str, ...]] = {
    "backports": ("hydrotest_core/connector/stored.py",),
    "click": ("hydrotest_core/cli/*",),
    "compression": ("hydrotest_core/connector/stored.py",),
    "docker": (
        "hydrotest_core/connector/docker*.py",
        "hydrotest_core/testing/engine_contract.py",
        "hydrotest_core/testing/fault_plan.py",
    ),
    "filelock": (
        "hydrotest_core/connector/cache.py",
        "hydrotest_core/connector/environment_store.py",
    ),
    "jinja2": ("hydrotest_core/run/report_html.py",),
    "jsonschema_rs": (
        "hydrotest_core/settings/schema_errors.py",
        "hydrotest_acceptance/rules/*",
    ),
    "markupsafe": ("hydrotest_core/run/report_html.py",),
    "msgspec": ("*",),
    "pytest": (
        "hydrotest_core/testing/contract.py",
        "hydrotest_core/testing/engine_contract.py",
        "hydrotest_core/testing/leaks.py",
        "hydrotest_core/testing/silence.py",
        "hydrotest_acceptance/*",
    ),
    "requests": (
        "hydrotest_core/connector/docker*.py",
        "hydrotest_core/testing/fault_plan.py",
    ),
    "urllib3": ("hydrotest_core/connector/docker*.py",),
    "yaml": ("hydrotest_core/settings/yaml_*.py",),
}
# msgspec takes typing_extensions where it finds it.
MSGSPEC = {"msgspec", "typing_extensions"}

# Boundaries that may catch whatever is raised: none so far. An entry needs its reason.
CATCH_ALL: dict[str, str] = {}

LONGEST = 700
# Files that are longer all the same, by their longest length: a number here only goes down.
LONGER: dict[str, int] = {"shared/tests/connector/test_cache.py": 727}

CODE = re.compile(r"HT-[A-Z]+-\d{3}")


def lint_imports(folder: Path) -> tuple[int, str]:
    """Check the contracts of our settings on the packages that `folder` or the environment has."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as main; main()",
            *("--config", str(ROOT / "pyproject.toml"), "--no-cache", "--no-logo"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """The five packages and the rooms of the core, all of them empty."""
    for name in SETTINGS["importlinter"]["root_packages"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    for room in ROOMS:
        (tmp_path / "hydrotest_core" / f"{room}.py").touch()
    return tmp_path


def test_the_import_contracts_are_kept():
    code, said = lint_imports(ROOT)

    assert code == 0, said
    assert "2 kept, 0 broken" in said


def test_an_empty_house_keeps_the_contracts(small_house):
    code, said = lint_imports(small_house)

    assert code == 0, said


@pytest.mark.parametrize(
    ("file", "line"),
    [
        pytest.param("hydrotest_live/x.py", "import hydrotest_mock", id="from package to package"),
        pytest.param(
            "hydrotest_core/errors.py", "import hydrotest_live", id="from core to package"
        ),
        pytest.param("hydrotest_core/protocol.py", "import hydrotest_core.run", id="up, two rooms"),
        pytest.param("hydrotest_core/errors.py", "import hydrotest_core.sealed", id="up, one room"),
        pytest.param("hydrotest_core/kitchen.py", "", id="a room that is on no plan"),
    ],
)
def test_a_wrong_import_breaks_a_contract(small_house, file, line):
    (small_house / file).write_text(f"{line}\n")

    code, said = lint_imports(small_house)

    assert code == 1, said


def test_a_lazy_import_the_wrong_way_breaks_a_contract_too(small_house):
    lazy = "def f():\n    import hydrotest_core.cli\n"
    (small_house / "hydrotest_core/connector.py").write_text(lazy)

    code, said = lint_imports(small_house)

    assert code == 1, said


MEASURE = """
import sys
before = set(sys.modules)
import {module}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*(new - sys.stdlib_module_names))
"""


def pulled_in(module: str) -> set[str]:
    """Return the libraries that importing a module loads, ours left out."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    # Cython registers its own runtime beside a module that it made.
    return {name for name in done.stdout.split() if not re.match(r"hydrotest_|_?cython_", name)}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        pytest.param(module, allowed, id=module)
        for module, allowed in (
            ("hydrotest_core", MSGSPEC),
            ("hydrotest_core.protocol", MSGSPEC),
            ("hydrotest_core.run.findings", MSGSPEC),
            ("hydrotest_core.connector.evidence", MSGSPEC),
            ("hydrotest_core.connector.cache", MSGSPEC),
            ("hydrotest_core.settings", {*MSGSPEC, "yaml"}),
            ("hydrotest_core.cli.main", {*MSGSPEC, "click"}),
        )
    ],
)
def test_an_import_pulls_in_no_more_than_it_says(module, allowed):
    assert pulled_in(module) <= allowed


def test_the_plugin_loads_nothing_of_ours_before_it_is_asked():
    loaded = MEASURE.replace('.partition(".")[0]', "").format(module="hydrotest_acceptance.plugin")

    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60
    )

    ours = {name for name in done.stdout.split() if name.startswith("hydrotest_")}
    assert {name for name in ours if name.startswith("hydrotest_core")} == set()
    assert ours == {"hydrotest_acceptance", "hydrotest_acceptance.plugin"}


def test_the_measure_sees_what_is_pulled_in():
    assert "jinja2" in pulled_in("hydrotest_core.run.report_html")


class Module(NamedTuple):
    """A module of one of our packages: its path below `src/`, and its tree."""

    name: str
    tree: ast.Module


def modules() -> Iterator[Module]:
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            yield Module(path.relative_to(package.parent).as_posix(), ast.parse(path.read_bytes()))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, library) of each import that can happen while the program runs."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name.partition(".")[0]) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]
        waiting.extend(ast.iter_child_nodes(node))


def misplaced(module: Module) -> Iterator[str]:
    for line, library in imported(module.tree):
        if library in sys.stdlib_module_names or library.startswith("hydrotest_"):
            continue
        places = PLACES.get(library, ())
        if not any(fnmatch.fnmatch(module.name, place) for place in places):
            yield f"{module.name}:{line} imports {library}, which is for {places or 'nobody'}"


def catching_all(module: Module) -> Iterator[str]:
    """Yield the handlers that catch whatever comes and don't raise it again."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = ast.unparse(node.type) if node.type else ""
        last = node.body[-1]
        if isinstance(last, ast.Raise) and last.exc is None and caught == "BaseException":
            continue  # It tidies up and lets the error go on.
        if re.fullmatch(r"|.*\b(Base)?Exception\b.*", caught) and module.name not in CATCH_ALL:
            yield f"{module.name}:{node.lineno} catches {caught or 'everything'}"


def complaints(check: Callable[[Module], Iterator[str]]) -> list[str]:
    return [complaint for module in modules() for complaint in check(module)]


def test_each_library_is_imported_where_it_belongs():
    assert complaints(misplaced) == []


def test_nothing_catches_whatever_comes():
    assert complaints(catching_all) == []


def test_ruff_is_asked_about_blind_excepts_as_well():
    lint = SETTINGS["ruff"]["lint"]

    assert "ALL" in lint["select"]
    assert not any(code.startswith("BLE") for code in lint["ignore"])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("import docker", 1, id="at the top"),
        pytest.param("import os\nfrom docker.errors import APIError", 1, id="the second import"),
        pytest.param("def f():\n    import click", 1, id="inside a function"),
        pytest.param("import duckdb", 1, id="a library that is on no list"),
        pytest.param("import msgspec\nimport json", 0, id="allowed everywhere"),
        pytest.param("from hydrotest_core import errors", 0, id="ours"),
        pytest.param("if TYPE_CHECKING:\n    import docker", 0, id="for the type checker"),
        pytest.param(
            "if TYPE_CHECKING:\n    pass\nelse:\n    import docker", 1, id="for all but it"
        ),
    ],
)
def test_a_misplaced_import_is_found(source, found):
    module = Module("hydrotest_core/run/report.py", ast.parse(source))

    assert len(list(misplaced(module))) == found


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        pytest.param("except:\n    pass", 1, id="bare"),
        pytest.param("except Exception:\n    raise", 1, id="Exception, even when it goes on"),
        pytest.param("except (OSError, Exception):\n    pass", 1, id="among others"),
        pytest.param("except BaseException:\n    pass", 1, id="BaseException, swallowed"),
        pytest.param("except BaseException:\n    x = 1\n    raise", 0, id="tidied up, raised"),
        pytest.param("except OSError:\n    pass\nexcept Exception:\n    pass", 1, id="the second"),
        pytest.param("except OSError:\n    pass", 0, id="one that has a name"),
    ],
)
def test_a_blind_except_is_found(handler, found):
    module = Module("hydrotest_core/run/report.py", ast.parse(f"try:\n    f()\n{handler}"))

    assert len(list(catching_all(module))) == found


# Made by tools, or by a run of ours; none of it is committed.
NOT_OURS = ("__pycache__", "node_modules", "build", "dist", "secrets", "*.egg-info", "venv")
# Written in two parts each: this file is one of those that are searched.
TOPS = ("work", "root")
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("debian", "org"), ("npmjs", "com"))]
FORBIDDEN = re.compile(
    "|".join([
        *map(re.escape, HOSTS),
        "python" + "hosted",
        "registry" + r"\.npm",
        "npm" + r"js\.org",
        # The folders of one machine; a test may speak of `/home/me`.
        rf"(?<![\w.])/(?:{'|'.join(TOPS)})/[\w.]",
    ])
)  # fmt: skip


def repository_files(top: Path = ROOT) -> Iterator[Path]:
    """Yield the files that are ours: no caches, no environments, nothing hidden but `.ci`."""
    for folder, names, files in os.walk(top):
        names[:] = [
            name
            for name in names
            if (not name.startswith(".") or name == ".ci")
            and not any(fnmatch.fnmatch(name, pattern) for pattern in NOT_OURS)
        ]
        yield from (Path(folder, name) for name in files)


def forbidden_in(text: str) -> list[str]:
    return [
        f"{number}: {found[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := FORBIDDEN.search(line))
    ]


def test_no_file_names_a_package_index_or_a_folder_of_one_machine():
    found = {
        str(path.relative_to(ROOT)): lines
        for path in repository_files()
        if (lines := forbidden_in(path.read_bytes().decode("utf-8", "replace")))
    }

    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        *(f"see https://{host}/simple" for host in HOSTS),
        f"a line\n--index-url=//files.{'python' + 'hosted'}.x",
        *(f"see /{top}/main/run" for top in TOPS),
    ],
)
def test_an_index_or_a_folder_of_one_machine_is_found(text):
    assert len(forbidden_in(text)) == 1


@pytest.mark.parametrize("text", ["name==1.2.3", "the /workspace folder", "at work/main", "root/"])
def test_what_only_looks_like_one_is_left_alone(text):
    assert forbidden_in(text) == []


def test_the_files_are_found_and_caches_are_not(tmp_path):
    for name in ("a.py", "b/c.md", ".ci/run", ".git/config", "b/__pycache__/c.pyc", "secrets/k"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    found = {path.relative_to(tmp_path).as_posix() for path in repository_files(tmp_path)}

    assert found == {"a.py", "b/c.md", ".ci/run"}


def too_long(lengths: Mapping[str, int], longer: Mapping[str, int]) -> list[str]:
    """Return what is longer than it may be, and exceptions that are no longer needed."""
    found = [
        f"{name} has {n} lines" for name, n in lengths.items() if n > longer.get(name, LONGEST)
    ]
    for name, allowed in longer.items():
        length = lengths.get(name, 0)
        if length < allowed:
            now = f"set it to {length}" if length > LONGEST else "take it out"
            found.append(f"LONGER allows {name} {allowed} lines, it has {length}: {now}")
    return found


def test_no_file_is_longer_than_a_person_reads():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines())
        for path in repository_files()
        # A connector is as its author wrote it.
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "connectors"
    }

    assert too_long(lengths, LONGER) == []


@pytest.mark.parametrize(
    ("lengths", "longer", "found"),
    [
        ({"a": 700, "b": 1}, {}, 0),
        ({"a": 1, "b": 701}, {}, 1),
        ({"a": 800}, {"a": 800}, 0),
        ({"a": 801}, {"a": 800}, 1),
        ({"a": 799}, {"a": 800}, 1),
        ({"a": 600}, {"a": 800}, 1),
        ({}, {"a": 800}, 1),
    ],
    ids=["short", "the second", "allowed", "grown", "shrunk", "short by now", "gone"],
)
def test_a_long_file_or_a_needless_exception_is_found(lengths, longer, found):
    assert len(too_long(lengths, longer)) == found


def all_rules() -> dict[str, set[tuple[str, ...]]]:
    """Return by code what stands under it: one rule, unless two share a code."""
    found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    package = hydrotest_acceptance.rules
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        values: list[Any] = list(vars(importlib.import_module(module.name)).values())
        for rule in (each for each in values if isinstance(each, Rule)):
            found[rule.code].add((rule.title, rule.why, rule.source))
    return dict(found)


def bad_rules(rules: Mapping[str, set[tuple[str, ...]]]) -> list[str]:
    found = [
        f"{code} stands for {len(texts)} rules" for code, texts in rules.items() if len(texts) > 1
    ]
    found += [f"{code} is no code" for code in rules if not CODE.fullmatch(code)]
    for code, texts in rules.items():
        for title, why, source in texts:
            if not (title and why and source) or title.endswith("."):
                found.append(f"{code}: title without a full stop, why and source: all three")
    return found


def test_each_rule_has_a_code_of_its_own_and_says_why():
    rules = all_rules()

    assert len(rules) > 50
    assert bad_rules(rules) == []


@pytest.mark.parametrize(
    "rules",
    [
        {"HT-A-001": {("t", "w", "s"), ("u", "w", "s")}},
        {"HT-A-001": {("t", "w", "s")}, "HT-A-2": {("t", "w", "s")}},
        {"HT-a-001": {("t", "w", "s")}},
        {"HT-A-001": {("t", "", "s")}},
        {"HT-A-001": {("t.", "w", "s")}},
    ],
    ids=["twice", "the second is short", "lower case", "no why", "full stop"],
)
def test_a_bad_rule_is_found(rules):
    assert len(bad_rules(rules)) == 1


def test_no_source_names_a_rule_that_there_is_not():
    known = set(all_rules())
    named = {
        (path.name, code)
        for package in PACKAGES
        for path in package.rglob("*.py")
        for code in CODE.findall(path.read_text())
    }

    # The core's docstrings show what a code looks like.
    assert {(name, code) for name, code in named if code not in known} == set()


# What turns bytes into code: nothing that is stored may be read by one of these (C4).
MODULES_THAT_RUN_BYTES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "jsonpickle",
}
CALLS_THAT_RUN_TEXT = {"eval", "exec"}
YAML_THAT_MAKES_OBJECTS = {
    "load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all",
    "Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader",
}  # fmt: skip


def readers_that_run_code(source: str) -> list[str]:
    """Return what of a module could turn stored bytes into code, by name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [each.name.partition(".")[0] for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").partition(".")[0]]
        found += [name for name in names if name in MODULES_THAT_RUN_BYTES]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] if node.func.id in CALLS_THAT_RUN_TEXT else []
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            is_yaml = node.value.id == "yaml" and node.attr in YAML_THAT_MAKES_OBJECTS
            found += [f"yaml.{node.attr}"] if is_yaml else []
    return found


def test_nothing_that_is_stored_is_read_by_what_runs_code():
    found = {
        str(path.relative_to(ROOT)): readers
        for package in PACKAGES
        for path in package.rglob("*.py")
        if (readers := readers_that_run_code(path.read_text()))
    }

    assert found == {}


@pytest.mark.parametrize(
    ("source", "readers"),
    [
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("import json, marshal", ["marshal"]),
        ("eval(text)", ["eval"]),
        ("import yaml\nyaml.load(text, yaml.Loader)", ["yaml.load", "yaml.Loader"]),
        ("import yaml\nyaml.SafeLoader(text)", []),
        ("pattern.exec(text)", []),
    ],
)
def test_what_runs_code_is_seen(source, readers):
    assert sorted(readers_that_run_code(source)) == sorted(readers)


@pytest.mark.parametrize(
    "tag",
    ["!!python/object:os.system", "!!python/object/apply:os.system", "!!python/name:os.system"],
)
def test_a_tag_that_makes_an_object_is_refused(tmp_path, tag):
    from hydrotest_core.errors import SettingsError  # noqa: PLC0415 - beside the one test
    from hydrotest_core.settings import load_yaml  # noqa: PLC0415

    (tmp_path / "settings.yml").write_text(f"a: {tag} [touch /tmp/never]\n")

    with pytest.raises(SettingsError, match="isn't allowed"):
        load_yaml(tmp_path / "settings.yml", "settings")
