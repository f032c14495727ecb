from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from hydrotest_core.settings import load_yaml, schema_of
from hydrotest_core.settings.schema_errors import schema_mistakes


class Item(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    bypass_reason: str | None = None


class Cat(msgspec.Struct, tag="cat", forbid_unknown_fields=True):
    lives: int


class Dog(msgspec.Struct, tag="dog", forbid_unknown_fields=True):
    bones: int
    owner: str


class Model(msgspec.Struct, forbid_unknown_fields=True):
    text: str = ""
    maybe_text: str | None = None
    count: int = 0
    maybe_count: Annotated[int, msgspec.Meta(ge=0, le=10)] | None = None
    ratio: float = 0.0
    flag: bool = False
    maybe_flag: bool | None = None
    status: Literal["succeed", "failed", "exception"] = "succeed"
    maybe_status: Literal["succeed", "failed"] | None = None
    fixed: Literal["only"] = "only"
    items: list[Item] = []
    maybe_items: list[Item] | None = None
    by_stream: dict[str, list[Item]] = {}
    item: Item | None = None
    text_or_item: str | Item | None = None
    number_or_text: int | str = 0
    pet: Cat | Dog | None = None
    version: Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+$", min_length=3)] | None = None
    unique: set[str] = set()
    pair: Annotated[list[int], msgspec.Meta(min_length=2, max_length=2)] | None = None
    anything: Any = None
    fail_on_extra_columns: bool = True


@pytest.fixture
def mistakes_of(tmp_path):
    def mistakes_of(text: str) -> list[str]:
        path = tmp_path / "settings.yml"
        path.write_text(text)
        document = load_yaml(path)
        mistakes = schema_mistakes(document, document.value, schema_of(Model))
        return [str(mistake).removeprefix(f"{path}:") for mistake in mistakes]

    return mistakes_of


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "text: a\ncount: 7\nratio: 1\nflag: yes\nstatus: failed",
        "maybe_text:\nmaybe_count: ~\nmaybe_items: null\nitem:",
        "items: [{name: a}]\nby_stream: {users: [{name: id, bypass_reason: x}]}",
        "text_or_item: a\nnumber_or_text: b\npet: {type: dog, bones: 1, owner: me}",
        "anything: [1, {a: 2020-01-01}, 2020-01-01]\nunique: [a, b]\npair: [1, 2]",
        "version: '0.10'",
    ],
    ids=["nothing", "scalars", "nulls", "nested", "unions", "any", "version"],
)
def test_what_fits_has_no_mistakes(mistakes_of, text):
    assert mistakes_of(text) == []


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "fail_on_extra_column: yes",
            ("1:1: unknown key 'fail_on_extra_column' (fail_on_extra_column)"
            " hint: did you mean 'fail_on_extra_columns'?"),
        ),
        (
            "items: [{name: a}, {name: b, reason: c}]",
            "1:30: unknown key 'reason' (items[1].reason) hint: did you mean 'bypass_reason'?",
        ),
        (
            "maybe_items: [{name: a, zzz: b}]",
            "1:25: unknown key 'zzz' (maybe_items[0].zzz) hint: valid here: name, bypass_reason",
        ),
        (
            "by_stream: {users: [{bypass_reason: a}]}",
            "1:21: missing key 'name' (by_stream.users[0]) hint: add 'name:'",
        ),
        ("items: [{bypass_reason: a}, {naem: b}]", ("1:9: missing key 'name' (items[0])"
            " hint: add 'name:'")),
        (
            "text: 0.10",
            '1:7: expected text, got the number 0.1 (text) hint: put it in quotes: "0.10"',
        ),
        ("text: no", '1:7: expected text, got false (text) hint: put it in quotes: "no"'),
        (
            "maybe_text: 2020-01-01",
            ("1:13: expected text, got the date 2020-01-01 (maybe_text)"
            ' hint: put it in quotes: "2020-01-01"'),
        ),
        ("text: [a]", "1:7: expected text, got a list (text)"),
        (
            "text:",
            "1:6: expected text, got nothing (text) hint: give it a value, or remove the key",
        ),
        ("count: abc", "1:8: expected an integer, got text 'abc' (count)"),
        ("count: 1.5", "1:8: expected an integer, got the number 1.5 (count)"),
        (
            "maybe_count: '7'",
            "1:14: expected an integer, got text '7' (maybe_count) hint: take the quotes off",
        ),
        ("count: '7.5'", "1:8: expected an integer, got text '7.5' (count)"),
        (
            "ratio: '7.5'",
            "1:8: expected a number, got text '7.5' (ratio) hint: take the quotes off",
        ),
        (
            "maybe_flag: 'Yes'",
            "1:13: expected true or false, got text 'Yes' (maybe_flag) hint: take the quotes off",
        ),
        ("flag: 1", "1:7: expected true or false, got the number 1 (flag)"),
        ("maybe_count: -1", "1:14: must be at least 0, got the number -1 (maybe_count)"),
        ("maybe_count: 11", "1:14: must be at most 10, got the number 11 (maybe_count)"),
        (
            "status: succed",
            ("1:9: expected one of exception, failed, succeed, got text 'succed' (status)"
            " hint: did you mean 'succeed'?"),
        ),
        (
            "maybe_status: zzz",
            "1:15: expected one of failed, succeed, got text 'zzz' (maybe_status)",
        ),
        ("maybe_status: 7", "1:15: expected one of failed, succeed, got the number 7 (maybe_status)"),
        ("fixed: other", "1:8: expected only, got text 'other' (fixed)"),
        (
            "maybe_items: {name: a}",
            ("1:14: expected a list, got a mapping (maybe_items)"
            " hint: write it as a list, each item after '- '"),
        ),
        (
            "item: [{name: a}]",
            ("1:7: expected a mapping, got a list (item)"
            " hint: write 'key: value' lines, indented below it"),
        ),
        ("text_or_item: [a]", ("1:15: expected text or a mapping, got a list (text_or_item)"
            " hint: write 'key: value' lines, indented below it")),
        ("text_or_item: {nam: a, name: b}", ("1:16: unknown key 'nam' (text_or_item.nam)"
            " hint: did you mean 'name'?")),
        ("number_or_text: 1.5", ("1:17: expected an integer or text, got the number 1.5"
            ' (number_or_text) hint: put it in quotes: "1.5"')),
        (
            "pet: {type: dog, bones: x, owner: me}",
            "1:25: expected an integer, got text 'x' (pet.bones)",
        ),
        (
            "version: v1",
            "1:10: must have at least 3 characters, got text 'v1' (version)",
        ),
        ("unique: [a, a]", "1:9: the same item stands twice in the list (unique)"),
        ("pair: [1]", "1:7: must have at least 2 items, got a list (pair)"),
        ("[]", ("1:1: expected a mapping, got a list"
            " hint: write 'key: value' lines, indented below it")),
        ("", "1:1: expected a mapping, got nothing hint: the file is empty"),
        (f"count: {'x' * 500}", f"1:8: expected an integer, got text '{'x' * 60}…' (count)"),
        ('count: "\\e[2J"', "1:8: expected an integer, got text '\\x1b[2J' (count)"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_plain_words(mistakes_of, text, mistake):
    assert mistakes_of(text)[:1] == [mistake]


def test_a_misspelt_required_key_is_told_once(mistakes_of):
    assert mistakes_of("items: [{naem: a}]") == [
        "1:10: unknown key 'naem' (items[0].naem) hint: did you mean 'name'?"
    ]


def test_all_mistakes_are_told_at_once(mistakes_of):
    text = """
text: 1
items:
  - nme: a
  - name: 2
    bypass_reason: 3
maybe_items:
  - {name: a}
  - 7
version: v1
"""

    assert sorted(mistake.split(":")[0] for mistake in mistakes_of(text)) == [
        "10", "10", "2", "4", "5", "6", "9",
    ]  # fmt: skip
