from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.protocol import (
    AirbyteCatalog,
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
    to_data,
)


def a_stream(name: str, namespace: str | None = None) -> AirbyteStream:
    return AirbyteStream(
        name=name,
        namespace=namespace,
        json_schema={"type": "object"},
        supported_sync_modes=[SyncMode.FULL_REFRESH],
    )


def configured(stream: AirbyteStream) -> ConfiguredAirbyteStream:
    return ConfiguredAirbyteStream(
        stream=stream,
        sync_mode=SyncMode.INCREMENTAL,
        destination_sync_mode=DestinationSyncMode.APPEND_DEDUP,
        cursor_field=["updated_at"],
    )


STREAMS = [a_stream("users"), a_stream("users", "public"), a_stream("a/b*")]
places = pytest.mark.parametrize(
    ("name", "namespace", "place"),
    [("users", None, 0), ("users", "public", 1), ("a/b*", None, 2), ("users", "x", None)],
    ids=["by name", "by namespace", "by a strange name", "not at all"],
)


@places
def test_a_stream_is_found(name, namespace, place):
    found = AirbyteCatalog(STREAMS).stream(name, namespace)

    assert found is (None if place is None else STREAMS[place])


@places
def test_a_configured_stream_is_found(name, namespace, place):
    streams = [configured(stream) for stream in STREAMS]

    found = ConfiguredAirbyteCatalog(streams).stream(name, namespace)

    assert found is (None if place is None else streams[place])


def test_a_configured_catalog_becomes_json_ready_data():
    catalog = ConfiguredAirbyteCatalog([configured(a_stream("users"))])

    assert to_data(catalog) == {
        "streams": [
            {
                "stream": {
                    "name": "users",
                    "json_schema": {"type": "object"},
                    "supported_sync_modes": ["full_refresh"],
                },
                "sync_mode": "incremental",
                "destination_sync_mode": "append_dedup",
                "cursor_field": ["updated_at"],
            }
        ]
    }


def test_a_null_namespace_is_none_at_all():
    given = msgspec.json.decode(b'{"name":"users","namespace":null}', type=StreamDescriptor)

    assert {given: 1}[StreamDescriptor("users")] == 1


@pytest.mark.parametrize(
    ("descriptor", "text"),
    [(StreamDescriptor("users"), "users"), (StreamDescriptor("users", "public"), "public.users")],
    ids=["without a namespace", "with one"],
)
def test_a_descriptor_shows_its_namespace_first(descriptor, text):
    assert str(descriptor) == text
