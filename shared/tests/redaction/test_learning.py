from __future__ import annotations

import itertools
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.redaction import LearningStream, Redactor

OLD, NEW = "old-token-0123456789", "new-token-9876543210/+="
SPEC = {
    "properties": {
        "token": {"type": "string", "airbyte_secret": True},
        "pin": {"type": "string", "airbyte_secret": True},
        "keys": {"type": "array", "items": {"type": "string", "airbyte_secret": True}},
        "auth": {"oneOf": [{"properties": {"a": {}}}, {"properties": {"b": {"airbyte_secret": True}}}]},
    }
}  # fmt: skip


def line(**message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def control(**config) -> bytes:
    body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": config}}
    return line(type="CONTROL", control=body)


def record(text: str) -> bytes:
    return line(type="RECORD", record={"stream": "s", "emitted_at": 1, "data": {"a": text}})


def a_redactor(**secrets: str) -> Redactor:
    return Redactor({"token": OLD, **secrets}, b"session", SPEC)


def cleaned(stream: LearningStream, data: bytes, cuts: list[int] | None = None) -> bytes:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]
    return b"".join(map(stream.feed, chunks)) + stream.flush()


@pytest.mark.parametrize("keys_first", [True, False], ids=["type first", "type last"])
def test_a_new_secret_is_taken_out_of_its_message_and_of_all_that_follows(keys_first):
    message = json.loads(control(token=NEW, other="kept"))
    parts = sorted(message.items(), reverse=keys_first)
    data = record("before") + line(**dict(parts)) + record(NEW) + record(OLD)

    clean = cleaned(a_redactor().output_streams()[0], data)

    assert NEW.encode() not in clean
    assert OLD.encode() not in clean
    assert json.loads(clean.splitlines()[1])["control"]["connectorConfig"]["config"] == {
        "token": a_redactor().token("token.2", NEW),
        "other": "kept",
    }


@pytest.mark.parametrize(
    ("config", "secret"),
    [
        ({"keys": ["plain-value-one", "second-key-in-a-list"]}, "second-key-in-a-list"),
        ({"auth": {"b": "secret-of-a-variant"}}, "secret-of-a-variant"),
        ({"unknown": {"client_secret": "named-as-a-secret"}}, "named-as-a-secret"),
    ],
    ids=["in an array", "in a oneOf", "by its name"],
)
def test_secrets_are_found_where_the_specification_has_them(config, secret):
    clean = cleaned(a_redactor().output_streams()[0], control(**config) + record(secret))

    assert secret.encode() not in clean


def test_stderr_forgets_it_too():
    stdout, stderr = a_redactor().output_streams()

    before = stderr.feed(NEW.encode() + b"\n")
    stdout.feed(control(token=NEW))
    after = stderr.feed(NEW.encode() + b"\n") + stderr.flush()

    assert NEW.encode() in before
    assert NEW.encode() not in after


def test_the_second_update_is_learned_beside_the_first():
    redactor = a_redactor()
    clean = cleaned(
        redactor.output_streams()[0],
        control(token=NEW) + control(token="third-token-5555") + record(NEW + "third-token-5555"),
    )

    assert b"third" not in clean
    assert NEW.encode() not in clean
    assert dict(redactor.learned) == {"token.2": NEW, "token.3": "third-token-5555"}


def test_a_config_without_news_changes_nothing_and_is_no_leak():
    redactor = a_redactor()
    stdout, _ = redactor.output_streams()

    clean = cleaned(stdout, control(token=OLD))

    assert OLD.encode() not in clean
    assert (dict(redactor.learned), dict(stdout.hits)) == ({}, {})


def test_a_secret_too_short_to_look_for_is_taken_out_by_its_place():
    clean = cleaned(
        a_redactor().output_streams()[0], control(pin="1234", count=1234) + record("1234")
    )

    message, after = map(json.loads, clean.splitlines())
    config = message["control"]["connectorConfig"]["config"]
    assert config == {"pin": a_redactor().token("pin", "1234"), "count": 1234}
    assert after["record"]["data"] == {"a": "1234"}


