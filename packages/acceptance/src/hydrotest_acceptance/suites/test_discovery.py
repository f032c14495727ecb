"""TestDiscovery: is the catalog one that the platform and destinations can use?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hydrotest_acceptance.rules import discovery as rules
from hydrotest_acceptance.rules.execution import judge_execution, one_message
from hydrotest_core.protocol import MessageType

if TYPE_CHECKING:
    from hydrotest_acceptance.executor import Execution
    from hydrotest_acceptance.judge import Judge
    from hydrotest_core.protocol import AirbyteCatalog


class TestDiscovery:
    """The section `discovery`."""

    def test_discover(self, inputs: Any, judge: Judge, discover_execution: Execution) -> None:
        """`discover` is answered by one catalog of distinct streams."""
        evidence = discover_execution.evidence
        judge.note(*discover_execution.seen(judge_execution(evidence)))
        distinct = [
            rules.streams_are_distinct(message.catalog)
            for message in discover_execution.messages(MessageType.CATALOG)
            if message.catalog is not None
        ]
        answered = one_message(evidence, MessageType.CATALOG)
        judge(*discover_execution.seen([answered, *distinct]))

    def test_streams_have_valid_json_schemas(
        self, judge: Judge, discovered_catalog: AirbyteCatalog
    ) -> None:
        """Each stream's schema is valid Draft 7."""
        judge(rules.schemas_are_valid(discovered_catalog))

    def test_defined_cursors_exist_in_schema(
        self, judge: Judge, discovered_catalog: AirbyteCatalog
    ) -> None:
        """Each default cursor is a field of its stream."""
        judge(rules.cursors_are_declared(discovered_catalog))

    def test_defined_refs_exist_in_schema(
        self, judge: Judge, discovered_catalog: AirbyteCatalog
    ) -> None:
        """Schemas hold no $ref."""
        judge(rules.no_references(discovered_catalog))

    @pytest.mark.parametrize("keyword", ["allOf", "not"])
    def test_defined_keyword_exist_in_schema(
        self, judge: Judge, discovered_catalog: AirbyteCatalog, keyword: str
    ) -> None:
        """Schemas use no keyword that destinations can't handle."""
        judge(rules.keywords_are_supported(discovered_catalog, keyword))

    def test_primary_keys_exist_in_schema(
        self, judge: Judge, discovered_catalog: AirbyteCatalog
    ) -> None:
        """Each part of a primary key is a field of its stream."""
        judge(rules.primary_keys_are_declared(discovered_catalog))

    def test_streams_has_sync_modes(self, judge: Judge, discovered_catalog: AirbyteCatalog) -> None:
        """Each stream can be synced in some way."""
        judge(rules.streams_have_sync_modes(discovered_catalog))

    def test_additional_properties_is_true(
        self, judge: Judge, discovered_catalog: AirbyteCatalog
    ) -> None:
        """Schemas allow fields that they don't name."""
        judge(rules.additional_properties_are_allowed(discovered_catalog))

    def test_primary_keys_data_type(
        self, inputs: Any, judge: Judge, discovered_catalog: AirbyteCatalog
    ) -> None:
        """Primary keys are of types that can be compared."""
        if not inputs.validate_primary_keys_data_type:
            pytest.skip("validate_primary_keys_data_type is false")
        judge(rules.primary_key_types_fit(discovered_catalog))
