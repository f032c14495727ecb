"""What a connector says of its own configuration: the answer to `spec`.

Source: Airbyte protocol, as published in `airbyte-protocol-models` 0.18.
"""

from __future__ import annotations

import enum
from typing import Any

from hydrotest_core.protocol.catalog import DestinationSyncMode
from hydrotest_core.protocol.wire import WireStruct

__all__ = [
    "AdvancedAuth",
    "AuthFlowType",
    "AuthSpecification",
    "AuthType",
    "ConnectorSpecification",
    "OAuth2Specification",
    "OAuthConfigSpecification",
    "OauthConnectorInputSpecification",
    "OauthState",
]


class AuthFlowType(enum.StrEnum):
    """The flows of `advanced_auth`."""

    OAUTH2_0 = "oauth2.0"
    OAUTH1_0 = "oauth1.0"


class AuthType(enum.StrEnum):
    """The one kind that the deprecated `authSpecification` knows."""

    OAUTH2_0 = "oauth2.0"


class OAuth2Specification(WireStruct, frozen=True, kw_only=True, rename="camel"):
    """Where the fields of OAuth stand in the configuration; deprecated.

    Attributes:
        root_object: Path to the object that holds them, `["credentials", 0]`; a
            number picks a variant of a `oneOf`.
        oauth_flow_init_parameters: Paths below it that the flow starts from.
        oauth_flow_output_parameters: Paths below it that the flow fills in.
    """

    root_object: list[str | int] | None = None
    oauth_flow_init_parameters: list[list[str]] | None = None
    oauth_flow_output_parameters: list[list[str]] | None = None


class AuthSpecification(
    WireStruct, frozen=True, kw_only=True, rename={"oauth2_specification": "oauth2Specification"}
):
    """Deprecated in favour of `AdvancedAuth`, yet still met."""

    auth_type: AuthType | None = None
    oauth2_specification: OAuth2Specification | None = None


class OauthState(WireStruct, frozen=True, kw_only=True):
    """The length that the flow's `state` parameter may have (`State` in the published models)."""

    min: int | None = None
    max: int | None = None


class OauthConnectorInputSpecification(WireStruct, frozen=True, kw_only=True):
    """How a declarative OAuth flow is spoken.

    Attributes:
        consent_url: A template of the page where the user agrees.
        access_token_url: A template of where a code is changed for a token.
        extract_output: Keys of the answer that go into the configuration.
        client_id_key: The provider's own name for `client_id`; so with each `…_key`.
    """

    consent_url: str
    access_token_url: str
    scope: str | None = None
    access_token_headers: dict[str, Any] | None = None
    access_token_params: dict[str, Any] | None = None
    extract_output: list[str] | None = None
    state: OauthState | None = None
    client_id_key: str | None = None
    client_secret_key: str | None = None
    scope_key: str | None = None
    state_key: str | None = None
    auth_code_key: str | None = None
    redirect_uri_key: str | None = None
    token_expiry_key: str | None = None


class OAuthConfigSpecification(WireStruct, frozen=True, kw_only=True):
    """JSON schemas of what goes into an OAuth flow and what comes out.

    Each property of the four schemas may carry `path_in_connector_config`, the
    path of the same value in the configuration.
    """

    oauth_user_input_from_connector_config_specification: dict[str, Any] | None = None
    oauth_connector_input_specification: OauthConnectorInputSpecification | None = None
    complete_oauth_output_specification: dict[str, Any] | None = None
    complete_oauth_server_input_specification: dict[str, Any] | None = None
    complete_oauth_server_output_specification: dict[str, Any] | None = None


class AdvancedAuth(WireStruct, frozen=True, kw_only=True):
    """How the platform may fetch credentials in the user's place.

    Attributes:
        predicate_key: Path of a field in the configuration, `["credentials", "type"]`.
        predicate_value: The flow applies where that field has this value.
    """

    auth_flow_type: AuthFlowType | None = None
    predicate_key: list[str] | None = None
    predicate_value: str | None = None
    oauth_config_specification: OAuthConfigSpecification | None = None


class ConnectorSpecification(
    WireStruct,
    frozen=True,
    kw_only=True,
    rename={
        "documentation_url": "documentationUrl",
        "changelog_url": "changelogUrl",
        "connection_specification": "connectionSpecification",
        "supports_incremental": "supportsIncremental",
        "supports_normalization": "supportsNormalization",
        "supports_dbt": "supportsDBT",
        "auth_specification": "authSpecification",
    },
):
    """What a connector is configured with, and what it can do.

    Attributes:
        connection_specification: The JSON schema of the connector's configuration.
        documentation_url: Kept as text; whether it is a URL is a rule's business.
        supports_incremental: Deprecated: the catalog says it per stream.
        supports_normalization: Absent means `False`, as published.
        supports_dbt: Absent means `False`, as published.
        auth_specification: Deprecated in favour of `advanced_auth`.
        protocol_version: The version of the protocol the connector speaks, `0.2.0`.
    """

    connection_specification: dict[str, Any]
    documentation_url: str | None = None
    changelog_url: str | None = None
    supports_incremental: bool | None = None
    supports_normalization: bool | None = False
    supports_dbt: bool | None = False
    supported_destination_sync_modes: list[DestinationSyncMode] | None = None
    auth_specification: AuthSpecification | None = None
    advanced_auth: AdvancedAuth | None = None
    protocol_version: str | None = None
