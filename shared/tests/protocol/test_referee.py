"""The published pydantic models are the referee: both must read the same from the same bytes.

What differs on purpose stands in the two tables at the end, `STRICTER` and `MILDER`, and in
`_published` (a number in `rootObject`). Nothing else may.
"""

from __future__ import annotations

import copy
import enum
import functools
import json
import operator
import string
from typing import TYPE_CHECKING, Any

import airbyte_protocol.models as published
import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hydrotest_core import protocol
from hydrotest_core.protocol import AirbyteMessage, MessageType, parse_line

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

few = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

texts = st.text(max_size=8)
numbers = st.integers(-100, 100) | st.integers(-(10**40), 10**40) | st.just(2**64)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | floats | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, values, max_size=3)
paths = st.lists(texts, max_size=3)
extras = st.dictionaries(texts.map("x-{}".format), values, max_size=1)


def an_object(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Objects with all required keys, some optional ones, perhaps null, and unknown ones."""
    known = st.fixed_dictionaries(
        required, optional={key: st.none() | value for key, value in optional.items()}
    )
    return st.builds(lambda told, more: {**told, **more}, known, extras)


def one_of(kind: type[enum.Enum]) -> st.SearchStrategy[Any]:
    return st.sampled_from([member.value for member in kind])


descriptors = an_object({"name": texts}, {"namespace": texts})
changes = an_object(
    {"field": texts, "change": one_of(published.Change), "reason": one_of(published.Reason)}, {}
)
records = an_object(
    {"stream": texts, "data": objects, "emitted_at": numbers},
    {
        "namespace": texts,
        "meta": an_object({}, {"changes": st.lists(changes, max_size=2)}),
        "file_reference": an_object(
            {},
            {
                "staging_file_url": texts,
                "source_file_relative_path": texts,
                "file_size_bytes": numbers,
            },
        ),
    },
)
stats = an_object({}, {"recordCount": floats | numbers, "rejectedRecordCount": floats})
stream_states = an_object({"stream_descriptor": descriptors}, {"stream_state": objects})
global_states = an_object(
    {"stream_states": st.lists(stream_states, max_size=2)}, {"shared_state": objects}
)
both_stats = {"sourceStats": stats, "destinationStats": stats}
states = (
    an_object({"type": st.just("STREAM"), "stream": stream_states}, both_stats)
    | an_object({"type": st.just("GLOBAL"), "global": global_states}, both_stats)
    | an_object({"data": objects}, {"type": st.just("LEGACY"), **both_stats})
)
logs = an_object({"level": one_of(published.Level), "message": texts}, {"stack_trace": texts})
errors = an_object(
    {"message": texts},
    {
        "internal_message": texts,
        "stack_trace": texts,
        "failure_type": one_of(published.FailureType),
        "stream_descriptor": descriptors,
    },
)
estimates = an_object(
    {"name": texts, "type": one_of(published.EstimateType)},
    {"namespace": texts, "row_estimate": numbers, "byte_estimate": numbers},
)
reasons = an_object(
    {"type": st.just("RATE_LIMITED")},
    {"rate_limited": an_object({}, {"quota_reset": numbers})},
)
statuses = an_object(
    {"stream_descriptor": descriptors, "status": one_of(published.AirbyteStreamStatus)},
    {"reasons": st.lists(reasons, max_size=2)},
)
analytics = an_object({"type": texts}, {"value": texts})


def traces_of(kind: str, content: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return an_object(
        {"type": st.just(kind.upper()), "emitted_at": floats | numbers, kind: content}, {}
    )


traces = (
    traces_of("error", errors)
    | traces_of("estimate", estimates)
    | traces_of("stream_status", statuses)
    | traces_of("analytics", analytics)
)
controls = an_object(
    {
        "type": st.just("CONNECTOR_CONFIG"),
        "emitted_at": floats,
        "connectorConfig": an_object({"config": objects}, {}),
    },
    {},
)
checks = an_object({"status": one_of(published.Status)}, {"message": texts})
streams = an_object(
    {
        "name": texts,
        "json_schema": objects,
        "supported_sync_modes": st.lists(one_of(published.SyncMode), min_size=1, max_size=2),
    },
    {
        "source_defined_cursor": st.booleans(),
        "default_cursor_field": paths,
        "source_defined_primary_key": st.lists(paths, max_size=2),
        "namespace": texts,
        "is_resumable": st.booleans(),
        "is_file_based": st.booleans(),
    },
)
catalogs = an_object({"streams": st.lists(streams, max_size=2)}, {})
operations = an_object(
    {
        "object_name": texts,
        "sync_mode": one_of(published.DestinationSyncMode),
        "json_schema": objects,
    },
    {"matching_keys": st.lists(paths, max_size=2)},
)
destination_catalogs = an_object({"operations": st.lists(operations, max_size=2)}, {})
OAUTH_TEXTS = (
    *("scope", "client_id_key", "client_secret_key", "scope_key", "state_key"),
    *("auth_code_key", "redirect_uri_key", "token_expiry_key"),
)
oauth_inputs = an_object(
    {"consent_url": texts, "access_token_url": texts},
    {
        "access_token_headers": objects,
        "access_token_params": objects,
        "extract_output": paths,
        "state": an_object({}, {"min": numbers, "max": numbers}),
        **dict.fromkeys(OAUTH_TEXTS, texts),
    },
)
oauth_configs = an_object(
    {},
    {
        "oauth_user_input_from_connector_config_specification": objects,
        "oauth_connector_input_specification": oauth_inputs,
        "complete_oauth_output_specification": objects,
        "complete_oauth_server_input_specification": objects,
        "complete_oauth_server_output_specification": objects,
    },
)
urls = st.sampled_from(["https://docs.example.com/sources/x", "http://example.com/?a=b#c"])
specs = an_object(
    {"connectionSpecification": objects},
    {
        "documentationUrl": urls,
        "changelogUrl": urls,
        "supportsIncremental": st.booleans(),
        "supportsNormalization": st.booleans(),
        "supportsDBT": st.booleans(),
        "supported_destination_sync_modes": st.lists(
            one_of(published.DestinationSyncMode), max_size=3
        ),
        "authSpecification": an_object(
            {},
            {
                "auth_type": st.just("oauth2.0"),
                "oauth2Specification": an_object(
                    {},
                    {
                        "rootObject": st.lists(texts | st.integers(0, 9), max_size=3),
                        "oauthFlowInitParameters": st.lists(paths, max_size=2),
                        "oauthFlowOutputParameters": st.lists(paths, max_size=2),
                    },
                ),
            },
        ),
        "advanced_auth": an_object(
            {},
            {
                "auth_flow_type": one_of(published.AuthFlowType),
                "predicate_key": paths,
                "predicate_value": texts,
                "oauth_config_specification": oauth_configs,
            },
        ),
        "protocol_version": texts,
    },
)

PAYLOADS = {
    "RECORD": ("record", records),
    "STATE": ("state", states),
    "LOG": ("log", logs),
    "SPEC": ("spec", specs),
    "CONNECTION_STATUS": ("connectionStatus", checks),
    "CATALOG": ("catalog", catalogs),
    "TRACE": ("trace", traces),
    "CONTROL": ("control", controls),
    "DESTINATION_CATALOG": ("destination_catalog", destination_catalogs),
}
each_type = pytest.mark.parametrize("kind", PAYLOADS)


def messages(kind: str) -> st.SearchStrategy[Any]:
    key, content = PAYLOADS[kind]
    others = {name: st.none() for name, _ in PAYLOADS.values() if name != key}
    return an_object({"type": st.just(kind), key: content}, others)


def as_json(value: Any, chance: random.Random) -> str:
    """Write JSON as nobody expects it: keys in any order, blanks and escapes anywhere."""
    blank = chance.choice(["", "", " ", "\t "])
    if isinstance(value, dict):
        members = list(value.items())
        chance.shuffle(members)
        pairs = (f"{as_json(key, chance)}:{as_json(each, chance)}" for key, each in members)
        return f"{blank}{{{','.join(pairs)}}}{blank}"
    if isinstance(value, list):
        return f"{blank}[{','.join(as_json(each, chance) for each in value)}]{blank}"
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    if isinstance(value, str) and value[:1] in set(string.ascii_letters):
        text = chance.choice([text, f'"\\u{ord(value[0]):04x}{text[2:]}'])
    return f"{blank}{text}{blank}"


def as_line(message: Any, chance: random.Random) -> bytes:
    return as_json(message, chance).encode()


def _ours(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return {field.encode_name: _ours(getattr(value, field.name)) for field in fields}
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    if isinstance(value, enum.Enum):
        return value.value
    return [_ours(each) for each in value] if isinstance(value, list) else value


def _published(value: Any) -> Any:
    if isinstance(value, published.AirbyteStateBlob):
        return dict(value.__dict__)
    if isinstance(value, pydantic.BaseModel):
        return {
            field.alias: _published(getattr(value, name))
            for name, field in value.__fields__.items()
        }
    if isinstance(value, enum.Enum):
        return value.value
    return [_published(each) for each in value] if isinstance(value, list) else value


def _with_root_as_text(message: Any) -> Any:
    """The published models turn the number in `["credentials", 0]` into a text; we don't."""
    auth = (message["spec"] or {}).get("authSpecification") or {}
    oauth = auth.get("oauth2Specification") or {}
    if oauth.get("rootObject"):
        oauth["rootObject"] = [str(step) for step in oauth["rootObject"]]
    return message


def exact(data: Any) -> str:
    """`1`, `1.0` and `true` are equal in Python; as text they aren't."""
    return json.dumps(data, sort_keys=True)


@each_type
@few
@given(data=st.data())
def test_both_read_the_same_values_from_the_same_bytes(kind, data):
    raw = as_line(data.draw(messages(kind)), data.draw(st.randoms(use_true_random=False)))

    line = parse_line(raw, 1)

    assert line.problem is None
    theirs = _published(published.AirbyteMessage.parse_raw(raw))
    assert exact(_with_root_as_text(theirs)) == exact(_with_root_as_text(_ours(line.message)))


@few
@given(
    streams=st.lists(
        an_object(
            {
                "stream": streams,
                "sync_mode": one_of(published.SyncMode),
                "destination_sync_mode": one_of(published.DestinationSyncMode),
            },
            {
                "cursor_field": paths,
                "destination_object_name": texts,
                "primary_key": st.lists(paths, max_size=2),
                "generation_id": numbers,
                "minimum_generation_id": numbers,
                "sync_id": numbers,
                "include_files": st.booleans(),
            },
        ),
        max_size=2,
    ),
    chance=st.randoms(use_true_random=False),
)
def test_both_read_the_same_configured_catalog(streams, chance):
    raw = as_line({"streams": streams}, chance)

    ours = msgspec.json.decode(raw, type=protocol.ConfiguredAirbyteCatalog)

    theirs = published.ConfiguredAirbyteCatalog.parse_raw(raw)
    assert exact(_published(theirs)) == exact(_ours(ours))


@each_type
@few
@given(data=st.data())
def test_what_we_write_both_read_as_it_was(kind, data):
    raw = as_line(data.draw(messages(kind)), data.draw(st.randoms(use_true_random=False)))
    message = parse_line(raw, 1).message
    assert message is not None

    again = protocol.to_wire(message)

    theirs = _published(published.AirbyteMessage.parse_raw(again))
    assert exact(_ours(message)) == exact(_ours(parse_line(again, 2).message))
    assert exact(_with_root_as_text(theirs)) == exact(_with_root_as_text(_ours(message)))


OPAQUE = {
    *("data", "stream_state", "shared_state", "json_schema", "connectionSpecification", "config"),
    *("access_token_headers", "access_token_params"),
    "oauth_user_input_from_connector_config_specification",
    "complete_oauth_output_specification",
    "complete_oauth_server_input_specification",
    "complete_oauth_server_output_specification",
}
WRONG = [None, 5, 1.5, True, "wrong", "", [], {}, [5], ["a"], {"a": 1}, [[]], [{}]]
GONE = object()

RECORD = {"stream": "s", "data": {}, "emitted_at": 1}
STREAM = {"name": "s", "json_schema": {}, "supported_sync_modes": ["incremental"]}
DESCRIPTOR = {"name": "s", "namespace": "n"}
STATS = {"recordCount": 1.0, "rejectedRecordCount": 0.0}


def a_trace(kind: str, **content: Any) -> dict[str, Any]:
    trace = {"type": kind.upper(), "emitted_at": 1.5, kind: content}
    return {"type": "TRACE", "trace": trace}


def a_state(**content: Any) -> dict[str, Any]:
    return {"type": "STATE", "state": {"sourceStats": STATS, "destinationStats": STATS, **content}}


STREAM_STATE = {"stream_descriptor": DESCRIPTOR, "stream_state": {"a": 1}}
COMPLETE = {
    "record": {
        "type": "RECORD",
        "record": {
            **RECORD,
            "namespace": "n",
            "meta": {
                "changes": [
                    {"field": "a", "change": "NULLED", "reason": "SOURCE_RETRIEVAL_ERROR"},
                    {"field": "b", "change": "NULLED", "reason": "SOURCE_RETRIEVAL_ERROR"},
                ]
            },
            "file_reference": {
                "staging_file_url": "/a",
                "source_file_relative_path": "a",
                "file_size_bytes": 1,
            },
        },
    },
    "stream state": a_state(type="STREAM", stream=STREAM_STATE),
    "global state": a_state(
        type="GLOBAL",
        **{"global": {"shared_state": {}, "stream_states": [STREAM_STATE, STREAM_STATE]}},
    ),
    "legacy state": a_state(type="LEGACY", data={"s": 1}),
    "log": {"type": "LOG", "log": {"level": "INFO", "message": "m", "stack_trace": "t"}},
    "error": a_trace(
        "error",
        message="m",
        internal_message="i",
        stack_trace="t",
        failure_type="config_error",
        stream_descriptor=DESCRIPTOR,
    ),
    "estimate": a_trace(
        "estimate", name="s", type="STREAM", namespace="n", row_estimate=1, byte_estimate=2
    ),
    "stream status": a_trace(
        "stream_status",
        stream_descriptor=DESCRIPTOR,
        status="RUNNING",
        reasons=[{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 1}}],
    ),
    "analytics": a_trace("analytics", type="t", value="v"),
    "control": {
        "type": "CONTROL",
        "control": {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": {}}},
    },
    "check": {
        "type": "CONNECTION_STATUS",
        "connectionStatus": {"status": "FAILED", "message": "no"},
    },
    "catalog": {
        "type": "CATALOG",
        "catalog": {
            "streams": [
                STREAM,
                {
                    **STREAM,
                    "source_defined_cursor": True,
                    "default_cursor_field": ["a"],
                    "source_defined_primary_key": [["a", "b"], ["c"]],
                    "namespace": "n",
                    "is_resumable": True,
                    "is_file_based": False,
                },
            ]
        },
    },
    "destination catalog": {
        "type": "DESTINATION_CATALOG",
        "destination_catalog": {
            "operations": [
                {
                    "object_name": "o",
                    "sync_mode": "append",
                    "json_schema": {},
                    "matching_keys": [["a"], ["b", "c"]],
                }
            ]
        },
    },
    "spec": {
        "type": "SPEC",
        "spec": {
            "connectionSpecification": {},
            "documentationUrl": "https://example.com",
            "changelogUrl": "https://example.com",
            "supportsIncremental": True,
            "supportsNormalization": True,
            "supportsDBT": True,
            "supported_destination_sync_modes": ["append", "overwrite"],
            "authSpecification": {
                "auth_type": "oauth2.0",
                "oauth2Specification": {
                    "rootObject": ["a", 0],
                    "oauthFlowInitParameters": [["a"], ["b"]],
                    "oauthFlowOutputParameters": [["c"]],
                },
            },
            "advanced_auth": {
                "auth_flow_type": "oauth1.0",
                "predicate_key": ["a", "b"],
                "predicate_value": "c",
                "oauth_config_specification": {
                    "oauth_user_input_from_connector_config_specification": {},
                    "oauth_connector_input_specification": {
                        "consent_url": "{{ x }}",
                        "access_token_url": "{{ y }}",
                        "access_token_headers": {},
                        "access_token_params": {},
                        "extract_output": ["a"],
                        "state": {"min": 7, "max": 128},
                        **dict.fromkeys(OAUTH_TEXTS, "k"),
                    },
                    "complete_oauth_output_specification": {},
                    "complete_oauth_server_input_specification": {},
                    "complete_oauth_server_output_specification": {},
                },
            },
            "protocol_version": "0.2.0",
        },
    },
}


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all that the protocol itself gives a meaning."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in members:
        yield (*above, key)
        if isinstance(each, dict | list) and key not in OPAQUE:
            yield from places(each, (*above, key))


def spoilt(message: Any, path: tuple[Any, ...], wrong: Any) -> bytes:
    message = copy.deepcopy(message)
    container = functools.reduce(operator.getitem, path[:-1], message)
    if wrong is GONE:
        del container[path[-1]]
    else:
        container[path[-1]] = wrong
    return json.dumps(message).encode()


def is_rejected(raw: bytes) -> bool:
    try:
        published.AirbyteMessage.parse_raw(raw)
    except pydantic.ValidationError:
        return True
    return False


@pytest.mark.parametrize("message", COMPLETE.values(), ids=COMPLETE.keys())
def test_a_complete_message_pleases_both(message):
    raw = json.dumps(message).encode()

    assert parse_line(raw, 1).problem is None
    assert not is_rejected(raw)


@pytest.mark.parametrize("message", COMPLETE.values(), ids=COMPLETE.keys())
def test_what_the_referee_rejects_is_a_problem(message):
    checked = 0
    missed = []
    for path in places(message):
        for wrong in [GONE, *WRONG]:
            raw = spoilt(message, path, wrong)
            if not is_rejected(raw) or path[-1] in {"documentationUrl", "changelogUrl"}:
                continue
            emptied = (path[-1:], wrong) == (("supported_sync_modes",), [])
            if emptied or ("supported_sync_modes" in path[:-1] and wrong is GONE):
                continue
            checked += 1
            if parse_line(raw, 1).problem is None:
                missed.append(raw)

    assert checked > 10
    assert missed == []


STRICTER = {
    "a number is no string": {"type": "RECORD", "record": {**RECORD, "stream": 5}},
    "a string is no number": {"type": "RECORD", "record": {**RECORD, "emitted_at": "1"}},
    "a fraction is no integer": {"type": "RECORD", "record": {**RECORD, "emitted_at": 1.5}},
    "a boolean is no integer": {"type": "RECORD", "record": {**RECORD, "emitted_at": True}},
    "a list of pairs is no object": {"type": "RECORD", "record": {**RECORD, "data": [["a", 1]]}},
    "a string is no boolean": {
        "type": "CATALOG",
        "catalog": {"streams": [{**STREAM, "is_resumable": "yes"}]},
    },
    "a number is no boolean": {
        "type": "CATALOG",
        "catalog": {"streams": [STREAM, {**STREAM, "is_resumable": 1}]},
    },
    "a number is no string in an event": {
        "type": "TRACE",
        "trace": {"type": "ANALYTICS", "emitted_at": 1, "analytics": {"type": "t", "value": 5}},
    },
    "NaN is no JSON": {"type": "RECORD", "record": {**RECORD, "data": {"a": float("nan")}}},
    "a type needs its payload": {"type": "RECORD"},
    "another payload won't do": {"type": "LOG", "record": RECORD},
    "a trace needs its payload": {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1}},
    "a control message needs its payload": {
        "type": "CONTROL",
        "control": {"type": "CONNECTOR_CONFIG", "emitted_at": 1},
    },
    "a stream state needs its payload": {"type": "STATE", "state": {"type": "STREAM"}},
    "a global state needs its payload": {"type": "STATE", "state": {"type": "GLOBAL"}},
    "a state needs something": {"type": "STATE", "state": {}},
}


