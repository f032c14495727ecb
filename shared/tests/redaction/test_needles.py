from __future__ import annotations

import base64
import gzip
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.redaction.needles import MINIMUM_LENGTH, forms, why_left_out

SPECIAL = 'S3cr3t/+=é"k&y%9'
SECRETS = {
    "special": SPECIAL,
    "spaced": "p@ss w/rd",
    "token": "AKIAIOSFODNN7EXAMPLEKEY",
    "six": "Xq7#pA",
    "quotes": 'it\'s "so" <b>\\n',
    "unicode": "пароль-用户-🙂",
}

ENCODERS = {
    "plain": lambda s: s,
    "json-ascii": json.dumps,
    "json-utf8": lambda s: json.dumps(s, ensure_ascii=False),
    "json-slashes": lambda s: json.dumps(s).replace("/", r"\/"),
    "json-utf8-slashes": lambda s: json.dumps(s, ensure_ascii=False).replace("/", r"\/"),
    "json-upper": lambda s: re.sub(r"(?<=\\u)....", lambda m: m[0].upper(), json.dumps(s)),
    "json-for-a-page": lambda s: re.sub(
        "[<>&']", lambda m: f"\\u{ord(m[0]):04x}", json.dumps(s, ensure_ascii=False)
    ),
    "json-gson": lambda s: re.sub(
        "[<>&'=]", lambda m: f"\\u{ord(m[0]):04x}", json.dumps(s, ensure_ascii=False)
    ),
    "json-in-json": lambda s: json.dumps(json.dumps(s)),
    "json-utf8-in-json": lambda s: json.dumps(
        json.dumps({"a": s}, ensure_ascii=False), ensure_ascii=False
    ),
    "json-utf8-in-json-ascii": lambda s: json.dumps(json.dumps(s, ensure_ascii=False)),
    "url": lambda s: quote(s, safe=""),
    "url-path": quote,
    "url-plus": quote_plus,
    "url-lower": lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")),
    "url-plus-lower": lambda s: re.sub("%..", lambda m: m[0].lower(), quote_plus(s)),
    "url-twice": lambda s: quote(quote(s, safe=""), safe=""),
    "url-of-json": lambda s: quote(json.dumps({"a": s}), safe=""),
    "hex": lambda s: s.encode().hex(),
    "hex-upper": lambda s: s.encode().hex().upper(),
    "html": html.escape,
    "html-decimal": lambda s: html.escape(s).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "html-no-quotes": lambda s: html.escape(s, quote=False),
    "html-ascii": lambda s: html.escape(s).encode("ascii", "xmlcharrefreplace").decode(),
    "repr": repr,
    "ascii": ascii,
    "repr-of-bytes": lambda s: repr(s.encode()),
    "basic-auth": lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
    **{
        f"{name}-{offset}": lambda s, encode=encode, offset=offset: encode(
            b"abc"[:offset] + s.encode() + b"xyz"
        ).decode()
        for name, encode in {
            "base64": base64.b64encode,
            "base64-url": base64.urlsafe_b64encode,
        }.items()
        for offset in range(3)
    },
}


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS.keys())
@pytest.mark.parametrize("value", SECRETS.values(), ids=SECRETS.keys())
def test_every_form_in_which_a_secret_travels_is_known(value, encoder):
    travelling = encoder(value).encode()

    assert any(form in travelling for form in forms(value))


MISSED = {
    "utf-16": lambda s: s.encode("utf-16-le"),
    "utf-32": lambda s: s.encode("utf-32-be"),
    "gzip": lambda s: gzip.compress(s.encode()),
    "base64-twice": lambda s: base64.b64encode(base64.b64encode(s.encode())),
    "base64-of-json": lambda s: base64.b64encode(json.dumps(s).encode()),
    "json-three-times": lambda s: json.dumps(json.dumps(json.dumps(s))).encode(),
    "entities-of-letters": lambda s: "".join(f"&#{ord(c)};" for c in s).encode(),
    "over-two-lines": lambda s: f"{s[:8]}\n{s[8:]}".encode(),
    "upper-case": lambda s: s.upper().encode(),
}


@pytest.mark.parametrize("encoder", MISSED.values(), ids=MISSED.keys())
def test_forms_that_are_not_known_are_those_that_the_module_names(encoder):
    """Whoever teaches it one of them takes it out of here, and of the module's list."""
    travelling = encoder(SPECIAL)

    assert not any(form in travelling for form in forms(SPECIAL))


@settings(deadline=None)
@given(st.text(min_size=6, max_size=30), st.binary(max_size=5), st.binary(max_size=5))
def test_the_base64_core_does_not_depend_on_its_neighbours(value, before, after):
    raw = value.encode()
    stripped = value.strip()
    if len(stripped.encode()) < 6:
        return
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        travelling = encode(before + raw + after)
        assert any(form in travelling for form in forms(value))


@pytest.mark.parametrize(
    ("value", "count"),
    [("AKIAIOSFODNN7EXAMPLEKEY", 7), ("p@ss w/rd", 40), (SPECIAL, 80)],
    ids=["token", "spaced", "special"],
)
def test_equal_forms_are_kept_once(value, count):
    assert len(forms(value)) <= count


PEM = """\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
AAAAAAAAAAAAAAAAAAAAAAAA
h8w==
-----END PRIVATE KEY-----
"""


def test_each_long_line_of_a_key_counts_on_its_own():
    found = forms(PEM)

    assert PEM.splitlines()[1].encode() in found
    assert PEM.splitlines()[2].encode() in found
    assert json.dumps(PEM)[1:-1].encode() in found


@pytest.mark.parametrize("line", [0, 3, 4, 5], ids=["header", "one-character", "short", "footer"])
def test_a_line_that_stands_in_any_key_does_not_count(line):
    assert PEM.splitlines()[line].encode() not in forms(PEM)


def test_a_value_counts_with_and_without_its_surrounding_space():
    assert b"hunter2hunter2" in forms("hunter2hunter2\n")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "shorter"),
        ("abcde", "shorter"),
        ("  abc  ", "shorter"),
        ("true", "shorter"),
        ("False", "shorter"),
        ("LocalHost", "common"),
        (" password ", "common"),
        ("RECORD", "common"),
        ("******", "repeated"),
        ("abcdef", ""),
        ("123456", ""),
    ],
)
def test_a_value_that_would_tear_up_the_output_is_left_out(value, reason):
    assert reason in why_left_out(value)
    assert bool(reason) == bool(why_left_out(value))


@settings(deadline=None)
@given(st.text())
def test_no_form_is_shorter_than_the_minimum(value):
    assert all(len(form) >= MINIMUM_LENGTH for form in forms(value))
