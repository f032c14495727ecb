from __future__ import annotations

import pickle

import pytest

from hydrotest_core.errors import UsageError
from hydrotest_core.settings import Document, Mark, Mistake
from hydrotest_core.settings.document import dotted, nearest, read_bytes


def a_document() -> Document:
    tests = Mark(
        2, 3, parts={0: Mark(2, 5, keys={"name": (2, 5)}, parts={"name": Mark(2, 11, "x")})}
    )
    return Document(
        file="a.yml",
        value={"tests": [{"name": "x"}]},
        marks=Mark(1, 1, keys={"tests": (1, 1)}, parts={"tests": tests}),
    )


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (
            Mistake(file="a.yml", line=3, column=7, path="b.c", message="wrong", hint="mend it"),
            "a.yml:3:7: wrong (b.c) hint: mend it",
        ),
        (Mistake(file="a.yml", line=3, column=7, message="wrong"), "a.yml:3:7: wrong"),
        (Mistake(file="a.yml", message="empty", hint="fill it"), "a.yml: empty hint: fill it"),
    ],
    ids=["all", "no-path-no-hint", "whole-file"],
)
def test_a_mistake_reads_place_message_path_hint(mistake, text):
    assert str(mistake) == text
    assert pickle.loads(pickle.dumps(mistake)) == mistake


@pytest.mark.parametrize(
    ("path", "position", "key_position"),
    [
        (["tests"], (2, 3), (1, 1)),
        (["tests", 0], (2, 5), (2, 5)),
        (["tests", 0, "name"], (2, 11), (2, 5)),
        (["tests", 0, "other"], (2, 5), (2, 5)),
        (["tests", 7, "name"], (2, 3), (2, 3)),
        (["nowhere", "name"], (1, 1), (1, 1)),
    ],
    ids=["key", "item", "leaf", "missing-leaf", "missing-item", "missing-all"],
)
def test_a_place_is_that_of_the_value_its_key_or_what_is_around(path, position, key_position):
    marks = a_document().marks

    assert marks.position_of(path) == position
    assert marks.position_of_key(path) == key_position


def test_the_place_of_the_whole_is_its_start():
    assert a_document().marks.position_of([]) == (1, 1)


def test_a_document_makes_a_mistake_at_a_value_or_its_key():
    document = a_document()

    at_value = document.mistake(["tests", 0, "name"], "wrong", "mend it")
    at_key = document.mistake(["tests", 0, "name"], "wrong", at_key=True)
    at_root = document.mistake([], "wrong", at_key=True)

    assert str(at_value) == "a.yml:2:11: wrong (tests[0].name) hint: mend it"
    assert str(at_key) == "a.yml:2:5: wrong (tests[0].name)"
    assert str(at_root) == "a.yml:1:1: wrong"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", 0, "b-c", 1], "a[0].b-c[1]"),
        ([0, 1], "[0][1]"),
        (["a b", "c"], "['a b'].c"),
        (["a", "x.y", ""], "a['x.y']['']"),
        (["a", "\x1b[2J"], r"a['\x1b[2J']"),
    ],
    ids=["root", "key", "mixed", "lists", "space", "dot", "escape"],
)
def test_a_path_is_written_for_people(path, text):
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("word", "hint"),
    [("tesst", "did you mean 'tests'?"), ("zzz", "valid here: tests, spec")],
    ids=["near", "far"],
)
def test_the_nearest_valid_word_is_hinted(word, hint):
    assert nearest(word, ["tests", "spec"]) == hint


def test_there_is_no_hint_where_nothing_is_valid():
    assert nearest("tests", []) == ""


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "a.yml").write_bytes(b"12345")

    assert read_bytes(tmp_path / "a.yml", "config") == b"12345"
    assert read_bytes(tmp_path / "a.yml", "config", limit=5) == b"12345"
    with pytest.raises(UsageError, match=r"The config file is too large.*limit_bytes=4"):
        read_bytes(tmp_path / "a.yml", "config", limit=4)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("confg.json", "did you mean 'config.json'"),
        ("zzz", "make it, or give another path"),
        ("secrets/config.json", "secrets isn't there either"),
    ],
    ids=["near", "far", "no-folder"],
)
def test_a_missing_file_is_named_with_a_way_out(tmp_path, name, hint):
    (tmp_path / "config.json").write_bytes(b"{}")

    with pytest.raises(UsageError, match="The config file isn't there") as caught:
        read_bytes(tmp_path / name, "config")
    assert caught.value.facts["path"] == tmp_path / name
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"can't be read.*Is a directory"):
        read_bytes(tmp_path, "config")
