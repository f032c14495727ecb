from __future__ import annotations

import datetime as dt

import pytest
import yaml

from hydrotest_core.errors import SettingsError, UsageError
from hydrotest_core.settings import load_yaml, yaml_file, yaml_nodes


@pytest.fixture(params=["libyaml", "python"])
def write(tmp_path, request, monkeypatch):
    """Return what writes a file; each test runs with both of PyYAML's parsers."""
    if request.param == "python":
        monkeypatch.setattr(yaml_file, "_LOADER", yaml.SafeLoader)
    elif yaml_file._LOADER is yaml.SafeLoader:
        pytest.skip("this PyYAML was built without libyaml")

    def write(text: str | bytes):
        path = tmp_path / "settings.yml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def mistakes_of(path) -> list[str]:
    """Return the mistakes as `line:column: message (path) hint: …`."""
    with pytest.raises(SettingsError) as caught:
        load_yaml(path)
    return [str(mistake).removeprefix(f"{path}:") for mistake in caught.value.facts["mistakes"]]


SAME_AS_PYYAML = {
    "scalars": "a: 1\nb: 0.10\nc: yes\nd: off\ne: ~\nf: null\ng:\nh: text\ni: '7'\nj: 0x1f\nk: 1e3\n",
    "sexagesimal": "a: 12:30\nb: 1_000\nc: 010\n",
    "dates": "a: 2020-01-01\nb: 2020-01-01T10:00:00Z\n",
    "lists": "- a\n- - b\n  - c\n- {d: [e]}\n",
    "blocks": "a: |\n  x\n  y\nb: >-\n  x\n  y\n",
    "quotes": "a: \"\\x1b\\u202e\"\nb: 'it''s'\n",
    "anchors": "a: &a {x: 1}\nb: *a\nc: [*a, *a]\nd: &d text\ne: *d\n",
    "merge": "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3, z: 4}\n",
    "merge-list": "a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc:\n  <<: [*a, *b]\n  z: 5\n",
    "merge-of-merge": "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n",
    "equals-sign": "a: b\nc: '='\n",
    "tags": "a: !!str 7\nb: !!int '7'\nc: !!float 1\nd: !!map {e: 1}\nf: !!seq [1]\n",
    "document-marks": "---\na: 1\n...\n",
    "comments": "# first\na: 1 # second\n",
    "empty": "",
    "comment-only": "# nothing\n",
    "unicode": "é: 用户\n",
}  # fmt: skip


@pytest.mark.parametrize("text", SAME_AS_PYYAML.values(), ids=SAME_AS_PYYAML.keys())
def test_a_file_means_what_pyyaml_says_it_does(write, text):
    assert load_yaml(write(text)).value == yaml.safe_load(text)


def test_a_byte_order_mark_is_no_part_of_the_text(write):
    assert load_yaml(write(b"\xef\xbb\xbfa: 1\n")).value == {"a": 1}


def test_a_plain_equals_sign_is_text(write):
    assert load_yaml(write("a: =\n")).value == {"a": "="}


def test_a_key_is_text_as_it_is_written(write):
    document = load_yaml(write("on: 1\n0.10: 2\n2020-01-01: 3\n~: 4\n"))

    assert document.value == {"on": 1, "0.10": 2, "2020-01-01": 3, "~": 4}


def test_dates_are_dates(write):
    assert load_yaml(write("a: 2020-01-01\n")).value["a"] == dt.date(2020, 1, 1)


def test_each_key_and_value_has_its_place(write):
    document = load_yaml(write("a:\n  - x: 0.10\n    y:   'q'\n  - {z: 1}\n"))
    marks = document.marks

    assert marks.position_of_key(["a"]) == (1, 1)
    assert marks.position_of(["a"]) == (2, 3)
    assert marks.position_of_key(["a", 0, "y"]) == (3, 5)
    assert marks.position_of(["a", 0, "y"]) == (3, 10)
    assert marks.position_of(["a", 1, "z"]) == (4, 9)
    assert marks.at(["a", 0, "x"]).text == "0.10"
    assert marks.at(["a", 0, "y"]).text == "q"
    assert marks.at(["a"]).text is None


def test_an_aliased_or_merged_value_has_the_place_where_it_was_written(write):
    marks = load_yaml(write("a: &a\n  x: 1\nb: *a\nc:\n  <<: *a\n  y: 2\n")).marks

    assert marks.position_of(["b", "x"]) == (2, 6)
    assert marks.position_of_key(["c", "x"]) == (2, 3)
    assert marks.position_of_key(["c", "y"]) == (6, 3)


