"""Makes one validator of a stream's JSON schema, strict where connectors need it.

Draft 7, judged by jsonschema-rs, with two changes. `1.0` is no integer: a destination's
integer column gets a float there, and CAT judged so too. `date-time`, `time` and `uuid` mean
what `formats` says. Nothing is ever fetched: a `$ref` to another document is a broken schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from hydrotest_acceptance.rules.breaches import dotted
from hydrotest_acceptance.rules.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WHOLE", "UnusableSchemaError", "compile_schema"]

WHOLE: Final = "hydrotest:whole"
"""The keyword that goes beside `type` where an integer is asked for.

Its value names the types in words, `null or integer`, and is the text of its errors.
"""

_MAPS: Final = ("properties", "patternProperties", "definitions", "$defs", "dependencies")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "items")
_SINGLES: Final = (
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
)


class UnusableSchemaError(ValueError):
    """A schema can't be compiled.

    Attributes:
        path: Where in the schema, `properties.age.type`; "" for the whole.
        reason: Why, in the validator's words.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path or 'the schema'}: {self.reason}"


class _Whole:
    """Judges `hydrotest:whole`: a float is no integer, even where it has no fraction."""

    def __init__(self, parent: dict[str, Any], value: Any, path: list[str | int]) -> None:
        del parent, path
        self._types = value

    def validate(self, instance: Any) -> None:
        if type(instance) is float and instance.is_integer():
            raise ValueError(self._types)


def compile_schema(schema: Mapping[str, Any]) -> jsonschema_rs.Draft7Validator:
    """Return a validator for records of a stream with this schema.

    `is_valid` may raise `ValueError` for a record nested deeper than it can judge (255).

    Raises:
        UnusableSchemaError: The schema breaks draft 7, or refers to what isn't there.
    """
    try:
        return jsonschema_rs.Draft7Validator(
            _strict(schema, is_root=True),
            formats=dict(FORMATS),
            validate_formats=True,
            keywords={WHOLE: _Whole},
            offline=True,
        )
    except jsonschema_rs.ValidationError as exc:
        raise UnusableSchemaError(dotted(exc.instance_path), exc.message) from exc
    except (ValueError, RecursionError) as exc:
        raise UnusableSchemaError(path="", reason=str(exc)) from exc


def _strict(schema: Any, *, is_root: bool = False) -> Any:
    """Return a copy of a schema with `hydrotest:whole` wherever it asks for integers."""
    if not isinstance(schema, dict):
        return schema
    copy = dict(schema)
    if is_root:
        # Draft 7 judges whatever the schema calls itself, as in CAT.
        copy.pop("$schema", None)
    for keyword in _MAPS:
        if isinstance(children := copy.get(keyword), dict):
            copy[keyword] = {name: _strict(child) for name, child in children.items()}
    for keyword in _LISTS:
        if isinstance(children := copy.get(keyword), list):
            copy[keyword] = [_strict(child) for child in children]
    for keyword in _SINGLES:
        if isinstance(copy.get(keyword), dict):
            copy[keyword] = _strict(copy[keyword])
    types = _types(copy.get("type"))
    if "integer" in types and "number" not in types:
        copy[WHOLE] = " or ".join(types)
    return copy


def _types(declared: Any) -> list[str]:
    if isinstance(declared, str):
        return [declared]
    return (
        [name for name in declared if isinstance(name, str)] if isinstance(declared, list) else []
    )
