from __future__ import annotations

import base64
import itertools
import json
import pickle
import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.redaction import Redactor
from hydrotest_core.redaction.needles import why_left_out

KEY = b"session"
SPECIAL = 'S3cr3t/+=é"k&y%9'
TOKEN = re.compile("«secret:[A-Za-z0-9_.\\[\\]-]*#[0-9a-f]{2}»")


def a_redactor(**secrets: str) -> Redactor:
    return Redactor(secrets, KEY)


def streamed(redactor: Redactor, data: bytes, cuts: list[int]) -> tuple[bytes, dict[str, int]]:
    stream = redactor.stream()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]
    clean = b"".join(map(stream.feed, chunks)) + stream.flush()
    return clean, dict(stream.hits)


def test_a_secret_is_replaced_by_a_token_with_its_name():
    text = a_redactor(api_key="hunter2-hunter2").redact_text("key=hunter2-hunter2;")

    assert re.fullmatch("key=«secret:api_key#[0-9a-f]{2}»;", text)


def test_the_second_secret_is_replaced_too():
    text = a_redactor(one="first-secret", two="second-secret").redact_text(
        "second-secret first-secret"
    )

    assert re.fullmatch("«secret:two#..» «secret:one#..»", text)


def test_text_without_secrets_comes_back_itself():
    redactor = a_redactor(api_key="hunter2-hunter2")
    text, data = "nothing here", b"nothing here"

    assert redactor.redact_text(text) is text
    assert redactor.redact_bytes(data) is data
    assert redactor.stream().feed(data) is data


def test_without_secrets_everything_comes_back_itself():
    redactor = Redactor()
    stream = redactor.stream()
    text, data = "nothing here", b"nothing here"

    assert redactor.is_empty
    assert redactor.redact_text(text) is text
    assert redactor.redact_bytes(data) is data
    assert stream.feed(data) is data
    assert stream.flush() == b""
    assert stream.hits == {}


def test_a_redactor_of_values_that_cannot_be_looked_for_is_empty():
    assert a_redactor(a="", b="short", c="localhost", d="true").is_empty
    assert not a_redactor(a="", b="long-enough").is_empty


def test_tokens_are_stable_within_a_session_and_tell_values_apart():
    one, two = Redactor(session_key=b"a"), Redactor(session_key=b"a")
    tokens = {one.token("key", f"value-{n}") for n in range(20)}

    assert one.token("key", "value-1") == two.token("key", "value-1")
    assert len(tokens) > 10


def test_tokens_of_two_sessions_cannot_be_linked():
    tokens = {Redactor().token("key", "hunter2-hunter2") for _ in range(20)}

    assert len(tokens) > 1


def test_a_name_cannot_break_the_line_it_lands_in():
    text = Redactor({'a"b\\c\n»<': "hunter2-hunter2"}).redact_text('{"x":"hunter2-hunter2"}')

    assert re.fullmatch("«secret:a_b_c___#[0-9a-f]{2}»", json.loads(text)["x"])


def test_a_redactor_survives_pickling_with_the_same_tokens():
    redactor = Redactor({"key": "hunter2-hunter2"})
    copy = pickle.loads(pickle.dumps(redactor))

    assert copy.redact_text("hunter2-hunter2") == redactor.redact_text("hunter2-hunter2")


def test_no_repr_shows_a_secret():
    redactor = a_redactor(key="hunter2-hunter2")
    stream = redactor.stream()
    stream.feed(b"hunter2-hun")

    assert "hunter2" not in repr(redactor) + repr(stream)
    assert b"session" not in repr(redactor).encode()


def test_an_extended_redactor_knows_the_new_secret_and_keeps_the_tokens():
    redactor = a_redactor(one="first-secret")
    more = redactor.extended({"two": "second-secret"})

    assert more.redact_text("first-secret") == redactor.redact_text("first-secret")
    assert "second-secret" not in more.redact_text("second-secret")
    assert redactor.redact_text("second-secret") == "second-secret"


def test_text_that_is_no_unicode_survives():
    assert (
        a_redactor(key="hunter2-hunter2")
        .redact_text("\ud800 hunter2-hunter2 \udcff")
        .startswith("\ud800 «secret:key#")
    )


