from __future__ import annotations

import pytest

from hydrotest_core.redaction import Redactor, redact_headers, redact_query

REDACTOR = Redactor({"key": "hunter2-hunter2"}, b"session")


def token(name: str, value: str) -> str:
    return REDACTOR.token(name, value)


@pytest.mark.parametrize(
    ("name", "value", "clean"),
    [
        ("Authorization", "Bearer abc", f"Bearer {token('authorization', 'abc')}"),
        ("authorization", "Basic dTpw", f"Basic {token('authorization', 'dTpw')}"),
        ("Proxy-Authorization", "abc", token("proxy-authorization", "abc")),
        ("X-Api-Key", "abc", token("x-api-key", "abc")),
        ("X-Amz-Security-Token", "abc", token("x-amz-security-token", "abc")),
        ("X-Shopify-Access-Token", "a b", f"a {token('x-shopify-access-token', 'b')}"),
        ("Cookie", "a=1; b=2", f"a={token('cookie.a', '1')}; b={token('cookie.b', '2')}"),
        (
            "Set-Cookie",
            "sid=1; Path=/; HttpOnly; Max-Age=3",
            f"sid={token('set-cookie.sid', '1')}; Path=/; HttpOnly; Max-Age=3",
        ),
    ],
    ids=lambda value: value[:24],
)
def test_a_credential_in_a_header_is_replaced(name, value, clean):
    assert redact_headers([(name, value)], REDACTOR) == [(name, clean)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "application/json"),
        ("WWW-Authenticate", 'Bearer realm="x"'),
        ("X-Next-Page-Token", "abc"),
        ("Authorization", ""),
        ("Cookie", ""),
        ("Set-Cookie", "flag"),
        ("Author", "abc"),
    ],
)
def test_another_header_stays(name, value):
    assert redact_headers([(name, value)], REDACTOR) == [(name, value)]


def test_a_known_value_is_replaced_in_any_header_and_cookie():
    headers = [("Location", "/?x=hunter2-hunter2"), ("Cookie", "hunter2-hunter2")]
    known = token("key", "hunter2-hunter2")

    assert redact_headers(headers, REDACTOR) == [("Location", f"/?x={known}"), ("Cookie", known)]


def test_order_and_repetition_of_headers_stay():
    headers = [("B", "1"), ("A", "2"), ("B", "3")]

    assert redact_headers(headers, REDACTOR) == headers


def test_equal_credentials_get_equal_tokens():
    (_, one), (_, two), (_, three) = redact_headers(
        [("X-Api-Key", "abc"), ("X-Api-Key", "abc"), ("X-Api-Key", "xyz")], REDACTOR
    )

    assert one == two
    assert one != three


@pytest.mark.parametrize(
    ("query", "clean"),
    [
        ("api_key=abc", f"api_key={token('api_key', 'abc')}"),
        (
            "a=1&access_token=x%2Fy&b=2",
            f"a=1&access_token={token('access_token', 'x%2Fy')}&b=2",
        ),
        ("X-Amz-Signature=abc", f"X-Amz-Signature={token('X-Amz-Signature', 'abc')}"),
        ("code=abc&sig=def", f"code={token('code', 'abc')}&sig={token('sig', 'def')}"),
        ("q=hunter2-hunter2", f"q={token('key', 'hunter2-hunter2')}"),
        ("hunter2-hunter2", token("key", "hunter2-hunter2")),
    ],
    ids=["only", "second", "signature", "two", "known-value", "known-value-alone"],
)
def test_a_credential_in_a_query_is_replaced(query, clean):
    assert redact_query(query, REDACTOR) == clean


@pytest.mark.parametrize(
    "query", ["", "a=1&b=2", "page_token=abc", "token", "token=", "a=b=c&&d", "encode=1"]
)
def test_another_query_stays(query):
    assert redact_query(query, REDACTOR) == query


def test_credentials_are_replaced_without_known_secrets():
    assert "abc" not in redact_query("api_key=abc", Redactor())
    assert "abc" not in str(redact_headers([("Authorization", "abc")], Redactor()))
