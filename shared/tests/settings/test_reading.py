from __future__ import annotations

import json
import pickle
import subprocess
import sys

import jsonschema
import msgspec
import pytest

from hydrotest_core.errors import SettingsError
from hydrotest_core.settings import Document, load_yaml, read_settings, schema_of


class Expectation(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    path: str | None = None
    bypass_reason: str | None = None

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.bypass_reason):
            msg = "give exactly one of `path` and `bypass_reason`"
            raise ValueError(msg)


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    config_path: str = "secrets/config.json"
    timeout_seconds: int | None = None
    expect_records: Expectation | None = None
    by_stream: dict[str, list[Expectation]] = {}
    either: Expectation | str | None = None


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    tests: list[Entry] | None = None
    bypass_reason: str | None = None

    def __post_init__(self) -> None:
        if self.tests and self.bypass_reason:
            msg = "a bypassed section has no tests"
            raise ValueError(msg)


class Sections(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    basic_read: Section | None = None
    spec: Section | None = None


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    connector_image: str
    acceptance_tests: Sections = Sections()


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    bones: int

    def __post_init__(self) -> None:
        if self.bones > 9:
            msg = "too many bones"
            raise ValueError(msg)


class Home(msgspec.Struct):
    pets: list[Cat | Dog]


class Limits(msgspec.Struct):
    limits: list[int]


class Open(msgspec.Struct):
    connector_image: str


@pytest.fixture
def document(tmp_path):
    def document(text: str) -> Document:
        path = tmp_path / "settings.yml"
        path.write_text(text)
        return load_yaml(path)

    return document


def mistakes_of(document: Document, **options) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(document, Settings, **options)
    return [
        str(mistake).removeprefix(f"{document.file}:") for mistake in caught.value.facts["mistakes"]
    ]


def test_settings_that_fit_are_read_without_warnings(document):
    settings, warnings = read_settings(
        document(
            "connector_image: x:dev\nacceptance_tests: {spec: {tests: [{timeout_seconds: 7}]}}"
        ),
        Settings,
    )

    assert settings == Settings(
        connector_image="x:dev",
        acceptance_tests=Sections(spec=Section(tests=[Entry(timeout_seconds=7)])),
    )
    assert warnings == []


def test_all_mistakes_come_at_once_in_the_order_of_the_file(document):
    text = """\
acceptance_tests:
  basic_read:
    tests:
      - timeout_seconds: soon
        expect_records: {}
      - expect_records:
          path: a
          bypass_reason: b
      - config_pth: a
  spec:
    bypass_reason: none
    tests: [{}]
"""

    assert mistakes_of(document(text)) == [
        "1:1: missing key 'connector_image' hint: add 'connector_image:'",
        (
            "4:26: expected an integer, got text 'soon'"
            " (acceptance_tests.basic_read.tests[0].timeout_seconds)"
        ),
        (
            "5:25: give exactly one of 'path' and 'bypass_reason'"
            " (acceptance_tests.basic_read.tests[0].expect_records)"
        ),
        (
            "7:11: give exactly one of 'path' and 'bypass_reason'"
            " (acceptance_tests.basic_read.tests[1].expect_records)"
        ),
        (
            "9:9: unknown key 'config_pth' (acceptance_tests.basic_read.tests[2].config_pth)"
            " hint: did you mean 'config_path'?"
        ),
        "11:5: a bypassed section has no tests (acceptance_tests.spec)",
    ]


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("by_stream: {users: [{path: a}, {}]}", "by_stream.users[1]"),
        ("either: {}", "either"),
    ],
    ids=["mapping-of-lists", "union"],
)
def test_what_a_struct_refuses_is_found_wherever_it_stands(document, entry, path):
    text = f"connector_image: x\nacceptance_tests: {{spec: {{tests: [{{{entry}}}]}}}}\n"

    (mistake,) = mistakes_of(document(text))
    assert mistake.endswith(
        f"give exactly one of 'path' and 'bypass_reason' (acceptance_tests.spec.tests[0].{path})"
    )


def test_a_struct_around_a_mistake_is_not_judged_again(document):
    text = "connector_image: x\nacceptance_tests: {spec: {bypass_reason: a, tests: [{x: 1}]}}\n"

    (mistake,) = mistakes_of(document(text))
    assert "unknown key 'x'" in mistake