@pytest.mark.parametrize(
    "encode",
    [
        lambda s: json.dumps({"m": json.dumps({"k": s})}),
        lambda s: quote(s, safe=""),
        lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
        lambda s: s.encode().hex(),
        repr,
    ],
    ids=["json-in-json", "url", "basic-auth", "hex", "repr"],
)
def test_an_encoded_secret_is_replaced_in_a_stream_at_every_cut(encode):
    redactor = a_redactor(key=SPECIAL)
    data = f"before {encode(SPECIAL)} after\n".encode()
    whole = redactor.redact_bytes(data)

    assert TOKEN.search(whole.decode())
    for cut in range(len(data) + 1):
        clean, hits = streamed(redactor, data, [cut])
        assert clean == whole
        assert hits == {"key": 1}


def test_a_json_line_stays_json_with_a_secret_in_any_place():
    redactor = a_redactor(text=SPECIAL, pin="12345678")
    line = json.dumps({"a": SPECIAL, SPECIAL: [12345678, {"b": 12345678}], "c": "12345678"})

    clean = redactor.redact_text(line)

    assert "12345678" not in clean
    assert len(TOKEN.findall(clean)) == 5
    assert json.loads(clean)["c"] == redactor.token("pin", "12345678")


def test_bytes_that_begin_no_secret_are_given_out_at_once():
    stream = a_redactor(key="hunter2-hunter2").stream()

    assert stream.feed(b'{"type":"RECORD"}\n') == b'{"type":"RECORD"}\n'
    assert stream.feed(b"hunter2-") == b""
    assert stream.feed(b"x") == b"hunter2-x"
    assert stream.flush() == b""


def test_what_is_held_back_never_exceeds_the_longest_form():
    redactor = a_redactor(key=SPECIAL)
    longest = max(len(needle.pattern) for needle in redactor.needles.all)
    stream = redactor.stream()
    given_out = sum(len(stream.feed(SPECIAL[:7].encode())) for _ in range(100))

    assert 700 - given_out < longest


def test_flush_gives_what_was_held_back_and_the_stream_goes_on():
    stream = a_redactor(key="hunter2-hunter2").stream()
    stream.feed(b"a hunter2")

    assert stream.flush() == b"hunter2"
    assert stream.feed(b"-hunter2") == b"-"
    assert stream.flush() == b"hunter2"
    assert stream.feed(b"hunter2-hunter2").startswith("«secret:key#".encode())
    assert stream.hits == {"key": 1}


def test_a_multi_line_key_is_replaced_whole_and_line_by_line():
    lines = [f"MIIEvQIBADANBgkq{n}hkiG9w0BAQEFAASC/+Kcw" for n in range(3)]
    pem = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"])
    redactor = a_redactor(pem=pem)

    assert TOKEN.fullmatch(redactor.redact_text(pem))
    assert TOKEN.fullmatch(redactor.redact_text(lines[1]))
    assert lines[2] not in redactor.redact_text("\r\n".join(pem.splitlines()))
    assert len(TOKEN.findall(redactor.redact_text(json.dumps(pem)))) == 1


SECRETS = st.dictionaries(
    st.sampled_from(["one", "two", "three"]),
    st.text("ab1", min_size=6, max_size=10) | st.from_regex(r"[12]{6,7}(\.[12])?", fullmatch=True),
    min_size=1,
)
PIECES = st.lists(st.text("ab12. ,:[]", max_size=8), max_size=8)


@settings(deadline=None)
@given(SECRETS, PIECES, st.lists(st.integers(0, 200), max_size=8), st.randoms())
def test_a_stream_gives_the_same_wherever_it_is_cut(secrets, pieces, cuts, random):
    redactor = Redactor(secrets, KEY)
    parts = [*pieces, *secrets.values(), *secrets.values()]
    random.shuffle(parts)
    data = "".join(parts).encode()

    whole, hits = streamed(redactor, data, [])
    cut, cut_hits = streamed(redactor, data, cuts)
    bytewise, _ = streamed(redactor, data, list(range(len(data))))

    assert redactor.redact_bytes(data) == whole
    assert (cut, cut_hits) == (whole, hits)
    assert bytewise == whole


@settings(deadline=None)
@given(
    st.lists(
        st.text(min_size=6).filter(lambda value: not why_left_out(value) and "\0" not in value),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.text(max_size=5), max_size=3),
    st.randoms(),
)
def test_no_secret_is_left_in_any_text(values, around, random):
    redactor = Redactor({str(n): value for n, value in enumerate(values)}, KEY)
    parts = [*values, *around]
    random.shuffle(parts)
    clean = TOKEN.sub("\x00", redactor.redact_text("\x00".join(parts)))

    for value in values:
        is_number = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value.strip())
        assert value not in clean or is_number
