from __future__ import annotations

import pytest

from hydrotest_acceptance.rules import specification as rules
from hydrotest_core.run.findings import Judgement, Outcome, Severity


def schema(**properties):
    return {"type": "object", "properties": properties}


def places(judgement: Judgement) -> list[str | None]:
    return [finding.where.path for finding in judgement.findings]


def variants(*tags, **more):
    return {
        "type": "object",
        "oneOf": [
            {"properties": {"kind": {"type": "string", **tag}, "value": {"type": "string"}}}
            for tag in tags
        ],
        **more,
    }


GOOD = schema(
    url={"type": "string", "enum": ["a", "b"], "order": 0, "group": "auth"},
    api_key={"type": "string", "airbyte_secret": True, "order": 1},
    since={
        "type": "string",
        "format": "date",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "order": 2,
    },
    tags={"type": "array", "items": {"type": "string"}},
    credentials=variants({"const": "x"}, {"const": "y"}, display_type="radio"),
    note={"type": ["string", "null"]},
    extra={
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": True,
    },
)

# rule, a property that breaks it, and what it says was got
BROKEN = [
    (rules.enums_have_no_duplicates, {"type": "string", "enum": ["a", "b", "a"]}, "'a'"),
    (rules.one_ofs_are_told_apart, variants({"const": "x"}, {}), "none"),
    (rules.one_ofs_are_told_apart, variants({"const": "x"}, type="string"), "type 'string'"),
    (rules.one_ofs_are_told_apart, {"type": "object", "oneOf": []}, "(no variants)"),
    (rules.one_ofs_are_told_apart, {"type": "object", "oneOf": [{}]}, "variant 0"),
    (rules.one_ofs_are_told_apart, variants({"const": "x", "default": "y"}), "'y'"),
    (rules.one_ofs_are_told_apart, variants({"const": "x", "enum": ["x", "y"]}), "['x', 'y']"),
    (rules.property_types_are_single, {"type": ["string", "integer"]}, "['string', 'integer']"),
    (rules.objects_are_not_empty, {"type": "object"}, "neither"),
    (rules.objects_are_not_empty, {"type": ["null", "object"], "properties": {}}, "neither"),
    (rules.arrays_hold_plain_items, {"type": "array", "items": {"type": "array"}}, "array"),
    (rules.arrays_hold_plain_items, {"type": "array", "items": [{"type": "string"}]}, "string"),
    (rules.no_forbidden_keywords, {"allOf": []}, "allOf"),
    (
        rules.dates_have_pattern_and_format,
        {"type": "string", "format": "date"},
        "format date alone",
    ),
    (
        rules.dates_have_pattern_and_format,
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "alone",
    ),
    (
        rules.orders_are_distinct,
        {"type": "object", "properties": {"a": {"order": 1}, "b": {"order": 1}}},
        "a, b",
    ),
    (
        rules.groups_are_at_the_top,
        {"type": "object", "properties": {"a": {"type": "string", "group": "g"}}},
        "'g'",
    ),
    (rules.display_types_fit, {"type": "object", "display_type": "radio"}, "without oneOf"),
    (rules.display_types_fit, variants({"const": 1}, display_type="tabs"), "'tabs'"),
    (rules.no_references, {"$ref": "#/definitions/x"}, "#/definitions/x"),
    (
        rules.additional_properties_are_allowed,
        {"type": "object", "additionalProperties": False},
        "False",
    ),
    (
        rules.additional_properties_are_allowed,
        {"type": "object", "additionalProperties": {"type": "string"}},
        "string",
    ),
    (
        rules.secrets_are_marked,
        {"type": "object", "properties": {"token": {"type": "string"}}},
        "token",
    ),
]
IDS = [f"{rule.__name__}-{got}" for rule, _, got in BROKEN]
SCHEMA_RULES = sorted({rule for rule, _, _ in BROKEN}, key=lambda rule: rule.__name__)


@pytest.mark.parametrize("rule", SCHEMA_RULES, ids=lambda rule: rule.__name__)
def test_a_good_specification_passes(rule):
    judgement = rule({**GOOD, "additionalProperties": True})

    assert judgement.outcome is Outcome.PASSED


@pytest.mark.parametrize("rule", SCHEMA_RULES, ids=lambda rule: rule.__name__)
def test_an_empty_specification_gives_nothing_to_judge(rule):
    judgement = rule({})

    assert judgement.findings == ()
    assert judgement.outcome in {Outcome.INCONCLUSIVE, Outcome.PASSED}


