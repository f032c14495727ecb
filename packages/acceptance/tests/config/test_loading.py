from __future__ import annotations

import pytest

from hydrotest_acceptance.config import DEFAULT_TIMEOUTS_S, SECTIONS, load_config
from hydrotest_core.errors import SettingsError, UsageError

SMALLEST = """\
connector_image: airbyte/source-x:dev
acceptance_tests:
  spec:
    tests:
      - spec_path: spec.json
"""

# As the reference writes one, in the strict form.
COMPLETE = """\
connector_image: airbyte/source-x:dev
base_path: inner
test_strictness_level: high
cached_discovered_catalog: False
custom_environment_variables:
  foo: bar
acceptance_tests:
  spec:
    tests:
      - spec_path: source_x/spec.yaml
        backward_compatibility_tests_config:
          previous_connector_version: latest
          disable_for_version: 0.1.0
        auth_default_method: {oauth: false, bypass_reason: none here}
  connection:
    tests:
      - config_path: secrets/config.json
        status: succeed
        timeout_seconds: 15
      - config_path: integration_tests/invalid_config.json
        status: failed
  discovery:
    tests:
      - config_path: secrets/config.json
        configured_catalog_path: integration_tests/configured_catalog.json
  basic_read:
    tests:
      - empty_streams:
          - name: collections
            bypass_reason: This stream can't be seeded
        expect_records: {path: expected.jsonl, exact_order: true, extra_records: false}
        ignored_fields:
          users: [{name: updated_at, bypass_reason: it changes}]
        fail_on_extra_columns: false
        file_types: {skip_test: true, bypass_reason: no files}
        client_container_config: {setup_command: [python, setup.py]}
  full_refresh:
    tests:
      - configured_catalog_path: integration_tests/configured_catalog.json
        ignored_fields:
          users: [{name: updated_at}]
  incremental:
    tests:
      - future_state:
          future_state_path: integration_tests/abnormal_state.json
          missing_streams: [{name: my_missing_stream, bypass_reason: a good one}]
          cursor_format: {format: "^\\\\d+$", streams: [{name: users, format: "^x"}]}
        skip_comprehensive_incremental_tests: true
  connector_attributes:
    tests:
      - streams_without_primary_key: [{name: report, bypass_reason: a report}]
        allowed_hosts: {bypass_reason: any host}
        suggested_streams: {bypass_reason: all}
  connector_documentation:
    bypass_reason: The docs live elsewhere
  client_container_config: {final_teardown_command: [python, down.py]}
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "acceptance-test-config.yml").write_text(text)
        return tmp_path

    return write


def mistakes_in(folder):
    with pytest.raises(SettingsError) as raised:
        load_config(folder)
    return raised.value.facts["mistakes"]


def test_the_smallest_file_is_enough(write):
    config = load_config(write(SMALLEST))

    assert config.connector_image == "airbyte/source-x:dev"
    assert config.image_tag == "dev"
    assert not config.is_strict
    assert config.environment == {}
    assert config.warnings == ()
    assert [section.name for section in config.sections] == ["spec"]


def test_every_key_of_the_reference_is_read(write):
    folder = write(COMPLETE)
    config = load_config(folder)

    assert config.warnings == ()
    assert config.is_strict
    assert config.base_path == folder / "inner"
    assert not config.caches_discovered_catalog
    assert config.environment == {"foo": "bar"}
    assert [section.name for section in config.sections] == list(SECTIONS)
    assert config.final_client_container.final_teardown_command == ["python", "down.py"]
    (basic_read,) = config.section("basic_read").tests
    assert basic_read.fail_on_extra_columns is False
    assert basic_read.expect_records.extra_records is False
    assert basic_read.ignored_fields["users"][0].name == "updated_at"


def test_a_section_knows_its_lines(write):
    section = load_config(write(COMPLETE)).section("connection")

    assert section.line == 15
    assert section.lines == (17, 20)
    assert [entry.status for entry in section.tests] == ["succeed", "failed"]


def test_a_bypassed_section_says_why(write):
    section = load_config(write(COMPLETE)).section("connector_documentation")

    assert section.tests is None
    assert section.bypass_reason == "The docs live elsewhere"


def test_a_section_that_is_not_there_is_none(write):
    assert load_config(write(SMALLEST)).section("incremental") is None


def test_a_section_without_value_is_not_there(write):
    assert load_config(write(SMALLEST + "  incremental:\n")).section("incremental") is None


def test_an_empty_list_of_tests_is_kept(write):
    assert (
        load_config(write(SMALLEST + "  incremental: {tests: []}\n")).section("incremental").tests
        == []
    )


def test_a_section_nobody_knows_is_a_key_error(write):
    with pytest.raises(KeyError):
        load_config(write(SMALLEST)).section("basic_reed")


def test_paths_are_relative_to_the_folder_of_the_file(write):
    folder = write(SMALLEST)

    assert load_config(folder).resolve("secrets/config.json") == folder / "secrets/config.json"


def test_an_absolute_path_stays_as_it_is(write):
    assert str(load_config(write(SMALLEST)).resolve("/tmp/config.json")) == "/tmp/config.json"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("", 60), ("        timeout_seconds: 0\n", 60), ("        timeout_seconds: 7\n", 7)],
    ids=["not set", "zero is not set", "set"],
)
def test_the_time_of_a_test_is_the_entrys_or_the_default(write, written, seconds):
    config = load_config(write(SMALLEST + written))

    assert config.timeout_s("spec", config.section("spec").tests[0]) == seconds


def test_every_section_has_a_default_time(write):
    assert DEFAULT_TIMEOUTS_S == {
        "spec": 60,
        "connection": 60,
        "discovery": 300,
        "basic_read": 600,
        "full_refresh": 1200,
        "incremental": 1200,
        "connector_attributes": 600,
        "connector_documentation": 600,
    }


def test_all_mistakes_come_at_once_with_their_lines(write):
    folder = write(
        """\
