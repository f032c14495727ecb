from __future__ import annotations

import html
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.testing.payloads import BY_KIND, PAYLOADS, raw_controls, runner_commands
from hydrotest_core.untrusted import (
    Untrusted,
    as_it_came,
    for_annotation,
    for_csv,
    for_html,
    for_json,
    for_markdown,
    for_terminal,
    for_xml,
    lines_of,
    shortened,
    unbroken,
)

ANYTHING = st.text(
    st.characters(categories=None) | st.sampled_from("\x1b\n\r\t<>&\"'`|:#[%\\*_$=@")
)
FORMS = [for_terminal, for_html, for_markdown, for_annotation, for_xml, for_csv]
MULTILINE_FORMS: list[Any] = [form for form in FORMS if form is not for_csv]

# Signs that stand before the digits they span: they are format characters, and seen.
SEEN_FORMAT_CHARACTERS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


def is_invisible(char: str) -> bool:
    return (
        unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        and char not in SEEN_FORMAT_CHARACTERS
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x1b]8;;http://evil\x07x", r"\x1b]8;;http://evil\x07x"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f", r"\x7f"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u2066b", r"a\u2066b"),
        ("a\u200bb", r"a\u200bb"),
        ("\ufeffa", r"\ufeffa"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("a\udc80b", r"a\udc80b"),
        ("\U000e0041", r"\U000e0041"),
        ("a\x00b", r"a\x00b"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\xa0é 用户 🙂 c:\\dir", "\xa0é 用户 🙂 c:\\dir"),
    ],
    ids=lambda value: ascii(value)[:16],
)
def test_what_is_not_seen_becomes_visible(text, shown):
    assert for_terminal(text) == shown


def test_every_character_without_a_shape_becomes_visible():
    hidden = [
        f"U+{code:04X}"
        for code in range(0x110000)
        if is_invisible(chr(code)) and for_terminal(chr(code)) == chr(code)
    ]

    assert hidden == []


def test_multiline_keeps_line_feeds_and_tabs_and_nothing_more():
    assert for_terminal("a\r\n\tb\rc\x0b\x85d", multiline=True) == "a\n\tb\\rc\\x0b\\x85d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("  ::stop-commands::x", r"  \x3a:stop-commands::x"),
        ("ok\n::set-output name=a::b", "ok\n\\x3a:set-output name=a::b"),
        ("a ##[error]x ##[error]y", r"a #\x23[error]x #\x23[error]y"),
        ("##vso[x]1 ##teamcity[y]", r"#\x23vso[x]1 #\x23teamcity[y]"),
        ("words ::error::x", r"words \x3a:error::x"),
        ("std::string", "std::string"),
        ("# [x]", "# [x]"),
    ],
    ids=[
        "at-the-begin",
        "indented",
        "on-the-second-line",
        "old-form-twice",
        "other-runners",
        "where-a-line-may-be-broken",
        "inside",
        "heading",
    ],
)
def test_a_command_to_a_runner_is_broken_up(text, shown):
    assert for_terminal(text, multiline=True) == shown


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_no_form_of_a_payload_acts_on_who_sees_it(form):
    assert [
        text for text in PAYLOADS if raw_controls(form(text)) or len(form(text)) < len(text)
    ] == []


@pytest.mark.parametrize("form", [for_terminal, for_annotation], ids=lambda form: form.__name__)
def test_no_payload_is_a_command_to_a_runner(form):
    assert [text for text in PAYLOADS if runner_commands(form(text, multiline=True))] == []


def test_no_payload_is_a_formula_in_a_csv_cell():
    cells = [for_csv(text) for text in BY_KIND["formulas"]]

    assert [cell for cell in cells if not cell.startswith(("'", "\\"))] == []


def test_no_payload_breaks_out_of_a_cell_or_a_code_span_of_markdown():
    shown = [for_markdown(text, multiline=True) for text in PAYLOADS]

    assert [
        text for text in shown if re.search(r"(?<!\\)(\\\\)*[|`<>]", text.replace("<br>", ""))
    ] == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@settings(deadline=None)
