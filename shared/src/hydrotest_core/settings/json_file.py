"""Reading a JSON file that a person wrote."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from hydrotest_core.errors import SettingsError
from hydrotest_core.settings.document import Mistake, not_utf8, read_bytes

if TYPE_CHECKING:
    import os

__all__ = ["load_json"]

# Goes to the end where nothing closes it: looking for others inside it would take ages.
_QUOTED = r'"(?:[^"\\]++|\\.)*+"?'
_CONSTANT = re.compile(rf"{_QUOTED}|(NaN|-?Infinity)", re.DOTALL)
_LONG_NUMBER = re.compile(rf"{_QUOTED}|(-?[0-9]{{1000,}})", re.DOTALL)
_HINTS = {
    "Expecting value": "a value is missing here, or text is without double quotes",
    "Expecting property name enclosed in double quotes": (
        "put the name in double quotes, or remove the comma before a closing brace"
    ),
    "Illegal trailing comma before end of object": "remove the comma",
    "Illegal trailing comma before end of array": "remove the comma",
    "Expecting ',' delimiter": "put a comma between the two values",
    "Expecting ':' delimiter": "put a colon between the name and its value",
    "Extra data": "a JSON file holds one value; remove what follows it",
    "Unterminated string starting at": "close the text with a double quote on the same line",
    "NaN is no JSON value": "write null or a number",
    "Infinity is no JSON value": "write null or a number",
    "-Infinity is no JSON value": "write null or a number",
    "Invalid control character at": "write a line break inside a text as \\n, a tab as \\t",
}


def load_json(path: str | os.PathLike[str], what: str = "config") -> Any:
    """Read a JSON file; no content of it ever stands in an error.

    Args:
        path: The file, UTF-8.
        what: What it is, in a word, for the messages.

    Raises:
        UsageError: When the file isn't there or can't be read.
        SettingsError: When it isn't JSON; with line and column.
    """
    data = read_bytes(path, what)
    file = str(path)
    try:
        return _decoded(data.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise _not_json(what, not_utf8(file, data, exc)) from exc
    except json.JSONDecodeError as exc:
        hint = "the file is empty" if not exc.doc.strip() else _HINTS.get(exc.msg, "")
        mistake = Mistake(
            file=file, line=exc.lineno, column=exc.colno, message=f"not JSON: {exc.msg}", hint=hint
        )
        # Not `from exc`: it carries the whole text, and a traceback may show it.
        raise _not_json(what, mistake) from None
    except RecursionError as exc:
        hint = "check that it is the right file"
        raise _not_json(what, Mistake(file=file, message="nested too deeply", hint=hint)) from exc


def _decoded(text: str) -> Any:
    """Decode `text`; what the decoder reads though it isn't JSON is refused with its place."""

    def refuse(name: str) -> NoReturn:
        message = f"{name} is no JSON value"
        raise json.JSONDecodeError(message, text, _start_of(_CONSTANT, text))

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError:
        raise
    except ValueError:
        message = "a number with too many digits"
        raise json.JSONDecodeError(message, text, _start_of(_LONG_NUMBER, text)) from None


def _start_of(outside_text: re.Pattern[str], text: str) -> int:
    """Return where `outside_text`, whose other branch skips quoted texts, is first found."""
    found = (match.start(1) for match in outside_text.finditer(text) if match[1])
    return next(found, 0)


def _not_json(what: str, mistake: Mistake) -> SettingsError:
    return SettingsError(
        f"The {what} file isn't JSON.",
        path=mistake.file,
        mistakes=[mistake],
        line=mistake.line,
        column=mistake.column,
    )
