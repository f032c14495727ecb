r"""Learning new secrets from what a connector says, before anything of it is written down.

A connector may be given a new token while it runs, and hand it to the platform in a CONTROL
message: the secrets of that config are taken out of the message itself and of all that comes
after it, on stdout and stderr alike.

Not learned from: a message that isn't valid JSON, one of more than 8 MB, and one whose keys
are spelled with escapes (`connector\u0043onfig`), which no library does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hydrotest_core.redaction.config import find_secrets, without_secrets

if TYPE_CHECKING:
    from collections import Counter

    from hydrotest_core.redaction.redactor import Redactor

__all__ = ["LearningStream"]

_MARK: Final = b"connectorConfig"
_HARMLESS: Final = re.compile(rb'\s*\{\s*"type"\s*:\s*"(?!CONTROL)[A-Z_]+"')
_LONG_BYTES: Final = 1024 * 1024
_LONGEST_BYTES: Final = 8 * 1024 * 1024
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError)


class LearningStream:
    """A `RedactingStream` for stdout that gives out whole lines, and learns from CONTROL.

    The begin of a line is held back until it can be told that the line is no CONTROL message,
    at most 1 MB of it (8 MB where it looks like one). What is taken out of a CONTROL message
    isn't counted in `hits`: secrets are meant to be in there.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._inner = redactor.stream()
        self._held = bytearray()
        self._is_marked = False  # What is held may be a CONTROL message.
        self._is_inside = False  # Of a line whose begin was given out.

    def __repr__(self) -> str:
        return f"LearningStream({self._redactor!r}, hits={dict(self.hits)})"

    @property
    def hits(self) -> Counter[str]:
        """How often a secret was replaced, by the secret's name."""
        return self._inner.hits

    def feed(self, data: bytes) -> bytes:
        """Take the next chunk and return what is clean so far."""
        end = data.rfind(b"\n") + 1
        if not end:
            return self._inner.feed(data) if self._is_inside else self._hold(data)
        is_rest_harmless = end == len(data) or _HARMLESS.match(data, end) is not None
        ready = data if is_rest_harmless else data[:end]
        clean = self._take(self._released() + ready if self._held else ready)
        if not is_rest_harmless:
            self._hold(data[end:])
        self._is_inside = is_rest_harmless and end < len(data)
        return clean

    def flush(self) -> bytes:
        """Return what was held back; the stream is then as new, its `hits` kept."""
        clean = self._take(self._released()) + self._inner.flush()
        self._is_inside = False
        return clean

    def _hold(self, data: bytes) -> bytes:
        """Keep the begin of a line, or give all of it out where that does no harm."""
        self._held += data
        self._is_marked |= self._held.find(_MARK, -len(data) - len(_MARK)) >= 0
        limit = _LONGEST_BYTES if self._is_marked else _LONG_BYTES
        if len(self._held) <= limit and not _HARMLESS.match(self._held):
            return b""
        self._is_inside = True
        return self._inner.feed(self._released())

    def _released(self) -> bytes:
        held = bytes(self._held)
        self._held, self._is_marked = bytearray(), False
        return held

    def _take(self, ready: bytes) -> bytes:
        """Return whole lines clean; what is learned from one counts from that one on."""
        if _MARK not in ready:
            return self._inner.feed(ready)
        pieces = []
        done = at = 0
        while (found := ready.find(_MARK, at)) >= 0:
            start = ready.rfind(b"\n", done, found) + 1 or done
            at = ready.find(b"\n", found) + 1 or len(ready)
            message = _control(ready[start:at])
            if message is not None:
                pieces += [self._inner.feed(ready[done:start]), self._inner.flush()]
                pieces.append(self._learned_from(message, ready[start:at]))
                done = at
        pieces.append(self._inner.feed(ready[done:]))
        return b"".join(pieces)

    def _learned_from(self, message: dict[str, Any], line: bytes) -> bytes:
        holder = message["control"]["connectorConfig"]
        specification = self._redactor.specification
        found = find_secrets(holder["config"], specification)
        if not self._redactor.learn(found.values) or found.left_out:
            # By its place a secret is found that can't be told from other text.
            holder["config"] = without_secrets(
                holder["config"], specification, self._redactor.token
            )
            line = msgspec.json.encode(message) + line[len(line.rstrip(b"\r\n")) :]
        return self._redactor.redact_bytes(line)


def _control(line: bytes) -> dict[str, Any] | None:
    """Return a CONTROL message with a config; `None` for everything else."""
    try:
        message = msgspec.json.decode(line)
        is_meant = message["type"] == "CONTROL" and isinstance(
            message["control"]["connectorConfig"]["config"], dict
        )
    except (*_REFUSED, KeyError, TypeError, IndexError):
        return None
    return message if is_meant else None
