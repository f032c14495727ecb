"""TestConnection: does `check` tell good configs from bad ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hydrotest_acceptance.rules.connection import answers_as_expected
from hydrotest_acceptance.rules.execution import judge_execution

if TYPE_CHECKING:
    from hydrotest_acceptance.executor import Executor
    from hydrotest_acceptance.judge import Judge
    from hydrotest_core.redaction import SecretDict


class TestConnection:
    """The section `connection`."""

    def test_check(
        self, inputs: Any, judge: Judge, connector: Executor, connector_config: SecretDict
    ) -> None:
        """`check` answers with the status that the settings expect."""
        evidence = connector.check(connector_config, inputs.deployment_mode).evidence
        must_succeed = inputs.status == "succeed"
        judge.note(*judge_execution(evidence, must_succeed=must_succeed))
        judge(*answers_as_expected(evidence, inputs.status))
