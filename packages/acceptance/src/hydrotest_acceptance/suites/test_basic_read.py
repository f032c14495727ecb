"""TestBasicRead: are the records what the catalog says, and the messages around them in order?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hydrotest_acceptance.connector_files import in_sync_mode
from hydrotest_acceptance.rules.execution import judge_execution
from hydrotest_acceptance.rules.expected_file import load_expected_records
from hydrotest_acceptance.rules.failure import IMPOSSIBLE_CATALOG, explains_failure
from hydrotest_acceptance.rules.read import ReadRules, judge_read
from hydrotest_core.connector.metadata import read_metadata
from hydrotest_core.protocol import ConfiguredAirbyteCatalog

if TYPE_CHECKING:
    from hydrotest_acceptance.config import AcceptanceConfig
    from hydrotest_acceptance.connector_files import ConnectorFiles
    from hydrotest_acceptance.executor import Executor
    from hydrotest_acceptance.judge import Judge
    from hydrotest_core.protocol import AirbyteCatalog
    from hydrotest_core.redaction import SecretDict

# Source: CAT; metadata's data.ab_internal.ql from which a connector counts as certified.
_CERTIFIED = 400


def _forbidden_in_high(inputs: Any) -> list[str]:
    """Return what the entry does that high strictness doesn't allow. Source: the mission text."""
    found = []
    if inputs.configured_catalog_path:
        found.append("configured_catalog_path may not be given: all discovered streams are read")
    if not inputs.validate_schema:
        found.append("validate_schema may not be false")
    if inputs.expect_records is None:
        found.append("expect_records is missing: give a path, or a bypass_reason")
    found += [
        f"empty_streams: {stream.name} has no bypass_reason"
        for stream in inputs.empty_streams
        if not stream.bypass_reason
    ]
    return found


class TestBasicRead:
    """The section `basic_read`."""

    def test_read(
        self,
        inputs: Any,
        judge: Judge,
        connector: Executor,
        connector_config: SecretDict,
        discovered_catalog: AirbyteCatalog,
        files: ConnectorFiles,
        acceptance_test_config: AcceptanceConfig,
    ) -> None:
        """A full read gives records as the catalog says, with states and statuses in order."""
        is_strict = acceptance_test_config.is_strict
        mistakes = _forbidden_in_high(inputs) if is_strict else []
        if mistakes:
            pytest.fail("high strictness: " + "; ".join(mistakes), pytrace=False)
        empty = {stream.name for stream in inputs.empty_streams}
        streams = files.configured_catalog(
            inputs.configured_catalog_path,
            discovered_catalog,
            without=empty if is_strict else (),
        )
        # What supports it is read in full; the rest as it can be.
        full = in_sync_mode(streams, "full_refresh")
        names = {(one["stream"].get("namespace"), one["stream"]["name"]) for one in full}
        rest = [
            one
            for one in streams
            if (one["stream"].get("namespace"), one["stream"]["name"]) not in names
        ]
        catalog = {"streams": full + rest}
        read = connector.read(connector_config, catalog, deployment_mode=inputs.deployment_mode)
        expect = inputs.expect_records
        expected = None
        if expect is not None and expect.path:
            expected = load_expected_records(files.base / expect.path, expect.path)
        metadata = read_metadata(files.base)
        statuses = inputs.validate_stream_statuses
        rules = ReadRules(
            empty_streams=empty,
            validate_schema=inputs.validate_schema,
            fail_on_extra_columns=inputs.fail_on_extra_columns,
            validate_primary_keys_data_type=inputs.validate_primary_keys_data_type,
            validate_data_points=inputs.validate_data_points,
            validate_stream_statuses=(
                metadata.quality_level >= _CERTIFIED if statuses is None else statuses
            ),
            validate_state_messages=inputs.validate_state_messages,
            expected=expected,
            extra_fields=expect.extra_fields if expect else False,
            exact_order=expect.exact_order if expect else False,
            extra_records=expect.extra_records if expect else True,
            must_cover=is_strict and expected is not None,
            ignored_fields={
                stream: [field.name for field in fields]
                for stream, fields in (inputs.ignored_fields or {}).items()
            },
        )
        judge.note(*read.seen(judge_execution(read.evidence)))
        configured = msgspec.convert(catalog, ConfiguredAirbyteCatalog)
        show = connector.redactor(connector_config).redact_text
        judge(*read.seen(judge_read(read.evidence, configured, rules, show)))

    def test_airbyte_trace_message_on_failure(
        self, inputs: Any, judge: Judge, connector: Executor, connector_config: SecretDict
    ) -> None:
        """A read that can't succeed ends with an error trace."""
        if not inputs.expect_trace_message_on_failure:
            pytest.skip("expect_trace_message_on_failure is false")
        read = connector.read(
            connector_config, IMPOSSIBLE_CATALOG, deployment_mode=inputs.deployment_mode
        )
        judge.note(*read.seen(judge_execution(read.evidence, must_succeed=False)))
        judge(*read.seen([explains_failure(read.evidence)]))
