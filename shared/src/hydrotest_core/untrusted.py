r"""Text that a stranger wrote, made safe for the place where it is shown.

A stream name, a record's value or a log line may hold terminal escapes, markup, or
characters that reorder what a reader sees. Here they become visible text, `\x1b` or
`\u202e`, once, at the edge where a connector's words are shown to people. With
`multiline=True` line feeds and tabs stay.

A field or an argument that may hold such text has the type `UntrustedText`. Any `str` may be
put there; out of it comes one only by the functions and methods `for_…` of the place where it
is shown, and by `as_it_came`. The type checker finds who forgets: whatever wants a `str` refuses it,
and so do f-strings, `format`, `%`, `+` and `join`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, overload

from hydrotest_core.sealed import path_slug

__all__ = [
    "Untrusted",
    "UntrustedText",
    "as_it_came",
    "for_annotation",
    "for_csv",
    "for_html",
    "for_json",
    "for_markdown",
    "for_terminal",
    "for_xml",
    "lines_of",
    "shortened",
    "unbroken",
]

# What does something to a reader's view instead of being seen, in the order of the
# code points: C0, DEL and C1; soft hyphen; joiners and fillers; bidi marks,
# embeddings, overrides and isolates; zero-width characters; line and paragraph
# separators; invisible operators; lone surrogates; byte-order mark; interlinear
# annotation; non-characters; format controls of rare scripts; tags.
_UNSAFE = (
    "\\x00-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f"
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ud800-\\udfff\\ufdd0-\\ufdef"
    "\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3"
    "\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
)
_LINE = re.compile(f"[{_UNSAFE}]")
_OUTSIDE_LINES = re.compile(rf"(?![\t\n])[{_UNSAFE}]")
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

# What a CI runner acts on wherever it comes from: `::error::` at the start of a line, and any
# word may be put there by who breaks lines; `##[error]`, `##vso[…]`, `##teamcity[…]` anywhere.
_BRACKETED = re.compile(r"(?<=#)#(?=\w*\[)")
_RUNNER_COMMAND = re.compile(rf"(?<!\S):(?=:)|{_BRACKETED.pattern}")
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+\-.!|~:$^=]")
# The wide forms too: spreadsheets of East Asia take them for the narrow ones.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True, repr=False)
class Untrusted:
    """A stranger's text that can't be shown raw by mistake.

    `str()`, f-strings and `format()` give the form for a terminal; every other place
    has its method. Two are equal when their raw texts are.

    Attributes:
        raw: The text as it came, for judging, never for showing.
    """

    raw: str

    def __str__(self) -> str:
        return for_terminal(self.raw)

    def __format__(self, format_spec: str) -> str:
        return format(str(self), format_spec)

    def __repr__(self) -> str:
        return f"Untrusted({_visible(repr(self.raw), multiline=False)})"

    def for_terminal(self, *, multiline: bool = False) -> str:
        """Return the text for a terminal or a plain log."""
        return for_terminal(self.raw, multiline=multiline)

    def for_html(self, *, multiline: bool = False) -> str:
        """Return the text for HTML, between tags or in a quoted attribute."""
        return for_html(self.raw, multiline=multiline)

    def for_markdown(self, *, multiline: bool = False) -> str:
        """Return the text for a line or a table cell of Markdown."""
        return for_markdown(self.raw, multiline=multiline)

    def for_annotation(self, *, multiline: bool = False) -> str:
        """Return the text for the message of a GitHub workflow command."""
        return for_annotation(self.raw, multiline=multiline)

    def for_xml(self, *, multiline: bool = False) -> str:
        """Return the text for XML 1.0, between tags or in a quoted attribute."""
        return for_xml(self.raw, multiline=multiline)

    def for_csv(self) -> str:
        """Return the text for a CSV cell."""
        return for_csv(self.raw)

    def for_path(self) -> str:
        """Return a part of a path; see `hydrotest_core.sealed.path_slug`."""
        return path_slug(self.raw)

    def shortened(self, length: int) -> Untrusted:
        """Return the first `length` characters and how many were cut."""
        return Untrusted(shortened(self.raw, length))


if TYPE_CHECKING:
    # Wider than `str`, so nothing that wants one takes it. `bytes` are in it because they are
    # what a type checker refuses in f-strings (mypy: str-bytes-safe).
    UntrustedText: TypeAlias = str | bytes | Untrusted
else:
    # While the program runs it is plain text: nothing to wrap where a million records are
    # judged, and in a file it is text as it came.
    UntrustedText: TypeAlias = str


def as_it_came(text: UntrustedText) -> str:
    """Return the text as it came, for judging and comparing, never for showing."""
    if isinstance(text, Untrusted):
        return text.raw
    return text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text


def lines_of(text: UntrustedText) -> list[UntrustedText]:
    """Return the lines of a text, without their ends."""
    return [*as_it_came(text).splitlines()]


def unbroken(text: UntrustedText) -> UntrustedText:
    """Return the text on one line, runs of white space as one blank."""
    return " ".join(as_it_came(text).split())


def for_terminal(text: UntrustedText, *, multiline: bool = False) -> str:
    """Return `text` for a terminal or a plain log.

    A word that a CI runner would take for a command (`::error`, `##[error]`) is
    broken up visibly.
    """
    return _RUNNER_COMMAND.sub(
        lambda match: f"\\x{ord(match[0]):02x}", _visible(text, multiline=multiline)
    )


def for_html(text: UntrustedText, *, multiline: bool = False) -> str:
    """Return `text` for HTML, between tags or in a quoted attribute, never in a link."""
    return html.escape(_visible(text, multiline=multiline), quote=True).replace("`", "&#96;")


def for_markdown(text: UntrustedText, *, multiline: bool = False) -> str:
    """Return `text` for a line or a table cell of Markdown; line feeds become `<br>`.

    All that Markdown, its tables, links and maths read as syntax is escaped, HTML
    too. Not for inside a code block: there nothing can be escaped.
    """
    plain = html.escape(_visible(text, multiline=multiline), quote=False)
    escaped = _MARKDOWN.sub(r"\\\g<0>", plain)
    return escaped.replace("\n", "<br>")


def for_annotation(
    text: UntrustedText, *, multiline: bool = False, is_property: bool = False
) -> str:
    """Return `text` for a GitHub workflow command: `::error title=PROPERTY::MESSAGE`.

    Args:
        text: The stranger's text.
        multiline: Keep line feeds, as `%0A`, and tabs.
        is_property: For a property (`title`, `file`), not for the message.

    Source: actions/toolkit, packages/core/src/command.ts.
    """
    escaped = _visible(text, multiline=multiline).replace("%", "%25").replace("\n", "%0A")
    if is_property:
        return escaped.replace(":", "%3A").replace(",", "%2C")
    # The runner doesn't decode `%3A` in a message.
    return _BRACKETED.sub(r"\\x23", escaped.replace("::", ":\\x3a"))


def for_xml(text: UntrustedText, *, multiline: bool = False) -> str:
    """Return `text` for XML 1.0, between tags or in a quoted attribute.

    For a library that escapes by itself (`xml.etree`) give `for_terminal`, whose
    result has only characters that XML allows.
    """
    return html.escape(_visible(text, multiline=multiline), quote=True)


def for_json(data: bytes) -> bytes:
    r"""Return a JSON file of the same meaning that can be looked at with any program.

    Whatever acts on a reader's view stands as an escape, `\u202e`.

    Args:
        data: JSON in UTF-8, on as many lines as it likes.
    """
    return _OUTSIDE_LINES.sub(_json_escape, data.decode()).encode()


def _json_escape(match: re.Match[str]) -> str:
    # In UTF-16, for JSON's escapes have four digits: a rare character takes two.
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def for_csv(text: UntrustedText) -> str:
    """Return `text` for a CSV cell that a spreadsheet won't run as a formula."""
    visible = _visible(text, multiline=False)
    return f"'{visible}" if visible.lstrip().startswith(_FORMULA) else visible


@overload
def shortened(text: str, length: int) -> str: ...


@overload
def shortened(text: UntrustedText, length: int) -> UntrustedText: ...


def shortened(text: UntrustedText, length: int) -> UntrustedText:
    """Return the first `length` characters and how many were cut: `abc… (+1234 characters)`."""
    whole = as_it_came(text)
    cut = len(whole) - length
    return whole if cut <= 0 else f"{whole[:length]}… (+{cut} characters)"


def _visible(text: UntrustedText, *, multiline: bool) -> str:
    if multiline:
        return _OUTSIDE_LINES.sub(_escape, as_it_came(text).replace("\r\n", "\n"))
    return _LINE.sub(_escape, as_it_came(text))


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004 - where \x ends
        return _NAMED.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - as above
