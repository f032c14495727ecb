"""Rules about what an image says of itself: its labels, and the variable AIRBYTE_ENTRYPOINT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydrotest_core.run.findings import Finding, Judgement, Rule, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["entrypoint_is_declared", "labels_match_metadata"]

LABELS = Rule(
    code="HT-SPEC-019",
    title="the image's labels agree with metadata.yaml",
    why="The platform registers another name or version than it runs.",
    source="CAT TestSpec::test_image_labels",
)
ENTRYPOINT = Rule(
    code="HT-SPEC-020",
    title="AIRBYTE_ENTRYPOINT equals the image's entrypoint",
    why="The platform's orchestrator starts the connector by that variable.",
    source="CAT TestSpec::test_image_environment_variables",
)


def _at(path: str) -> Where:
    return Where(path=path, command="spec")


def labels_match_metadata(
    labels: Mapping[str, str], repository: str | None, version: str | None
) -> Judgement:
    """Judge the labels `io.airbyte.name` and `io.airbyte.version` against metadata.yaml."""
    if repository is None or version is None:
        return Judgement(rule=LABELS, skipped="there is no metadata.yaml to compare with")
    wanted = {"io.airbyte.name": repository, "io.airbyte.version": version}
    findings = [
        Finding(
            rule=LABELS,
            where=_at(label),
            expected=value,
            got=labels.get(label, "no such label"),
            hint="build the image with the label, or mend metadata.yaml",
        )
        for label, value in wanted.items()
        if labels.get(label) != value
    ]
    return Judgement(rule=LABELS, findings=tuple(findings), checked=len(wanted))


def entrypoint_is_declared(
    environment: Mapping[str, str], entrypoint: tuple[str, ...]
) -> Judgement:
    """Judge the variable AIRBYTE_ENTRYPOINT against the entrypoint."""
    wanted = " ".join(entrypoint)
    got = environment.get("AIRBYTE_ENTRYPOINT")
    findings = []
    if got != wanted:
        findings.append(
            Finding(
                rule=ENTRYPOINT,
                where=_at("AIRBYTE_ENTRYPOINT"),
                expected=wanted,
                got="not set" if got is None else got,
                hint="set ENV AIRBYTE_ENTRYPOINT in the Dockerfile to the entrypoint, joined by blanks",
            )
        )
    return Judgement(rule=ENTRYPOINT, findings=tuple(findings), checked=1)
