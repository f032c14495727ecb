"""Rules about the discovered catalog: streams, their schemas, keys and cursors.

Sources are the methods of Airbyte's `TestDiscovery`. Names are taken as they are: a `/` or
a `*` in a field's name means nothing, and a stream is a (namespace, name).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hydrotest_core.protocol import MISSING, Missing, schema_at, types_at
from hydrotest_core.protocol.subschemas import subschemas
from hydrotest_core.run.findings import Finding, Judgement, Rule, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hydrotest_core.protocol import AirbyteCatalog, AirbyteStream

__all__ = [
    "additional_properties_are_allowed",
    "cursors_are_declared",
    "keywords_are_supported",
    "no_references",
    "primary_key_types_fit",
    "primary_keys_are_declared",
    "schemas_are_valid",
    "streams_are_distinct",
    "streams_have_sync_modes",
]


def _rule(number: int, title: str, why: str, method: str) -> Rule:
    return Rule(
        code=f"HT-DISC-{number:03}", title=title, why=why, source=f"CAT TestDiscovery::{method}"
    )


DISTINCT = _rule(
    1, "the catalog has streams, each (namespace, name) once",
    "The platform can't tell two streams of one name apart.", "test_discover",
)  # fmt: skip
SCHEMA = _rule(
    2, "each stream's json_schema is a valid Draft 7 schema",
    "Destinations make their tables from it.", "test_streams_have_valid_json_schemas",
)  # fmt: skip
CURSOR = _rule(
    3, "a stream's default cursor is declared in its schema",
    "An incremental sync would look for a field that doesn't exist.",
    "test_defined_cursors_exist_in_schema",
)  # fmt: skip
REFERENCE = _rule(
    4, "schemas hold no $ref", "Destinations don't resolve references; the field is lost.",
    "test_defined_refs_exist_in_schema",
)  # fmt: skip
KEYWORD = _rule(
    5, "schemas use neither allOf nor not",
    "Destinations can't make a column of such a field.", "test_defined_keyword_exist_in_schema",
)  # fmt: skip
KEY = _rule(
    6, "each part of a primary key is declared in the schema",
    "Records can't be deduplicated by a field that doesn't exist.",
    "test_primary_keys_exist_in_schema",
)  # fmt: skip
SYNC_MODES = _rule(
    7, "each stream supports at least one sync mode",
    "Nobody can choose how to sync the stream.", "test_streams_has_sync_modes",
)  # fmt: skip
ADDITIONAL = _rule(
    8, "additionalProperties is true wherever a schema gives it",
    "A field that the service adds tomorrow would break every sync.",
    "test_additional_properties_is_true",
)  # fmt: skip
KEY_TYPE = _rule(
    9, "no part of a primary key is an object or an array",
    "Destinations can't compare such values.", "test_primary_keys_data_type",
)  # fmt: skip


def _at(stream: AirbyteStream, path: str | None = None) -> Where:
    return Where(stream=stream.name, namespace=stream.namespace, path=path, command="discover")


def _judgement(rule: Rule, findings: Iterable[Finding], checked: int) -> Judgement:
    return Judgement(rule=rule, findings=tuple(findings), checked=checked)


def _schema(stream: AirbyteStream) -> Mapping[str, Any]:
    return stream.json_schema


def streams_are_distinct(catalog: AirbyteCatalog) -> Judgement:
    """Judge that there are streams, and that no two share namespace and name."""
    counts = Counter((stream.namespace, stream.name) for stream in catalog.streams)
    findings = [
        Finding(
            rule=DISTINCT,
            where=Where(stream=name, namespace=namespace, command="discover"),
            expected="once",
            got=f"{count} times",
            hint="give one of them another name or namespace",
        )
        for (namespace, name), count in counts.items()
        if count > 1
    ]
    if not catalog.streams:
        findings.append(
            Finding(
                rule=DISTINCT,
                where=Where(command="discover"),
                expected="at least one stream",
                got="a catalog without streams",
                hint="does this config give access to anything?",
            )
        )
    return _judgement(DISTINCT, findings, 1)


def schemas_are_valid(catalog: AirbyteCatalog) -> Judgement:
    """Judge each schema against the meta-schema of Draft 7."""
    import jsonschema_rs  # noqa: PLC0415 - 15 MB that only judging needs

    findings = []
    for stream in catalog.streams:
        schema = {**_schema(stream), "$schema": "http://json-schema.org/draft-07/schema#"}
        try:
            jsonschema_rs.meta.validate(schema)
        except (jsonschema_rs.ValidationError, ValueError) as exc:
            path = ".".join(map(str, getattr(exc, "instance_path", ()) or ()))
            findings.append(
                Finding(
                    rule=SCHEMA,
                    where=_at(stream, path or None),
                    expected="a valid Draft 7 schema",
                    got=str(getattr(exc, "message", exc)).splitlines()[0],
                    hint="correct the schema at this place",
                )
            )
    return _judgement(SCHEMA, findings, len(catalog.streams))


def cursors_are_declared(catalog: AirbyteCatalog) -> Judgement:
    """Judge default_cursor_field of each stream that has one."""
    having = [stream for stream in catalog.streams if stream.default_cursor_field]
    findings = [
        Finding(
            rule=CURSOR,
            where=_at(stream, ".".join(stream.default_cursor_field or ())),
            expected="the cursor's field in the schema",
            got="no such property",
            hint="declare the field, or correct default_cursor_field",
        )
        for stream in having
        if not _is_declared(stream, stream.default_cursor_field or [])
    ]
    return _judgement(CURSOR, findings, len(catalog.streams))


def _is_declared(stream: AirbyteStream, path: Sequence[str]) -> bool:
    return schema_at(_schema(stream), path) is not MISSING


def no_references(catalog: AirbyteCatalog) -> Judgement:
    """Judge all schemas for `$ref`."""
    return _no_keywords(catalog, ("$ref",), REFERENCE, "put the schema where the reference stands")


def keywords_are_supported(catalog: AirbyteCatalog, keyword: str) -> Judgement:
    """Judge all schemas for a keyword that destinations can't handle."""
    return _no_keywords(catalog, (keyword,), KEYWORD, "say it with type and properties")


