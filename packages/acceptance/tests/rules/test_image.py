from __future__ import annotations

import pytest

from hydrotest_acceptance.rules import image as rules
from hydrotest_core.run.findings import Judgement, Outcome


def places(judgement: Judgement) -> list[str | None]:
    return [finding.where.path for finding in judgement.findings]


@pytest.mark.parametrize(
    ("labels", "wrong"),
    [
        ({"io.airbyte.name": "airbyte/x", "io.airbyte.version": "1.0"}, []),
        ({"io.airbyte.name": "airbyte/y", "io.airbyte.version": "1.0"}, ["io.airbyte.name"]),
        ({"io.airbyte.name": "airbyte/x"}, ["io.airbyte.version"]),
        ({}, ["io.airbyte.name", "io.airbyte.version"]),
    ],
)
def test_labels_agree_with_metadata(labels, wrong):
    assert places(rules.labels_match_metadata(labels, "airbyte/x", "1.0")) == wrong


def test_without_metadata_labels_are_not_judged():
    assert rules.labels_match_metadata({}, None, None).outcome is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({"AIRBYTE_ENTRYPOINT": "python main.py"}, Outcome.PASSED),
        ({"AIRBYTE_ENTRYPOINT": "python other.py"}, Outcome.FAILED),
        ({}, Outcome.FAILED),
    ],
)
def test_the_entrypoint_is_declared(environment, outcome):
    assert rules.entrypoint_is_declared(environment, ("python", "main.py")).outcome is outcome
