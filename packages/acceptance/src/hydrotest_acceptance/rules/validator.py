"""Makes one validator of a stream's JSON schema, strict where connectors need it.

Draft 7, judged by jsonschema-rs, with two changes. `1.0` is no integer: a destination's
integer column gets a float there, and CAT judged so too. `date-time`, `time` and `uuid` mean
what `formats` says.

A schema is the connector's word. Nothing is ever fetched for it, from no host and no file: a
`$ref` to another document is a broken schema. So is one that unfolds without end. Its patterns
are run as `patterns` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from hydrotest_acceptance.rules.breaches import dotted
from hydrotest_acceptance.rules.formats import FORMATS
from hydrotest_acceptance.rules.patterns import NATIVE, PATTERN, Patterns
from hydrotest_core.protocol.schema_size import LARGEST, unfolded_size

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["WHOLE", "UnusableSchemaError", "compile_any_draft", "compile_schema"]

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


def compile_schema(
    schema: Mapping[str, Any], patterns: Patterns | None = None
) -> jsonschema_rs.Draft7Validator:
    """Return a validator for records of a stream with this schema.

    `patterns` has afterwards what of its patterns can't be judged. `is_valid` may raise `ValueError` for a record nested deeper than it can judge (255).

    Raises:
        UnusableSchemaError: The schema breaks draft 7, refers to what isn't there, or is a bomb.
    """
    _refuse_bomb(schema)
    patterns = patterns or Patterns()
    try:
        return jsonschema_rs.Draft7Validator(
            _strict(schema, patterns, is_root=True),
            formats=dict(FORMATS),
            validate_formats=True,
            pattern_options=NATIVE,
            keywords={WHOLE: _Whole, PATTERN: patterns.keyword},
            offline=True,
        )
    except jsonschema_rs.ValidationError as exc:
        raise UnusableSchemaError(dotted(exc.instance_path), exc.message) from exc
    except (ValueError, RecursionError) as exc:
        raise UnusableSchemaError(path="", reason=str(exc)) from exc


def compile_any_draft(
    schema: Mapping[str, Any], patterns: Patterns | None = None
) -> jsonschema_rs.Validator:
    """Return a validator of the draft that a schema names, for a config.

    `patterns` has afterwards what of its patterns can't be judged.

    Raises:
        UnusableSchemaError: As for `compile_schema`.
    """
    _refuse_bomb(schema)
    patterns = patterns or Patterns()
    try:
        return jsonschema_rs.validator_for(
            patterns.guarded(schema),
            pattern_options=NATIVE,
            keywords={PATTERN: patterns.keyword},
            offline=True,
        )
    except jsonschema_rs.ValidationError as exc:
        raise UnusableSchemaError(dotted(exc.instance_path), exc.message) from exc
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError) as exc:
        raise UnusableSchemaError(path="", reason=str(exc)) from exc


def _refuse_bomb(schema: Mapping[str, Any]) -> None:
    if unfolded_size(schema) > LARGEST:
        reason = f"it unfolds to more than {LARGEST} schemas; write out its $ref"
        raise UnusableSchemaError(path="", reason=reason)


def _strict(schema: Any, patterns: Patterns, *, is_root: bool = False) -> Any:
    """Return a copy of a schema with our keywords for integers and patterns."""
    if not isinstance(schema, dict):
        return schema
    copy = dict(schema)
    if is_root:
        # Draft 7 judges whatever the schema calls itself, as in CAT.
        copy.pop("$schema", None)
    for keyword in _MAPS:
        if isinstance(children := copy.get(keyword), dict):
            copy[keyword] = {name: _strict(child, patterns) for name, child in children.items()}
    for keyword in _LISTS:
        if isinstance(children := copy.get(keyword), list):
            copy[keyword] = [_strict(child, patterns) for child in children]
    for keyword in _SINGLES:
        if isinstance(copy.get(keyword), dict):
            copy[keyword] = _strict(copy[keyword], patterns)
    patterns.guard(copy)
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
