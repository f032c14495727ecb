from __future__ import annotations

from types import ModuleType

import airbyte_protocol.models as published
import pytest

from hydrotest_core import testing
from hydrotest_core.protocol.lines import parse_line
from hydrotest_core.testing import (
    a_catalog,
    a_configured_catalog,
    a_connection_status,
    a_legacy_state,
    a_log,
    a_record,
    a_spec,
    a_state,
    a_stream,
    a_stream_status,
    a_trace_error,
    as_line,
)

MESSAGES = {
    "record": a_record("users", id=1),
    "record with all": a_record("users", {"a-b": 1}, namespace_="ns", emitted_at_=7, id=1),
    "state": a_state("users", {"id": 1}),
    "state with all": a_state("users", {"id": 1}, namespace="ns", record_count=3.0),
    "legacy state": a_legacy_state(users={"id": 1}),
    "log": a_log("hello"),
    "log with all": a_log("hello", "ERROR", stack_trace="at line 1"),
    "stream status": a_stream_status("users", "STARTED", namespace="ns"),
    "error": a_trace_error("broken"),
    "error with all": a_trace_error(
        "broken", failure_type="config_error", internal_message="why", stream="users"
    ),
    "connection status": a_connection_status("FAILED", "no key"),
    "spec": a_spec(
        {"key": {"type": "string"}}, required=["key"], supported_destination_sync_modes=[]
    ),
    "catalog": a_catalog("users", a_stream("orders", {"id": {}}, source_defined_cursor=True)),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_each_message_is_one_of_the_protocol(message):
    line = parse_line(as_line(message), 1)

    assert line.problem is None
    assert line.message is not None
    assert line.message.type == message["type"]
    assert published.AirbyteMessage.parse_obj(message).type.value == message["type"]


def test_fields_of_a_record_stand_as_keywords_or_as_data():
    record = a_record("users", {"namespace_": 1}, id=2)["record"]

    assert record["data"] == {"namespace_": 1, "id": 2}
    assert "namespace" not in record


def test_configured_catalog_reads_all_streams_in_one_mode():
    catalog = a_configured_catalog("users", a_stream("orders"), sync_mode="incremental")

    found = published.ConfiguredAirbyteCatalog.parse_obj(catalog)
    assert [(one.stream.name, one.sync_mode.value) for one in found.streams] == [
        ("users", "incremental"),
        ("orders", "incremental"),
    ]


def test_all_that_is_imported_is_exported():
    names = {
        name
        for name, value in vars(testing).items()
        if name[0] != "_" and name != "annotations" and not isinstance(value, ModuleType)
    }

    assert names == set(testing.__all__)
