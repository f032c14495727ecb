"""The workspace agrees with itself: five packages, their versions, their tests, the scripts."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from hydrotest_acceptance.config import load_config
from hydrotest_core.connector.folder import ConnectorFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from types import ModuleType

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT / "shared", *sorted((ROOT / "packages").iterdir())]
PROJECTS = {
    folder.name: tomllib.loads((folder / "pyproject.toml").read_text()) for folder in FOLDERS
}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
CONNECTORS = sorted(path for path in (ROOT / "connectors").iterdir() if path.is_dir())
SCRIPTS = [ROOT / "run", *sorted(path for path in (ROOT / ".ci").iterdir() if path.is_file())]

# Folders of tests that say what a test needs, not what it tests.
NEEDS = {"browser", "docker"}
PLUGIN = "packages/acceptance/tests/test_plugin.py"
HOSTILE = "tests/connectors/test_hostile_verdicts.py"
# Modules without a test of their own name in the place where it belongs, and what tests them
# instead. An entry that is no longer needed fails: the list only gets shorter.
TESTED_ELSEWHERE: dict[str, dict[str, str]] = {
    "shared": {
        "connector/docker_container": "shared/tests/connector/docker/test_docker.py",
        "connector/execution": "shared/tests/connector/test_runner.py",
        "connector/process_tree": "shared/tests/connector/test_process.py",
        "settings/yaml_nodes": "shared/tests/settings/test_yaml_file.py",
        "testing/contract_program": "shared/tests/testing/test_contract.py",
        "testing/fake_container": "shared/tests/testing/test_engine_contract.py",
        "testing/faulting_engine": "shared/tests/connector/test_docker.py",
    },
    "acceptance": {
        "rules/connection": HOSTILE,
        "rules/failure": HOSTILE,
        "rules/read": HOSTILE,
        "suites/conftest": PLUGIN,
        "suites/test_basic_read": HOSTILE,
        "suites/test_connection": HOSTILE,
        "suites/test_discovery": HOSTILE,
        "suites/test_full_refresh": HOSTILE,
        "suites/test_incremental": HOSTILE,
        "suites/test_spec": HOSTILE,
    },
}
# Tests that are about more than one module: what they are about.
ABOUT_MORE: dict[str, dict[str, str]] = {
    "shared": {
        "connector/test_cache_attacked.py": "the cache, with disk, clock and processes against it",
        "connector/test_cache_secrets.py": "what a kept execution's names and files give away",
        "connector/docker/test_endings.py": "ourselves and containers, ended at each stage",
        "connector/docker/test_hostile_output.py": "floods and ends of containers",
        "connector/test_endings.py": "ourselves and processes, ended at each stage",
        "connector/test_faults.py": "any one call that fails, in runs and in the cache",
        "connector/test_volume.py": "memory and disk of a flood, from pipe to evidence",
        "connector/test_hostile_output.py": "floods and ends of processes, from pipe to evidence",
        "connector/test_hostile_names.py": "names and planted links, from records to reports",
        "protocol/test_referee.py": "the published models, against all of ours",
        "redaction/test_false_positives.py": "all of redaction, on records without secrets",
        "run/browser/test_hostile_page.py": "the report's page with hostile content",
        "run/browser/test_report_page.py": "the report's page, used by a person",
        "test_untrusted_types.py": "what a type checker says of a missing escape",
    },
    "acceptance": {
        "test_endings.py": "a run that is ended, by whatever, at whatever time",
        "test_engine_gone.py": "a run whose engine goes away in the middle",
        "test_hostile_text.py": "a connector that writes to harm, from its lines to the reports",
    },
}


def canonical(name: str) -> str:
    """Return a distribution's name as indexes compare it: `types-PyYAML` -> `types-pyyaml`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """Return whom a requirement is about: `jsonschema[format]>=4` -> `jsonschema`."""
    found = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
    assert found, requirement
    return canonical(found[0])


