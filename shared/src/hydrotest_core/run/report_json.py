"""`report.json`: the run as a file that programs read, and the schema it keeps.

The schema in `docs/formats/report.schema.json` is made by `schema_text`; a test
holds the two together.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_core.errors import UsageError
from hydrotest_core.run.report import RunReport
from hydrotest_core.sealed import atomic_write
from hydrotest_core.untrusted import for_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMAT_VERSION", "read_report", "schema", "schema_text", "write_report"]

FORMAT_VERSION = 1
_UNREADABLE = "The report can't be read."
_NEWER = "The report was written by a newer hydrotest."
_NO_REPORT = "The file is no report of hydrotest."
_NAME_ONE = "name a report.json in a run's folder"


class _Version(msgspec.Struct):
    format_version: int


def write_report(report: RunReport, path: Path) -> None:
    """Write the run as indented JSON, readable by its owner alone, in one step.

    What is in it is exact, and what would act on a terminal is written as an escape.
    A lone surrogate, from a file name that is no UTF-8, has no place in JSON; it is
    written as the six characters that name it rather than costing the whole report.
    """
    try:
        data = msgspec.json.encode(report)
    except UnicodeEncodeError:
        data = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(report)))
    atomic_write(path, for_json(msgspec.json.format(data, indent=2)) + b"\n")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(each) for each in value]
    return value


def read_report(path: Path) -> RunReport:
    """Return the run a file holds.

    Fields that this release doesn't know are passed over.

    Raises:
        UsageError: The file isn't there, is no report, or is of a newer format.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise UsageError(_UNREADABLE, hint=_NAME_ONE, path=path, reason=exc.strerror) from exc
    try:
        version = msgspec.json.decode(data, type=_Version).format_version
        if version <= FORMAT_VERSION:
            return msgspec.json.decode(data, type=RunReport)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UsageError(_NO_REPORT, hint=_NAME_ONE, path=path, reason=exc) from exc
    hint = "update hydrotest, or judge the run again with this one"
    raise UsageError(_NEWER, hint=hint, path=path, format_version=version)


def schema_text() -> bytes:
    """Return the published JSON Schema, as it is committed."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of `report.json`, made from the structs.

    What a struct's docstring says of an attribute becomes that property's
    description.
    """
    (root,), components = msgspec.json.schema_components([RunReport], ref_template="#/$defs/{name}")
    for component in components.values():
        _describe(component)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:hydrotest:report:{FORMAT_VERSION}",
        "title": "hydrotest report",
        **root,
        "$defs": dict(sorted(components.items())),
    }


def _describe(component: dict[str, Any]) -> None:
    text = inspect.cleandoc(component.get("description", ""))
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    if summary:
        component["description"] = summary
    for name, words in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE):
        if name in component.get("properties", {}):
            component["properties"][name]["description"] = " ".join(words.split())
