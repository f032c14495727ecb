"""What the documents say holds: links lead somewhere, names import, commands exist.

`HYDROTEST_UPDATE_GOLDEN=1 ./run nox -s 'tests(house)' -- -k page_of_rules` writes `docs/rules.md` anew.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec
import pytest

import hydrotest_acceptance.rules
from hydrotest_acceptance.config import (
    CONFIG_FILE,
    AcceptanceTestConfigFile,
    entries,
    load_config,
)
from hydrotest_core.cli.main import cli
from hydrotest_core.connector.folder import ConnectorSettings
from hydrotest_core.run.findings import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parents[1]
RULES_PAGE = ROOT / "docs" / "rules.md"
ACCEPTANCE_PAGE = ROOT / "docs" / "acceptance.md"
SUITES = ROOT / "packages/acceptance/src/hydrotest_acceptance/suites"
CODE = re.compile(r"HT-[A-Z]+-\d{3}")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FRAGMENT = re.compile(r"\d+\.(added|changed|deprecated|removed|fixed)\.md")


def documents() -> list[Path]:
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(
            part[0] == "." or part == "node_modules" for part in path.relative_to(ROOT).parts
        )
    )


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_document = pytest.mark.parametrize("document", documents(), ids=named)


class Block(NamedTuple):
    """A fenced block: its language, its first line's number, its text."""

    language: str
    line: int
    text: str


def blocks(text: str) -> Iterator[Block]:
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], text.count("\n", 0, found.start()) + 2, found[2])


def prose(text: str) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """Return what stands in backticks in a document's prose."""
    return re.findall(r"`([^`\n]+)`", prose(text))


# Links


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as forges make them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", prose(text), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def broken_links(document: Path) -> list[str]:
    found = []
    for link in LINK.findall(prose(document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue  # Another site: nothing here may depend on whether it answers.
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists():
            found.append(f"{link}: there is no such file")
        elif anchor and anchor not in anchors(target.read_text()):
            found.append(f"{link}: there is no such heading")
    return found


@each_document
def test_links_lead_somewhere(document):
    assert broken_links(document) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](there.md) and [b](not-there.md)", 1),
        ("[a](there.md#first-words) and [b](there.md#second)", 1),
        ("[a](#own) and [b](#other)\n\n# Own", 1),
        ("[a](https://example.com/x) [b](mailto:a@example.com)", 0),
        ("```\n[a](not-there.md)\n```", 0),
    ],
    ids=["the second file", "the second heading", "here", "elsewhere", "in a block"],
)
def test_a_link_to_nowhere_is_found(text, found, tmp_path):
    (tmp_path / "there.md").write_text("# First, words!\n")
    (tmp_path / "it.md").write_text(text)

    assert len(broken_links(tmp_path / "it.md")) == found


# Names and paths


def unimportable(name: str) -> bool:
    """Say whether a dotted name of ours is neither a module nor something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(value, part):
                return True
            value = getattr(value, part)
        return False
    return True


def unknown_names(text: str) -> list[str]:
    names = re.findall(r"`(hydrotest_[a-z]+(?:\.\w+)+)(?:\(\))?`", prose(text))
    return [name for name in names if unimportable(name)]


def unknown_paths(text: str) -> list[str]:
    """Return the paths from the repository's top, in backticks, that lead nowhere."""
    tops = ("shared", "packages", "connectors", "tests", "benchmarks", "docs", "changelog.d", ".ci")
    return [
        span
        for span in spans(text)
        if re.fullmatch(r"[\w./*-]+", span)
        and span.partition("/")[0] in tops
        and not any(ROOT.glob(span.rstrip("/")))
    ]


@each_document
def test_names_in_backticks_can_be_imported(document):
    assert unknown_names(document.read_text()) == []