@pytest.fixture(scope="module")
def noxfile() -> ModuleType:
    """`noxfile.py`, loaded."""
    spec = importlib.util.spec_from_file_location("the_noxfile", ROOT / "noxfile.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nox_knows_the_packages_that_there_are(noxfile):
    assert dict(noxfile.PACKAGES) == {
        "core" if folder.name == "shared" else folder.name: folder for folder in FOLDERS
    }


def test_the_import_contracts_speak_of_all_packages():
    sources = {path.name for folder in FOLDERS for path in (folder / "src").iterdir()}

    assert set(SETTINGS["importlinter"]["root_packages"]) == sources


def test_a_package_is_called_like_its_folder():
    names = {folder: project["project"]["name"] for folder, project in PROJECTS.items()}

    assert names == {name: f"hydrotest-{'core' if name == 'shared' else name}" for name in PROJECTS}


def disagreements(projects: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what must be the same in all `pyproject.toml`s and isn't: by key, by package."""
    shared: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "version": lambda each: each["project"]["version"],
        "license": lambda each: each["project"]["license"],
        "requires-python": lambda each: each["project"]["requires-python"],
        "readme": lambda each: each["project"]["readme"],
        "build-system": lambda each: each["build-system"],
        "topics": lambda each: [
            line for line in each["project"]["classifiers"] if "Status" not in line
        ],
    }
    values = {
        key: {name: value(each) for name, each in projects.items()} for key, value in shared.items()
    }
    return {
        key: by_name
        for key, by_name in values.items()
        if any(value != by_name["shared"] for value in by_name.values())
    }


def test_the_five_projects_agree():
    assert disagreements(PROJECTS) == {}


@pytest.mark.parametrize("key", ["version", "license", "requires-python", "readme"])
@pytest.mark.parametrize("name", ["shared", "mock"])
def test_a_project_that_differs_is_found(name, key):
    project = {**PROJECTS[name], "project": {**PROJECTS[name]["project"], key: "other"}}

    assert list(disagreements({**PROJECTS, name: project})) == [key]


def test_a_package_asks_for_the_core_of_its_own_version():
    asked = {
        name: [need for need in each["project"]["dependencies"] if need.startswith("hydrotest")]
        for name, each in PROJECTS.items()
    }
    version = PROJECTS["shared"]["project"]["version"]

    assert all(need.endswith(f"=={version}") for needs in asked.values() for need in needs)
    assert not any("hydrotest-core" not in need for needs in asked.values() for need in needs)


def test_packages_and_linters_look_at_one_python():
    floor = PROJECTS["shared"]["project"]["requires-python"].removeprefix(">=")

    assert SETTINGS["mypy"]["python_version"] == floor
    assert SETTINGS["ruff"]["target-version"] == f"py{floor.replace('.', '')}"


# `name==version`, where need be `; marker`: no index, no hash, no comment with a path.
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[\w.+!]+)(?: ; [^/@#]+)?")


def pins(text: str) -> dict[str, str]:
    """Read `constraints.txt`; a line that is anything but a pin is refused."""
    found = {}
    for line in text.splitlines():
        match = PIN.fullmatch(line)
        assert match, f"not name==version: {line!r}"
        found[canonical(match["name"])] = match["version"]
    return found


def asked_by_projects() -> set[str]:
    """Return whom the packages depend on, extras and build backend included."""
    needs = [need for each in PROJECTS.values() for need in each["build-system"]["requires"]]
    for each in PROJECTS.values():
        needs += each["project"]["dependencies"]
        needs += [
            need
            for extra in each["project"].get("optional-dependencies", {}).values()
            for need in extra
        ]
    return {name_of(need) for need in needs}


def asked_by_sessions(source: str) -> set[str]:
    """Return whom the sessions of a noxfile install by name: what `_install` is given as text."""
    tree = ast.parse(source)
    values: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = list(texts_in(node.value))
    found = {text for name in ("TEST_TOOLS", "TEST_EXTRAS") for text in values.get(name, ())}
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "_install":
            continue
        for argument in call.args:
            match argument:
                case ast.Constant(value=str(text)):
                    found.add(text)
                case ast.Starred(value=ast.Name(id=name)):
                    found.update(values.get(name, ()))
                case _:
                    pass  # A path, or what a function returned.
    return {name_of(text) for text in found if re.match(r"[A-Za-z]", text)}


def texts_in(node: ast.expr) -> Iterator[str]:
    """Yield the texts in tuples and lists, and in the values of dicts; not the keys."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from texts_in(part)
        case ast.Dict(values=parts):
            for part in parts:
                yield from texts_in(part)
        case _:
            return


def test_constraints_are_pins_and_nothing_else():
    assert len(pins((ROOT / "constraints.txt").read_text())) > 20


@pytest.mark.parametrize(
    "line",
    [
        "name>=1.0",
        "name",
        "--index-url=https://example.com",
        "name @ file:///tmp/name",
        "name==1.0 --hash=sha256:00",
        "name==1.0 # via other",
        "",
    ],
)
def test_a_line_that_is_no_pin_is_refused(line):
    with pytest.raises(AssertionError, match="not name==version"):
        pins(f"good==1.0\n{line}\n")


def test_all_that_is_asked_for_is_pinned():
    asked = asked_by_projects() | asked_by_sessions((ROOT / "noxfile.py").read_text())
    asked |= {name_of(line) for line in requirements_in("constraints.in")}
    own = {each["project"]["name"] for each in PROJECTS.values()}

    assert asked - own - set(pins((ROOT / "constraints.txt").read_text())) == set()


def unpinned(
    roots: Iterable[str],
    pinned: Mapping[str, str],
    look_up: Callable[[str], tuple[str, list[str]] | None],
) -> list[str]:
    """Return what an environment of `roots` has otherwise than it is pinned.

    Args:
        roots: Requirements, `name[extra]>=1`.
        pinned: Versions by name.
        look_up: Gives an installed distribution's version and what it requires.
    """
    found, seen, waiting = [], set(), [Requirement(root) for root in roots]
    while waiting:
        need = waiting.pop()
        name, extras = canonical(need.name), {"", *need.extras}
        installed = look_up(name)
        if (name, *sorted(extras)) in seen or installed is None:
            continue
        seen.add((name, *sorted(extras)))
        version, needs = installed
        if not name.startswith("hydrotest-") and pinned.get(name) != version:
            found.append(f"{name} is {version}, pinned is {pinned.get(name)}")
        waiting += [
            one
            for one in map(Requirement, needs)
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return sorted(set(found))


def installed_here(name: str) -> tuple[str, list[str]] | None:
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return found.version, found.requires or []


def test_what_is_installed_is_what_is_pinned_down_to_the_last_need(noxfile):
    pinned = pins((ROOT / "constraints.txt").read_text())
    extras = [each for several in noxfile.TEST_EXTRAS.values() for each in several]
    own = [f"{each['project']['name']}[docker,testing]" for each in PROJECTS.values()]
    roots = [*own, *noxfile.TEST_TOOLS, *extras, *requirements_in("constraints.in")]

    assert unpinned(roots, pinned, installed_here) == []


@pytest.mark.parametrize(
    ("pinned", "found"),
    [
        ({"a": "1", "b": "2", "c": "3"}, 0),
        ({"a": "1", "b": "1", "c": "3"}, 1),
        ({"a": "1", "b": "2"}, 1),
        ({"a": "1"}, 2),
    ],
    ids=["as pinned", "another version", "a need of a need", "two"],
)
def test_what_is_not_as_pinned_is_found(pinned, found):
    there = {"a": ("1", ["b[x]>=1"]), "b": ("2", ["c; extra == 'x'", "d; extra == 'y'"])}
    there |= {"c": ("3", ["a", "gone"])}

    assert len(unpinned(["a"], pinned, there.get)) == found


def unconstrained(source: str) -> list[str]:
    """Return the installations of a noxfile that don't go by `constraints.txt`."""
    calls = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func).endswith((".install", ".conda_install"))
            or any(ast.unparse(word) in {"'pip'", "'uv'"} for word in node.args)
        )
    ]
    return [call for call in calls if "'-c', str(ROOT / 'constraints.txt')" not in call]


