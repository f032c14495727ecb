"""What a JSON Schema says against a document, in plain words."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import TYPE_CHECKING, Any

from hydrotest_core.settings.document import did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import jsonschema_rs

    from hydrotest_core.settings.document import Document, Mistake, PathPart

__all__ = ["schema_mistakes"]

_TYPES = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_LIMITS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} keys",
    "maxProperties": "must have at most {} keys",
    "multipleOf": "must be a multiple of {}",
    "pattern": "must match {!r}",
}
_SHOWN = 60
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")
_BOOLEANS = frozenset(("true", "false", "yes", "no", "on", "off"))


def schema_mistakes(document: Document, value: Any, schema: Mapping[str, Any]) -> list[Mistake]:
    """Return all that `schema` says against `value`.

    Args:
        document: Where the places are taken from.
        value: The document's value, deprecated keys taken out.
        schema: A JSON Schema, draft 2020-12.
    """
    import jsonschema_rs  # noqa: PLC0415 - 15 MB that a run without settings never needs

    validator = jsonschema_rs.Draft202012Validator(dict(schema))
    translator = _Translator(document, schema)
    return list(translator.all_of(validator.iter_errors(_json_ready(value))))


def _json_ready(value: Any) -> Any:
    """Return `value` with a thing that fits no scalar type in place of each date."""
    if isinstance(value, dict):
        return {key: _json_ready(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_json_ready(child) for child in value]
    return [[]] if isinstance(value, dt.date) else value


class _Translator:
    """Turns the validator's errors into mistakes."""

    def __init__(self, document: Document, schema: Mapping[str, Any]) -> None:
        self._document = document
        self._schema = schema

    def all_of(self, errors: Iterable[jsonschema_rs.ValidationError]) -> Iterator[Mistake]:
        for error in errors:
            yield from self._of(error)

    def _of(self, error: jsonschema_rs.ValidationError) -> Iterator[Mistake]:
        kind: Any = error.kind
        path = self._existing(error.instance_path)
        match kind.name:
            case "anyOf" | "oneOf" if getattr(kind, "context", None):
                yield from self._any_of(kind.context, path)
            case "type":
                yield self._wrong_type(path, kind.types)
            case "enum":
                yield self._not_one_of(path, kind.options)
            case "const":
                yield self._not_one_of(path, [kind.expected_value])
            case "additionalProperties":
                yield from self._unknown_keys(path, kind.unexpected, error.schema_path)
            case "required":
                yield from self._missing_key(path, kind.property, error.schema_path)
            case "uniqueItems":
                yield self._document.mistake(path, "the same item stands twice in the list")
            case name if name in _LIMITS:
                wanted = _LIMITS[name].format(kind.value)
                got = _described(self._value_at(path))
                yield self._document.mistake(path, f"{wanted}, got {got}")
            case _:
                yield self._document.mistake(path, error.message[: 4 * _SHOWN])

    def _any_of(
        self, branches: list[list[jsonschema_rs.ValidationError]], path: list[PathPart]
    ) -> Iterator[Mistake]:
        """Say what the nearest of several possibilities asks for."""
        fitting = [branch for branch in branches if not self._is_of_other_type(branch, path)]
        if fitting:
            fewest = min(len(branch) for branch in fitting)
            yield from self.all_of(next(branch for branch in fitting if len(branch) == fewest))
            return
        types: list[str] = []
        for branch in branches:
            for error in branch:
                types += getattr(error.kind, "types", ())
        yield self._wrong_type(path, types)

    def _is_of_other_type(
        self, branch: list[jsonschema_rs.ValidationError], path: list[PathPart]
    ) -> bool:
        return any(
            error.kind.name == "type" and self._existing(error.instance_path) == path
            for error in branch
        )

    def _wrong_type(self, path: list[PathPart], types: list[str]) -> Mistake:
        # "nothing" is what leaving the key out means: no one looks for it in a list.
        wanted = [kind for kind in dict.fromkeys(types) if kind != "null"] or ["null"]
        value = self._value_at(path)
        words = " or ".join(_TYPES[kind] for kind in wanted)
        message = f"expected {words}, got {_described(value)}"
        return self._document.mistake(path, message, self._hint_for_type(path, value, wanted))

    def _hint_for_type(self, path: list[PathPart], value: Any, wanted: list[str]) -> str:
        if value is None:
            return "give it a value, or remove the key" if path else "the file is empty"
        if "string" in wanted and not isinstance(value, dict | list):
            return f'put it in quotes: "{self._document.marks.at(path).text}"'
        if isinstance(value, str) and _would_be(value, wanted):
            return "take the quotes off"
        if "array" in wanted and not isinstance(value, list):
            return "write it as a list, each item after '- '"
        if "object" in wanted:
            return "write 'key: value' lines, indented below it"
        return ""

    def _not_one_of(self, path: list[PathPart], options: list[Any]) -> Mistake:
        value = self._value_at(path)
        words = ", ".join(str(option) for option in options)
        message = (
            f"expected {'one of ' if len(options) > 1 else ''}{words}, got {_described(value)}"
        )
        close = difflib.get_close_matches(str(value), map(str, options), n=1)
        return self._document.mistake(path, message, did_you_mean(close[0]) if close else "")

    def _unknown_keys(
        self, path: list[PathPart], keys: list[str], schema_path: list[str | int]
    ) -> Iterator[Mistake]:
        valid = self._valid_keys(schema_path)
        for key in keys:
            message = f"unknown key {key!r}"
            yield self._document.mistake([*path, key], message, nearest(key, valid), at_key=True)

    def _missing_key(
        self, path: list[PathPart], key: str, schema_path: list[str | int]
    ) -> Iterator[Mistake]:
        """Yield a mistake, unless the key is there, only misspelt: that is told already."""
        valid = self._valid_keys(schema_path)
        unknown = [name for name in self._value_at(path) if name not in valid]
        is_open = self._holder(schema_path).get("additionalProperties") is not False
        if is_open or not any(nearest(name, valid) == did_you_mean(key) for name in unknown):
            yield self._document.mistake(path, f"missing key {key!r}", f"add '{key}:'")

    def _valid_keys(self, schema_path: list[str | int]) -> list[str]:
        return list(self._holder(schema_path).get("properties", ()))

    def _holder(self, schema_path: list[str | int]) -> Any:
        """Return the schema whose keyword `schema_path` ends in."""
        holder: Any = self._schema
        for part in schema_path[:-1]:
            holder = holder[part]
        return holder

    def _existing(self, path: Iterable[str | int]) -> list[PathPart]:
        """Return as much of `path` as the document has: a date has no inside."""
        value: Any = self._document.value
        found: list[PathPart] = []
        for part in path:
            if not isinstance(value, dict | list):
                break
            found.append(part)
            value = value[part]  # type: ignore[index] # the validator's part fits the value
        return found

    def _value_at(self, path: list[PathPart]) -> Any:
        value: Any = self._document.value
        for part in path:
            value = value[part]
        return value


def _would_be(text: str, wanted: list[str]) -> bool:
    """Say whether a quoted text would be of a wanted type without its quotes."""
    if {"integer", "number"} & set(wanted) and _NUMBER.fullmatch(text):
        return "number" in wanted or "." not in text
    return "boolean" in wanted and text.lower() in _BOOLEANS


def _described(value: Any) -> str:
    """Say what a value is, in words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"text {_shortened(value)!r}"
    if isinstance(value, dt.date):
        return f"the date {value.isoformat()}"
    if isinstance(value, int | float):
        return f"the number {_shortened(str(value))}"
    return {type(None): "nothing", list: "a list", dict: "a mapping"}[type(value)]


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