@each_document
def test_paths_in_backticks_are_there(document):
    # A connector's own README speaks of paths in its own folder.
    inside_connector = named(document).startswith("connectors/")

    assert inside_connector or unknown_paths(document.read_text()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`hydrotest_core.errors` and `hydrotest_core.mistakes`", ["hydrotest_core.mistakes"]),
        ("`hydrotest_core.errors.UsageError`", []),
        ("`hydrotest_core.errors.AbuseError`", ["hydrotest_core.errors.AbuseError"]),
        ("`hydrotest_core.cli.main()`", []),
    ],
)
def test_a_name_that_does_not_import_is_found(text, found):
    assert unknown_names(text) == found


def test_a_path_that_is_not_there_is_found():
    assert unknown_paths("`docs/adr`, `docs/rules.md`, `shared/lost.py`") == ["shared/lost.py"]
    assert unknown_paths("`connectors/*/README.md`, `tests/*.txt`") == ["tests/*.txt"]
    assert unknown_paths("`/etc/docs/x`, `a docs/x`") == []


# Commands


@functools.cache
def sessions() -> frozenset[str]:
    """The sessions of nox, with and without their parameters."""
    # Its JSON leaves out those that don't run by default.
    listed = subprocess.run(
        [sys.executable, "-m", "nox", "-l"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = re.findall(r"^[*-] (\S+)", listed.stdout, re.MULTILINE)
    return frozenset(names) | {name.partition("(")[0] for name in names}


@functools.cache
def tasks() -> frozenset[str]:
    """The tasks of invoke."""
    listed = subprocess.run(
        [sys.executable, "-m", "invoke", "-l", "-F", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return frozenset(each["name"] for each in json.loads(listed.stdout)["tasks"])


@functools.cache
def pytest_options() -> frozenset[str]:
    """The long options of a pytest with our plugin and xdist."""
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            os.devnull,
            "-p",
            "hydrotest_acceptance.plugin",
            "-h",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return frozenset(re.findall(r"(?<!\S)(--[a-z][a-z-]+|-[a-zA-Z])(?![\w-])", said.stdout))


def bad_options(words: Iterable[str], known: Iterable[str]) -> list[str]:
    given = (word.partition("=")[0] for word in words)
    return [word for word in given if re.match(r"--?[a-z]", word) and word not in known]


def nox_complaint(words: list[str]) -> str:
    own, _, rest = " ".join(words).partition(" -- ")
    asked = [word for word in own.split() if not word.startswith("-")]
    unknown = [word for word in asked if word not in sessions()]
    if unknown:
        return f"there is no session {', '.join(unknown)}"
    if asked == ["acceptance"]:
        bad = bad_options(shlex.split(rest), pytest_options())
        return f"pytest has no {', '.join(bad)}" if bad else ""
    return ""


def hydrotest_complaint(words: list[str]) -> str:
    if not words or words[0].startswith("-"):
        return ""
    command = cli.commands.get(words[0]) or cli.get_command(click.Context(cli), words[0])
    if command is None:
        return f"there is no command hydrotest {words[0]}"
    known = {name for parameter in command.params for name in parameter.opts} | {"-h", "--help"}
    bad = bad_options(words[1:], known)
    return f"hydrotest {words[0]} has no {', '.join(bad)}" if bad else ""


def invoke_complaint(words: list[str]) -> str:
    asked = [word for word in words if not word.startswith("-")][:1]
    return "" if not asked or asked[0] in tasks() else f"there is no task {asked[0]}"


def pytest_complaint(words: list[str]) -> str:
    bad = bad_options(words, pytest_options())
    return f"pytest has no {', '.join(bad)}" if bad else ""


def pip_complaint(words: list[str]) -> str:
    folders = [word.partition("[")[0] for word in words if word.startswith("./")]
    lost = [folder for folder in folders if not (ROOT / folder).is_dir()]
    return f"there is no {', '.join(lost)}" if lost else ""


COMPLAINTS: dict[str, Callable[[list[str]], str]] = {
    "nox": nox_complaint,
    "hydrotest": hydrotest_complaint,
    "invoke": invoke_complaint,
    "pytest": pytest_complaint,
    "pip": pip_complaint,
}


def complaint(line: str) -> str:
    """Say what in a command line of ours isn't there, or ""; others' commands are let be."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]  # A variable for the command.
    if words[:1] == ["./run"]:
        words = words[1:]
    if words[:2] == ["python", "-m"]:
        words = words[2:]
    check = COMPLAINTS.get(words[0]) if words else None
    return check(words[1:]) if check else ""


def command_lines(text: str) -> Iterator[str]:
    """Yield the lines of shell blocks, and the commands in backticks."""
    for block in blocks(text):
        if block.language == "sh":
            whole = block.text.replace("\\\n", " ")
            yield from (line for line in whole.splitlines() if line.strip())
    for span in spans(text):
        if re.match(r"(\./run |nox -s |invoke |hydrotest |pytest -|pip install )", span):
            yield span


@each_document
def test_commands_exist(document):
    found = {line: complaint(line) for line in command_lines(document.read_text())}

    assert {line: said for line, said in found.items() if said} == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("./run nox -s lint types", ""),
        ("./run nox -s lint paint", "there is no session paint"),
        ("./run nox -s 'tests(core)'", ""),
        ("nox -s acceptance -- source-x --runner docker -n 2 -k 'a and b'", ""),
        ("nox -s acceptance -- source-x --rummer docker", "pytest has no --rummer"),
        ("invoke build source-x", ""),
        ("./run invoke bild", "there is no task bild"),
        ("hydrotest doctor --json  # look", ""),
        ("hydrotest doctor --yaml", "hydrotest doctor has no --yaml"),
        ("hydrotest doktor", "there is no command hydrotest doktor"),
        ("X=1 pytest -p a --max-age 3", ""),
        ("python -m pytest --min-age=3", "pytest has no --min-age"),
        ("pip install ./shared[docker] ./packages/lost", "there is no ./packages/lost"),
        ("docker pull x --whatever", ""),
    ],
)
def test_a_command_that_does_not_exist_is_found(line, said):
    assert complaint(line) == said


@pytest.mark.parametrize("name", sorted(cli.list_commands(click.Context(cli))))
def test_each_command_explains_itself(name):
    done = subprocess.run(
        [sys.executable, "-c", "from hydrotest_core.cli import main; main()", name, "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: hydrotest {name} ")


def shell_errors(text: str) -> list[str]:
    found = []
    for block in blocks(text):
        if block.language == "sh":
            done = subprocess.run(
                ["sh", "-n"], input=block.text, capture_output=True, text=True, check=False
            )
            if done.returncode:
                found.append(f"line {block.line}: {done.stderr.strip()}")
    return found


@each_document
def test_shell_blocks_can_be_pasted(document):
    assert shell_errors(document.read_text()) == []


def test_a_shell_block_that_does_not_parse_is_found():
    text = "```sh\necho a\n```\n\n```sh\nrun <name> (x)\n```\n\n```\nrun (x)\n```\n"

    assert len(shell_errors(text)) == 1


# Lengths and forms


@pytest.mark.parametrize(
    ("document", "lines"),
    [("README.md", 120), ("CONTRIBUTING.md", 200), ("ARCHITECTURE.md", 80)]
    + [
        (named(path), 60)
        for path in [ROOT / "shared/README.md", *ROOT.glob("packages/*/README.md")]
    ],
)
def test_a_document_is_short_enough_to_be_read(document, lines):
    assert len((ROOT / document).read_text().splitlines()) <= lines


def test_decisions_have_one_form():
    for decision in sorted((ROOT / "docs" / "adr").glob("*.md")):
        text = decision.read_text()

        assert text.startswith(f"# {int(decision.name[:4])}. "), decision.name
        if "| for |" not in text:
            parts = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
            expected = ["Context", "Decision", "Price", "What would change our mind"]
            assert parts == expected, decision.name


def bad_fragment(name: str, text: str) -> str:
    if not FRAGMENT.fullmatch(name):
        return f"{name}: call it NUMBER.added|changed|deprecated|removed|fixed.md"
    packages = {"core", "acceptance", "live", "mock", "drift"}
    firsts = [part.partition("`:")[0] for part in text.split("\n\n") if part.strip()]
    if not all(first.removeprefix("`") in packages and first[0] == "`" for first in firsts):
        return f"{name}: each entry begins with its package, like `core`:"
    return ""


def test_changelog_fragments_have_one_form():
    found = [bad_fragment(path.name, path.read_text()) for path in ROOT.glob("changelog.d/*.md")]

    assert [each for each in found if each] == []


@pytest.mark.parametrize(
    ("name", "text", "is_good"),
    [
        ("2.added.md", "`core`: a thing.\n\n`live`: another.\n", True),
        ("2.added.md", "`core`: a thing.\n\nAnother.\n", False),
        ("2.added.md", "`kernel`: a thing.\n", False),
        ("2.new.md", "`core`: a thing.\n", False),
        ("two.added.md", "`core`: a thing.\n", False),
    ],
)
def test_a_fragment_of_another_form_is_found(name, text, is_good):
    assert (bad_fragment(name, text) == "") is is_good


# Rules


@functools.cache
def all_rules() -> dict[str, Rule]:
    """Return every rule of the acceptance suites by its code."""
    package = hydrotest_acceptance.rules
    found = {
        value.code: value
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, Rule)
    }
    return dict(sorted(found.items()))


GROUPS = {
    "HT-RUN": "Every execution",
    "HT-ISO": "Isolation",
    "HT-SPEC": "spec",
    "HT-CONN": "connection",
    "HT-DISC": "discovery",
    "HT-READ": "basic_read",
    "HT-FULL": "full_refresh",
    "HT-INCR": "incremental",
}


def rules_page(rules: Iterable[Rule]) -> str:
    """Return `docs/rules.md`, as it is committed."""
    lines = [
        "# The rules",
        "",
        "All acceptance criteria, with the reason for each and where it comes from;",
        "CAT stands for Airbyte's Connector Acceptance Tests.",
        "A code never changes its meaning, and none is used again.",
        "[The acceptance suites](acceptance.md) say which test applies which rule.",
        "",
        "This page is made from the source, by a test:",
        "`HYDROTEST_UPDATE_GOLDEN=1 ./run nox -s 'tests(house)' -- -k page_of_rules`.",
    ]
    by_group: dict[str, list[Rule]] = {prefix: [] for prefix in GROUPS}
    for rule in rules:
        by_group[rule.code.rpartition("-")[0]].append(rule)
    for prefix, members in by_group.items():
        lines += ["", f"## {GROUPS[prefix]}"]
        for rule in members:
            title = rule.title[0].upper() + rule.title[1:]
            lines += [
                "",
                f"### {rule.code}",
                "",
                f"**{title}.**",
                rule.why,
                f"Source: {rule.source}.",
            ]
    return "\n".join(lines) + "\n"


def test_the_page_of_rules_is_what_the_source_says():
    page = rules_page(all_rules().values())
    if os.environ.get("HYDROTEST_UPDATE_GOLDEN") == "1":
        RULES_PAGE.write_text(page)

    assert RULES_PAGE.read_text() == page, "HYDROTEST_UPDATE_GOLDEN=1 writes it anew"


def test_the_page_changes_with_a_rule():
    rules = list(all_rules().values())
    other = msgspec.structs.replace(rules[1], why="Because.")

    assert rules_page([rules[0], other, *rules[2:]]) != rules_page(rules)


@each_document
def test_rules_that_a_document_names_exist(document):
    assert set(CODE.findall(document.read_text())) <= set(all_rules())


def undocumented_rules(text: str) -> set[str]:
    """Return the rules that a page doesn't name; `HT-A-001 to HT-A-004` names all between."""
    named_here = set(CODE.findall(text))
    for first, last in re.findall(rf"({CODE.pattern}) to ({CODE.pattern})", text):
        named_here |= {code for code in all_rules() if first <= code <= last}
    return set(all_rules()) - named_here


def test_the_page_of_suites_says_where_each_rule_is_applied():
    assert undocumented_rules(ACCEPTANCE_PAGE.read_text()) == set()


def test_a_rule_that_is_not_applied_anywhere_is_found():
    text = ACCEPTANCE_PAGE.read_text()

    assert undocumented_rules(text.replace("HT-DISC-004", "")) == {"HT-DISC-004"}


# Settings


@each_document
def test_settings_that_a_document_shows_are_in_order(document, tmp_path):
    for block in blocks(document.read_text()):
        if block.language == "yaml" and "connector_image:" in block.text:
            (tmp_path / CONFIG_FILE).write_text(block.text)

            assert load_config(tmp_path).warnings == ()


def field_names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def setting_names() -> set[str]:
    """Return every key of `acceptance-test-config.yml`, of all sections and their parts."""
    kinds = [getattr(entries, name) for name in entries.__all__] + [AcceptanceTestConfigFile]
    return {name for kind in kinds for name in field_names(kind)}


def keys_in(text: str) -> set[str]:
    """Return the words in backticks, taken apart at what isn't part of a key."""
    return {word for span in spans(text) for word in re.findall(r"\w+", span)}


def test_the_page_of_suites_names_every_key_of_the_settings():
    assert setting_names() - keys_in(ACCEPTANCE_PAGE.read_text()) == set()


def test_getting_started_names_every_key_of_hydrotest_yaml():
    text = (ROOT / "docs" / "getting-started.md").read_text()

    assert field_names(ConnectorSettings) - keys_in(text) == set()


def test_the_page_of_suites_names_every_test():
    tests = {
        name
        for path in SUITES.glob("test_*.py")
        for name in re.findall(r"^    def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert tests - keys_in(ACCEPTANCE_PAGE.read_text()) == set()


def test_the_page_of_suites_names_every_option():
    ours = re.compile(
        r"--(acceptance-|runner|isolation|connector-|hydrotest-|max-age|max-output)[a-z-]*"
    )
    options = {option for option in pytest_options() if ours.fullmatch(option)}

    assert len(options) == 7
    assert {option for option in options if option not in ACCEPTANCE_PAGE.read_text()} == set()


def test_every_variable_is_explained():
    text = ACCEPTANCE_PAGE.read_text()
    sources = [*ROOT.glob("shared/src/**/*.py"), *ROOT.glob("packages/*/src/**/*.py")]
    sources += [*ROOT.glob("*/tests/**/*.py"), ROOT / "conftest.py", ROOT / "run"]
    used = {name for path in sources for name in re.findall(r"HYDROTEST_[A-Z_]+", path.read_text())}
    # What a command's help names, and the marks on processes, which are ours alone.
    elsewhere = re.compile(
        r"HYDROTEST_((BUILD|DOCTOR|SHOW)_[A-Z_]+|EXECUTION|SESSION|FAKE_CONTAINER)"
    )

    explained = set(re.findall(r"HYDROTEST_[A-Z_]+", text))
    assert {name for name in used - explained if not elsewhere.fullmatch(name)} == set()


def without_effect() -> list[str]:
    """Return the keys that the page of suites says have no effect so far."""
    section = ACCEPTANCE_PAGE.read_text().partition("### Accepted, without effect so far")[2]
    rows = [line for line in section.partition("\n### ")[0].splitlines() if line.startswith("| `")]
    return [key for row in rows for key in re.findall(r"`([\w.]+)`", row.split("|")[1])]


def has_effect(key: str, sources: dict[str, str]) -> bool:
    """Say whether any suite uses a key; `discovery.x` only asks the suite of that section."""
    section, dot, name = key.rpartition(".")
    if f"test_{key}.py" in sources:
        return True
    searched = [sources[f"test_{section}.py"]] if dot else sources.values()
    return any(re.search(rf"\b{name}\b", text) for text in searched)


def test_what_is_said_to_have_no_effect_has_none():
    sources = {path.name: path.read_text() for path in SUITES.glob("*.py")}
    keys = without_effect()

    assert len(keys) > 5
    assert [key for key in keys if has_effect(key, sources)] == []


@pytest.mark.parametrize(
    ("key", "expected"),
    [("a", True), ("x.a", False), ("y.a", True), ("b", False), ("y", True)],
)
def test_a_key_that_has_an_effect_is_found(key, expected):
    assert has_effect(key, {"test_x.py": "inputs.b_a", "test_y.py": "inputs.a"}) is expected
