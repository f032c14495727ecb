from __future__ import annotations

import pytest

from hydrotest_acceptance.config import load_config
from hydrotest_acceptance.config.legacy import modernised
from hydrotest_core.errors import SettingsError
from hydrotest_core.settings import load_yaml

FIRST_FORM = """\
connector_image: airbyte/source-x:dev
tests:
  spec:
    - spec_path: spec.json
  basic_read:
    - empty_streams: [a, b]
  full_refresh:
    - ignored_fields: {users: [x, y/z]}
  incremental:
    - future_state_path: abnormal.json
"""
FRAME = "connector_image: airbyte/source-x:dev\nacceptance_tests:\n"


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "acceptance-test-config.yml").write_text(text)
        return load_config(tmp_path)

    return load


def test_the_first_form_is_read_with_one_warning(load):
    config = load(FIRST_FORM)

    assert [section.name for section in config.sections] == [
        "spec",
        "basic_read",
        "full_refresh",
        "incremental",
    ]
    (warning,) = config.warnings
    assert (warning.line, warning.path) == (2, "tests")


def test_plain_names_of_the_first_form_become_names(load):
    config = load(FIRST_FORM)

    empty = config.section("basic_read").tests[0].empty_streams
    ignored = config.section("full_refresh").tests[0].ignored_fields["users"]
    assert [stream.name for stream in empty] == ["a", "b"]
    assert [field.name for field in ignored] == ["x", "y/z"]


def test_the_future_state_of_the_first_form_is_found(load):
    (entry,) = load(FIRST_FORM).section("incremental").tests

    assert entry.future_state.future_state_path == "abnormal.json"


def test_lines_of_the_first_form_are_those_of_the_file(load):
    with pytest.raises(SettingsError) as raised:
        load(FIRST_FORM.replace("- spec_path", "- spek_path"))

    (mistake,) = raised.value.facts["mistakes"]
    assert (mistake.line, mistake.column) == (4, 7)


def test_both_forms_in_one_file_are_a_mistake(load):
    with pytest.raises(SettingsError, match="unknown key 'tests'"):
        load(FIRST_FORM + "acceptance_tests: {}\n")


@pytest.mark.parametrize("entries", ["", " text", " {a: 1}"], ids=["nothing", "text", "mapping"])
def test_a_section_of_the_first_form_that_is_no_list_is_not_taken_for_one(load, entries):
    text = f"connector_image: airbyte/source-x:dev\ntests:\n  spec:{entries}\n"

    if entries:
        with pytest.raises(SettingsError):
            load(text)
    else:
        assert load(text).sections == []


def test_a_plain_name_in_todays_form_is_a_mistake(load):
    with pytest.raises(SettingsError, match="expected a mapping, got text 'users'"):
        load(FRAME + "  basic_read: {tests: [{empty_streams: [users]}]}\n")


def test_future_state_path_and_reason_beside_the_other_inputs_are_taken(load):
    config = load(
        FRAME + "  incremental: {tests: [{future_state_path: a.json}, {bypass_reason: none}]}\n"
    )

    first, second = config.section("incremental").tests
    assert first.future_state.future_state_path == "a.json"
    assert second.future_state.bypass_reason == "none"
    assert config.warnings == ()


def test_the_oldest_name_of_the_future_state_is_found(load):
    config = load(FIRST_FORM.replace("future_state_path", "state_path"))

    (entry,) = config.section("incremental").tests
    assert entry.future_state.future_state_path == "abnormal.json"
    assert [warning.line for warning in config.warnings] == [2, 10]


def test_future_state_path_beside_a_future_state_is_a_mistake(load):
    with pytest.raises(SettingsError, match="unknown key 'future_state_path'"):
        load(FRAME + "  incremental: {tests: [{future_state_path: a, future_state: {}}]}\n")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("incremental", "cursor_paths: {users: [updated_at]}"),
        ("incremental", "threshold_days: 3"),
        ("basic_read", "validate_output_from_all_streams: true"),
        ("connection", "invalid_config_path: integration_tests/invalid_config.json"),
    ],
    ids=lambda text: text.split(":")[0],
)
def test_a_retired_key_is_a_warning(load, section, key):
    config = load(FRAME + f"  {section}:\n    tests:\n      - config_path: a\n        {key}\n")

    (warning,) = config.warnings
    assert warning.line == 6
    assert key.split(":")[0] in warning.message
    assert config.section(section).tests[0].config_path == "a"


def test_a_retired_key_of_the_second_entry_is_a_warning_too(load):
    config = load(
        FRAME + "  incremental: {tests: [{}, {threshold_days: 3}, {threshold_days: 4}]}\n"
    )

    assert [warning.path for warning in config.warnings] == [
        "acceptance_tests.incremental.tests[1].threshold_days",
        "acceptance_tests.incremental.tests[2].threshold_days",
    ]


def test_a_retired_key_in_the_wrong_section_is_a_mistake(load):
    with pytest.raises(SettingsError, match="unknown key 'threshold_days'"):
        load(FRAME + "  full_refresh: {tests: [{threshold_days: 3}]}\n")


def test_the_old_name_of_the_catalogs_cache_works(load):
    config = load("cache_discovered_catalog: false\n" + FRAME.rstrip() + " {}\n")

    assert not config.caches_discovered_catalog
    assert "cached_discovered_catalog" in config.warnings[0].message


def test_a_key_beside_tests_is_ignored_with_a_warning(load):
    config = load(FRAME + "  full_refresh:\n    timeout_seconds: 3\n    tests: [{}]\n")

    (warning,) = config.warnings
    assert (warning.line, warning.path) == (4, "acceptance_tests.full_refresh.timeout_seconds")
    assert config.section("full_refresh").tests[0].timeout_seconds is None


@pytest.mark.parametrize("key", ["test", "bypas_reason"])
def test_a_slip_in_a_sections_own_keys_is_a_mistake(load, key):
    with pytest.raises(SettingsError, match="did you mean"):
        load(FRAME + f"  full_refresh: {{{key}: []}}\n")


@pytest.mark.parametrize("text", ["[]", "text", "tests: []", "acceptance_tests: []"])
def test_what_is_not_understood_is_left_as_it_is(tmp_path, text):
    file = tmp_path / "a.yml"
    file.write_text(text)
    document = load_yaml(file)

    assert modernised(document) == (document, [])


def test_the_documents_own_value_is_not_changed(tmp_path):
    file = tmp_path / "a.yml"
    file.write_text(FIRST_FORM)
    document = load_yaml(file)
    modernised(document)

    assert document == load_yaml(file)


def test_an_aliased_entry_is_brought_over_in_both_places(load):
    config = load(
        "connector_image: airbyte/source-x:dev\ntests:\n"
        "  incremental: &same\n    - future_state_path: a.json\n  full_refresh: [{}]\n"
        "  basic_read: [{empty_streams: &names [a]}, {empty_streams: *names}]\n"
    )

    entries = config.section("basic_read").tests
    assert [entry.empty_streams[0].name for entry in entries] == ["a", "a"]
