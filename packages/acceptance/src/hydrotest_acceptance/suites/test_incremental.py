"""TestIncremental: does a read go on where the last one stopped?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hydrotest_acceptance.connector_files import in_sync_mode
from hydrotest_acceptance.rules import incremental as rules
from hydrotest_acceptance.rules.breaches import combine
from hydrotest_acceptance.rules.execution import judge_execution
from hydrotest_core.protocol import ConfiguredAirbyteCatalog

if TYPE_CHECKING:
    from hydrotest_acceptance.config import AcceptanceConfig
    from hydrotest_acceptance.connector_files import ConnectorFiles
    from hydrotest_acceptance.executor import Execution, Executor
    from hydrotest_acceptance.judge import Judge
    from hydrotest_core.protocol import AirbyteCatalog, ConfiguredAirbyteStream
    from hydrotest_core.redaction import SecretDict

# Reads from the middle of a sync that one test pays for, at most.
_MOST_SLICES = 4


@pytest.fixture
def incremental_streams(
    inputs: Any, files: ConnectorFiles, discovered_catalog: AirbyteCatalog
) -> list[dict[str, Any]]:
    """The configured streams that can be read incrementally, with their cursors."""
    streams = files.configured_catalog(inputs.configured_catalog_path, discovered_catalog)
    chosen = in_sync_mode(streams, "incremental")
    if not chosen:
        pytest.skip("no stream supports incremental")
    without = [one["stream"]["name"] for one in chosen if not one.get("cursor_field")]
    if without:
        pytest.fail(
            f"no cursor for {', '.join(without)}. hint: give cursor_field in the configured "
            "catalog, or default_cursor_field in discover",
            pytrace=False,
        )
    return chosen


def _configured(streams: list[dict[str, Any]]) -> list[ConfiguredAirbyteStream]:
    return msgspec.convert({"streams": streams}, ConfiguredAirbyteCatalog).streams


class TestIncremental:
    """The section `incremental`."""

    def _first_read(
        self,
        inputs: Any,
        judge: Judge,
        connector: Executor,
        config: SecretDict,
        streams: list[dict[str, Any]],
    ) -> Execution:
        first = connector.read(config, {"streams": streams}, deployment_mode=inputs.deployment_mode)
        judge.note(*first.seen(judge_execution(first.evidence)))
        judge.note(*first.seen([rules.has_records_and_states(first.evidence)]))
        judge.stop_if_failed()
        return first

    def test_two_sequential_reads(
        self,
        inputs: Any,
        judge: Judge,
        connector: Executor,
        connector_config: SecretDict,
        incremental_streams: list[dict[str, Any]],
    ) -> None:
        """A read from the final state gives nothing from before that state."""
        first = self._first_read(inputs, judge, connector, connector_config, incremental_streams)
        state = rules.final_state(first.evidence)
        second = connector.read(
            connector_config,
            {"streams": incremental_streams},
            state=state,
            deployment_mode=inputs.deployment_mode,
        )
        configured = _configured(incremental_streams)
        judge.note(*second.seen(judge_execution(second.evidence)))
        points = rules.checkpoints(first.evidence)
        judge.note(*first.seen([rules.cursors_never_go_back(points, configured)]))
        judge(*second.seen([rules.records_follow_state(second.evidence, configured, state)]))

    def test_read_sequential_slices(
        self,
        inputs: Any,
        judge: Judge,
        connector: Executor,
        connector_config: SecretDict,
        incremental_streams: list[dict[str, Any]],
    ) -> None:
        """A read from any state in between gives all that came after it, and no more."""
        if inputs.skip_comprehensive_incremental_tests:
            pytest.skip("skip_comprehensive_incremental_tests is true")
        first = self._first_read(inputs, judge, connector, connector_config, incremental_streams)
        configured = _configured(incremental_streams)
        slices = []
        for point in rules.sample(rules.checkpoints(first.evidence), _MOST_SLICES):
            slice_read = connector.read(
                connector_config,
                {"streams": incremental_streams},
                state=point.state,
                deployment_mode=inputs.deployment_mode,
            )
            judge.note(*slice_read.seen(judge_execution(slice_read.evidence)))
            follow = rules.records_follow_state(slice_read.evidence, configured, point.state)
            slices += slice_read.seen([follow, rules.rest_is_read(slice_read.evidence, point)])
        judge(*combine(slices))

    def test_state_with_abnormally_large_values(
        self,
        inputs: Any,
        judge: Judge,
        connector: Executor,
        connector_config: SecretDict,
        incremental_streams: list[dict[str, Any]],
        files: ConnectorFiles,
        acceptance_test_config: AcceptanceConfig,
    ) -> None:
        """A read from a state in the far future gives no records."""
        future = inputs.future_state
        if future is None or not future.future_state_path:
            reason = future.bypass_reason if future else None
            if acceptance_test_config.is_strict and not reason:
                pytest.fail(
                    "future_state is not configured, and high strictness asks for it. hint: give "
                    "future_state.future_state_path, or a bypass_reason",
                    pytrace=False,
                )
            pytest.skip(f"bypassed: {reason}" if reason else "future_state is not configured")
        state = files.state(future.future_state_path)
        read = connector.read(
            connector_config,
            {"streams": incremental_streams},
            state=state,
            deployment_mode=inputs.deployment_mode,
        )
        judge.note(*read.seen(judge_execution(read.evidence)))
        nothing = rules.nothing_after_future_state(read.evidence, rules.streams_of(state))
        judge(*read.seen([nothing]))
