"""Rules about the connector's specification: what it asks a person to fill in.

Every rule walks from schema to schema, so that a property named `type` or `enum` is
never taken for the keyword. Sources are the methods of Airbyte's `TestSpec`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hydrotest_core.protocol.subschemas import Subschema, subschemas
from hydrotest_core.run.findings import Finding, Judgement, Rule, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "additional_properties_are_allowed",
    "arrays_hold_plain_items",
    "config_matches_spec",
    "dates_have_pattern_and_format",
    "display_types_fit",
    "enums_have_no_duplicates",
    "groups_are_at_the_top",
    "matches_expected",
    "no_forbidden_keywords",
    "no_references",
    "objects_are_not_empty",
    "one_ofs_are_told_apart",
    "orders_are_distinct",
    "property_types_are_single",
    "secrets_are_marked",
]


def _rule(number: int, title: str, why: str, source: str) -> Rule:
    return Rule(code=f"HT-SPEC-{number:03}", title=title, why=why, source=source)


CONFIG = _rule(
    2,
    "the test's config satisfies the connection specification",
    "A config that the connector's own form would refuse can't be what users run with.",
    "CAT TestSpec::test_config_match_spec",
)
EXPECTED = _rule(
    3,
    "the specification equals the expected one",
    "The form users fill in changed without anybody deciding so.",
    "CAT TestSpec::test_match_expected",
)
ENUM = _rule(
    4,
    "an enum lists each value once",
    "The form shows the same choice twice.",
    "CAT TestSpec::test_enum_usage",
)
ONE_OF = _rule(
    5,
    "the variants of oneOf are told apart by one shared property with a const",
    "The form can't know which variant a saved config belongs to.",
    "CAT TestSpec::test_oneof_usage",
)
SECRET = _rule(
    6,
    "a field that can hold a secret is marked with airbyte_secret",
    "The platform shows and logs the value of a field that isn't marked.",
    "CAT TestSpec::test_secret_is_properly_marked",
)
TYPE = _rule(
    7,
    "a property has one type, or one type and then null",
    "The form can't choose an input for a field of several types.",
    "CAT TestSpec::test_property_type_is_not_array",
)
OBJECT = _rule(
    8,
    "an object declares properties or oneOf",
    "The form shows a group with nothing in it.",
    "CAT TestSpec::test_object_not_empty",
)
ARRAY = _rule(
    9,
    "the items of an array are of one plain type, or an enum",
    "The form can't show a list of items whose type it doesn't know.",
    "CAT TestSpec::test_array_type",
)
FORBIDDEN = _rule(
    10,
    "the specification uses only keywords that the form understands",
    "The form ignores what the keyword demands, and the connector fails later.",
    "CAT TestSpec::test_forbidden_complex_types",
)
DATE_PATTERN = _rule(
    11,
    "a date has both its format and a pattern",
    "Without both, the form accepts dates that the connector can't read.",
    "CAT TestSpec::test_date_pattern, test_date_format",
)
ORDER = _rule(
    12,
    "no two properties of an object and group share an order",
    "Fields of equal order change places from one visit to the next.",
    "CAT TestSpec::test_duplicate_order",
)
GROUP = _rule(
    13,
    "only properties at the top belong to a group",
    "The form ignores groups further down.",
    "CAT TestSpec::test_nested_group",
)
DISPLAY = _rule(
    14,
    "display_type is dropdown or radio, and stands beside oneOf",
    "The form doesn't know how to show the choice.",
    "CAT TestSpec::test_display_type",
)
REFERENCE = _rule(
    15,
    "the specification holds no $ref",
    "The platform doesn't resolve references; the field is lost.",
    "CAT TestSpec::test_defined_refs_exist_in_json_spec_file",
)
ADDITIONAL = _rule(
    18,
    "additionalProperties is true wherever it is given",
    "A config saved by a newer version is refused by this one.",
    "CAT TestSpec::test_additional_properties_is_true",
)

# Source: the list in CAT's test_secret_is_properly_marked, plus the names it is known to miss.
SECRET_NAMES = frozenset(
    {
        "client_token", "access_token", "api_token", "token", "secret", "client_secret",
        "password", "key", "service_account_info", "service_account", "tenant_id", "certificate",
        "jwt", "credentials", "app_id", "appid", "refresh_token",
        "api_key", "apikey", "private_key", "secret_token", "secret_key",
    }
)  # fmt: skip
FORBIDDEN_KEYWORDS = (
    "not", "anyOf", "patternProperties", "prefixItems", "allOf", "if", "then", "else",
    "dependentSchemas", "dependentRequired",
)  # fmt: skip
_SHOWN_PATTERN = 80
_PLAIN_TYPES = {"object", "string", "number", "integer"}
_STORABLE = {"string", "integer", "number"}
_PATTERNS = {
    "date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "date-time": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
}


def _judgement(rule: Rule, findings: Iterable[Finding], checked: int) -> Judgement:
    return Judgement(rule=rule, findings=tuple(findings), checked=checked)


def _of_schema(rule: Rule, findings: Iterable[Finding], schema: Mapping[str, Any]) -> Judgement:
    """A specification without a single enum was looked at all the same: it has no bad one."""
    return _judgement(rule, findings, sum(1 for _ in subschemas(schema)))


def _at(path: str) -> Where:
    return Where(path=path, command="spec")


def _types(schema: Mapping[str, Any]) -> list[Any]:
    declared = schema.get("type", [])
    return declared if isinstance(declared, list) else [declared]


def config_matches_spec(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Judgement:
    """Judge a config against the connection specification; keys with a leading `_` are ours."""
    from hydrotest_acceptance.rules.patterns import PATTERN, Patterns  # noqa: PLC0415
    from hydrotest_acceptance.rules.validator import (  # noqa: PLC0415 - 15 MB that only judging needs
        compile_any_draft,
    )

    plain = {key: value for key, value in config.items() if not key.startswith("_")}
    patterns = Patterns()
    try:
        errors = list(compile_any_draft(schema, patterns).iter_errors(plain))
    except ValueError as exc:
        finding = Finding(
            rule=CONFIG,
            where=_at("(root)"),
            expected="a valid JSON schema",
            got=str(exc).splitlines()[0],
            hint="mend connectionSpecification, then run again",
        )
        return _judgement(CONFIG, [finding], 1)
    findings = [
        Finding(
            rule=CONFIG,
            where=_at(".".join(map(str, error.instance_path)) or "(root)"),
            # The validator's sentence shows the value, which may be a secret: name the rule only.
            expected=f"what {_in_words(error.schema_path, PATTERN)} asks for",
            got=_kind_of_error(error.kind),
            hint="mend the config file, or the specification if it asks for too much",
        )
        for error in errors
    ]
    findings += [
        Finding(
            rule=CONFIG,
            where=_at("(root)"),
            expected="a pattern that can be run on the config within 0.1 s",
            got=f"{pattern[:_SHOWN_PATTERN]!r} can't be run on {why}",
            hint="say it with a shorter pattern without lookaround, or with maxLength",
            severity=Severity.WARNING,
        )
        for pattern, why in patterns.undecided.items()
    ]
    return _judgement(CONFIG, findings, 1)


def _in_words(schema_path: Iterable[str | int], pattern: str) -> str:
    steps = ("pattern" if step == pattern else str(step) for step in schema_path)
    return "/".join(steps) or "the schema"


def _kind_of_error(kind: Any) -> str:
    name = type(kind).__name__.removeprefix("ValidationErrorKind_")
    # Patterns are the only thing in a config that is judged by a keyword of ours.
    name = "Pattern" if name == "Custom" else name
    missing = getattr(kind, "property", None)
    return f"{name}: {missing}" if isinstance(missing, str) else name


def matches_expected(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> Judgement:
    """Judge a whole specification against the one in the repository, value by value."""
    findings = [
        Finding(
            rule=EXPECTED,
            where=_at(path or "(root)"),
            expected=wanted,
            got=got,
            hint="change the file at spec_path if the new specification is meant",
        )
        for path, wanted, got in _differences(_as_meant(expected), _as_meant(actual), "")
    ]
    return _judgement(EXPECTED, findings, 1)


def _as_meant(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says no more than its absence. Source: airbyte-protocol-models, defaults."""
    silent = {"supportsNormalization": False, "supportsDBT": False}
    return {
        key: value
        for key, value in spec.items()
        if value is not None and not (key in silent and value is silent[key])
    }


