"""Replacing secrets in text, in bytes, and in a stream of chunks."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
import secrets as random
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hydrotest_core.redaction.needles import forms, why_left_out
from hydrotest_core.redaction.search import CONTEXT, Needle, Needles, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hydrotest_core.redaction.learning import LearningStream

__all__ = ["RedactingStream", "Redactor"]

_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.\[\]-]")
# A connector may send as many configs as it likes; each value costs some dozen searches.
_MOST_LEARNED = 100
_LONGEST_LEARNED = 16 * 1024


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
        specification: What the connector says its config is: it names the secrets in the
            configs that the connector itself sends (`output_streams`).
        left_out: Why a secret is not among `secrets`, by name; see `left_out`.

    Attributes:
        specification: As given.
    """

    def __init__(
        self,
        secrets: Mapping[str, str] = MappingProxyType({}),
        session_key: bytes | None = None,
        specification: Mapping[str, Any] | None = None,
        left_out: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._secrets = dict(secrets)
        self._session_key = random.token_bytes(32) if session_key is None else session_key
        self.specification = specification
        self._left_out = dict(left_out)
        self._learned: dict[str, str] = {}
        self.needles = self._made_needles()

    def _made_needles(self) -> Needles:
        needles: dict[bytes, Needle] = {}
        for name, value in self._secrets.items():
            reason = why_left_out(value)
            if reason:
                self._left_out[name] = reason
                continue
            token = self.token(name, value).encode()
            for pattern in forms(value):
                is_number = _NUMBER.fullmatch(pattern) is not None and pattern.decode() in value
                needles.setdefault(pattern, Needle(pattern, name, token, is_number))
        return Needles(needles.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return (Redactor, (self._secrets, self._session_key, self.specification, self._left_out))

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets, {len(self.needles)} needles)"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self.needles

    def extended(self, secrets: Mapping[str, str]) -> Redactor:
        """Return a redactor that knows `secrets` too and gives the same tokens."""
        return Redactor(
            {**self._secrets, **secrets}, self._session_key, self.specification, self._left_out
        )

    @property
    def left_out(self) -> Mapping[str, str]:
        """Why a secret can't be looked for in text, by its name."""
        return MappingProxyType(self._left_out)

    @property
    def learned(self) -> Mapping[str, str]:
        """What `learn` was told, by the names it gave."""
        return MappingProxyType(self._learned)

    def learn(self, secrets: Mapping[str, str]) -> bool:
        """Look for `secrets` too from now on, in this redactor's streams as well.

        A name that stands for another value already gets a number.

        Returns:
            Whether all are looked for now; what is too much or too long isn't.
        """
        known = set(self._secrets.values())
        new = {name: value for name, value in secrets.items() if value not in known}
        fit = {name: value for name, value in new.items() if len(value) <= _LONGEST_LEARNED}
        room = max(0, _MOST_LEARNED - len(self._learned))
        for name, value in list(fit.items())[:room]:
            number = next(n for n in itertools.count(2) if f"{name}.{n}" not in self._secrets)
            unique = f"{name}.{number}" if name in self._secrets else name
            self._secrets[unique] = self._learned[unique] = value
        if fit and room:
            self.needles = self._made_needles()
        return len(new) == len(fit) <= room

    def token(self, name: str, value: str) -> str:
        """Return what takes the place of `value`: `«secret:NAME#3f»`.

        Characters of the name that could break a JSON line or a page become `_`.
        """
        digest = hmac.new(self._session_key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"«secret:{_NOT_PLAIN.sub('_', name)}#{digest.hexdigest()[:2]}»"

    def redact_text(self, text: str) -> str:
        """Return `text` without the secrets; the same object where there are none."""
        if not self.needles:
            return text
        raw = text.encode("utf-8", "surrogatepass")
        clean = self.redact_bytes(raw)
        return text if clean is raw else clean.decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes) -> bytes:
        """Return `data` without the secrets; the same object where there are none."""
        if not self.needles:
            return data
        return replace(self.needles, data, 0, len(data), covered=0, hits=Counter())[0]

    def stream(self) -> RedactingStream:
        """Return a redactor for chunks of one pipe or file."""
        return RedactingStream(self)

    def output_streams(self) -> tuple[LearningStream, RedactingStream]:
        """Return what cleans stdout, and learns from it, and what cleans stderr."""
        from hydrotest_core.redaction.learning import LearningStream  # noqa: PLC0415 - it needs us

        return LearningStream(self), self.stream()


class RedactingStream:
    """Takes secrets out of a stream, wherever the chunks are cut.

    What comes out in total is what `Redactor.redact_bytes` gives for the whole.
    Held back is only what may be the begin of a secret, at most the longest form
    less one byte (a whole number and a point after it, for a numeric one); call
    `flush` at the end.

    Attributes:
        hits: How often a secret was replaced, by the secret's name.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.hits: Counter[str] = Counter()
        self._redactor = redactor
        # _kept: bytes that were given out but may say if a number is a whole one,
        # then the bytes held back. _covered: how many of the latter a token, already
        # given out, stands for.
        self._kept = b""
        self._begin = 0
        self._covered = 0

    def __repr__(self) -> str:
        return f"RedactingStream({len(self._redactor.needles)} needles, hits={dict(self.hits)})"

    def feed(self, data: bytes) -> bytes:
        """Take the next chunk and return what is clean so far; `data` itself when all is."""
        if not self._redactor.needles or not data:
            return data
        whole = self._kept + data if self._kept else data
        cut = len(whole) - self._redactor.needles.held_back(whole)
        return self._give(whole, cut)

    def flush(self) -> bytes:
        """Return what was held back; the stream is then as new, its `hits` kept."""
        clean = self._give(self._kept, len(self._kept)) if self._kept else b""
        self._kept, self._begin, self._covered = b"", 0, 0
        return clean

    def _give(self, whole: bytes, cut: int) -> bytes:
        clean, self._covered = replace(
            self._redactor.needles, whole, self._begin, cut, covered=self._covered, hits=self.hits
        )
        before = min(CONTEXT, cut) if self._redactor.needles.has_numbers else 0
        self._kept, self._begin = whole[cut - before :], before
        return clean
