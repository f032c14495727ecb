from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.protocol import diagnosis
from hydrotest_core.protocol.messages import AirbyteMessage, MessageType


def refusal(raw: bytes) -> msgspec.ValidationError:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(raw, type=AirbyteMessage)
    return caught.value


def test_what_the_connector_wrote_is_escaped_and_shortened():
    hostile = "\x1b]0;x\x07\u202e" + "A" * 100

    detail = diagnosis.unknown_type(hostile, list(MessageType))

    assert detail.isascii()
    assert "\\x1b]0;x\\x07\\u202eAAA" in detail
    assert detail.endswith("...'.")


def test_a_value_of_an_enum_is_escaped_and_shortened():
    level = b"\\u001b" + "é\u202e".encode() + b"A" * 100
    exc = refusal(b'{"type":"LOG","log":{"message":"m","level":"%b"}}' % level)

    detail = diagnosis.invalid(exc)

    assert detail.isascii()
    assert "'\\x1b\\xe9\\u202eAAA" in detail
    assert detail.endswith("....")


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("record", " Was RECORD meant?"),
        ("CATALOGUE", " Was CATALOG meant?"),
        ("connectionStatus", " Was CONNECTION_STATUS meant?"),
        ("ACTIVATE_VERSION", ""),
        ("", ""),
    ],
    ids=["small letters", "a slip", "the payload's key", "another protocol", "nothing"],
)
def test_the_nearest_type_is_named(kind, hint):
    expected = f"The protocol has no message type '{kind}'.{hint}"

    assert expected == diagnosis.unknown_type(kind, list(MessageType))


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b'{"type":[]}', "`type` must be a string, not a list."),
        (b"[]", "The message must be an object, not a list."),
        (b"{}", "The message must have the key `type`."),
        (
            b'{"type":"CATALOG","catalog":{"streams":[{"name":true}]}}',
            "`catalog.streams[0].name` must be a string, not true or false.",
        ),
    ],
    ids=["a key", "the message", "a missing key at the top", "a key in a list"],
)
def test_a_wrong_type_is_told_in_words(raw, detail):
    assert diagnosis.invalid(refusal(raw)) == detail
