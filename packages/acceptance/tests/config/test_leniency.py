from __future__ import annotations

import pytest

from hydrotest_acceptance.config import load_config
from hydrotest_core.errors import SettingsError

FRAME = "connector_image: airbyte/source-x:dev\n"


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "acceptance-test-config.yml").write_text(FRAME + text)
        return load_config(tmp_path)

    return load


@pytest.mark.parametrize("version", ["0.10", "2.0", "1", "0.1.0"])
def test_a_version_is_taken_as_it_is_written(load, version):
    config = load(
        "acceptance_tests:\n  spec:\n    tests:\n"
        f"      - backward_compatibility_tests_config: {{disable_for_version: {version}}}\n"
    )

    entry = config.section("spec").tests[0].backward_compatibility_tests_config
    assert entry.disable_for_version == version
    assert [str(warning.hint) for warning in config.warnings] == (
        [] if version.count(".") == 2 else ["put it in quotes"]
    )


def test_names_that_yaml_takes_for_something_else_stay_names(load):
    config = load(
        "acceptance_tests: {basic_read: {tests: [{empty_streams: "
        "[{name: 2020}, {name: on}, {name: 2020-01-01}]}]}}\n"
    )

    names = [stream.name for stream in config.section("basic_read").tests[0].empty_streams]
    assert names == ["2020", "on", "2020-01-01"]
    assert len(config.warnings) == 3


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", "true"),
        ("0123", "0123"),
        ("1.10", "1.10"),
        ("2020-01-01", "2020-01-01"),
        ("", ""),
        ('"quoted"', "quoted"),
    ],
)
def test_variables_have_the_values_that_are_written(load, written, value):
    config = load(f"custom_environment_variables:\n  KEY: {written}\nacceptance_tests: {{}}\n")

    assert config.environment == {"KEY": value}
    assert config.warnings == ()


def test_a_number_in_quotes_is_a_number(load):
    config = load('acceptance_tests: {spec: {tests: [{timeout_seconds: "300"}]}}\n')

    assert config.section("spec").tests[0].timeout_seconds == 300
    assert [warning.message for warning in config.warnings] == ["taken as the number 300"]


@pytest.mark.parametrize(
    ("written", "value"), [('"yes"', True), ('"no"', False), ("1", True), ("0", False)]
)
def test_what_can_only_mean_true_or_false_does(load, written, value):
    config = load(
        f"acceptance_tests: {{basic_read: {{tests: [{{validate_schema: {written}}}]}}}}\n"
    )

    assert config.section("basic_read").tests[0].validate_schema is value
    assert len(config.warnings) == 1


@pytest.mark.parametrize(
    "written",
    [
        "timeout_seconds: soon",
        "timeout_seconds: 1.5",
        "timeout_seconds: true",
        "timeout_seconds: -1",
    ],
)
def test_what_means_nothing_is_a_mistake(load, written):
    with pytest.raises(SettingsError, match="timeout_seconds"):
        load(f"acceptance_tests: {{spec: {{tests: [{{{written}}}]}}}}\n")


@pytest.mark.parametrize(
    "key", ["empty_streams", "file_types", "validate_schema", "config_path", "ignored_fields"]
)
def test_a_key_without_value_is_as_if_it_were_not_there(load, key):
    config = load(f"acceptance_tests:\n  basic_read:\n    tests:\n      - {key}:\n")

    plain = load("acceptance_tests: {basic_read: {tests: [{}]}}\n")
    assert config.section("basic_read").tests == plain.section("basic_read").tests


def test_a_mapping_where_text_belongs_is_a_mistake(load):
    with pytest.raises(SettingsError, match="config_path"):
        load("acceptance_tests: {spec: {tests: [{config_path: {a: 1}}]}}\n")