def test_each_installation_goes_by_the_constraints():
    assert unconstrained((ROOT / "noxfile.py").read_text()) == []
    lines = [line for script in SCRIPTS for line in script.read_text().splitlines()]
    bare = [one for one in lines if re.search(r"pip(\"|'|}|) install", one) and "$@" not in one]
    assert [one for one in bare if "constraints.txt" not in one and not one.startswith("#")] == []


@pytest.mark.parametrize(
    "call",
    [
        "session.install('ruff')",
        "session.run('pip', 'install', 'ruff')",
        "session.run_install('uv', 'pip', 'install', 'ruff')",
    ],
)
def test_an_installation_of_anything_is_found(call):
    good = "session.install('-c', str(ROOT / 'constraints.txt'), *what)"

    assert unconstrained(f"{good}\n{call}\n") == [call]


def test_our_own_tests_are_watched(pytestconfig):
    plugins = {name for name, _ in pytestconfig.pluginmanager.list_name_plugin()}

    assert {"hydrotest-leaks", "hydrotest-silence"} <= plugins


def requirements_in(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_what_the_sessions_install_is_understood(noxfile):
    found = asked_by_sessions((ROOT / "noxfile.py").read_text())

    assert {"ruff", "mypy", "import-linter", "deptry", "types-docker", "pytest-xdist"} <= found
    assert {name_of(each) for tools in noxfile.TEST_EXTRAS.values() for each in tools} <= found


def test_what_only_a_session_names_is_asked_for():
    source = 'MORE = ("b[x]", "C_d")\ndef s(session):\n    _install(session, "a", "-e", *MORE)\n'

    assert asked_by_sessions(source) == {"a", "b", "c-d"}


def test_each_dependency_has_its_line_in_the_decision_about_them():
    text = canonical((ROOT / "docs" / "adr" / "0007-dependencies.md").read_text())
    needs = [need for each in PROJECTS.values() for need in each["project"]["dependencies"]]
    needs += [
        need
        for each in PROJECTS.values()
        for extra in each["project"].get("optional-dependencies", {}).values()
        for need in extra
    ]

    unnamed = {name_of(need) for need in needs if not re.search(rf"\b{name_of(need)}\b", text)}
    assert unnamed <= {each["project"]["name"] for each in PROJECTS.values()}


def mirrors(test: Path, module: Path) -> bool:
    """Say whether a test stands where the module's test belongs; both without their roots."""
    parts = [part for part in test.parent.parts if part not in NEEDS]
    return test.stem == f"test_{module.stem}" and parts == list(module.parent.parts)


def unmirrored(
    modules: Collection[Path],
    tests: Collection[Path],
    elsewhere: Mapping[str, str],
    about_more: Mapping[str, str],
) -> list[str]:
    """Return modules without tests, tests without a module, and exceptions nobody needs."""
    untested = {str(m.with_suffix("")) for m in modules if not any(mirrors(t, m) for t in tests)}
    astray = {str(t) for t in tests if not any(mirrors(t, m) for m in modules)}
    return [
        *(f"{name}.py has no test" for name in sorted(untested - set(elsewhere))),
        *(f"{name} mirrors no module" for name in sorted(astray - set(about_more))),
        *(
            f"TESTED_ELSEWHERE: {name} has its test, or is gone; take it out"
            for name in sorted(set(elsewhere) - untested)
        ),
        *(
            f"ABOUT_MORE: {name} mirrors a module, or is gone; take it out"
            for name in sorted(set(about_more) - astray)
        ),
    ]


def source_of(folder: Path) -> tuple[list[Path], list[Path]]:
    (source,) = (folder / "src").iterdir()
    modules = [path.relative_to(source) for path in source.rglob("*.py")]
    tests = [path.relative_to(folder / "tests") for path in (folder / "tests").rglob("test_*.py")]
    # A package that is nothing but its version has a test of its own name.
    tests = [path for path in tests if path.name != f"test_{source.name}.py"]
    return [path for path in modules if path.name != "__init__.py"], tests


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_module_has_its_test_and_each_test_its_module(folder):
    elsewhere = TESTED_ELSEWHERE.get(folder.name, {})
    about_more = ABOUT_MORE.get(folder.name, {})

    assert unmirrored(*source_of(folder), elsewhere, about_more) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_tested_elsewhere_says_where(folder):
    places = TESTED_ELSEWHERE.get(folder.name, {}).values()

    assert [place for place in places if not (ROOT / place).exists()] == []


A, B = Path("a.py"), Path("room/b.py")


@pytest.mark.parametrize(
    ("modules", "tests", "elsewhere", "more", "found"),
    [
        pytest.param([A, B], ["test_a.py", "room/test_b.py"], {}, {}, 0, id="mirrored"),
        pytest.param([B], ["room/docker/test_b.py"], {}, {}, 0, id="in a folder of needs"),
        pytest.param([A, B], ["test_a.py"], {}, {}, 1, id="the second has none"),
        pytest.param([A, B], ["test_a.py", "test_b.py"], {}, {}, 2, id="in the wrong folder"),
        pytest.param([A, B], ["test_a.py"], {"room/b": "x"}, {}, 0, id="tested elsewhere"),
        pytest.param([A], ["test_a.py"], {"a": "x"}, {}, 1, id="needs no exception any more"),
        pytest.param([A], ["test_a.py"], {"gone": "x"}, {}, 1, id="an exception for nothing"),
        pytest.param([A], ["test_a.py", "test_all.py"], {}, {"test_all.py": "x"}, 0, id="more"),
        pytest.param([A], ["test_a.py"], {}, {"test_a.py": "x"}, 1, id="more, needlessly"),
    ],
)
def test_what_is_not_mirrored_is_found(modules, tests, elsewhere, more, found):
    assert len(unmirrored(modules, [*map(Path, tests)], elsewhere, more)) == found


def shell_complaint(path: Path) -> str:
    """Return what the shell that a script names says of its grammar, or ""."""
    first = path.read_text().split("\n", 1)[0]
    assert first in {"#!/bin/sh", "#!/usr/bin/env bash"}, f"{path.name}: {first}"
    # dash is stricter than bash, and /bin/sh on the machines that matter.
    shell = "bash" if first.endswith("bash") else "sh"
    done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
    return done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run_and_parsed(script):
    assert os.access(script, os.X_OK)
    assert shell_complaint(script) == ""


@pytest.mark.parametrize("shell", ["#!/bin/sh", "#!/usr/bin/env bash"])
def test_a_script_with_a_slip_is_found(shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"{shell}\necho good\nif true; then\n")

    assert shell_complaint(script) != ""


@pytest.mark.parametrize("folder", CONNECTORS, ids=lambda path: path.name)
def test_a_reference_connector_is_as_a_user_would_have_it(folder):
    connector = ConnectorFolder.load(folder)
    config = load_config(folder)

    assert connector.name == folder.name
    assert connector.warnings == ()
    assert config.warnings == ()
    assert config.image_tag == "dev"
    assert (folder / "README.md").is_file()


def missing_files(folder: Path) -> Iterable[str]:
    """Yield the files that a connector's settings name and its folder doesn't have."""
    config = load_config(folder)
    for section in config.sections:
        for entry in section.tests or ():
            expect, future = (
                getattr(entry, "expect_records", None),
                getattr(entry, "future_state", None),
            )
            named = [
                getattr(entry, "config_path", None),
                getattr(entry, "configured_catalog_path", None),
                expect.path if expect else None,
                future.future_state_path if future else None,
            ]
            # What lies in secrets/ is written when a session begins, or by the user.
            yield from (
                path
                for path in named
                if path and not path.startswith("secrets/") and not config.resolve(path).is_file()
            )


@pytest.mark.parametrize("folder", CONNECTORS, ids=lambda path: path.name)
def test_a_reference_connector_has_the_files_that_its_settings_name(folder):
    assert list(missing_files(folder)) == []


def test_a_file_that_is_not_there_is_found(tmp_path):
    hostile = ROOT / "connectors" / "source-hostile"
    shutil.copytree(hostile, tmp_path, dirs_exist_ok=True)
    (tmp_path / "integration_tests" / "abnormal_state.json").unlink()

    assert list(missing_files(tmp_path)) == ["integration_tests/abnormal_state.json"]