def _no_keywords(
    catalog: AirbyteCatalog, keywords: Sequence[str], rule: Rule, hint: str
) -> Judgement:
    findings = [
        Finding(
            rule=rule,
            where=_at(stream, one.where),
            expected=f"no {keyword}",
            got=keyword,
            hint=hint,
        )
        for stream in catalog.streams
        for one in subschemas(_schema(stream))
        for keyword in keywords
        if keyword in one.schema
    ]
    return _judgement(rule, findings, len(catalog.streams))


def _key_parts(catalog: AirbyteCatalog) -> list[tuple[AirbyteStream, Sequence[str]]]:
    return [
        (stream, path)
        for stream in catalog.streams
        for path in stream.source_defined_primary_key or ()
    ]


def primary_keys_are_declared(catalog: AirbyteCatalog) -> Judgement:
    """Judge each part of each source-defined primary key."""
    parts = _key_parts(catalog)
    findings = [
        Finding(
            rule=KEY,
            where=_at(stream, ".".join(path)),
            expected="the key's field in the schema",
            got="no such property",
            hint="declare the field, or correct source_defined_primary_key",
        )
        for stream, path in parts
        if not _is_declared(stream, path)
    ]
    return _judgement(KEY, findings, len(catalog.streams))


def primary_key_types_fit(catalog: AirbyteCatalog) -> Judgement:
    """Judge the declared type of each part of each primary key."""
    findings = []
    for stream, path in _key_parts(catalog):
        declared = types_at(_schema(stream), path)
        if isinstance(declared, Missing):
            continue  # `primary_keys_are_declared` says so.
        forbidden = sorted(declared & {"object", "array"})
        if forbidden:
            findings.append(
                Finding(
                    rule=KEY_TYPE,
                    where=_at(stream, ".".join(path)),
                    expected="a type whose values can be compared",
                    got=", ".join(forbidden),
                    hint="use a plain field of the object as the key",
                )
            )
    return _judgement(KEY_TYPE, findings, len(catalog.streams))


def streams_have_sync_modes(catalog: AirbyteCatalog) -> Judgement:
    """Judge supported_sync_modes of each stream."""
    findings = [
        Finding(
            rule=SYNC_MODES,
            where=_at(stream),
            expected="full_refresh, incremental, or both",
            got="none",
            hint="declare supported_sync_modes",
        )
        for stream in catalog.streams
        if not stream.supported_sync_modes
    ]
    return _judgement(SYNC_MODES, findings, len(catalog.streams))


def additional_properties_are_allowed(catalog: AirbyteCatalog) -> Judgement:
    """Judge every additionalProperties of every schema."""
    given = [
        (stream, one)
        for stream in catalog.streams
        for one in subschemas(_schema(stream))
        if "additionalProperties" in one.schema
    ]
    findings = [
        Finding(
            rule=ADDITIONAL,
            where=_at(stream, one.where),
            expected="true",
            got=repr(one.schema["additionalProperties"]),
            hint="set it to true, or leave it out",
        )
        for stream, one in given
        if one.schema["additionalProperties"] is not True
    ]
    return _judgement(ADDITIONAL, findings, len(catalog.streams))
