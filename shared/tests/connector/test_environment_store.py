from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import pytest

from hydrotest_core.connector.environment_store import EnvironmentPlan, ensure_environment
from hydrotest_core.connector.installer import find_interpreter
from hydrotest_core.connector.sources import source_files
from hydrotest_core.errors import BuildFailed


class FakeInstaller:
    """Makes folders that look like environments, and counts."""

    def __init__(self, failure=None, takes_s=0.0):
        self.name = "fake"
        self.progress = None
        self.failure = failure
        self.takes_s = takes_s
        self.made = 0
        self.requirements: list[str] = []
        self.constraints = None

    def make(self, directory, interpreter, *, what):
        self.made += 1
        (directory / "bin").mkdir(parents=True)
        (directory / "bin" / "python").symlink_to(interpreter.executable)

    def install(self, directory, requirements, constraints, *, what, cwd):
        time.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure
        self.requirements = list(requirements)
        self.constraints = constraints.read_text() if constraints is not None else None
        for name in ("b-2.dist-info", "a-1.dist-info"):
            (directory / "lib" / "python3.11" / "site-packages" / name).mkdir(parents=True)


def an_installer(**settings) -> Any:
    return FakeInstaller(**settings)


def a_plan(**changes):
    plan = EnvironmentPlan(
        connector="source-x", interpreter=find_interpreter(None), requirements=("x==1",)
    )
    return dataclasses.replace(plan, **changes)


def entries(home):
    names = (path.name for path in (home / "environments").iterdir())
    return sorted(name for name in names if not name.endswith(".lock"))


def test_an_environment_is_made_once(tmp_path):
    installer = an_installer()

    first = ensure_environment(a_plan(), tmp_path, installer)
    second = ensure_environment(a_plan(connector="other-name"), tmp_path, installer)

    assert (first.is_reused, second.is_reused) == (False, True)
    assert first.directory == second.directory
    assert first.installed == second.installed == ("a-1", "b-2")
    assert installer.made == 1
    assert entries(tmp_path) == [first.directory.name]


@pytest.mark.parametrize(
    "change",
    [
        {"requirements": ("x==2",)},
        {"requirements": ("x==1", "y==1")},
        {"constraints": "a==1"},
        {"constraints": ""},
        {"interpreter": dataclasses.replace(find_interpreter(None), tag="cpython-3.99.0-linux")},
    ],
    ids=["requirement", "second requirement", "constraints", "empty constraints", "python"],
)
def test_each_thing_that_determines_it_makes_another(change):
    assert a_plan(**change).key != a_plan().key


def test_the_packages_sources_determine_it(tmp_path):
    (tmp_path / "a.py").write_text("1")
    before = a_plan(sources=tuple(source_files(tmp_path))).key
    (tmp_path / "a.py").write_text("2")

    assert a_plan(sources=tuple(source_files(tmp_path))).key != before


def test_a_copy_of_the_sources_is_installed_and_taken_away_again(tmp_path):
    folder = tmp_path / "source-x"
    folder.mkdir()
    for name in ("main.py", "pyproject.toml"):
        (folder / name).write_text("")
    installer = an_installer()

    made = ensure_environment(
        a_plan(requirements=(), sources=tuple(source_files(folder)), constraints="a==1\n"),
        tmp_path / "home",
        installer,
    )

    assert installer.requirements == [f"{made.directory}.build/package"]
    assert installer.constraints == "a==1\n"
    assert [path.name for path in made.code.iterdir()] == ["main.py"]
    assert entries(tmp_path / "home") == [made.directory.name]


@pytest.mark.parametrize("harm", ["no marker", "broken marker", "no python"])
def test_what_is_not_whole_is_made_anew(tmp_path, harm):
    made = ensure_environment(a_plan(), tmp_path, an_installer())
    if harm == "no marker":
        (made.directory / "environment.json").unlink()
    elif harm == "broken marker":
        (made.directory / "environment.json").write_text('{"format_version": 1')
    else:
        (made.directory / "bin" / "python").unlink()
        (made.directory / "bin" / "python").symlink_to("/gone/python")
    leftover = made.directory / "leftover"
    leftover.touch()
    installer = an_installer()

    again = ensure_environment(a_plan(), tmp_path, installer)

    assert installer.made == 1
    assert not leftover.exists()
    assert not again.is_reused


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (BuildFailed("no"), BuildFailed),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(28, "No space left on device"), BuildFailed),
    ],
    ids=["tool", "interrupt", "disk"],
)
def test_a_failure_leaves_nothing_behind_and_the_next_try_works(tmp_path, failure, raised):
    with pytest.raises(raised):
        ensure_environment(a_plan(), tmp_path, an_installer(failure=failure))

    assert entries(tmp_path) == []
    assert not ensure_environment(a_plan(), tmp_path, an_installer()).is_reused


def test_of_several_that_need_it_one_makes_it_and_the_others_wait(tmp_path):
    installer = an_installer(takes_s=0.2)
    found = []

    def need_it():
        found.append(ensure_environment(a_plan(), tmp_path, installer))

    threads = [threading.Thread(target=need_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert installer.made == 1
    assert sorted(environment.is_reused for environment in found) == [False, True, True, True]
