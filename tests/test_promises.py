"""`docs/reliability.md` says what `tests/promises/` says, and what stands there is there.

`HYDROTEST_UPDATE_GOLDEN=1 ./run nox -s 'tests(house)' -- -k page_of_promises` writes the page anew.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[1]


@functools.cache
def load() -> Any:
    """`promises.py`, which is a program as well."""
    spec = importlib.util.spec_from_file_location("the_promises", ROOT / "tests" / "promises.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PROMISES = load().promises()
each_promise = pytest.mark.parametrize(
    "promise", PROMISES, ids=[f"{n} {one.id}" for n, one in enumerate(PROMISES)]
)


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of a file's tests, those of its classes and their bases included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)
            }
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return frozenset(found)


def is_there(test: str) -> bool:
    file, _, name = test.partition("::")
    name = name.partition("[")[0]
    path = ROOT / file
    return (
        path.is_file() and name.rpartition("::")[2].startswith("test_") and name in names_in(path)
    )


def test_each_promise_that_was_asked_for_is_made():
    assert [
        one for one in load().ASKED_FOR if one not in {promise.id for promise in PROMISES}
    ] == []


@each_promise
def test_a_promises_tests_are_there(promise):
    named = [*promise.tests, *(broken.red for broken in promise.breaks)]

    assert promise.tests
    assert [test for test in named if not is_there(test)] == []


@each_promise
def test_a_promise_knows_how_its_code_is_broken(promise):
    counts = {
        (broken.file, broken.find): (ROOT / broken.file).read_text().count(broken.find)
        for broken in promise.breaks
    }

    assert counts
    assert {place: count for place, count in counts.items() if count != 1} == {}
    assert all(broken.find != broken.replace for broken in promise.breaks)
    assert set(promise.lanes) <= set(load().LANES)


def test_a_test_that_is_not_there_is_missed():
    here = f"tests/{Path(__file__).name}"

    assert is_there(f"{here}::test_a_test_that_is_not_there_is_missed")
    assert not is_there(f"{here}::test_nobody_wrote")
    assert not is_there(f"{here}::names_in")
    assert not is_there("tests/test_nowhere.py::test_x")


def test_the_page_of_promises_is_what_the_files_say():
    module = load()
    page = module.page(PROMISES)
    if os.environ.get("HYDROTEST_UPDATE_GOLDEN") == "1":
        module.PAGE.write_text(page)

    assert module.PAGE.read_text() == page, "HYDROTEST_UPDATE_GOLDEN=1 writes it anew"


class TestSeeingRed:
    @pytest.fixture
    def tree(self, tmp_path):
        (tmp_path / "code.py").write_text("def answer():\n    return 42\n")
        (tmp_path / "test_code.py").write_text(
            "import sys; sys.path.insert(0, '.')\n"
            "from code import answer\n"
            "def test_answer():\n    assert answer() == 42\n"
            "def test_nothing():\n    assert True\n"
        )
        return tmp_path

    @pytest.fixture
    def see(self, tree, monkeypatch, capsys):
        """Return a function that breaks the tree and returns the exit code and the output."""

        def look(**changes):
            given = {
                "file": "code.py",
                "find": "42",
                "replace": "41",
                "red": "test_code.py::test_answer",
            }
            module = load()
            broken = msgspec.convert({**given, **changes}, module.Break)
            promise = module.Promise("R1", "", ["U"], "", [], [broken])
            monkeypatch.setattr(module, "promises", lambda: [promise])
            return module.main([str(tree)]), capsys.readouterr().out

        return look

    def test_a_break_that_its_test_sees_is_red(self, see, tree):
        code, said = see()

        assert (code, "R1   red" in said) == (0, True)
        assert "42" in (tree / "code.py").read_text()

    @pytest.mark.parametrize(
        ("changes", "verdict"),
        [
            ({"red": "test_code.py::test_nothing"}, "GREEN"),
            ({"find": "43"}, "no such code"),
            ({"replace": "("}, "error"),
            ({"red": "test_code.py::test_gone"}, "error"),
        ],
        ids=["not seen", "not there", "not even Python", "no such test"],
    )
    def test_a_break_that_no_test_sees_is_told(self, see, tree, changes, verdict):
        code, said = see(**changes)

        assert code == 1
        assert verdict in said
        assert "42" in (tree / "code.py").read_text()