@pytest.mark.parametrize(
    ("value", "mistake"),
    [("10.0", "1:16: Expected 'int', got 'float' (limits[1])"), ("7", None)],
    ids=["integral-float", "integer"],
)
def test_what_only_the_conversion_refuses_has_its_place(document, value, mistake):
    source = document(f"limits: [1, &a {value}]")
    if mistake is None:
        assert read_settings(source, Limits)[0].limits == [1, 7]
        return
    with pytest.raises(SettingsError) as caught:
        read_settings(source, Limits)
    (told,) = caught.value.facts["mistakes"]
    assert str(told) == f"{source.file}:{mistake}".replace("1:16", "1:13")


EXTRA_FIELDS = """\
connector_image: x
acceptance_tests:
  basic_read:
    tests:
      - expect_records: {path: a, extra_fields: yes}
      - expect_records: {path: a, extra_fields: 7}
  spec:
    tests: [{extra_fields: 1}]
"""


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("extra_fields", [5, 6, 8]),
        ("acceptance_tests.basic_read.tests[].expect_records.extra_fields", [5, 6]),
        ("acceptance_tests.*.tests[].extra_fields", [8]),
        ("acceptance_tests.*.tests[].*.extra_fields", [5, 6]),
    ],
    ids=["name", "path", "any-section", "any-two"],
)
def test_deprecated_keys_are_left_out_with_a_warning_each(document, key, lines):
    source = document(EXTRA_FIELDS)
    deprecated = {key: "no effect any more", "extra_fields": "no effect at all"}
    settings, warnings = read_settings(source, Settings, deprecated=deprecated)

    texts = ["no effect any more" if key != "extra_fields" else "no effect at all"] * len(lines)
    told = [warning for warning in warnings if warning.message == texts[0]]
    assert [warning.line for warning in told] == lines
    assert len(warnings) == 3
    assert settings.acceptance_tests.basic_read == Section(
        tests=[Entry(expect_records=Expectation(path="a"))] * 2
    )


def test_a_deprecated_key_is_a_mistake_where_it_is_not_deprecated(document):
    key = "acceptance_tests.basic_read.tests[].expect_records.extra_fields"

    (mistake,) = mistakes_of(document(EXTRA_FIELDS), deprecated={key: "no effect"})
    assert mistake.startswith("8:14: unknown key 'extra_fields'")


def test_a_deprecated_name_is_no_part_of_another(document):
    source = document("connector_image: x\nmy_extra_fields: 1\n")

    assert len(mistakes_of(source, deprecated={"extra_fields": "no effect"})) == 1


def test_reading_leaves_the_document_as_it_is(document):
    source = document(EXTRA_FIELDS)
    before = json.dumps(source.value)
    read_settings(source, Settings, deprecated={"extra_fields": "no effect"})

    assert json.dumps(source.value) == before


def test_unknown_keys_are_let_be_where_the_model_does(document):
    assert read_settings(document("connector_image: x\nother: 1\n"), Open)[0].connector_image == "x"


def test_tagged_structs_are_told_apart(document):
    fine = document("pets: [{type: cat, lives: 7}, {type: dog, bones: 1}]")
    assert read_settings(fine, Home)[0].pets[1] == Dog(bones=1)

    with pytest.raises(SettingsError) as caught:
        read_settings(document("pets: [{type: cat, lives: 10}, {type: dog, bones: 10}]"), Home)
    assert "too many bones (pets[1])" in str(caught.value)


def test_the_error_reads_well_and_survives_pickling(document):
    source = document("conector_image: x\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(source, Settings)

    expected = (
        "The settings can't be used as they stand.\n"
        f"  {source.file}:1:1: unknown key 'conector_image' (conector_image)"
        " hint: did you mean 'connector_image'?"
    )
    assert str(caught.value) == expected
    assert str(pickle.loads(pickle.dumps(caught.value))) == expected
    assert caught.value.exit_code == 2


def test_the_schema_for_editors_is_a_schema_and_says_what_reading_says():
    schema = schema_of(Settings)
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)

    assert validator.is_valid({"connector_image": "x"})
    assert not validator.is_valid({"connector_image": "x", "other": 1})
    assert not validator.is_valid({"connector_image": 7})
    assert schema["$schema"].endswith("2020-12/schema")


def test_jsonschema_rs_is_imported_only_when_settings_are_read():
    code = (
        "import sys, hydrotest_core.settings, hydrotest_core.redaction, hydrotest_core.untrusted;"
        "print('jsonschema_rs' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "False"
