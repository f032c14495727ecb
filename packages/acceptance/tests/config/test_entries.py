from __future__ import annotations

import msgspec
import pytest

from hydrotest_acceptance.config import (
    AuthDefaultMethod,
    BackwardCompatibility,
    BasicReadEntry,
    ConnectionEntry,
    ConnectorAttributesEntry,
    CursorFormat,
    DiscoveryEntry,
    ExpectRecords,
    FileTypes,
    FullRefreshEntry,
    IncrementalEntry,
    SpecEntry,
    UnsupportedFileType,
)


@pytest.mark.parametrize(
    "version",
    ["latest", "0", "1.2", "1.2.3", "10.20.30", "1.2.3-rc.1", "1.2.3-dev_5"],
)
def test_a_version_is_accepted(version):
    entry = BackwardCompatibility(previous_connector_version=version)

    assert entry.previous_connector_version == version


@pytest.mark.parametrize("key", ["previous_connector_version", "disable_for_version"])
@pytest.mark.parametrize(
    "version", ["", "v1.0.0", "0.1.2garbage", "01.2.3", "1.2.3.4", "newest", "1.2.3 ", "1.٢.3"]
)
def test_what_is_no_version_is_refused(key, version):
    with pytest.raises(ValueError, match=key):
        BackwardCompatibility(**{key: version})


def test_a_version_to_leave_out_cannot_be_latest():
    with pytest.raises(ValueError, match="disable_for_version"):
        BackwardCompatibility(disable_for_version="latest")


@pytest.mark.parametrize(
    ("written", "extra_records"),
    [
        ({}, True),
        ({"extra_records": False}, False),
        ({"extra_records": True}, True),
        ({"exact_order": True}, True),
        ({"exact_order": True, "extra_records": False}, False),
        ({"exact_order": True, "extra_records": True}, True),
        ({"exact_order": True, "extra_fields": True}, False),
        ({"exact_order": True, "extra_fields": True, "extra_records": False}, False),
    ],
    ids=str,
)
def test_a_combination_of_the_reference_is_accepted(written, extra_records):
    assert ExpectRecords(path="a.jsonl", **written).extra_records is extra_records


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"path": "a", "extra_fields": True}, "exact_order: true"),
        (
            {"path": "a", "extra_fields": True, "exact_order": True, "extra_records": True},
            "can't go together",
        ),
        ({}, "one of them"),
        ({"bypass_reason": ""}, "one of them"),
        ({"path": "a", "bypass_reason": "b"}, "only one of them"),
    ],
    ids=str,
)
def test_any_other_combination_is_refused(written, why):
    with pytest.raises(ValueError, match=why):
        ExpectRecords(**written)


def test_a_bypass_reason_may_stand_for_expected_records():
    assert ExpectRecords(bypass_reason="no account").path is None


@pytest.mark.parametrize(
    "written",
    [
        {"skip_test": True, "unsupported_types": [UnsupportedFileType(extension=".csv")]},
        {"skip_test": False, "bypass_reason": "why"},
        {"skip_test": False, "bypass_reason": ""},
    ],
    ids=["skipped and listed", "reason without skip", "empty reason without skip"],
)
def test_file_types_that_contradict_themselves_are_refused(written):
    with pytest.raises(ValueError, match="skip_test: true"):
        FileTypes(**written)


def test_file_types_may_be_skipped_or_listed():
    assert FileTypes(skip_test=True, bypass_reason="no files").skip_test
    assert FileTypes(unsupported_types=[UnsupportedFileType(extension=".csv")]).unsupported_types


@pytest.mark.parametrize("extension", ["csv", ".", ""])
def test_an_extension_starts_with_a_dot(extension):
    with pytest.raises(ValueError, match="starts with a dot"):
        UnsupportedFileType(extension=extension)


def test_oauth_is_given_up_only_with_a_reason():
    assert AuthDefaultMethod(oauth=False, bypass_reason="keys only").oauth is False
    assert AuthDefaultMethod().oauth
    with pytest.raises(ValueError, match="needs a bypass_reason"):
        AuthDefaultMethod(oauth=False)


def test_a_cursor_format_is_a_regular_expression():
    assert CursorFormat(format=r"^\d{4}").format == r"^\d{4}"
    with pytest.raises(ValueError, match="regular expression"):
        CursorFormat(format="(")


def test_the_second_streams_cursor_format_is_checked_too():
    written = {"streams": [{"name": "a", "format": "a"}, {"name": "b", "format": "["}]}

    with pytest.raises(msgspec.ValidationError, match="regular expression"):
        msgspec.convert(written, CursorFormat)


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (SpecEntry, {"spec_path": "secrets/spec.json", "config_path": "secrets/config.json"}),
        (ConnectionEntry, {"config_path": "secrets/config.json", "status": "succeed"}),
        (DiscoveryEntry, {"validate_primary_keys_data_type": True}),
        (
            BasicReadEntry,
            {
                "validate_schema": True,
                "validate_stream_statuses": None,
                "validate_state_messages": True,
                "validate_primary_keys_data_type": True,
                "fail_on_extra_columns": None,
                "validate_data_points": False,
                "expect_trace_message_on_failure": True,
                "configured_catalog_path": None,
                "expect_records": None,
            },
        ),
        (FullRefreshEntry, {"ignored_fields": {}}),
        (IncrementalEntry, {"future_state": None, "skip_comprehensive_incremental_tests": False}),
        (ConnectorAttributesEntry, {"streams_without_primary_key": []}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_empty_entry_has_the_defaults_of_the_reference(kind, defaults):
    entry = msgspec.convert({}, kind)

    assert {name: getattr(entry, name) for name in defaults} == defaults


@pytest.mark.parametrize("status", ["succeed", "failed", "exception"])
def test_a_status_of_the_reference_is_accepted(status):
    assert msgspec.convert({"status": status}, ConnectionEntry).status == status


@pytest.mark.parametrize(
    "written",
    [{"status": "success"}, {"timeout_seconds": -1}, {"deployment_mode": "on-premise"}],
    ids=str,
)
def test_a_value_that_means_nothing_is_refused(written):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, ConnectionEntry)
