"""Reading a YAML file that a person, or a stranger, wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from hydrotest_core.errors import SettingsError
from hydrotest_core.settings.document import Document, Mistake, not_utf8, read_bytes
from hydrotest_core.settings.yaml_nodes import NodeReader

if TYPE_CHECKING:
    import os

__all__ = ["MAX_BYTES", "load_yaml"]

MAX_BYTES = 1_000_000

# libyaml where PyYAML was built with it: ten times faster, and its marks are the same.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_ALLOWED_HERE = "put a text that holds ': ' in quotes, and check the indentation"
_HINTS = {
    "mapping values are not allowed in this context": _NOT_ALLOWED_HERE,
    "mapping values are not allowed here": _NOT_ALLOWED_HERE,
    "did not find expected key": "check the indentation, and the line before",
    "did not find expected '-' indicator": "check the indentation of the list",
    "found unexpected end of stream": "a quote that was opened isn't closed",
    "found character that cannot start any token": "put a text that starts with it in quotes",
}


def load_yaml(path: str | os.PathLike[str], what: str = "settings") -> Document:
    """Read a YAML file; nothing in it can run, and no small file becomes a large value.

    Scalars mean what YAML 1.1 says they do: `yes` is true, `0.10` is 0.1, and
    2020-01-01 a date. Keys are always text, as written: `on:` is the key "on".
    Anchors, aliases and `<<` work.

    Args:
        path: The file, UTF-8, one document.
        what: What it is, in a word, for the messages.

    Raises:
        UsageError: When the file isn't there, can't be read, or is over 1 MB.
        SettingsError: With all duplicate keys and refused tags, or the one mistake
            that stops the reading: broken syntax, a tab that indents, more than
            100 000 values with aliases counted out, more than 64 levels.
    """
    data = read_bytes(path, what, MAX_BYTES)
    file = str(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise _refused(file, what, [not_utf8(file, data, exc)]) from exc
    reader = NodeReader(file)
    try:
        document = reader.document(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as exc:
        raise _refused(file, what, [*reader.mistakes, _syntax_mistake(file, text, exc)]) from exc
    if document is None or reader.mistakes:
        raise _refused(file, what, reader.mistakes)
    return document


def _refused(file: str, what: str, mistakes: list[Mistake]) -> SettingsError:
    return SettingsError(
        f"The {what} file can't be read as YAML.",
        path=file,
        mistakes=sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column)),
    )


def _syntax_mistake(file: str, text: str, exc: yaml.YAMLError) -> Mistake:
    """Say in words where and why the parser stopped."""
    mark = getattr(exc, "problem_mark", None)
    if mark is None:
        # A reader's error has an offset only.
        offset = getattr(exc, "position", 0)
        return Mistake(
            file=file,
            line=text.count("\n", 0, offset) + 1,
            column=offset - text.rfind("\n", 0, offset),
            message="a control character",
            hint=f'remove it, or write it as an escape in double quotes: "\\x{ord(text[offset]):02x}"',
        )
    tab = _tab_mistake(file, text, mark.line, mark.column)
    if tab:
        return tab
    context = getattr(exc, "context", None) or ""
    problem = getattr(exc, "problem", None) or "broken syntax"
    return Mistake(
        file=file,
        line=mark.line + 1,
        column=mark.column + 1,
        message=f"not YAML: {problem} {context}".rstrip(),
        hint=_HINTS.get(problem, ""),
    )


def _tab_mistake(file: str, text: str, line: int, column: int) -> Mistake | None:
    """Say that a tab is to blame, where it is: on the line where the parser stopped, or before."""
    lines = text.split("\n")
    for number in (line, line - 1):
        content = lines[number] if 0 <= number < len(lines) else ""
        indentation = content[: len(content) - len(content.lstrip())]
        if "\t" in indentation:
            return Mistake(
                file=file,
                line=number + 1,
                column=indentation.index("\t") + 1,
                message="a tab in the indentation; YAML allows spaces only",
                hint="replace each tab at the start of the line by two spaces",
            )
    if lines[line : line + 1] and lines[line][column : column + 1] == "\t":
        return Mistake(
            file=file,
            line=line + 1,
            column=column + 1,
            message="a tab where YAML wants a space",
            hint="replace it by a space",
        )
    return None