@pytest.mark.parametrize(("rule", "broken", "got"), BROKEN, ids=IDS)
def test_a_broken_property_is_found(rule, broken, got):
    (finding,) = rule(schema(bad=broken)).findings

    assert (finding.where.path or "").startswith("bad")
    assert got in finding.got


@pytest.mark.parametrize(("rule", "broken", "got"), BROKEN, ids=IDS)
def test_the_second_broken_property_is_found_as_well(rule, broken, got):
    judgement = rule(schema(fine={"type": "string"}, bad=broken, worse=broken))

    assert [path.partition(".")[0] for path in map(str, places(judgement))] == ["bad", "worse"]


def test_a_missing_pattern_only_warns():
    judgement = rules.dates_have_pattern_and_format(schema(d={"type": "string", "format": "date"}))

    assert [finding.severity for finding in judgement.findings] == [Severity.WARNING]
    assert judgement.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "name", ["type", "enum", "required", "format", "not", "oneOf", "$ref", "group"]
)
def test_a_property_named_like_a_keyword_is_no_keyword(name):
    odd = schema(**{name: {"type": "string", "title": "a field"}})

    findings = [finding for rule in SCHEMA_RULES for finding in rule(odd).findings]

    assert findings == []


@pytest.mark.parametrize(
    ("field", "is_fine"),
    [
        ({"type": "string", "airbyte_secret": True}, True),
        ({"type": ["null", "string"], "airbyte_secret": True}, True),
        ({"type": "string"}, False),
        ({"type": "integer"}, False),
        ({"type": "string", "const": "fixed"}, True),
        ({"type": "string", "const": "fixed", "airbyte_secret": True}, False),
        ({"type": "boolean", "airbyte_secret": True}, False),
        ({"type": "boolean"}, True),
    ],
)
@pytest.mark.parametrize("name", ["password", "Client_Secret", "api_key", "secret_token"])
def test_a_field_named_as_a_secret_is_marked_if_it_can_hold_one(name, field, is_fine):
    judgement = rules.secrets_are_marked(schema(**{name: field}))

    assert (judgement.findings == ()) is is_fine


def test_a_list_of_secrets_is_judged_by_its_items():
    hidden = {"type": "array", "items": {"type": "string"}}

    assert places(rules.secrets_are_marked(schema(token=hidden))) == ["token.items"]


def test_a_config_is_judged_without_our_own_keys():
    wanted = {
        "type": "object",
        "required": ["a"],
        "additionalProperties": False,
        "properties": {"a": {"type": "integer"}},
    }

    assert rules.config_matches_spec(wanted, {"a": 1, "_limit": 5}).outcome is Outcome.PASSED


def test_each_fault_of_a_config_is_found_and_no_value_is_shown():
    wanted = schema(a={"type": "integer"}, b={"type": "integer"}) | {"required": ["c"]}

    judgement = rules.config_matches_spec(wanted, {"a": "hunter2", "b": "hunter3"})

    assert sorted(map(str, places(judgement))) == ["(root)", "a", "b"]
    assert "hunter" not in str(judgement)


def test_a_config_that_breaks_a_pattern_is_told_without_its_value():
    wanted = schema(a={"pattern": "^x"})

    (finding,) = rules.config_matches_spec(wanted, {"a": "hunter2"}).findings

    assert finding.expected == "what properties/a/pattern asks for"
    assert finding.got == "Pattern"


def test_a_pattern_that_cannot_be_run_on_a_config_only_warns():
    wanted = schema(a={"pattern": "^(?=a)(a+)+$"})

    judgement = rules.config_matches_spec(wanted, {"a": "a" * 100_000 + "!"})

    assert judgement.outcome is Outcome.PASSED
    assert [finding.severity for finding in judgement.findings] == [Severity.WARNING]


def test_a_config_can_not_be_judged_by_a_broken_schema():
    judgement = rules.config_matches_spec({"type": 7}, {})

    assert judgement.outcome is Outcome.FAILED


def test_an_expected_spec_is_compared_value_by_value():
    actual = {"connectionSpecification": schema(a={"type": "string"}, b={"order": 1}), "x": [1, 2]}
    expected = {"connectionSpecification": schema(a={"type": "integer"}, c={}), "x": [1, True]}

    judgement = rules.matches_expected(actual, expected)

    assert places(judgement) == [
        "connectionSpecification.properties.a.type",
        "connectionSpecification.properties.b",
        "connectionSpecification.properties.c",
        "x[1]",
    ]
    assert rules.matches_expected(actual, actual).outcome is Outcome.PASSED
