"""The forms in which a secret travels: the byte strings to look for.

Measured on 21 encodings of one value: the plain value alone finds 2 to 11 of
them, the forms made here all but UTF-16 and compressed ones.

Not found, because each form costs a search of all that a connector says: UTF-16 and UTF-32,
anything compressed or encrypted, base64 of base64 or of an escaped text, three escapes on top
of each other, numeric HTML entities for plain letters, a value spread over several lines or
messages, its letters in another order or case.
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MINIMUM_LENGTH", "forms", "why_left_out"]

MINIMUM_LENGTH = 6
_LINE_LENGTH = 16

# Values that stand in half of all configs and records: replacing them would tear
# up the output and hide nothing. The second block is the protocol's own wording.
_COMMON = frozenset(
    """
    access account admin administrator anonymous api_key apikey basic bearer changeme
    client_credentials default development disabled enabled example false guest localhost
    manual oauth oauth2 oauth2.0 password postgres private production public refresh_token
    sandbox secret string testing token undefined unknown user username
    airbyte analytics append catalog complete control cursor destination emitted_at
    estimate failed global incomplete incremental integer internal legacy message namespace
    number object override overwrite record running source started state status stream
    streams succeeded warning full_refresh
    """.split()  # noqa: SIM905 - a list of one word a line is no easier to read
)


def why_left_out(value: str) -> str:
    """Say why `value` can't be looked for, or return "" where it can."""
    stripped = value.strip()
    if len(stripped) < MINIMUM_LENGTH:
        return f"shorter than {MINIMUM_LENGTH} characters"
    if stripped.lower() in _COMMON:
        return "a common word"
    if len(set(stripped)) == 1:
        return "one character repeated"
    return ""


def forms(value: str) -> set[bytes]:
    """Return the byte strings that give `value` away.

    Lines of a multi-line value (a PEM key) count on their own from 16 characters
    on, its `-----BEGIN` and `-----END` lines never. A form that got shorter than 6
    bytes is left out.
    """
    stripped = value.strip()
    found = {form for text in {value, stripped} for form in (*_texts(text), *_binaries(_raw(text)))}
    lines = stripped.splitlines()
    if len(lines) > 1:
        for line in map(str.strip, lines):
            if (
                len(line) >= _LINE_LENGTH
                and not line.startswith("-----")
                and not why_left_out(line)
            ):
                found.update(_texts(line))
    return {form for form in found if len(form) >= MINIMUM_LENGTH}


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _texts(text: str) -> Iterator[bytes]:
    """Yield the escaped forms, and those once more in JSON or a URL.

    A config dumped into a log message is JSON inside JSON; a redirect carries a
    URL inside a URL.
    """
    once = {text, *(escape(text) for escape in _ESCAPES)}
    twice = {escape(form) for form in once for escape in _OUTER_ESCAPES}
    yield from map(_raw, once | twice)


def _json_ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_utf8(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _json_slashes(text: str) -> str:
    return _json_utf8(text).replace("/", "\\/")


def _json_ascii_slashes(text: str) -> str:
    return _json_ascii(text).replace("/", "\\/")


def _json_upper(text: str) -> str:
    """Escape as Java's encoders do, whose hex digits are upper-case."""
    return re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda match: match[0].upper(), _json_ascii(text))


def _json_html_safe(text: str) -> str:
    """Escape as encoders do that write JSON for a page: Go's, PHP's, Jinja's."""
    return re.sub("[<>&']", lambda match: f"\\u{ord(match[0]):04x}", _json_utf8(text))


def _json_gson(text: str) -> str:
    """Escape as Gson does: for a page, and the equals sign too."""
    return _json_html_safe(text).replace("=", "\\u003d")


def _url(text: str) -> str:
    return quote(_raw(text), safe="")


def _url_path(text: str) -> str:
    return quote(_raw(text), safe="/")


def _url_plus(text: str) -> str:
    return quote_plus(_raw(text))


def _lower_hex(encode: Callable[[str], str]) -> Callable[[str], str]:
    def encode_lower(text: str) -> str:
        return re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encode(text))

    return encode_lower


def _html_text(text: str) -> str:
    return html.escape(text, quote=False)


def _html_short(text: str) -> str:
    return html.escape(text, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


def _html_ascii(text: str) -> str:
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _repr(text: str) -> str:
    return repr(text)[1:-1]


def _ascii(text: str) -> str:
    return ascii(text)[1:-1]


def _repr_bytes(text: str) -> str:
    return repr(_raw(text))[2:-1]


_OUTER_ESCAPES = (_json_ascii, _json_utf8, _url, _lower_hex(_url))
_ESCAPES: tuple[Callable[[str], str], ...] = (
    _json_ascii,
    _json_utf8,
    _json_slashes,
    _json_ascii_slashes,
    _json_upper,
    _json_html_safe,
    _json_gson,
    _url,
    _url_path,
    _url_plus,
    _lower_hex(_url),
    _lower_hex(_url_path),
    _lower_hex(_url_plus),
    html.escape,
    _html_text,
    _html_short,
    _html_ascii,
    _repr,
    _ascii,
    _repr_bytes,
)


def _binaries(raw: bytes) -> Iterator[bytes]:
    """Yield the hex and base64 forms of `raw`.

    Inside a longer base64 text the characters at the edges depend on the
    neighbours; the core between them doesn't, and it has three shapes, one for each
    position in a group of three bytes.
    """
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).rstrip(b"=")
        for offset in range(3):
            first = (0, 2, 3)[offset]
            end = (offset + len(raw)) * 8 // 6
            yield encode(bytes(offset) + raw)[first:end]