connector_image: Not An Image
test_strictness_level: medium
acceptance_tests:
  spec:
    bypass_reason: none
    tests:
      - backward_compatibility_tests_config: {disable_for_version: v0.1.0}
  basic_read:
    tests:
      - fail_on_extra_fields: true
      - expect_records: {path: a.jsonl, bypass_reason: both}
  conection: {tests: []}
"""
    )

    found = [(one.line, one.message.split(",")[0]) for one in mistakes_in(folder)]
    assert found == [
        (1, "'Not An Image' names no image"),
        (2, "expected one of high"),
        (5, "tests and a bypass_reason in one section"),
        (
            7,
            "disable_for_version must be a version like 1.2.3 (without the 'v')",
        ),
        (10, "unknown key 'fail_on_extra_fields'"),
        (11, "expect_records takes a path"),
        (12, "unknown key 'conection'"),
    ]


def test_mistakes_name_the_file_and_the_nearest_key(write):
    folder = write(SMALLEST + "        sepc_path: a\n")

    (mistake,) = mistakes_in(folder)
    assert str(mistake) == (
        f"{folder}/acceptance-test-config.yml:6:9: unknown key 'sepc_path' "
        "(acceptance_tests.spec.tests[0].sepc_path) hint: did you mean 'spec_path'?"
    )


def test_the_misspelling_of_the_reference_is_explained(write):
    mistakes = mistakes_in(write(SMALLEST.replace("acceptance_tests:", "acceptance-tests:")))

    assert any("did you mean 'acceptance_tests'?" in str(one) for one in mistakes)


def test_a_file_without_image_is_a_mistake(write):
    (mistake,) = mistakes_in(write("acceptance_tests: {}\n"))

    assert "connector_image" in mistake.message


@pytest.mark.parametrize("text", ["", "[]", "text", "- a\n"], ids=["empty", "list", "text", "item"])
def test_a_file_that_holds_no_mapping_is_a_mistake(write, text):
    assert mistakes_in(write(text))


def test_a_missing_file_says_what_to_give(tmp_path):
    with pytest.raises(UsageError) as raised:
        load_config(tmp_path)

    assert raised.value.exit_code == 2
    assert "the folder of the connector" in raised.value.hint


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(UsageError, match="check the path"):
        load_config(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["acceptance-tests-config.yml", "acceptance-test-config.yaml"])
def test_a_misnamed_file_is_found_and_its_right_name_told(tmp_path, name):
    (tmp_path / name).write_text(SMALLEST)

    with pytest.raises(UsageError, match=f"rename {name}"):
        load_config(tmp_path)
