"""TestConnection: does `check` tell good configs from bad ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        check = connector.check(connector_config, inputs.deployment_mode)
        must_succeed = inputs.status == "succeed"
        judge.note(*check.seen(judge_execution(check.evidence, must_succeed=must_succeed)))
        judge(*check.seen(answers_as_expected(check.evidence, inputs.status)))
