from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.run.finding_text import (
    finding_text,
    headline,
    located,
    one_line,
    plain,
    summary,
)
from hydrotest_core.run.findings import Example, Finding, Rule, Where

RULE = Rule(code="HT-READ-012", title="Every value keeps its type", why="w", source="s")
FINDING = Finding(
    rule=RULE,
    where=Where(stream="users", path="zip"),
    expected='["null", "string"]',
    got="integer",
    hint="cast it",
    examples=tuple(Example(artifact="records/000.jsonl", line=n, text=f"zip {n}") for n in range(1, 8)),
    total=37,
    checked=1000,
    waive="- {code: HT-READ-012,\n   reason: ...}",
    execution="read-1",
)  # fmt: skip


def test_a_finding_says_all_that_a_person_needs():
    text = finding_text(FINDING, test="TestBasicRead::test_read", rerun="./run again")

    assert text == (
        "HT-READ-012  users zip\n"
        "    rule       Every value keeps its type\n"
        '    expected   ["null", "string"]\n'
        "    got        integer\n"
        "    in         37 of 1 000 checked; the first:\n"
        "               records/000.jsonl:1  zip 1\n"
        "               records/000.jsonl:2  zip 2\n"
        "               records/000.jsonl:3  zip 3\n"
        "               records/000.jsonl:4  zip 4\n"
        "               records/000.jsonl:5  zip 5\n"
        "    evidence   read-1/records/000.jsonl:1\n"
        "    hint       cast it\n"
        "    test       TestBasicRead::test_read\n"
        "    Reproduce: ./run again\n"
        "    Waive:     - {code: HT-READ-012,\n"
        "                  reason: ...}"
    )


def test_what_is_unknown_takes_no_line():
    bare = Finding(rule=RULE, expected="a", got="b")

    assert finding_text(bare).splitlines()[1:] == [
        "    rule       Every value keeps its type",
        "    expected   a",
        "    got        b",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param({"checked": 0}, "37 places; the first:", id="not counted"),
        pytest.param({"checked": 0, "examples": ()}, "37 places", id="no example"),
        pytest.param({"examples": ()}, "37 of 1 000 checked", id="counted without example"),
        pytest.param({"total": 1, "checked": 0}, "records/000.jsonl:1  zip 1", id="one"),
    ],
)
def test_the_number_of_places_is_said_where_it_means_something(changes, line):
    text = finding_text(msgspec.structs.replace(FINDING, **changes))

    assert f"    in         {line}" in text.splitlines()


def test_a_folder_that_the_report_knows_replaces_the_findings_own():
    assert "../cache/k/records/000.jsonl:1" in finding_text(FINDING, folder="../cache/k")


def test_without_an_example_the_evidence_is_the_folder():
    bare = msgspec.structs.replace(FINDING, examples=())

    assert "    evidence   read-1" in finding_text(bare).splitlines()


def test_a_path_of_evidence_stays_in_one_piece():
    folder = "executions/" + "f" * 200

    lines = finding_text(FINDING, folder=folder, width=80).splitlines()

    assert f"    evidence   {folder}/records/000.jsonl:1" in lines


def test_long_values_are_broken_and_commands_are_not():
    long = msgspec.structs.replace(FINDING, got="word " * 40)

    lines = finding_text(long, rerun="./run " + "x" * 200, width=80).splitlines()

    assert [line for line in lines if len(line) > 80] == ["    Reproduce: ./run " + "x" * 200]


def test_a_very_long_value_is_cut():
    long = msgspec.structs.replace(FINDING, got="x" * 5000)

    assert "(+4400 characters)" in " ".join(finding_text(long).split())


def test_each_part_is_painted_by_its_role():
    painted = finding_text(FINDING, paint=lambda text, role: f"<{role}>{text}</{role}>")

    assert painted.startswith("<bad>HT-READ-012</bad>  <strong>users zip</strong>")
    assert "<dim>expected   </dim>" in painted


def test_no_text_of_a_finding_reaches_the_terminal_raw(hostile_report, is_printable):
    for verdict in hostile_report.verdicts:
        for finding in verdict.findings:
            text = finding_text(finding, test=verdict.test, rerun=verdict.rerun, paint=plain)

            assert is_printable(text), repr(text)
            assert is_printable(summary(finding)), repr(finding)
            assert "\n" not in headline(finding) + summary(finding)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("two\nlines\r\tof", "two\\nlines\\r\\tof", id="line ends and tabs"),
    ],
)
def test_a_line_stays_a_line(text, expected):
    assert expected == one_line(text)


def test_an_example_is_found_below_its_folder():
    assert located("a/b", Example(artifact="stdout", line=3)) == "a/b/stdout:3"
    assert located("", Example(artifact="stdout")) == "stdout"
