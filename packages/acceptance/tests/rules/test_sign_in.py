from __future__ import annotations

from hydrotest_acceptance.rules import sign_in as rules
from hydrotest_core.run.findings import Outcome


def schema(**properties):
    return {"type": "object", "properties": properties}


def variants(*tags, **more):
    return {
        "type": "object",
        "oneOf": [
            {"properties": {"kind": {"type": "string", **tag}, "value": {"type": "string"}}}
            for tag in tags
        ],
        **more,
    }


OAUTH = {
    "connectionSpecification": schema(
        credentials=variants({"const": "oauth"}, {"const": "key"}), client_id={"type": "string"}
    ),
    "advanced_auth": {
        "predicate_key": ["credentials", "kind"],
        "predicate_value": "oauth",
        "oauth_config_specification": {
            "complete_oauth_output_specification": {
                "properties": {"t": {"path_in_connector_config": ["credentials", "value"]}}
            },
            "complete_oauth_server_output_specification": {
                "properties": {"c": {"path_in_connector_config": ["client_id"]}}
            },
        },
    },
}


def test_oauth_paths_lead_through_variants():
    assert rules.oauth_paths_exist(OAUTH).outcome is Outcome.PASSED


def test_each_oauth_path_that_leads_nowhere_is_found():
    without = {**OAUTH, "connectionSpecification": schema(client_id={"type": "string"})}

    assert len(rules.oauth_paths_exist(without).findings) == 2


def test_without_advanced_auth_oauth_is_skipped():
    assert rules.oauth_paths_exist({}).outcome is Outcome.SKIPPED
    assert rules.oauth_is_default({}).outcome is Outcome.SKIPPED


def test_oauth_must_be_the_first_choice():
    swapped = {
        **OAUTH,
        "connectionSpecification": schema(
            credentials=variants({"const": "key"}, {"const": "oauth"})
        ),
    }

    assert rules.oauth_is_default(OAUTH).outcome is Outcome.PASSED
    assert rules.oauth_is_default(swapped).findings[0].got == "'key'"