def test_all_duplicate_keys_and_tags_are_told_at_once(write):
    path = write(
        "a: 1\n'a': 2\nb: !!python/object/apply:os.system [x]\nc:\n  - d: 1\n    d: 2\n    d: 3\n"
    )

    assert mistakes_of(path) == [
        "2:1: key 'a' stands twice (a) hint: remove one; line 1 has it too",
        (
            "3:4: tag '!!python/object/apply:os.system' isn't allowed (b)"
            " hint: remove the tag; write a plain value"
        ),
        "6:5: key 'd' stands twice (c[0].d) hint: remove one; line 5 has it too",
        "7:5: key 'd' stands twice (c[0].d) hint: remove one; line 5 has it too",
    ]


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object:os.system",
        "!local",
        "!!binary",
        "!!set",
        "!!omap",
        "!<tag:example.org,1:x>",
    ],
)
@pytest.mark.parametrize("value", ["x", "[x]", "{x: y}"], ids=["scalar", "list", "mapping"])
def test_a_tag_that_makes_anything_but_a_plain_value_is_refused(write, tag, value):
    (mistake,) = mistakes_of(write(f"a: 1\nb: {tag} {value}\n"))

    assert mistake.startswith("2:4: tag ")


@pytest.mark.parametrize("key", ["!!python/name:os.system x", "!x y", "!!int 7"])
def test_a_tagged_key_is_refused(write, key):
    (mistake,) = mistakes_of(write(f"{key}: 1\n"))

    assert "isn't allowed" in mistake


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: 2020-13-45\n", "1:4: looks like a date but isn't one (a) hint: put it in quotes"),
        ("a: !!int x\n", "1:4: looks like a whole number but isn't one (a) hint: put it in quotes"),
        (
            "a: !!bool maybe\n",
            "1:4: looks like true or false but isn't one (a) hint: put it in quotes",
        ),
        ("a: !!int\n", "1:4: looks like a whole number but isn't one (a) hint: put it in quotes"),
        (
            "a: !!timestamp x\n",
            "1:4: looks like a date but isn't one (a) hint: put it in quotes",
        ),
    ],
    ids=["date", "int", "bool", "empty-int", "tagged-date"],
)
def test_a_scalar_that_is_not_what_it_looks_like_is_told(write, text, mistake):
    assert mistakes_of(write(text)) == [mistake]


def test_a_number_of_thousands_of_digits_is_told(write):
    (mistake,) = mistakes_of(write(f"a: {'1' * 5000}\n"))

    assert mistake.startswith("1:4: looks like a whole number but isn't one (a)")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a:\n\tb: 1\n", "2:1"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1"),
        ("a:\n  - x\n  \t- y: z\n", "3:3"),
        ("a:\n  b:\n\t  c: 1\n", "3:1"),
    ],
    ids=["first", "later", "after-spaces", "before-spaces"],
)
def test_a_tab_that_indents_is_told_with_its_line(write, text, place):
    assert mistakes_of(write(text)) == [
        (
            f"{place}: a tab in the indentation; YAML allows spaces only"
            " hint: replace each tab at the start of the line by two spaces"
        )
    ]


def test_a_tab_after_a_colon_is_read_or_told(write):
    path = write("a: 1\nb:\tc\n")

    if yaml_file._LOADER is yaml.SafeLoader:
        assert mistakes_of(path) == [
            "2:3: a tab where YAML wants a space hint: replace it by a space"
        ]
    else:
        assert load_yaml(path).value == {"a": 1, "b": "c"}


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: b: c\n", "1:5", "in quotes"),
        ("a: 1\n b: 2\n", "2:3", "check the indentation"),
        ("a: 'x\n", "2:1", "isn't closed"),
        ("a: [1, 2\nb: 3\n", "2:2", ""),
        ("a: {b: 1\n", "2:1", ""),
    ],
    ids=["colon", "indentation", "quote", "bracket", "brace"],
)
def test_broken_syntax_is_told_with_its_place(write, text, place, hint):
    (mistake,) = mistakes_of(write(text))

    assert mistake.startswith(f"{place}: not YAML: ")
    assert hint in mistake


def test_mistakes_before_broken_syntax_are_told_too(write):
    assert len(mistakes_of(write("a: 1\na: 2\nb: 'x\n"))) == 2


