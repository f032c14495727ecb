"""Do records have only the columns that their stream's schema declares?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hydrotest_acceptance.rules.breaches import Breaches, Place, Show, as_is, dotted
from hydrotest_acceptance.rules.catalogue import EXTRA_COLUMNS
from hydrotest_core.run.findings import Judgement, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hydrotest_acceptance.rules.record_pass import Record
    from hydrotest_core.protocol import AirbyteStream

__all__ = ["ExtraColumnsJudge"]

_APPLICATORS: Final = ("allOf", "anyOf", "oneOf")
_BRANCHES: Final = ("then", "else")
_MAX_REFS: Final = 64


class ExtraColumnsJudge:
    """Judges that records have no undeclared columns: HT-READ-013.

    Objects in arrays and in other objects are looked at too. What any variant of a
    `oneOf`, `anyOf` or `allOf` declares is declared. An object's own columns are not looked at
    where its schema declares no properties or says itself what else the object may hold
    (`patternProperties`, a schema or `false` under `additionalProperties`).

    Args:
        stream: The stream, as discovered.
        fail: `True` makes an undeclared column an error, `None` a warning; with `False`
            the rule is off. It is `fail_on_extra_columns` as it was written down.
        show: Takes secrets out of example texts.
    """

    def __init__(
        self, stream: AirbyteStream, *, fail: bool | None = None, show: Show = as_is
    ) -> None:
        self._off = fail is False
        self._severity = Severity.ERROR if fail else Severity.WARNING
        self._root = _Columns([stream.json_schema], stream.json_schema)
        self._checked = 0
        self._breaches = Breaches(EXTRA_COLUMNS, stream.descriptor, show=show)

    def see(self, record: Record, place: Place, /) -> None:
        """Judge one record."""
        root = self._root
        if self._off or root.declares_nothing:
            return
        self._checked += 1
        if root.nested or not record.keys() <= root.names:
            for path, value in root.undeclared(record, ()):
                self._note(path, value, place)

    def judgements(self) -> tuple[Judgement]:
        """Return what came of all records."""
        if self._off:
            return (Judgement(rule=EXTRA_COLUMNS, skipped="fail_on_extra_columns is false"),)
        if self._root.declares_nothing:
            return (Judgement(rule=EXTRA_COLUMNS, skipped="the schema allows any columns"),)
        return (self._breaches.judgement(self._checked),)

    def _note(self, path: tuple[str | int, ...], value: Any, place: Place) -> None:
        self._breaches.add(
            dotted(path),
            expected="only columns that the schema declares",
            got="an undeclared column",
            place=place,
            value=value,
            severity=self._severity,
            hint="declare the column in the stream's json_schema, or don't emit it",
            waive="fail_on_extra_columns: false",
        )


class _Columns:
    """What objects at one place of a record may hold, over all variants of the schema.

    Children are made when first needed, so a schema that refers to itself costs no more
    than the records are deep.
    """

    def __init__(self, schemas: Sequence[Any], root: Mapping[str, Any]) -> None:
        self._root = root
        self._properties: dict[str, list[Any]] = {}
        self._items: list[Any] = []
        self._children: dict[str | None, _Columns] = {}
        self.is_open = False
        for schema in _variants(schemas, root):
            self._take(schema)
        self.names = frozenset(self._properties)
        self.is_open = self.is_open or not self.names
        self.nested = tuple(
            name for name, children in self._properties.items() if _may_nest(children, root)
        )

    @property
    def declares_nothing(self) -> bool:
        """True where no column, at any depth, can be undeclared."""
        return self.is_open and not self.nested

    def _take(self, schema: Mapping[str, Any]) -> None:
        properties = schema.get("properties")
        if isinstance(properties, dict) and properties:
            for name, child in properties.items():
                self._properties.setdefault(name, []).append(child)
        elif _allows(schema, "object") and not _has_variants(schema):
            self.is_open = True
        if "patternProperties" in schema or schema.get("additionalProperties", True) is not True:
            self.is_open = True
        items = schema.get("items")
        self._items += items if isinstance(items, list) else [items] if items is not None else []

    def _child(self, name: str | None) -> _Columns:
        child = self._children.get(name)
        if child is None:
            schemas = self._items if name is None else self._properties[name]
            child = self._children[name] = _Columns(schemas, self._root)
        return child

    def undeclared(
        self, value: Any, path: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        """Yield (path, value) of each column under `value` that nothing declares."""
        if type(value) is list:
            if self._items:
                child = self._child(None)
                for item in value:
                    yield from child.undeclared(item, (*path, 0))
            return
        if type(value) is not dict:
            return
        if not self.is_open and not value.keys() <= self.names:
            for name in value:
                if name not in self.names:
                    yield (*path, name), value[name]
        for name in self.nested:
            inner = value.get(name)
            if type(inner) in (dict, list):
                yield from self._child(name).undeclared(inner, (*path, name))


def _variants(schemas: Sequence[Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas and all that `$ref`, `allOf`, `anyOf`, `oneOf`, … add at their place."""
    pending = list(schemas)
    refs: set[str] = set()
    while pending:
        schema = pending.pop()
        if not isinstance(schema, dict):
            continue
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if reference not in refs and len(refs) < _MAX_REFS:
                refs.add(reference)
                pending.append(_resolve(reference, root))
            continue
        yield schema
        for keyword in _APPLICATORS:
            if isinstance(schema.get(keyword), list):
                pending += schema[keyword]
        pending += [schema[keyword] for keyword in _BRANCHES if keyword in schema]


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    """Return what a reference inside the document points at; anything for one that doesn't."""
    if not reference.startswith("#"):
        return {}
    here: Any = root
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(here, dict) or name not in here:
            return {}
        here = here[name]
    return here


def _has_variants(schema: Mapping[str, Any]) -> bool:
    return any(keyword in schema for keyword in (*_APPLICATORS, *_BRANCHES))


def _allows(schema: Mapping[str, Any], kind: str) -> bool:
    declared = schema.get("type")
    if declared is None:
        return "items" not in schema
    return kind in declared if isinstance(declared, list) else declared == kind


def _may_nest(schemas: Sequence[Any], root: Mapping[str, Any]) -> bool:
    return any(
        _allows(schema, "object") or _allows(schema, "array") or "items" in schema
        for schema in _variants(schemas, root)
    )
