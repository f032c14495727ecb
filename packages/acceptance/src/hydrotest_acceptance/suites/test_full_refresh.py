"""TestFullRefresh: does a second full read give what the first gave?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hydrotest_acceptance.connector_files import in_sync_mode
from hydrotest_acceptance.rules.execution import judge_execution
from hydrotest_acceptance.rules.full_refresh import second_read_holds_the_first
from hydrotest_core.protocol import ConfiguredAirbyteCatalog

if TYPE_CHECKING:
    from hydrotest_acceptance.connector_files import ConnectorFiles
    from hydrotest_acceptance.executor import Executor
    from hydrotest_acceptance.judge import Judge
    from hydrotest_core.protocol import AirbyteCatalog
    from hydrotest_core.redaction import SecretDict


class TestFullRefresh:
    """The section `full_refresh`."""

    def test_sequential_reads(
        self,
        inputs: Any,
        judge: Judge,
        connector: Executor,
        connector_config: SecretDict,
        discovered_catalog: AirbyteCatalog,
        files: ConnectorFiles,
    ) -> None:
        """Two full reads give the same records, or the second one gives more."""
        streams = files.configured_catalog(inputs.configured_catalog_path, discovered_catalog)
        chosen = in_sync_mode(streams, "full_refresh")
        if not chosen:
            pytest.skip("no stream supports full_refresh")
        catalog = {"streams": chosen}
        mode = inputs.deployment_mode
        first = connector.read(connector_config, catalog, deployment_mode=mode)
        second = connector.read(connector_config, catalog, attempt=2, deployment_mode=mode)
        for execution in (first, second):
            judge.note(*execution.seen(judge_execution(execution.evidence)))
        configured = msgspec.convert(catalog, ConfiguredAirbyteCatalog)
        ignored = {
            stream: [field.name for field in fields]
            for stream, fields in (inputs.ignored_fields or {}).items()
        }
        compared = second_read_holds_the_first(
            first.evidence, second.evidence, configured.streams, ignored
        )
        judge(*first.seen([compared]))