@pytest.mark.parametrize("char", ["\x01", "\x1b", "\x7f"], ids=ascii)
def test_a_control_character_is_told_and_never_shown(write, char):
    (mistake,) = mistakes_of(write(f"a: 1\nb: x{char}y\n"))

    assert mistake.startswith("2:5: a control character")
    assert f"\\x{ord(char):02x}" in mistake
    assert char not in mistake


def test_a_hostile_key_is_shown_escaped(write):
    (mistake,) = mistakes_of(write('"\\e[2J": 1\n"\\e[2J": 2\n'))

    assert "\x1b" not in mistake
    assert r"'\x1b[2J'" in mistake


def test_bytes_that_are_no_utf8_are_told_with_their_place(write):
    assert mistakes_of(write(b"a: 1\nb: \xc3\xa9\xff\n")) == [
        "2:5: not UTF-8 hint: save the file as UTF-8"
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: *b\n", "1:4: alias '*b' stands for nothing (a)"),
        ("a: &a [*a]\n", "1:8: alias '*a' stands inside what it stands for (a[0])"),
        ("a: &a {b: {c: *a}}\n", "1:15: alias '*a' stands inside what it stands for (a.b.c)"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document"),
        ("? [a]\n: 1\n", "1:3: a key that is no text"),
        ("a: &a [1]\n*a : 1\n", "2:1: a key that is no text"),
        ("a: {<<: 7}\n", "1:9: '<<' takes a mapping or a list of mappings (a['<<'])"),
        ("a: {<<: [{b: 1}, 7]}\n", "1:9: '<<' takes a mapping or a list of mappings (a['<<'])"),
    ],
    ids=[
        "unknown",
        "self",
        "inner-self",
        "two-documents",
        "list-key",
        "alias-key",
        "merge",
        "merges",
    ],
)
def test_what_yaml_can_but_settings_cannot_is_told(write, text, mistake):
    (told,) = mistakes_of(write(text))

    assert told.startswith(mistake)


def test_an_alias_of_text_can_be_a_key(write):
    assert load_yaml(write("a: &a b\n*a : 1\n&c d: 2\ne: *c\n")).value == {
        "a": "b",
        "b": 1,
        "d": 2,
        "e": "d",
    }


def a_bomb(levels: int, width: int = 9) -> str:
    lines = ["a0: &a0 [x]"]
    for level in range(levels):
        aliases = ", ".join([f"*a{level}"] * width)
        lines.append(f"a{level + 1}: &a{level + 1} [{aliases}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        a_bomb(9),
        "a: &a {x: [" + "1, " * 400 + "]}\nb: [" + "*a, " * 400 + "]\n",
        "a: &a {x: [" + "1, " * 400 + "]}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(400)),
    ],
    ids=["nested-aliases", "wide-aliases", "merges"],
)
def test_a_file_of_too_many_values_is_refused(write, text):
    (mistake,) = mistakes_of(write(text))

    assert "more than 100000 values" in mistake
    assert len(mistake) < 400


def test_the_limit_of_values_is_exact(write, monkeypatch):
    monkeypatch.setattr(yaml_nodes, "MAX_NODES", 100)

    assert len(load_yaml(write("- 1\n" * 99)).value) == 99
    (mistake,) = mistakes_of(write("- 1\n" * 100))
    assert mistake.startswith("100:3: more than 100 values ([99])")


def test_many_aliases_under_the_limit_are_read(write):
    assert len(load_yaml(write(a_bomb(4))).value) == 5


@pytest.mark.parametrize(
    "text",
    [
        "[" * 65 + "]" * 65,
        "[" * 100_000,
        "a: " + "{b: " * 64 + "1" + "}" * 64,
        "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 30 + "*a" + "]" * 30,
    ],
    ids=["lists", "bomb", "mappings", "by-alias"],
)
def test_a_file_of_too_many_levels_is_refused(write, text):
    (mistake,) = mistakes_of(write(text))

    assert "more than 64 levels" in mistake
    assert len(mistake) < 400


def test_levels_just_at_the_limit_are_read(write):
    assert load_yaml(write("[" * 64 + "]" * 64)).value


def test_a_file_over_a_megabyte_is_refused_unread(write):
    with pytest.raises(UsageError, match="The settings file is too large"):
        load_yaml(write(b"#" * 1_000_001))
    assert load_yaml(write(b"#" * 1_000_000)).value is None


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="The metadata file isn't there"):
        load_yaml(tmp_path / "metadata.yaml", "metadata")


def test_the_error_names_the_kind_of_file(write):
    with pytest.raises(SettingsError, match="The metadata file can't be read as YAML"):
        load_yaml(write("a: 'x\n"), "metadata")
