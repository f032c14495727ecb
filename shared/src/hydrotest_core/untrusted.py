r"""Text that a stranger wrote, made safe for the place where it is shown.

A stream name, a record's value or a log line may hold terminal escapes, markup, or
characters that reorder what a reader sees. Here they become visible text, `\x1b` or
`\u202e`, once, at the edge where a connector's words are shown to people. With
`multiline=True` line feeds and tabs stay.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from hydrotest_core.sealed import path_slug

__all__ = [
    "Untrusted",
    "for_annotation",
    "for_csv",
    "for_html",
    "for_markdown",
    "for_terminal",
    "for_xml",
    "shortened",
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
_LINES = re.compile(rf"(?![\t\n])[{_UNSAFE}]")
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

# Lines on which GitHub's runner acts wherever they come from.
_RUNNER_COMMAND = re.compile(r"^(\s*):(?=:)|(?<=#)#(?=\[)", re.MULTILINE)
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+\-.!|~:$^=]")
_FORMULA = ("=", "+", "-", "@")


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

    def for_path(self) -> str:
        """Return a part of a path; see `hydrotest_core.sealed.path_slug`."""
        return path_slug(self.raw)

    def shortened(self, length: int) -> Untrusted:
        """Return the first `length` characters and how many were cut."""
        return Untrusted(shortened(self.raw, length))


def for_terminal(text: str, *, multiline: bool = False) -> str:
    """Return `text` for a terminal or a plain log.

    A line that a CI runner would take for a command (`::error`, `##[error]`) is
    broken up visibly.
    """
    return _RUNNER_COMMAND.sub(
        lambda match: f"{match[1] or ''}\\x{ord(match[0][-1]):02x}",
        _visible(text, multiline=multiline),
    )


def for_html(text: str, *, multiline: bool = False) -> str:
    """Return `text` for HTML, between tags or in a quoted attribute, never in a link."""
    return html.escape(_visible(text, multiline=multiline), quote=True).replace("`", "&#96;")


def for_markdown(text: str, *, multiline: bool = False) -> str:
    """Return `text` for a line or a table cell of Markdown; line feeds become `<br>`.

    All that Markdown, its tables, links and maths read as syntax is escaped, HTML
    too. Not for inside a code block: there nothing can be escaped.
    """
    plain = html.escape(_visible(text, multiline=multiline), quote=False)
    escaped = _MARKDOWN.sub(r"\\\g<0>", plain)
    return escaped.replace("\n", "<br>")


def for_annotation(text: str, *, multiline: bool = False, is_property: bool = False) -> str:
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
    return escaped.replace("::", ":\\x3a").replace("##[", "#\\x23[")


def for_xml(text: str, *, multiline: bool = False) -> str:
    """Return `text` for XML 1.0, between tags or in a quoted attribute.

    For a library that escapes by itself (`xml.etree`) give `for_terminal`, whose
    result has only characters that XML allows.
    """
    return html.escape(_visible(text, multiline=multiline), quote=True)


def for_csv(text: str) -> str:
    """Return `text` for a CSV cell that a spreadsheet won't run as a formula."""
    visible = _visible(text, multiline=False)
    return f"'{visible}" if visible.lstrip().startswith(_FORMULA) else visible


def shortened(text: str, length: int) -> str:
    """Return the first `length` characters and how many were cut: `abc… (+1234 characters)`."""
    cut = len(text) - length
    return text if cut <= 0 else f"{text[:length]}… (+{cut} characters)"


def _visible(text: str, *, multiline: bool) -> str:
    if multiline:
        return _LINES.sub(_escape, text.replace("\r\n", "\n"))
    return _LINE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004 - where \x ends
        return _NAMED.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - as above