@pytest.mark.parametrize("message", STRICTER.values(), ids=STRICTER.keys())
def test_we_are_stricter_than_the_referee(message):
    raw = json.dumps(message).encode()

    assert not is_rejected(raw)
    assert parse_line(raw, 1).problem is not None


MILDER = {
    "a URL is text until a rule looks at it": {
        "type": "SPEC",
        "spec": {"connectionSpecification": {}, "documentationUrl": "see the wiki"},
    },
    "a stream without sync modes is for a rule to judge": {
        "type": "CATALOG",
        "catalog": {"streams": [{**STREAM, "supported_sync_modes": []}]},
    },
    "so is the second one": {
        "type": "SPEC",
        "spec": {
            "connectionSpecification": {},
            "documentationUrl": "https://example.com",
            "changelogUrl": "",
        },
    },
}


@pytest.mark.parametrize("message", MILDER.values(), ids=MILDER.keys())
def test_we_are_milder_than_the_referee(message):
    raw = json.dumps(message).encode()

    assert is_rejected(raw)
    assert parse_line(raw, 1).problem is None


OTHER_NAMES = {"State": "OauthState", "Type": "MessageType"}
PLAIN_DATA = {"AirbyteStateBlob", "AirbyteProtocol"}


def published_classes(base: type) -> list[type]:
    members = vars(published.airbyte_protocol).values()
    return [
        each
        for each in members
        if isinstance(each, type)
        and issubclass(each, base)
        and each.__module__.startswith("airbyte_protocol")
        and each.__name__ not in PLAIN_DATA
    ]


def ours_for(theirs: type) -> Any:
    return getattr(protocol, OTHER_NAMES.get(theirs.__name__, theirs.__name__))


@pytest.mark.parametrize("theirs", published_classes(pydantic.BaseModel), ids=lambda c: c.__name__)
def test_each_published_model_has_its_struct_with_the_same_fields(theirs):
    fields = msgspec.structs.fields(ours_for(theirs))

    expected = {
        field.alias: (bool(field.required), field.default) for field in theirs.__fields__.values()
    }
    assert expected == {
        field.encode_name: (field.required, None if field.required else field.default)
        for field in fields
    }


@pytest.mark.parametrize("theirs", published_classes(enum.Enum), ids=lambda c: c.__name__)
def test_each_published_enum_has_its_own_with_the_same_values(theirs):
    ours = ours_for(theirs)

    assert [member.value for member in theirs] == [member.value for member in ours]
    assert all(member.name.isupper() for member in ours)


def test_each_type_of_message_is_generated_above():
    assert set(PAYLOADS) == set(MessageType.__members__)
    assert {key for key, _ in PAYLOADS.values()} | {"type"} == {
        field.encode_name for field in msgspec.structs.fields(AirbyteMessage)
    }
