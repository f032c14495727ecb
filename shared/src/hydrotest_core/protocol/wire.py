"""How protocol values go onto the wire: the common base of all messages.

Attributes are snake_case, and `rename` gives the protocol's own spelling
(`connectionStatus`, `global`). Fields that the protocol doesn't know are allowed
and ignored: the raw line, kept beside the message, still has them.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["WireStruct", "to_data", "to_wire"]


class WireStruct(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value of the Airbyte protocol; a field that is `None` is left out on the wire."""


def to_wire(value: WireStruct) -> bytes:
    r"""Encode a protocol value as one line of JSON, without the line's end.

    What equals its default is left out, so no `null` is written for what was
    never said.

    Examples:
        >>> from hydrotest_core.protocol import StreamDescriptor
        >>> to_wire(StreamDescriptor("users"))
        b'{"name":"users"}'
    """
    return msgspec.json.encode(value)


def to_data(value: WireStruct) -> dict[str, Any]:
    """Convert a protocol value to plain JSON data, spelled as on the wire.

    It is what `ExecutionInputs.configured_catalog` and JSON-schema validators
    take. A record's data, raw until then, is decoded.
    """
    data: dict[str, Any] = msgspec.json.decode(to_wire(value))
    return data
