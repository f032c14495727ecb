"""TestSpec: what the connector asks a person to fill in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from hydrotest_acceptance.rules import image, sign_in
from hydrotest_acceptance.rules import specification as rules
from hydrotest_acceptance.rules.execution import judge_execution, one_message
from hydrotest_core.connector.metadata import read_metadata
from hydrotest_core.protocol import MessageType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hydrotest_acceptance.connector_files import ConnectorFiles
    from hydrotest_acceptance.executor import Execution, Executor
    from hydrotest_acceptance.judge import Judge
    from hydrotest_core.redaction import SecretDict

Schema: TypeAlias = "Mapping[str, Any]"


class TestSpec:
    """The section `spec`."""

    def test_spec(self, inputs: Any, judge: Judge, spec_execution: Execution) -> None:
        """`spec` is answered by one SPEC message, and nothing else goes wrong."""
        evidence = spec_execution.evidence
        judge.note(*spec_execution.seen(judge_execution(evidence)))
        judge(*spec_execution.seen([one_message(evidence, MessageType.SPEC)]))

    def test_config_match_spec(
        self, judge: Judge, connection_specification: Schema, connector_config: SecretDict
    ) -> None:
        """The test's config is one that the form would accept."""
        judge(rules.config_matches_spec(connection_specification, connector_config))

    def test_match_expected(
        self,
        inputs: Any,
        judge: Judge,
        actual_connector_spec: Schema,
        files: ConnectorFiles,
    ) -> None:
        """The specification is the one in the repository, where there is one."""
        expected = files.expected_spec(inputs.spec_path)
        if expected is None:
            pytest.skip(f"there is no expected spec at {inputs.spec_path}")
        judge(rules.matches_expected(actual_connector_spec, expected))

    def test_enum_usage(self, judge: Judge, connection_specification: Schema) -> None:
        """An enum lists each value once."""
        judge(rules.enums_have_no_duplicates(connection_specification))

    def test_oneof_usage(self, judge: Judge, connection_specification: Schema) -> None:
        """The variants of oneOf are told apart by one const."""
        judge(rules.one_ofs_are_told_apart(connection_specification))

    def test_secret_is_properly_marked(
        self, judge: Judge, connection_specification: Schema
    ) -> None:
        """What can hold a secret is marked with airbyte_secret."""
        judge(rules.secrets_are_marked(connection_specification))

    def test_property_type_is_not_array(
        self, judge: Judge, connection_specification: Schema
    ) -> None:
        """A property has one type."""
        judge(rules.property_types_are_single(connection_specification))

    def test_object_not_empty(self, judge: Judge, connection_specification: Schema) -> None:
        """An object declares what is in it."""
        judge(rules.objects_are_not_empty(connection_specification))

    def test_array_type(self, judge: Judge, connection_specification: Schema) -> None:
        """An array declares what it holds."""
        judge(rules.arrays_hold_plain_items(connection_specification))

    def test_forbidden_complex_types(self, judge: Judge, connection_specification: Schema) -> None:
        """The specification uses only what the form understands."""
        judge(rules.no_forbidden_keywords(connection_specification))

    def test_date_pattern(self, judge: Judge, connection_specification: Schema) -> None:
        """A date has a format and a pattern; a warning only, as in CAT."""
        judge(rules.dates_have_pattern_and_format(connection_specification))

    def test_duplicate_order(self, judge: Judge, connection_specification: Schema) -> None:
        """No two fields have the same place in the form."""
        judge(rules.orders_are_distinct(connection_specification))

    def test_nested_group(self, judge: Judge, connection_specification: Schema) -> None:
        """Only fields at the top belong to a group."""
        judge(rules.groups_are_at_the_top(connection_specification))

    def test_display_type(self, judge: Judge, connection_specification: Schema) -> None:
        """display_type stands where it has a meaning."""
        judge(rules.display_types_fit(connection_specification))

    def test_defined_refs_exist_in_json_spec_file(
        self, judge: Judge, connection_specification: Schema
    ) -> None:
        """The specification holds no $ref."""
        judge(rules.no_references(connection_specification))

    def test_oauth_flow_parameters(self, judge: Judge, actual_connector_spec: Schema) -> None:
        """The paths of advanced_auth lead to fields."""
        judge(sign_in.oauth_paths_exist(actual_connector_spec))

    def test_oauth_is_default_method(
        self, inputs: Any, judge: Judge, actual_connector_spec: Schema
    ) -> None:
        """OAuth is the first choice, unless the settings say why not."""
        method = inputs.auth_default_method
        if method is not None and not method.oauth:
            pytest.skip(f"bypassed: {method.bypass_reason}")
        judge(sign_in.oauth_is_default(actual_connector_spec))

    def test_additional_properties_is_true(
        self, judge: Judge, connection_specification: Schema
    ) -> None:
        """Configs of other versions are accepted."""
        judge(rules.additional_properties_are_allowed(connection_specification))

    def test_image_labels(
        self, inputs: Any, judge: Judge, connector: Executor, files: ConnectorFiles
    ) -> None:
        """The image's labels agree with metadata.yaml."""
        metadata = read_metadata(files.base)
        judge(
            image.labels_match_metadata(
                connector.connector.labels,
                metadata.docker_repository,
                metadata.docker_image_tag,
            )
        )

    def test_image_environment_variables(
        self, inputs: Any, judge: Judge, connector: Executor
    ) -> None:
        """AIRBYTE_ENTRYPOINT equals the entrypoint."""
        subject = connector.connector
        judge(image.entrypoint_is_declared(subject.environment, subject.entrypoint))
