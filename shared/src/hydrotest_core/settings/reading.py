"""From a document to a struct: all mistakes at once, or the settings and the warnings."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hydrotest_core.errors import SettingsError
from hydrotest_core.settings.document import dotted
from hydrotest_core.settings.schema_errors import schema_mistakes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hydrotest_core.settings.document import Document, Mistake, PathPart

__all__ = ["read_settings", "schema_of"]

_Settings = TypeVar("_Settings", bound=msgspec.Struct)

_PLACE = re.compile(r" - at `(key in )?\$(?P<path>[^`]*)`\Z")
_PLACE_PART = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>[0-9]+)\]")


def read_settings(
    document: Document,
    model: type[_Settings],
    *,
    deprecated: Mapping[str, str] | None = None,
) -> tuple[_Settings, list[Mistake]]:
    """Read `document` as `model`.

    Types are strict: text in quotes is no number, an unquoted `0.10` no text. What
    a `__post_init__` of the model or of a struct in it refuses with a `ValueError`
    is a mistake like any other.

    Args:
        document: What `load_yaml` gave.
        model: A struct; with `forbid_unknown_fields` unknown keys are mistakes.
        deprecated: Warning by key. A key is a name, which counts at any depth, or a
            path like `acceptance_tests.*.tests[].extra_fields`. It is left out
            before the reading.

    Returns:
        The settings, and a warning for each deprecated key that stands there.

    Raises:
        SettingsError: Its `facts["mistakes"]` has all mistakes, in the file's order.
    """
    warnings: list[Mistake] = []
    value = _without_deprecated(document, deprecated or {}, warnings)
    mistakes = schema_mistakes(document, value, schema_of(model))
    checker = _InvariantChecker(document, {mistake.path for mistake in mistakes})
    mistakes += checker.check(value, msgspec.inspect.type_info(model), [])
    if mistakes:
        message = "The settings can't be used as they stand."
        raise SettingsError(
            message,
            path=document.file,
            mistakes=sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column)),
        )
    return msgspec.convert(value, model), warnings


@functools.cache
def schema_of(model: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of `model`, for editors and for `read_settings`; don't change it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(model)}


def _without_deprecated(
    document: Document, deprecated: Mapping[str, str], warnings: list[Mistake]
) -> Any:
    """Return a copy of the document's value without deprecated keys; warn of each."""
    patterns = [(_pattern(key), text) for key, text in deprecated.items()]

    def copied(value: Any, path: list[PathPart]) -> Any:
        if isinstance(value, list):
            return [copied(child, [*path, index]) for index, child in enumerate(value)]
        if not isinstance(value, dict):
            return value
        kept = {}
        for key, child in value.items():
            at = [*path, key]
            shape = dotted(part if isinstance(part, str) else "" for part in at)
            shape = shape.replace("['']", "[]")
            text = next((text for pattern, text in patterns if pattern.fullmatch(shape)), None)
            if text is None:
                kept[key] = copied(child, at)
            else:
                warnings.append(document.mistake(at, text, at_key=True))
        return kept

    return copied(document.value, [])


def _pattern(key: str) -> re.Pattern[str]:
    path = re.escape(key).replace(r"\*", r"[^.]+")
    return re.compile(path if "." in key or "[" in key else rf"(?:.*\.)?{path}")


class _InvariantChecker:
    """Finds what a schema can't say: what the structs' `__post_init__` refuses.

    msgspec stops at the first of these. So each struct is tried on its own, from the
    inside out, and one around a mistake isn't: it would only repeat it.
    """

    def __init__(self, document: Document, known: set[str]) -> None:
        self._document = document
        self._known = known

    def check(self, value: Any, kind: msgspec.inspect.Type, path: list[PathPart]) -> list[Mistake]:
        """Return the mistakes at and below `path` that aren't known yet."""
        if isinstance(kind, msgspec.inspect.UnionType):
            kind = _fitting(value, kind)
        mistakes = []
        for part, child, child_kind in _parts(value, kind):
            mistakes += self.check(child, child_kind, [*path, part])
        is_struct = isinstance(kind, msgspec.inspect.StructType) and isinstance(value, dict)
        if mistakes or not is_struct or self._has_mistake(path):
            return mistakes
        try:
            msgspec.convert(value, kind.cls)  # type: ignore[attr-defined] # is_struct says so
        except msgspec.ValidationError as exc:
            return [self._mistake(str(exc), path)]
        return []

    def _has_mistake(self, path: list[PathPart]) -> bool:
        here = dotted(path)
        return any(
            not here or known == here or known.startswith((f"{here}.", f"{here}["))
            for known in self._known
        )

    def _mistake(self, text: str, path: list[PathPart]) -> Mistake:
        place = _PLACE.search(text)
        message = text[: place.start()] if place else text
        inner = [
            part["key"] or int(part["index"])
            for part in _PLACE_PART.finditer(place["path"] if place else "")
        ]
        return self._document.mistake([*path, *inner], message.replace("`", "'"))


def _fitting(value: Any, union: msgspec.inspect.UnionType) -> msgspec.inspect.Type:
    """Return the member of `union` that `value` is meant as, as far as its shape says."""
    structs = [kind for kind in union.types if isinstance(kind, msgspec.inspect.StructType)]
    if isinstance(value, dict):
        for kind in structs:
            if kind.tag_field is None or value.get(kind.tag_field) == kind.tag:
                return kind
    collections = (msgspec.inspect.CollectionType, msgspec.inspect.DictType)
    wanted = collections[0] if isinstance(value, list) else collections[1]
    return next((kind for kind in union.types if isinstance(kind, wanted)), union)


def _parts(
    value: Any, kind: msgspec.inspect.Type
) -> Iterator[tuple[PathPart, Any, msgspec.inspect.Type]]:
    """Yield the parts of `value` with the types that `kind` gives them."""
    if isinstance(kind, msgspec.inspect.StructType) and isinstance(value, dict):
        for field in kind.fields:
            if field.encode_name in value:
                yield field.encode_name, value[field.encode_name], field.type
    elif isinstance(kind, msgspec.inspect.DictType) and isinstance(value, dict):
        yield from ((key, child, kind.value_type) for key, child in value.items())
    elif isinstance(kind, msgspec.inspect.CollectionType) and isinstance(value, list):
        yield from ((index, child, kind.item_type) for index, child in enumerate(value))
