"""Do the values of a stream's records keep the types and formats its schema declares?"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from hydrotest_acceptance.rules.breaches import (
    NOTHING,
    Breaches,
    Place,
    Show,
    as_is,
    dotted,
    kind_of,
    shortened,
    shown,
)
from hydrotest_acceptance.rules.catalogue import RECORD_SCHEMA, USABLE_SCHEMA
from hydrotest_acceptance.rules.patterns import PATTERN, Patterns
from hydrotest_acceptance.rules.validator import WHOLE, UnusableSchemaError, compile_schema
from hydrotest_core.run.findings import Judgement, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import jsonschema_rs

    from hydrotest_acceptance.rules.record_pass import Record
    from hydrotest_core.protocol import AirbyteStream

__all__ = ["SchemaJudge"]

# One record with a million bad items is no better known after the thousandth.
MAX_ERRORS: Final = 1000

_LIMITS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
    "minLength": "characters at least",
    "maxLength": "characters at most",
    "minItems": "items at least",
    "maxItems": "items at most",
    "minProperties": "fields at least",
    "maxProperties": "fields at most",
    "additionalItems": "items at most",
}


class SchemaJudge:
    """Judges a stream's schema (HT-READ-011) and its records against it (HT-READ-012).

    Args:
        stream: The stream, as discovered.
        show: Takes secrets out of example texts.
    """

    def __init__(self, stream: AirbyteStream, *, show: Show = as_is) -> None:
        self._show = show
        self._checked = 0
        self._schema = Breaches(USABLE_SCHEMA, stream.descriptor, command="discover", show=show)
        self._records = Breaches(RECORD_SCHEMA, stream.descriptor, show=show)
        self._patterns = Patterns()
        self._validator: jsonschema_rs.Draft7Validator | None = None
        try:
            self._validator = compile_schema(stream.json_schema, self._patterns)
        except UnusableSchemaError as exc:
            self._schema.add(
                exc.path,
                expected="a schema of draft 7 that stands on its own",
                got=shortened(show(exc.reason)),
                hint="correct the stream's json_schema; until then its records can't be judged",
            )

    def see(self, record: Record, place: Place, /) -> None:
        """Judge one record."""
        if self._validator is None or not self._patterns.may_judge_names(record):
            return
        self._checked += 1
        try:
            if self._validator.is_valid(record):
                return
            errors = list(islice(self._validator.iter_errors(record), MAX_ERRORS))
        except ValueError:
            self._records.add(
                expected="a record that isn't nested deeper than 255 levels",
                got="deeper nesting",
                place=place,
            )
            return
        for error in errors:
            self._note(error, place)

    def judgements(self) -> tuple[Judgement, Judgement]:
        """Return what came of the schema, and of the records."""
        for pattern, why in self._patterns.undecided.items():
            self._schema.add(
                shown(pattern, self._show),
                expected="a pattern that can be run on the values within 0.1 s",
                got=f"can't be run on {why}; such a value was taken as fitting",
                severity=Severity.WARNING,
                hint="say it with a shorter pattern without lookaround, or with maxLength",
            )
        usable = self._schema.judgement(checked=1)
        if self._validator is None:
            why = f"the stream's schema can't be used ({USABLE_SCHEMA.code})"
            return usable, Judgement(rule=RECORD_SCHEMA, skipped=why)
        return usable, self._records.judgement(self._checked)

    def _note(self, error: jsonschema_rs.ValidationError, place: Place) -> None:
        # A branch that counts as fitting may be what breaks these two.
        undecided = bool(self._patterns.undecided) and error.kind.name in {"not", "oneOf"}
        for path, expected, got, value in _breaches(error, self._show):
            self._records.add(
                dotted(path),
                expected=expected,
                got=got,
                place=place,
                value=value,
                severity=Severity.WARNING if undecided else Severity.ERROR,
                hint=_hint(error),
            )


def _hint(error: jsonschema_rs.ValidationError) -> str:
    if error.kind.name in {"type", WHOLE}:
        return "declare the type the API really sends, or convert the value before emitting it"
    return "correct the schema if the API is right, or the value if the schema is"


def _breaches(
    error: jsonschema_rs.ValidationError, show: Show
) -> Iterator[tuple[list[str | int], str, str, Any]]:
    """Yield (path, expected, got, value to show) for each place one error is about."""
    path = list(error.instance_path)
    facts = error.kind.as_dict()
    keyword = error.kind.name
    kind = kind_of(error.instance)
    match keyword:
        case "required":
            yield [*path, facts["property"]], "the required field", "no such field", NOTHING
        case "additionalProperties":
            for name in facts["unexpected"]:
                expected = "no field beyond the declared ones (additionalProperties: false)"
                yield [*path, name], expected, "an undeclared field", NOTHING
        case "type":
            yield path, " or ".join(facts["types"]), kind, error.instance
        case _ if keyword == PATTERN:
            asked = f"a text that matches {shown(facts['message'], show)}"
            yield path, asked, f"another {kind}", error.instance
        case _ if keyword == WHOLE:
            yield path, facts["message"], "number with a decimal point", error.instance
        case _:
            yield path, _asked(keyword, facts, show), _answered(keyword, kind), error.instance


def _asked(keyword: str, facts: Mapping[str, Any], show: Show) -> str:
    """Return in words what a schema keyword asks for; schema texts are the connector's."""
    if keyword in _LIMITS:
        return f"{_LIMITS[keyword]} {next(iter(facts.values()), '')} ({keyword})"
    match keyword:
        case "format":
            asked = f"format {show(str(facts['format']))}"
        case "enum":
            asked = f"one of {shown(facts['options'], show)}"
        case "const":
            asked = f"exactly {shown(facts['expected_value'], show)}"
        case "oneOf" | "anyOf":
            which = "exactly one" if keyword == "oneOf" else "at least one"
            asked = f"{which} of the {len(facts.get('context', ()))} variants under {keyword}"
        case _:
            asked = f"what {keyword or 'the schema'} asks for"
    return asked


def _answered(keyword: str, kind: str) -> str:
    match keyword:
        case "format":
            return f"another {kind}"
        case "enum" | "const":
            return f"another value ({kind})"
        case "oneOf" | "anyOf":
            return f"a value ({kind}) for which that isn't so"
        case _:
            return f"a value ({kind}) that breaks it"
