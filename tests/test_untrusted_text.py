"""Text that a connector wrote is shown by `for_…` only; here is what a type checker can't see.

mypy refuses it in f-strings, `format`, `%`, sums and joins (shared/tests/test_untrusted_types.py);
`str()` takes anything, and templates have no types.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for pattern in ("shared/src", "packages/*/src") for folder in ROOT.glob(pattern) for path in folder.rglob("*.py"))  # fmt: skip
TEMPLATES = sorted(ROOT.glob("shared/src/**/templates/*.html"))
HOLDERS = {"count", "each", "example", "execution", "finding", "judgement", "one", "report", "stream", "summary", "verdict", "where"}  # fmt: skip
# Named once and for all, so that one which is renamed isn't forgotten here.
FIELDS = {
    *("expected", "got", "hint", "namespace", "skipped", "stderr_tail", "stream", "text", "waive"),
    *("reason", "rerun", "test"),
}


def implicit_conversions(source: str) -> list[str]:
    """Return where `str()`, `repr()`, `format()` or `!s` turns a stranger's text into plain text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        converted: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            converted = node.args[:1] if node.func.id in {"str", "repr", "format"} else []
        if isinstance(node, ast.FormattedValue) and node.conversion != -1:
            converted = [node.value]
        found += [
            f"line {one.lineno}: {ast.unparse(one)}"
            for one in converted
            if isinstance(one, ast.Attribute)
            and one.attr in FIELDS
            and isinstance(one.value, ast.Name)
            and one.value.id in HOLDERS
        ]
    return found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("show(for_terminal(finding.got))", 0),
        ("str(error)", 0),
        ("str(finding.got)", 1),
        ("a = 1\nstr(finding.got) + format(stream.stream) + repr(verdict.reason)", 3),
        ("f'{finding.got!s} {finding.hint!r}'", 2),
    ],
    ids=["escaped", "another's", "str", "each of three", "conversions of an f-string"],
)
def test_an_implicit_conversion_is_found(source, count):
    assert len(implicit_conversions(source)) == count


def test_no_source_turns_untrusted_text_into_plain_text_unseen():
    found = {path.name: implicit_conversions(path.read_text()) for path in SOURCES}

    assert {name: places for name, places in found.items() if places} == {}


def test_the_fields_looked_for_are_those_of_the_types():
    declared = set(re.findall(r"^    (\w+): (?:list\[)?UntrustedText", "".join(path.read_text() for path in SOURCES), re.MULTILINE))  # fmt: skip

    assert declared >= FIELDS


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_quotes_its_attributes_and_trusts_nothing(template):
    text = template.read_text()

    assert re.findall(r"\|\s*safe\b|autoescape|Markup", text) == []
    assert re.findall(r"<[a-z]+(?:\s[^<>]*)?\s[\w-]+=\{[{%]", text) == []
    # Only the one macro that looks at a path first may make a link from what it is given.
    assert [
        url for url in re.findall(r"(?:href|src|action)=\"\{\{ (\w+)", text) if url != "where"
    ] == []


def test_only_named_places_say_that_text_is_markup():
    allowed = {"report_html.py": 2}
    found = {path.name: len(re.findall(r"\bMarkup\(", path.read_text())) for path in SOURCES}

    assert {name: count for name, count in found.items() if count} == allowed


# What would run, load or unpack a text that came from outside.
DANGEROUS = {
    *("eval", "exec", "compile", "__import__", "system", "popen", "extractall", "unpack_archive"),
    *("unsafe_load", "full_load", "load_all", "loads_unsafe", "marshal"),
}


def dangerous_calls(source: str) -> list[str]:
    """Return the calls of a module that could turn text into something that acts."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last = name.rpartition(".")[2]
            is_shell = any(
                one.arg == "shell"
                and not (isinstance(one.value, ast.Constant) and one.value.value is False)
                for one in node.keywords
            )
            if (
                is_shell
                or (last in DANGEROUS and name != "re.compile")
                or name.startswith("pickle.")
            ):
                found.append(name)
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("re.compile(x); json.loads(y)", []),
        ("a = 1\nsubprocess.run(x, shell=True)", ["subprocess.run"]),
        ("pickle.loads(x); os.system(y)", ["pickle.loads", "os.system"]),
        ("tar.extractall(x)", ["tar.extractall"]),
    ],
    ids=["harmless", "a shell", "two", "an archive"],
)
def test_a_call_that_makes_text_act_is_found(source, found):
    assert dangerous_calls(source) == found


def test_no_source_runs_loads_or_unpacks_text():
    found = {path.name: dangerous_calls(path.read_text()) for path in SOURCES}

    assert {name: calls for name, calls in found.items() if calls} == {}
