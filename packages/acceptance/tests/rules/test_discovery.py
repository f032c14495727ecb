from __future__ import annotations

import functools

import pytest

from hydrotest_acceptance.rules import discovery as rules
from hydrotest_core.run.findings import Outcome

GOOD = {
    "name": "users",
    "json_schema": {
        "type": "object",
        "additionalProperties": True,
        "properties": {
            "id": {"type": "integer"},
            "a/b": {"type": "string"},
            "meta": {"type": ["null", "object"], "properties": {"at": {"type": "string"}}},
        },
    },
    "supported_sync_modes": ["full_refresh"],
    "default_cursor_field": ["meta", "at"],
    "source_defined_primary_key": [["id"], ["a/b"]],
}


def with_field(schema):
    return {**GOOD, "json_schema": {"type": "object", "properties": {"id": schema, "x": {}}}}


no_all_of = functools.partial(rules.keywords_are_supported, keyword="allOf")
no_not = functools.partial(rules.keywords_are_supported, keyword="not")

# rule, a stream that breaks it, and where
BROKEN = {
    "schema": (rules.schemas_are_valid, with_field({"type": "text"}), "properties.id.type"),
    "cursor": (rules.cursors_are_declared, {**GOOD, "default_cursor_field": ["at"]}, "at"),
    "nested cursor": (
        rules.cursors_are_declared,
        {**GOOD, "default_cursor_field": ["meta", "id"]},
        "meta.id",
    ),
    "key": (
        rules.primary_keys_are_declared,
        {**GOOD, "source_defined_primary_key": [["key"]]},
        "key",
    ),
    "part of a key": (
        rules.primary_keys_are_declared,
        {**GOOD, "source_defined_primary_key": [["id"], ["a", "b"]]},
        "a.b",
    ),
    "object as key": (
        rules.primary_key_types_fit,
        {**GOOD, "source_defined_primary_key": [["meta"]]},
        "meta",
    ),
    "array as key": (
        rules.primary_key_types_fit,
        {**with_field({"type": "array"}), "source_defined_primary_key": [["id"]]},
        "id",
    ),
    "reference": (rules.no_references, with_field({"$ref": "#/x"}), "id"),
    "allOf": (no_all_of, with_field({"allOf": []}), "id"),
    "not": (no_not, with_field({"not": {}}), "id"),
    "additional": (
        rules.additional_properties_are_allowed,
        with_field({"type": "object", "additionalProperties": False}),
        "id",
    ),
}
RULES = {name: rule for name, (rule, _, _) in BROKEN.items()}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_good_catalog_passes(catalog_of, rule):
    judgement = rule(catalog_of(GOOD, {**GOOD, "name": "orders"}))

    assert judgement.outcome is Outcome.PASSED


@pytest.mark.parametrize(("rule", "stream", "where"), BROKEN.values(), ids=BROKEN)
def test_a_broken_stream_is_found(catalog_of, rule, stream, where):
    (finding,) = rule(catalog_of(stream)).findings

    assert (finding.where.stream, finding.where.path) == ("users", where)


@pytest.mark.parametrize(("rule", "stream", "where"), BROKEN.values(), ids=BROKEN)
def test_the_second_broken_stream_is_found_as_well(catalog_of, rule, stream, where):
    catalog = catalog_of({**GOOD, "name": "fine"}, {**stream, "name": "a"}, {**stream, "name": "b"})

    assert [finding.where.stream for finding in rule(catalog).findings] == ["a", "b"]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_without_streams_there_is_nothing_to_judge(catalog_of, rule):
    assert rule(catalog_of()).outcome is Outcome.INCONCLUSIVE


def test_streams_are_told_apart_by_namespace(catalog_of):
    in_shop = {**GOOD, "namespace": "shop"}

    assert rules.streams_are_distinct(catalog_of(GOOD, in_shop)).outcome is Outcome.PASSED
    (finding,) = rules.streams_are_distinct(catalog_of(GOOD, in_shop, in_shop)).findings
    assert (finding.where.namespace, finding.where.stream) == ("shop", "users")


def test_a_catalog_without_streams_is_found(catalog_of):
    assert rules.streams_are_distinct(catalog_of()).outcome is Outcome.FAILED


def test_a_stream_without_sync_modes_is_found(catalog_of):
    stream = {**GOOD, "supported_sync_modes": []}

    judgement = rules.streams_have_sync_modes(catalog_of(GOOD, stream, {**stream, "name": "b"}))

    assert [finding.where.stream for finding in judgement.findings] == ["users", "b"]


@pytest.mark.parametrize("name", ["allOf", "not", "$ref", "additionalProperties"])
def test_a_property_named_like_a_keyword_is_no_keyword(catalog_of, name):
    schema = {"type": ["null", "object"], "properties": {name: {"type": "string"}}}
    catalog = catalog_of({**GOOD, "json_schema": schema})

    for rule in (rules.no_references, no_all_of, no_not, rules.additional_properties_are_allowed):
        assert rule(catalog).findings == ()
