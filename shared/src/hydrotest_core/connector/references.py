"""Image references, taken apart and put together again without losing a port or a digest."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from hydrotest_core.errors import UsageError

__all__ = ["ImageRef", "is_digest", "is_tag"]

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_REGISTRY = re.compile(
    r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::[0-9]+)?"
)
_MOST_CHARACTERS = 255


def is_tag(text: str) -> bool:
    """Say whether `text` can stand behind the `:` of a reference."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Say whether `text` is a digest: `sha256:` and hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """`registry/path:tag@digest`, each part but the path optional.

    `str(ImageRef.parse(text)) == text` for each reference an engine accepts.
    Source: the distribution project's reference grammar.

    Attributes:
        registry: `localhost:5000`, `registry.example`, `[::1]:5000`, or `None` for the
            engine's default registry.
        path: `airbyte/source-faker`.
        tag: `dev`; what is meant by no tag is the engine's affair (`latest`).
        digest: `sha256:…`; it wins over the tag wherever both are given.
    """

    registry: str | None = None
    path: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Take `text` apart.

        Raises:
            UsageError: `text` is no image reference.
        """
        rest, at, digest = text.partition("@")
        head, slash, last = rest.rpartition("/")
        # Only behind the last slash does a colon start a tag; before it, a port.
        last, colon, tag = last.partition(":")
        registry, path = _split_registry(f"{head}{slash}{last}")
        is_valid = (
            _PATH.fullmatch(path) is not None
            and len(path) <= _MOST_CHARACTERS
            and (registry is None or _REGISTRY.fullmatch(registry) is not None)
            and (not colon or is_tag(tag))
            and (not at or is_digest(digest))
        )
        if not is_valid:
            message = "This is no image reference."
            hint = "write it like airbyte/source-faker:dev or localhost:5000/source-x:1.2.0"
            raise UsageError(message, reference=text, hint=hint)
        return cls(
            registry=registry,
            path=path,
            tag=tag if colon else None,
            digest=digest if at else None,
        )

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.repository}{tag}{digest}"

    @property
    def repository(self) -> str:
        """The reference without tag and digest, the registry kept."""
        return self.path if self.registry is None else f"{self.registry}/{self.path}"

    @property
    def name(self) -> str:
        """The last part of the path: `source-faker`."""
        return self.path.rpartition("/")[2]

    @property
    def engine_name(self) -> str:
        """How to ask an engine for it: by digest alone where there is one."""
        if self.digest is not None:
            return f"{self.repository}@{self.digest}"
        return str(self)

    def with_tag(self, tag: str) -> ImageRef:
        """Return the reference to another tag of the same repository, without digest."""
        return dataclasses.replace(self, tag=tag, digest=None)

    def with_version(self, version: str) -> ImageRef:
        """Return the reference to `version` of the same repository, be it tag or digest.

        Raises:
            UsageError: `version` is neither.
        """
        if is_digest(version):
            return dataclasses.replace(self, tag=None, digest=version)
        if not is_tag(version):
            message = "This is neither an image tag nor a digest."
            hint = "a tag has letters, digits, '_', '.' and '-'; a digest is sha256: and 64 digits"
            raise UsageError(message, version=version, hint=hint)
        return self.with_tag(version)


def _split_registry(name: str) -> tuple[str | None, str]:
    """Tell a registry from the first part of a path, as engines do: by a dot, a port, a name."""
    first, slash, rest = name.partition("/")
    is_registry = bool(slash) and (
        "." in first or ":" in first or first == "localhost" or first != first.lower()
    )
    return (first, rest) if is_registry else (None, name)