@given(text=ANYTHING)
def test_no_form_holds_a_hidden_character(form, text):
    assert not any(is_invisible(char) for char in form(text))


@pytest.mark.parametrize("form", MULTILINE_FORMS, ids=lambda form: form.__name__)
@settings(deadline=None)
@given(text=ANYTHING)
def test_no_multiline_form_holds_a_hidden_character_but_lines_and_tabs(form, text):
    assert not any(is_invisible(char) for char in form(text, multiline=True) if char not in "\n\t")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_plain_words_stay_plain(form):
    assert form("users 1000 aé用") == "users 1000 aé用"


@settings(deadline=None)
@given(text=ANYTHING, multiline=st.booleans())
def test_no_line_of_terminal_text_is_a_command(text, multiline):
    shown = for_terminal(text, multiline=multiline)

    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert "##[" not in shown


@settings(deadline=None)
@given(text=ANYTHING)
def test_html_holds_no_markup_and_reads_as_the_visible_text(text):
    shown = for_html(text)

    assert not set("<>\"'`") & set(shown)
    assert not re.search(r"&(?!(amp|lt|gt|quot|#x27|#96);)", shown)

    read: list[str] = []
    parser = HTMLParser()
    parser.handle_data = read.append  # type: ignore[assignment] # shorter than a class
    parser.feed(shown)
    parser.close()
    assert "".join(read) == ET.fromstring(f"<a>{for_xml(text)}</a>").text or not text


@settings(deadline=None)
@given(text=ANYTHING, multiline=st.booleans())
def test_markdown_holds_no_bare_syntax(text, multiline):
    shown = for_markdown(text, multiline=multiline).replace("<br>", "")

    assert "\n" not in shown
    assert not set("<>") & set(shown)
    assert not set("`*_{}[]()#+-.!|~:$^=") & set(
        re.sub(r"\\[\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]", "", shown)
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("`rm`", r"\`rm\`"),
        ("[x](javascript:y)", r"\[x\]\(javascript\:y\)"),
        ("<img src=x>", r"&lt;img src\=x&gt;"),
        ("https://evil.example", r"https\://evil\.example"),
        ("a\\|b", r"a\\\|b"),
        ("a\nb", r"a\\nb"),
    ],
    ids=["pipe", "backtick", "link", "html", "bare-link", "backslash", "line"],
)
def test_markdown_syntax_is_escaped(text, shown):
    assert for_markdown(text) == shown


def test_markdown_lines_become_breaks():
    assert for_markdown("a\n| b", multiline=True) == r"a<br>\| b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("100%", "100%25"),
        ("%0A::error::x", r"%250A:\x3aerror:\x3ax"),
        ("a\nb", r"a\nb"),
        ("::::", r":\x3a:\x3a"),
    ],
    ids=["percent", "encoded-line", "line", "colons"],
)
def test_an_annotation_is_one_message(text, shown):
    assert for_annotation(text) == shown


def test_a_multiline_annotation_encodes_its_lines():
    assert for_annotation("a\r\nb\nc\rd", multiline=True) == r"a%0Ab%0Ac\rd"


def test_a_property_of_an_annotation_encodes_its_separators():
    assert for_annotation("a,b::c%", is_property=True) == "a%2Cb%3A%3Ac%25"


@settings(deadline=None)
@given(text=ANYTHING, multiline=st.booleans(), is_property=st.booleans())
def test_an_annotation_never_ends_its_part_of_the_command(text, multiline, is_property):
    shown = for_annotation(text, multiline=multiline, is_property=is_property)

    assert "::" not in shown
    assert not set("\r\n") & set(shown)
    assert not re.search(r"%(?!25|0A|3A|2C)", shown)
    assert not is_property or not set(":,") & set(shown)


@settings(deadline=None)
@given(text=ANYTHING, multiline=st.booleans())
def test_xml_text_is_accepted_and_read_back(text, multiline):
    shown = for_xml(text, multiline=multiline)
    read = ET.fromstring(f"<a b=\"{shown}\" c='{shown}'>{shown}</a>")

    assert (read.text or "") == html.unescape(for_html(text, multiline=multiline))


