"""Taking credentials out of HTTP headers and query strings, by name and by value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hydrotest_core.redaction.redactor import Redactor

__all__ = ["redact_headers", "redact_query"]

_SECRET_NAME = re.compile(
    r"(auth(orization|enticate)?|api[-_]?key|access[-_]?key|subscription[-_]?key|token|secret"
    r"|passw(or)?d|passphrase|pwd|signature|credential|session[-_]?id|jwt|assertion)s?$"
    r"|^(sig|key|code|client_id|code_verifier|private[-_]?key)$",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(r"(next|page|continuation|sync|cursor)[-_]?token$", re.IGNORECASE)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9-]* +)?(?P<value>.*)", re.DOTALL)
_COOKIE_ATTRIBUTES = frozenset(
    ("domain", "expires", "httponly", "max-age", "partitioned", "path", "priority", "samesite")
)


def redact_headers(headers: Iterable[tuple[str, str]], redactor: Redactor) -> list[tuple[str, str]]:
    """Return `headers`, order and repetition kept, without credentials.

    Credentials are known by the header's name and, everywhere, by value. The scheme
    of an authorization and the names of cookies stay: they tell a reader what was
    sent.

    Args:
        headers: `[("Authorization", "Bearer abc"), …]`.
        redactor: What is known to be secret, and who makes the tokens.
    """
    return [(name, _header_value(name, value, redactor)) for name, value in headers]


def redact_query(query: str, redactor: Redactor) -> str:
    """Return a query string without credentials, its shape and order kept.

    Args:
        query: What stands after the `?` of a URL, or a form body, still encoded.
        redactor: What is known to be secret, and who makes the tokens.
    """
    parts = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if value and _is_secret(name):
            parts.append(f"{name}{equals}{redactor.token(name, value)}")
        else:
            parts.append(redactor.redact_text(part))
    return "&".join(parts)


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.search(name)


def _header_value(name: str, value: str, redactor: Redactor) -> str:
    lower = name.lower()
    if lower in {"cookie", "set-cookie"}:
        return _cookies(lower, value, redactor)
    if lower == "www-authenticate" or not value or not _is_secret(lower):
        return redactor.redact_text(value)
    match = _SCHEME.fullmatch(value)
    assert match is not None
    return f"{match['scheme'] or ''}{redactor.token(lower, match['value'])}"


def _cookies(header: str, value: str, redactor: Redactor) -> str:
    parts = []
    for part in value.split(";"):
        name, equals, content = part.partition("=")
        plain = name.strip()
        if header == "set-cookie" and plain.lower() in _COOKIE_ATTRIBUTES:
            parts.append(part)
        elif content:
            parts.append(f"{name}{equals}{redactor.token(f'{header}.{plain}', content)}")
        else:
            parts.append(redactor.redact_text(part))
    return ";".join(parts)
