from __future__ import annotations

import traceback

import pytest

from hydrotest_core.errors import SettingsError, UsageError
from hydrotest_core.settings import load_json


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "config.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true, "é"]}', {"a": [1, 2.5, None, True, "é"]}),
        ("7", 7),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"NaN": "Infinity"}', {"NaN": "Infinity"}),
    ],
    ids=["object", "scalar", "byte-order-mark", "words"],
)
def test_a_json_file_is_read(write, text, value):
    assert load_json(write(text)) == value


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ('{"a": 1,\n "b": }', (2, 7), "Expecting value", "a value is missing here"),
        ('{"a": 1,\n}', (2, 1), "property name", "comma before a closing brace"),
        ("{'a': 1}", (1, 2), "property name", "double quotes"),
        ('{"a": 1 "b": 2}', (1, 9), "',' delimiter", "put a comma"),
        ('{"a" 1}', (1, 6), "':' delimiter", "put a colon"),
        ('{"a": 1} x', (1, 10), "Extra data", "holds one value"),
        ('{"a": "x\n"}', (1, 9), "Invalid control character", r"as \n"),
        ('{"a": "x', (1, 7), "Unterminated string", "double quote"),
        ('{"NaN": 1,\n "b": NaN}', (2, 7), "NaN is no JSON value", "write null"),
        ('{"a": -Infinity}', (1, 7), "-Infinity is no JSON value", "write null"),
        ('{"a": "b\\"Infinity",\n"c": Infinity}', (2, 6), "Infinity is no", "write null"),
        ('["' + "1" * 5000 + '",\n' + "1" * 5000 + "]", (2, 1), "too many digits", ""),
        ("", (1, 1), "Expecting value", "the file is empty"),
        (" \n", (2, 1), "Expecting value", "the file is empty"),
        (b'{"a":\n "\xc3\xa9\xff"}', (2, 4), "not UTF-8", "save the file as UTF-8"),
        ('{"a": 1}'.encode("utf-16"), (1, 1), "not UTF-8", "save the file as UTF-8"),
        ("[" * 100_000, (0, 0), "nested too deeply", "right file"),
    ],
    ids=[
        "no-value", "trailing-comma", "single-quotes", "no-comma", "no-colon", "rest", "line-break",
        "unterminated", "nan", "infinity", "infinity-after-text", "digits", "empty", "blank",
        "latin", "utf-16", "deep",
    ],
)  # fmt: skip
def test_what_is_no_json_is_named_with_its_place(write, text, place, message, hint):
    path = write(text)
    with pytest.raises(SettingsError, match="The catalog file isn't JSON") as caught:
        load_json(path, "catalog")
    (mistake,) = caught.value.facts["mistakes"]

    assert (mistake.file, mistake.line, mistake.column) == (str(path), *place)
    assert message in mistake.message
    assert hint in mistake.hint
    assert caught.value.facts["path"] == str(path)
    assert caught.value.facts["line"] == place[0]


def test_a_missing_json_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="The config file isn't there") as caught:
        load_json(tmp_path / "config.json")
    assert not isinstance(caught.value, SettingsError)


@pytest.mark.parametrize(
    "text",
    ['{"api_key": "hunter2-hunter2" oops}', b'{"api_key": "hunter2-hunter2\xff"}'],
    ids=["syntax", "encoding"],
)
def test_no_content_of_the_file_stands_in_the_error(write, text):
    with pytest.raises(SettingsError) as caught:
        load_json(write(text))
    shown = "".join(traceback.format_exception(caught.value))

    assert "hunter2" not in shown + repr(caught.value.facts) + str(caught.value)
