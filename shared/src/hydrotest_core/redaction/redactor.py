"""Replacing secrets in text, in bytes, and in a stream of chunks."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hydrotest_core.redaction.needles import forms, why_left_out
from hydrotest_core.redaction.search import CONTEXT, Needle, Needles, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RedactingStream", "Redactor"]

_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.\[\]-]")


class Redactor:
    """Replaces each secret, in all the forms it travels in, by `«secret:NAME#3f»`.

    The two digits come from a keyed hash of the value: within one session equal
    values look equal and different ones nearly always different; without the key
    they say nothing. Values too short or too common to be looked for are ignored
    (see `hydrotest_core.redaction.find_secrets`). A digits-only secret counts only
    as a whole number, so a PIN is not found inside a timestamp.

    Args:
        secrets: Value by name, `{"credentials.api_key": "…"}`.
        session_key: Share it between the processes of a session; random if `None`.
    """

    def __init__(
        self,
        secrets: Mapping[str, str] = MappingProxyType({}),
        session_key: bytes | None = None,
    ) -> None:
        self._secrets = dict(secrets)
        self._session_key = random.token_bytes(32) if session_key is None else session_key
        needles: dict[bytes, Needle] = {}
        for name, value in self._secrets.items():
            if why_left_out(value):
                continue
            token = self.token(name, value).encode()
            for pattern in forms(value):
                is_number = _NUMBER.fullmatch(pattern) is not None and pattern.decode() in value
                needles.setdefault(pattern, Needle(pattern, name, token, is_number))
        self._needles = Needles(needles.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return (Redactor, (self._secrets, self._session_key))

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets, {len(self._needles)} needles)"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self._needles

    def extended(self, secrets: Mapping[str, str]) -> Redactor:
        """Return a redactor that knows `secrets` too and gives the same tokens."""
        return Redactor({**self._secrets, **secrets}, self._session_key)

    def token(self, name: str, value: str) -> str:
        """Return what takes the place of `value`: `«secret:NAME#3f»`.

        Characters of the name that could break a JSON line or a page become `_`.
        """
        digest = hmac.new(self._session_key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"«secret:{_NOT_PLAIN.sub('_', name)}#{digest.hexdigest()[:2]}»"

    def redact_text(self, text: str) -> str:
        """Return `text` without the secrets; the same object where there are none."""
        if not self._needles:
            return text
        raw = text.encode("utf-8", "surrogatepass")
        clean = self.redact_bytes(raw)
        return text if clean is raw else clean.decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes) -> bytes:
        """Return `data` without the secrets; the same object where there are none."""
        if not self._needles:
            return data
        return replace(self._needles, data, 0, len(data), covered=0, hits=Counter())[0]

    def stream(self) -> RedactingStream:
        """Return a redactor for chunks of one pipe or file."""
        return RedactingStream(self._needles)


class RedactingStream:
    """Takes secrets out of a stream, wherever the chunks are cut.

    What comes out in total is what `Redactor.redact_bytes` gives for the whole.
    Held back is only what may be the begin of a secret, at most the longest form
    less one byte (a whole number and a point after it, for a numeric one); call
    `flush` at the end.

    Attributes:
        hits: How often a secret was replaced, by the secret's name.
    """

    def __init__(self, needles: Needles) -> None:
        self.hits: Counter[str] = Counter()
        self._needles = needles
        # _kept: bytes that were given out but may say if a number is a whole one,
        # then the bytes held back. _covered: how many of the latter a token, already
        # given out, stands for.
        self._kept = b""
        self._begin = 0
        self._covered = 0

    def __repr__(self) -> str:
        return f"RedactingStream({len(self._needles)} needles, hits={dict(self.hits)})"

    def feed(self, data: bytes) -> bytes:
        """Take the next chunk and return what is clean so far; `data` itself when all is."""
        if not self._needles or not data:
            return data
        whole = self._kept + data if self._kept else data
        cut = len(whole) - self._needles.held_back(whole)
        return self._give(whole, cut)

    def flush(self) -> bytes:
        """Return what was held back; the stream is then as new, its `hits` kept."""
        clean = self._give(self._kept, len(self._kept)) if self._kept else b""
        self._kept, self._begin, self._covered = b"", 0, 0
        return clean

    def _give(self, whole: bytes, cut: int) -> bytes:
        clean, self._covered = replace(
            self._needles, whole, self._begin, cut, covered=self._covered, hits=self.hits
        )
        before = min(CONTEXT, cut) if self._needles.has_numbers else 0
        self._kept, self._begin = whole[cut - before :], before
        return clean
