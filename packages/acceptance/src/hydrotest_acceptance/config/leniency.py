"""Takes a scalar for what its place asks for, the way the file always has been read.

`previous_connector_version: 0.10` is a number to YAML, and 0.1 at that; it is taken as it
is written. CAT was as lenient, but made 0.1 of it.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydrotest_core.settings import Document, Mark, Mistake

__all__ = ["taken_as_meant"]

_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})

_Path = list[str | int]


def taken_as_meant(
    document: Document, model: type[msgspec.Struct], *, silent: tuple[str, ...] = ()
) -> tuple[Any, list[Mistake]]:
    """Return the document's value with scalars of the types that `model` asks for.

    A number where text belongs is taken as it is written, `"300"` where a number belongs as
    300, `"yes"` where true belongs as true; each with a warning. A key without a value, where
    one belongs, counts as not written. Whatever else doesn't fit is left as it is.

    Args:
        document: The file; what it holds isn't changed.
        model: The struct it is to be read as.
        silent: Root keys below which text may always stand without quotes.
    """
    taker = _Taker(document, silent)
    value = taker.take(document.value, msgspec.inspect.type_info(model), document.marks, [])
    return value, taker.warnings


class _Taker:
    def __init__(self, document: Document, silent: tuple[str, ...]) -> None:
        self.warnings: list[Mistake] = []
        self._document = document
        self._silent = silent

    def take(self, value: Any, kind: msgspec.inspect.Type, marks: Mark, path: _Path) -> Any:
        """Return `value` as a value of `kind`, as far as it can be meant as one."""
        kinds = _members(kind)
        if isinstance(value, dict):
            return dict(self._fields(value, kinds, marks, path))
        if isinstance(value, list):
            inner = next((one.item_type for one in kinds if _is_list(one)), None)
            if inner is None:
                return value
            return [
                self.take(child, inner, marks.at([index]), [*path, index])
                for index, child in enumerate(value)
            ]
        return self._scalar(value, kinds, marks, path)

    def _fields(
        self, value: dict[str, Any], kinds: tuple[Any, ...], marks: Mark, path: _Path
    ) -> Iterator[tuple[str, Any]]:
        struct = next((one for one in kinds if isinstance(one, msgspec.inspect.StructType)), None)
        mapping = next((one for one in kinds if isinstance(one, msgspec.inspect.DictType)), None)
        fields = {field.encode_name: field for field in struct.fields} if struct else {}
        for key, child in value.items():
            field = fields.get(key)
            inner = field.type if field else mapping.value_type if mapping else None
            if inner is None:
                yield key, child
            elif child is None and field and not field.required and not _allows_none(inner):
                continue
            else:
                yield key, self.take(child, inner, marks.at([key]), [*path, key])

    def _scalar(self, value: Any, kinds: tuple[Any, ...], marks: Mark, path: _Path) -> Any:
        wanted = {type(one) for one in kinds}
        if msgspec.inspect.StrType in wanted:
            if isinstance(value, bool | int | float | dt.date) and marks.text is not None:
                self._warn(path, f"taken as the text {marks.text!r}", "put it in quotes")
                return marks.text
        elif msgspec.inspect.BoolType in wanted:
            if not isinstance(value, bool) and str(value).lower() in _TRUE | _FALSE:
                self._warn(path, f"taken as {str(str(value).lower() in _TRUE).lower()}")
                return str(value).lower() in _TRUE
        elif (
            msgspec.inspect.IntType in wanted and isinstance(value, str) and _WHOLE.fullmatch(value)
        ):
            self._warn(path, f"taken as the number {value}", "take the quotes off")
            return int(value)
        return value

    def _warn(self, path: _Path, message: str, hint: str = "") -> None:
        if path[0] not in self._silent:
            self.warnings.append(self._document.mistake(path, message, hint))


def _members(kind: msgspec.inspect.Type) -> tuple[Any, ...]:
    return kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)


def _is_list(kind: Any) -> bool:
    return isinstance(kind, msgspec.inspect.CollectionType)


def _allows_none(kind: msgspec.inspect.Type) -> bool:
    return any(isinstance(one, msgspec.inspect.NoneType) for one in _members(kind))
