from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.protocol import (
    AuthFlowType,
    AuthType,
    ConnectorSpecification,
    to_data,
)


def read(raw: bytes) -> ConnectorSpecification:
    return msgspec.json.decode(raw, type=ConnectorSpecification)


@pytest.mark.parametrize(
    "more", [b"", b',"supportsDBT":false,"supportsNormalization":false'], ids=["absent", "false"]
)
def test_support_that_is_not_claimed_is_false(more):
    spec = read(b'{"connectionSpecification":{}%b}' % more)

    assert (spec.supports_dbt, spec.supports_normalization) == (False, False)
    assert to_data(spec) == {"connectionSpecification": {}}


def test_the_advanced_auth_is_read():
    spec = read(
        b'{"connectionSpecification":{},"advanced_auth":{"auth_flow_type":"oauth1.0",'
        b'"predicate_key":["credentials","type"],"oauth_config_specification":'
        b'{"oauth_connector_input_specification":{"consent_url":"c","access_token_url":"a",'
        b'"state":{"min":7}}}}}'
    )

    auth = spec.advanced_auth
    assert auth is not None
    assert auth.auth_flow_type is AuthFlowType.OAUTH1_0
    assert auth.predicate_key == ["credentials", "type"]
    assert auth.oauth_config_specification is not None
    inputs = auth.oauth_config_specification.oauth_connector_input_specification
    assert inputs is not None
    assert inputs.state is not None
    assert (inputs.state.min, inputs.state.max) == (7, None)


def test_the_deprecated_auth_keeps_its_numbers():
    written = {
        "auth_type": "oauth2.0",
        "oauth2Specification": {
            "rootObject": ["credentials", 0],
            "oauthFlowInitParameters": [["client_id"]],
            "oauthFlowOutputParameters": [["access_token"], ["refresh_token"]],
        },
    }

    spec = read(msgspec.json.encode({"connectionSpecification": {}, "authSpecification": written}))

    auth = spec.auth_specification
    assert auth is not None
    assert auth.auth_type is AuthType.OAUTH2_0
    assert auth.oauth2_specification is not None
    assert auth.oauth2_specification.root_object == ["credentials", 0]
    assert to_data(spec)["authSpecification"] == written