def _differences(expected: Any, actual: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted({*expected, *actual}):
            here = f"{path}.{key}".removeprefix(".")
            if key not in actual:
                yield here, _shown(expected[key]), "nothing"
            elif key not in expected:
                yield here, "nothing", _shown(actual[key])
            else:
                yield from _differences(expected[key], actual[key], here)
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for n, (left, right) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(left, right, f"{path}[{n}]")
    elif type(expected) is not type(actual) or expected != actual:
        yield path, _shown(expected), _shown(actual)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"  # noqa: PLR2004 - what fits a line or two


def enums_have_no_duplicates(schema: Mapping[str, Any]) -> Judgement:
    """Judge every enum; values are told apart as JSON does: `1` isn't `true`."""
    holders = [one for one in subschemas(schema) if isinstance(one.schema.get("enum"), list)]
    findings = []
    for holder in holders:
        values = [f"{type(value).__name__}:{value!r}" for value in holder.schema["enum"]]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            findings.append(
                Finding(
                    rule=ENUM,
                    where=_at(holder.where),
                    expected="each value once",
                    got=", ".join(value.partition(":")[2] for value in twice),
                    hint="take the repeated values out of the enum",
                )
            )
    return _of_schema(ENUM, findings, schema)


def one_ofs_are_told_apart(schema: Mapping[str, Any]) -> Judgement:
    """Judge every oneOf and anyOf of the specification."""
    findings = []
    for holder in subschemas(schema):
        for keyword in ("oneOf", "anyOf"):
            if isinstance(holder.schema.get(keyword), list):
                findings += [
                    Finding(
                        rule=ONE_OF,
                        where=_at(holder.where),
                        expected=expected,
                        got=got,
                        hint="give each variant one shared property whose const names the variant",
                    )
                    for expected, got in _one_of_faults(holder.schema, holder.schema[keyword])
                ]
    return _of_schema(ONE_OF, findings, schema)


def _one_of_faults(holder: Mapping[str, Any], variants: list[Any]) -> Iterator[tuple[str, str]]:
    if holder.get("type") != "object":
        yield "type object beside the variants", f"type {holder.get('type')!r}"
    lacking = [
        n
        for n, one in enumerate(variants)
        if not isinstance(one, dict) or not one.get("properties")
    ]
    if lacking or not variants:
        yield (
            "properties in each variant",
            f"none in variant {', '.join(map(str, lacking)) or '(no variants)'}",
        )
        return
    shared = set.intersection(*(set(one["properties"]) for one in variants))
    constant = sorted(
        name for name in shared if all(_has_const(one["properties"][name]) for one in variants)
    )
    if len(constant) != 1:
        yield (
            "exactly one shared property with a const in every variant",
            (", ".join(constant) if constant else "none"),
        )
        return
    for n, one in enumerate(variants):
        tag = one["properties"][constant[0]]
        if tag.get("default", tag["const"]) != tag["const"]:
            yield (
                f"default of {constant[0]} equal to its const in variant {n}",
                repr(tag["default"]),
            )
        if tag.get("enum", [tag["const"]]) != [tag["const"]]:
            yield f"enum of {constant[0]} holding only its const in variant {n}", repr(tag["enum"])


def _has_const(schema: Any) -> bool:
    return isinstance(schema, dict) and "const" in schema


def secrets_are_marked(schema: Mapping[str, Any]) -> Judgement:
    """Judge fields by their names: what is called a secret must be marked as one.

    A field inside a variant of `credentials` that has a name of its own is judged
    by that name.
    """
    findings = []
    for one in subschemas(schema):
        name = (one.name or "").lower()
        if name not in SECRET_NAMES or not _types(one.schema):
            continue
        can_store = bool(
            _STORABLE.intersection(map(str, _types(one.schema)))
        ) and not one.schema.get("const")
        is_marked = bool(one.schema.get("airbyte_secret"))
        if can_store and not is_marked:
            findings.append(
                Finding(
                    rule=SECRET,
                    where=_at(one.where),
                    expected="airbyte_secret: true",
                    got=f"a {_types(one.schema)[0]} named {one.name} without it",
                    hint="add airbyte_secret: true to the field",
                )
            )
        elif is_marked and not can_store:
            findings.append(
                Finding(
                    rule=SECRET,
                    where=_at(one.where),
                    expected="airbyte_secret only where a value can be stored",
                    got=f"airbyte_secret on type {_types(one.schema)[0]!r}",
                    hint="move airbyte_secret to the field that holds the value",
                )
            )
    return _of_schema(SECRET, findings, schema)


def property_types_are_single(schema: Mapping[str, Any]) -> Judgement:
    """Judge the types of all properties; null may come first or second, it is one type still."""
    properties = [one for one in subschemas(schema) if one.is_property and "type" in one.schema]
    findings = [
        Finding(
            rule=TYPE,
            where=_at(one.where),
            expected="one type, with or without null",
            got=repr(one.schema["type"]),
            hint="declare one type; use oneOf for a real choice",
        )
        for one in properties
        if isinstance(one.schema["type"], list)
        and len([kind for kind in one.schema["type"] if kind != "null"]) != 1
    ]
    return _of_schema(TYPE, findings, schema)


def objects_are_not_empty(schema: Mapping[str, Any]) -> Judgement:
    """Judge every object below the root."""
    objects = [one for one in subschemas(schema) if one.path and "object" in _types(one.schema)]
    findings = [
        Finding(
            rule=OBJECT,
            where=_at(one.where),
            expected="properties or oneOf",
            got="neither",
            hint="declare the object's properties",
        )
        for one in objects
        if not one.schema.get("properties") and not one.schema.get("oneOf")
    ]
    return _of_schema(OBJECT, findings, schema)


def arrays_hold_plain_items(schema: Mapping[str, Any]) -> Judgement:
    """Judge every array that declares its items."""
    arrays = [
        one for one in subschemas(schema) if "array" in _types(one.schema) and "items" in one.schema
    ]
    findings = []
    for one in arrays:
        items = one.schema["items"]
        plain = isinstance(items, dict) and (
            bool(_PLAIN_TYPES.intersection(map(str, _types(items)))) or bool(items.get("enum"))
        )
        if not plain:
            findings.append(
                Finding(
                    rule=ARRAY,
                    where=_at(one.where),
                    expected=f"items of type {', '.join(sorted(_PLAIN_TYPES))}, or an enum",
                    got=_shown(items),
                    hint="give items one of these types",
                )
            )
    return _of_schema(ARRAY, findings, schema)


def no_forbidden_keywords(schema: Mapping[str, Any]) -> Judgement:
    """Judge every schema for keywords that Airbyte's form doesn't know."""
    found = [
        Finding(
            rule=FORBIDDEN,
            where=_at(one.where),
            expected="a keyword that the form understands",
            got=keyword,
            hint="express it with oneOf, or check it in the connector",
        )
        for one in subschemas(schema)
        for keyword in FORBIDDEN_KEYWORDS
        if keyword in one.schema
    ]
    return _of_schema(FORBIDDEN, found, schema)


def dates_have_pattern_and_format(schema: Mapping[str, Any]) -> Judgement:
    """Warn of dates that have a format without a pattern, or the other way about."""
    findings = []
    for one in subschemas(schema):
        if "string" not in _types(one.schema):
            continue
        form, pattern = one.schema.get("format"), one.schema.get("pattern")
        looks_like_date = isinstance(pattern, str) and pattern.startswith(
            "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
        )
        if form not in _PATTERNS and not looks_like_date:
            continue
        if form in _PATTERNS and not pattern:
            expected, got = f"a pattern such as {_PATTERNS[form]}", f"format {form} alone"
        elif looks_like_date and form not in _PATTERNS:
            expected, got = (
                "format date or date-time beside the pattern",
                f"pattern {pattern} alone",
            )
        else:
            continue
        findings.append(
            Finding(
                rule=DATE_PATTERN,
                where=_at(one.where),
                expected=expected,
                got=got,
                hint="give the field both",
                severity=Severity.WARNING,
            )
        )
    return _of_schema(DATE_PATTERN, findings, schema)


def orders_are_distinct(schema: Mapping[str, Any]) -> Judgement:
    """Judge the `order` of properties, within each object and group."""
    findings = []
    for holder in subschemas(schema):
        names: dict[tuple[str, Any], list[str]] = defaultdict(list)
        for name, member in _properties(holder).items():
            if isinstance(member, dict) and "order" in member:
                names[str(member.get("group", "")), member["order"]].append(name)
        findings += [
            Finding(
                rule=ORDER,
                where=_at(holder.where),
                expected=f"order {order} once",
                got=", ".join(sharing),
                hint="number the properties through",
            )
            for (_, order), sharing in names.items()
            if len(sharing) > 1
        ]
    return _of_schema(ORDER, findings, schema)


def _properties(holder: Subschema) -> Mapping[str, Any]:
    members = holder.schema.get("properties")
    return members if isinstance(members, dict) else {}


def groups_are_at_the_top(schema: Mapping[str, Any]) -> Judgement:
    """Judge every property that belongs to a group."""
    grouped = [one for one in subschemas(schema) if one.path and "group" in one.schema]
    at_top = 2
    findings = [
        Finding(
            rule=GROUP,
            where=_at(one.where),
            expected="group only on properties at the top",
            got=f"group {one.schema['group']!r} further down",
            hint="take the group away, or put it on the property at the top",
        )
        for one in grouped
        if not (one.is_property and len(one.path) == at_top)
    ]
    return _of_schema(GROUP, findings, schema)


def display_types_fit(schema: Mapping[str, Any]) -> Judgement:
    """Judge every display_type."""
    shown = [one for one in subschemas(schema) if "display_type" in one.schema]
    findings = [
        Finding(
            rule=DISPLAY,
            where=_at(one.where),
            expected="dropdown or radio beside oneOf",
            got=f"{one.schema['display_type']!r}{'' if 'oneOf' in one.schema else ' without oneOf'}",
            hint="choose dropdown or radio, on the object that has oneOf",
        )
        for one in shown
        if one.schema["display_type"] not in {"dropdown", "radio"} or "oneOf" not in one.schema
    ]
    return _of_schema(DISPLAY, findings, schema)


def no_references(schema: Mapping[str, Any]) -> Judgement:
    """Judge every schema for `$ref`."""
    findings = [
        Finding(
            rule=REFERENCE,
            where=_at(one.where),
            expected="the schema itself",
            got=f"$ref {one.schema['$ref']!r}",
            hint="put the schema where the reference stands",
        )
        for one in subschemas(schema)
        if "$ref" in one.schema
    ]
    return _of_schema(REFERENCE, findings, schema)


def additional_properties_are_allowed(schema: Mapping[str, Any]) -> Judgement:
    """Judge every additionalProperties that is given."""
    given = [one for one in subschemas(schema) if "additionalProperties" in one.schema]
    findings = [
        Finding(
            rule=ADDITIONAL,
            where=_at(one.where),
            expected="true",
            got=_shown(one.schema["additionalProperties"]),
            hint="set it to true, or leave it out",
        )
        for one in given
        if one.schema["additionalProperties"] is not True
    ]
    return _of_schema(ADDITIONAL, findings, schema)
