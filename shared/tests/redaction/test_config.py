from __future__ import annotations

import copy
import json
import pickle
import pprint
from typing import Any

import pytest

from hydrotest_core.redaction import SecretDict, find_secrets, secret_values

SECRET = {"type": "string", "airbyte_secret": True}


def an_object(**properties):
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    "show",
    [str, repr, "{}".format, "%s".__mod__, pprint.pformat, lambda config: f"{config!r:>5}"],
    ids=["str", "repr", "format", "percent", "pprint", "f-string"],
)
def test_a_secret_dict_shows_nothing_in_any_conversion(show):
    config = SecretDict(api_key="hunter2-hunter2")

    assert show(config) == "SecretDict(******)"
    assert show(SecretDict()) == "SecretDict(******)"


def test_a_copy_of_a_secret_dict_hides_as_much():
    config = SecretDict(api_key="hunter2-hunter2")

    for twin in (config.copy(), copy.copy(config), pickle.loads(pickle.dumps(config))):
        assert twin == config
        assert "hunter2" not in repr(twin)


def test_a_secret_dict_is_a_dict():
    config = SecretDict(a=1)

    assert json.loads(json.dumps(config)) == {"a": 1}
    assert config["a"] == 1


def test_marked_values_are_secret_and_others_are_not():
    schema = an_object(host={"type": "string"}, one=SECRET, two=SECRET)
    config = {"host": "db.example.com", "one": "first-secret", "two": "second-secret"}

    assert secret_values(config, schema) == {"one": "first-secret", "two": "second-secret"}


def test_nothing_marked_is_nothing_secret():
    assert secret_values({"host": "db.example.com"}, an_object(host={"type": "string"})) == {}


@pytest.mark.parametrize("keyword", ["oneOf", "anyOf", "allOf"])
def test_a_mark_in_any_variant_counts(keyword):
    schema = an_object(
        credentials={
            keyword: [
                an_object(kind={"const": "oauth"}, token_a=SECRET),
                an_object(kind={"const": "key"}, value={keyword: [{}, SECRET]}),
            ]
        }
    )
    config = {"credentials": {"kind": "key", "token_a": "first-secret", "value": "second-secret"}}

    assert secret_values(config, schema) == {
        "credentials.token_a": "first-secret",
        "credentials.value": "second-secret",
    }


@pytest.mark.parametrize(
    "below",
    [
        {"items": an_object(value=SECRET)},
        {"items": [{}, an_object(value=SECRET)]},
        {"prefixItems": [an_object(value=SECRET)]},
    ],
    ids=["items", "tuple", "prefix"],
)
def test_a_mark_inside_an_array_counts_for_each_item(below):
    config = {"hosts": [{"value": "first-secret"}, {"value": "second-secret"}]}

    assert secret_values(config, an_object(hosts={"type": "array", **below})) == {
        "hosts[0].value": "first-secret",
        "hosts[1].value": "second-secret",
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"additionalProperties": SECRET},
        {"patternProperties": {"^(a+)+$": SECRET}},
        {"if": an_object(header=SECRET)},
        {"then": an_object(header=SECRET)},
        {"$ref": "#/definitions/headers", "definitions": {"headers": an_object(header=SECRET)}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": an_object(header=SECRET)}},
        an_object(header={"allOf": [{"$ref": "#/$defs/s"}]}) | {"$defs": {"s": SECRET}},
    ],
    ids=["additional", "pattern", "if", "then", "ref", "escaped-ref", "inner-ref"],
)
def test_a_mark_in_any_corner_of_the_schema_counts(schema):
    assert secret_values({"header": "first-secret"}, schema) == {"header": "first-secret"}


@pytest.mark.parametrize(
    "reference", ["#/nowhere", "https://example.com/spec.json", "#", "#/definitions/loop"]
)
def test_a_reference_that_leads_nowhere_or_in_a_circle_ends(reference):
    schema = {
        "$ref": reference,
        "definitions": {"loop": {"$ref": "#/definitions/loop"}},
        **an_object(header=SECRET),
    }

    assert secret_values({"header": "first-secret"}, schema) == {"header": "first-secret"}