@pytest.mark.parametrize("char", "=+-@\uff1d")
def test_a_formula_is_no_formula_in_a_csv_cell(char):
    assert for_csv(f"{char}cmd|x!A0") == f"'{char}cmd|x!A0"
    assert for_csv(f" {char}1") == f"' {char}1"
    assert for_csv(f"1{char}1") == f"1{char}1"


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 3, "abc… (+3 characters)"),
        ("x" * 5000, 0, "… (+5000 characters)"),
        ("", 0, ""),
    ],
    ids=["fits", "cut", "all-cut", "empty"],
)
def test_shortening_says_how_much_was_cut(text, length, shown):
    assert shortened(text, length) == shown


def test_untrusted_text_is_safe_in_every_implicit_conversion():
    text = Untrusted("a\x1bb")

    assert str(text) == r"a\x1bb"
    assert f"{text}" == r"a\x1bb"
    assert f"{text:>8}" == r"  a\x1bb"
    assert "%s" % text == r"a\x1bb"  # noqa: UP031 - the conversion is the subject
    assert repr(text) == r"Untrusted('a\x1bb')"
    assert [str([text])] == [r"[Untrusted('a\x1bb')]"]


@settings(deadline=None)
@given(ANYTHING)
def test_the_repr_of_untrusted_text_is_safe(text):
    assert not any(is_invisible(char) for char in repr(Untrusted(text)))


def test_untrusted_text_is_no_string_and_does_not_join_with_one():
    with pytest.raises(TypeError):
        "a" + Untrusted("b")  # type: ignore[operator] # what must not work
    with pytest.raises(TypeError):
        "".join([Untrusted("b")])  # type: ignore[list-item] # what must not work


def test_untrusted_texts_are_equal_when_raw_and_unlike_their_text():
    text: object = "a"
    assert Untrusted("a") == Untrusted("a")
    assert Untrusted("a") != Untrusted("b")
    assert Untrusted("a") != text
    assert len({Untrusted("a"), Untrusted("a")}) == 1


@settings(deadline=None)
@given(ANYTHING)
def test_the_methods_give_what_the_functions_give(text):
    untrusted = Untrusted(text)

    assert untrusted.raw == text
    assert untrusted.for_csv() == for_csv(text)
    for multiline in (True, False):
        for form in MULTILINE_FORMS:
            method = getattr(untrusted, form.__name__)
            assert method(multiline=multiline) == form(text, multiline=multiline)


@pytest.mark.parametrize(
    ("text", "raw"),
    [("a\x1b", "a\x1b"), (Untrusted("a\x1b"), "a\x1b"), (b"a\xff\x1b", "a\\xff\x1b")],
    ids=["str", "untrusted", "bytes"],
)
def test_text_of_any_kind_comes_out_as_it_came_and_is_shown_escaped(text, raw):
    assert as_it_came(text) == raw
    assert for_terminal(text) == raw.replace("\x1b", "\\x1b")


def test_lines_and_one_line_of_untrusted_text():
    assert lines_of(Untrusted("a\r\n\x1bb")) == ["a", "\x1bb"]
    assert unbroken(" a\n\n\tb  c ") == "a b c"


@settings(deadline=None)
@given(st.recursive(ANYTHING, lambda inner: st.lists(inner) | st.dictionaries(ANYTHING, inner)))
def test_json_keeps_its_meaning_and_hides_nothing(value):
    data = re.sub(r"\\ud[89a-f]..", "", json.dumps(value)).encode()  # Halves of characters.

    shown = for_json(json.dumps(json.loads(data), ensure_ascii=False).encode())

    assert json.loads(shown) == json.loads(data)
    assert not any(is_invisible(char) for char in shown.decode() if char not in "\n\t")


def test_a_rare_character_takes_two_escapes_in_json():
    assert for_json('["\U000e0041\u202e"]'.encode()) == rb'["\udb40\udc41\u202e"]'


def test_shortened_untrusted_text_stays_untrusted():
    assert Untrusted("\x1b" * 10).shortened(1) == Untrusted("\x1b… (+9 characters)")


def test_a_path_part_of_untrusted_text_is_its_slug():
    assert Untrusted("../Users").for_path().startswith("users-")