def test_more_secrets_than_can_be_looked_for_are_taken_out_by_their_place():
    redactor = a_redactor()
    values = [f"secret-number-{n:04}" for n in range(300)]
    stdout, _ = redactor.output_streams()
    clean = cleaned(stdout, control(keys=values) + control(keys=["one-secret-more"]))

    assert [value for value in [*values, "one-secret-more"] if value.encode() in clean] == []
    assert len(redactor.learned) == 100


def test_a_secret_of_a_megabyte_is_taken_out_by_its_place():
    redactor = a_redactor()

    clean = cleaned(redactor.output_streams()[0], control(token="x1y2" * 250_000, other=1))

    assert b"x1y2x1y2" not in clean
    assert dict(redactor.learned) == {}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no newline",
        b"\n\n",
        b'{"type":"CONTROL","connectorConfig":1}\n',
        b'["connectorConfig"]\nconnectorConfig{\n',
        line(type="CONTROL", control={"connectorConfig": {"config": [1]}}),
        line(type="RECORD", control={"connectorConfig": {"config": {"token": NEW}}}),
        b'{"type":"CONTROL","control":{"connectorConfig":{"config":' + b"[" * 5000 + b"\n",
        b'{"type":"CONTROL","control":{"connectorConfig":{"config":{"a":\xff}}}}\n',
    ],
    ids=["nothing", "half", "empty", "no config", "no message", "a list", "a record", "deep", "no text"],
)  # fmt: skip
def test_what_is_no_control_message_comes_back_as_it_is(data):
    assert cleaned(a_redactor().output_streams()[0], data) == data


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, 10_000), max_size=20),
    parts=st.lists(
        st.sampled_from([
            control(token=NEW),
            control(token="third-token-5555", pin="12"),
            record(NEW),
            record("plain"),
            record(OLD),
            NEW.encode() + b"\n",
            b"garbage\n\n",
            b'  { "type" : "RECORD", "connectorConfig" : 1}\n',
        ]),
        max_size=8,
    ),
    end=st.sampled_from([b"", b"half a line", control(token=NEW)[:-1], record(OLD)[:-1]]),
)  # fmt: skip
def test_chunks_cut_anywhere_give_the_same(cuts, parts, end):
    data = b"".join(parts) + end
    whole = cleaned(a_redactor().output_streams()[0], data)

    assert cleaned(a_redactor().output_streams()[0], data, cuts) == whole
    assert whole.count(b"\n") == data.count(b"\n")


def test_a_record_is_given_out_before_its_line_ends():
    stdout, _ = a_redactor().output_streams()

    assert stdout.feed(b'{"type": "RECORD", "record": {') == b'{"type": "RECORD", "record": {'
    assert stdout.feed(b'"data": 1') == b'"data": 1'


def test_a_line_of_another_kind_is_held_back_up_to_a_megabyte():
    stdout, _ = a_redactor().output_streams()

    assert stdout.feed(b"x" * 1024 * 1024) == b""
    assert len(stdout.feed(b"x")) == 1024 * 1024 + 1
    assert stdout.feed(b"y") == b"y"


def test_no_byte_of_a_new_secret_is_written_by_a_recorder(tmp_path):
    with OutputRecorder(tmp_path, a_redactor()) as recorder:
        recorder.stdout(record("before") + control(token=NEW, pin="1234")[:50])
        recorder.stdout(control(token=NEW, pin="1234")[50:] + record(NEW))
        recorder.stderr(NEW.encode())

    written = {
        os.path.relpath(path, tmp_path): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert [name for name, data in written.items() if NEW.encode() in data] == []
    assert b"1234" not in written["messages/controls.jsonl"]
    assert b'"before"' in written["records/000.jsonl"]
