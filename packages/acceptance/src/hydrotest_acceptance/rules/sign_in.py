"""Rules about `advanced_auth`: signing in by OAuth leads to fields that are there."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hydrotest_core.protocol.subschemas import subschemas
from hydrotest_core.run.findings import Finding, Judgement, Rule, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["oauth_is_default", "oauth_paths_exist"]

OAUTH_PATHS = Rule(
    code="HT-SPEC-016",
    title="the paths of advanced_auth lead to properties of the specification",
    why="The sign-in stores its tokens where the connector doesn't look.",
    source="CAT TestSpec::test_oauth_flow_parameters",
)
OAUTH_DEFAULT = Rule(
    code="HT-SPEC-017",
    title="signing in by OAuth is the first choice",
    why="Users are led to the harder way of authentication.",
    source="CAT TestSpec::test_oauth_is_default_method",
)


def _at(path: str) -> Where:
    return Where(path=path, command="spec")


def oauth_paths_exist(spec: Mapping[str, Any]) -> Judgement:
    """Judge the paths of advanced_auth; without it there is nothing to judge."""
    auth = spec.get("advanced_auth") or {}
    paths = list(_oauth_paths(auth))
    known = {
        tuple(key for key in _names(one.path))
        for one in subschemas(spec.get("connectionSpecification", {}))
        if one.is_property
    }
    findings = [
        Finding(
            rule=OAUTH_PATHS,
            where=_at(where),
            expected="a path to a property of connectionSpecification",
            got="/".join(path),
            hint="correct the path, or declare the property",
        )
        for where, path in paths
        if path not in known
    ]
    if not auth:
        return Judgement(rule=OAUTH_PATHS, skipped="the specification has no advanced_auth")
    return Judgement(rule=OAUTH_PATHS, findings=tuple(findings), checked=len(paths))


def _names(path: tuple[str | int, ...]) -> Iterator[str]:
    """Yield the property names along a path; variants of oneOf share their parent's path."""
    for before, key in itertools.pairwise(path):
        if before == "properties" and isinstance(key, str):
            yield key


def _oauth_paths(auth: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    if auth.get("predicate_key"):
        yield "advanced_auth.predicate_key", tuple(auth["predicate_key"])
    config = auth.get("oauth_config_specification") or {}
    for part in (
        "oauth_user_input_from_connector_config_specification",
        "complete_oauth_output_specification",
        "complete_oauth_server_output_specification",
    ):
        for name, member in ((config.get(part) or {}).get("properties") or {}).items():
            if isinstance(member, dict) and member.get("path_in_connector_config"):
                path = tuple(map(str, member["path_in_connector_config"]))
                yield f"advanced_auth.oauth_config_specification.{part}.{name}", path


def oauth_is_default(spec: Mapping[str, Any]) -> Judgement:
    """Judge that the first variant of the authentication is the one OAuth applies to."""
    auth = spec.get("advanced_auth") or {}
    key = auth.get("predicate_key") or []
    if not key:
        return Judgement(rule=OAUTH_DEFAULT, skipped="advanced_auth has no predicate_key")
    here: Any = spec.get("connectionSpecification", {})
    for name in key[:-1]:
        here = (here.get("properties") or {}).get(name) or {}
    variants = here.get("oneOf") or []
    if not variants:
        return Judgement(rule=OAUTH_DEFAULT, skipped="there is one way to authenticate only")
    first = ((variants[0].get("properties") or {}).get(key[-1]) or {}).get("const")
    findings = []
    if first != auth.get("predicate_value"):
        findings.append(
            Finding(
                rule=OAUTH_DEFAULT,
                where=_at(".".join(key)),
                expected=repr(auth.get("predicate_value")),
                got=repr(first),
                hint="put the OAuth variant first, or set auth_default_method.oauth: false with a reason",
            )
        )
    return Judgement(rule=OAUTH_DEFAULT, findings=tuple(findings), checked=1)