def test_all_below_a_marked_object_or_array_is_secret():
    schema = an_object(auth={"airbyte_secret": True}, keys={"airbyte_secret": True, "items": {}})
    config = {"auth": {"user": "first-secret", "n": [12345678]}, "keys": ["second-secret", True]}

    assert secret_values(config, schema) == {
        "auth.user": "first-secret",
        "auth.n[0]": "12345678",
        "keys[0]": "second-secret",
    }


def test_numbers_are_taken_as_text():
    schema = an_object(pin=SECRET, ratio=SECRET)

    assert secret_values({"pin": 12345678, "ratio": 1234.5678}, schema) == {
        "pin": "12345678",
        "ratio": "1234.5678",
    }


def test_the_whole_spec_does_as_well_as_its_schema():
    schema = an_object(value=SECRET)

    assert secret_values({"value": "first-secret"}, {"connectionSpecification": schema}) == {
        "value": "first-secret"
    }


@pytest.mark.parametrize("spec", [{}, {"connectionSpecification": None}, {"properties": 7}])
def test_a_broken_spec_still_lets_names_speak(spec):
    assert secret_values({"password": "first-secret", "host": "example.com"}, spec) == {
        "password": "first-secret"
    }


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_password", "clientSecret", "client-secret", "api_key", "apiKey",
        "refresh_token", "access_token", "private_key", "aws_secret_access_key", "jwt", "passphrase",
    ],
)  # fmt: skip
def test_some_names_are_secret_whatever_the_spec_forgets(name):
    config = {name: "first-secret", "host": "db.example.com"}

    assert secret_values(config, an_object()) == {name: "first-secret"}
    assert secret_values(config, None) == {name: "first-secret"}


@pytest.mark.parametrize(
    "name",
    ["token", "credentials", "service_account_info", "tenant_id", "app_id", "key", "certificate"],
)
def test_more_names_are_secret_where_there_is_no_spec(name):
    assert secret_values({name: "first-secret"}, None) == {name: "first-secret"}
    assert secret_values({name: "first-secret"}, an_object()) == {}


@pytest.mark.parametrize(
    "name",
    ["host", "token_type", "primary_key", "sort_key", "secret_name", "keyspace", "passwordless"],
)
def test_other_names_are_not(name):
    assert secret_values({name: "created_at"}, None) == {}


def test_a_list_under_a_secret_name_is_secret():
    assert secret_values({"a": {"api_tokens": [], "api_token": ["first-secret"]}}, None) == {
        "a.api_token[0]": "first-secret"
    }


def test_a_secret_that_is_json_is_looked_into():
    inner = json.dumps({"type": "service", "private_key": "first-secret", "email": "a@example.com"})

    assert secret_values({"info": inner}, an_object(info=SECRET)) == {
        "info": inner,
        "info.private_key": "first-secret",
    }


@pytest.mark.parametrize(
    "text", ["{not json", '{"a":' * 5000, '{"a": }'], ids=["text", "deep", "half"]
)
def test_a_secret_that_only_looks_like_json_is_taken_as_it_is(text):
    assert secret_values({"info": text}, an_object(info=SECRET)) == {"info": text}


def test_what_cannot_be_looked_for_is_told():
    schema = an_object(pin=SECRET, mode=SECRET, key=SECRET, flag=SECRET, none=SECRET)
    config = {"pin": 1234, "mode": "sandbox", "key": "first-secret", "flag": True, "none": None}

    found = find_secrets(config, schema)

    assert found.values == {"key": "first-secret"}
    assert found.left_out == {"pin": "shorter than 6 characters", "mode": "a common word"}
    assert secret_values(config, schema) == found.values


def test_found_secrets_do_not_show_their_values():
    found = find_secrets({"password": "first-secret"}, None)

    assert repr(found) == "FoundSecrets(password; left out: )"


def test_a_config_without_end_is_not_followed_for_ever():
    config: dict[str, Any] = {"password": "first-secret"}
    config["again"] = config

    assert secret_values(config, None)["again.again.password"] == "first-secret"
