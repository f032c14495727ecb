"""Which values of a connector's config are secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from hydrotest_core.redaction.needles import why_left_out

__all__ = ["FoundSecrets", "SecretDict", "find_secrets", "secret_values", "without_secrets"]

_DEPTH = 64

# What is a secret under any spec, by the end of its name with `_` and `-` taken out.
_ALWAYS_SECRET = re.compile(
    r"(passw(or)?d|passphrase|pwd|secret|(access|refresh|auth|bearer|session|api|client|id)token"
    r"|(api|private|secret|accesskey|encryption|signing|shared|account)key|(secretaccess|accesssecret)key|accesskeysecret|jwt)$"
)
# What is taken for one where no spec says better.
_LIKELY_SECRET = re.compile(
    r"(token|credentials?|authorization|cert(ificate)?|serviceaccount(info|json|key)?"
    r"|(access|consumer|developer|integration|license|ssh|write)key|signature|connectionstring"
    r"|(tenant|app|accesskey)id)$|^(auth|key|pin|cookie|dsn)$"
)


class SecretDict(dict[str, Any]):
    """A config that doesn't show what it holds when it is printed or formatted."""

    def __repr__(self) -> str:
        return "SecretDict(******)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)

    def copy(self) -> Self:
        """Return a shallow copy that hides as much."""
        return type(self)(self)


@dataclass(frozen=True, slots=True)
class FoundSecrets:
    """The secrets of a config.

    Attributes:
        values: Value by path, `{"credentials.api_key": "…"}`; numbers as text.
        left_out: Why a secret can't be looked for, by path; for a warning.
    """

    values: Mapping[str, str]
    left_out: Mapping[str, str]

    def __repr__(self) -> str:
        return f"FoundSecrets({', '.join(self.values)}; left out: {', '.join(self.left_out)})"


def secret_values(
    config: Mapping[str, Any], spec_schema: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return the values of `config` that must not be written down, by path.

    The simple door to `find_secrets`; values that can't be looked for are left out.
    """
    return dict(find_secrets(config, spec_schema).values)


def find_secrets(config: Mapping[str, Any], spec_schema: Mapping[str, Any] | None) -> FoundSecrets:
    """Find the secrets of `config`.

    A value is secret when the spec marks it, or an object or array around it, with
    `airbyte_secret`, under any variant of a `oneOf`; or when its name says so under
    any spec (`password`, `refresh_token`): a spec that forgets the mark must not
    cost the user a leak. Without a spec more names count. A secret that is JSON
    itself (a service account's key file) is looked into.

    Args:
        config: The connector's config.
        spec_schema: `connectionSpecification`, or the whole spec, or `None`.
    """
    values: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for found in _secrets(config, spec_schema):
        reason = why_left_out(found.value)
        if reason:
            left_out[found.path] = reason
        else:
            values[found.path] = found.value
    return FoundSecrets(values, left_out)


def without_secrets(
    config: Mapping[str, Any],
    spec_schema: Mapping[str, Any] | None,
    token: Callable[[str, str], str],
) -> Any:
    """Return a copy of `config` with a token for each secret, the short and common ones too.

    Args:
        config: A config, JSON-ready.
        spec_schema: As for `find_secrets`.
        token: Makes what takes the place of (path, value).
    """
    copy = json.loads(json.dumps(config))
    for found in _secrets(config, spec_schema):
        holder: Any = copy
        for key in found.keys[:-1]:
            holder = holder[key]
        holder[found.keys[-1]] = token(found.path, found.value)
    return copy


class _Secret(NamedTuple):
    """A secret of a config: its place in words, its value as text, and the way to it.

    What lies in a text that is JSON itself has the way to that text.
    """

    path: str
    value: str
    keys: tuple[Any, ...]


def _secrets(config: Mapping[str, Any], spec_schema: Mapping[str, Any] | None) -> Iterator[_Secret]:
    schemas: list[Mapping[str, Any]] = []
    root: Mapping[str, Any] = {}
    if spec_schema is not None:
        inner = spec_schema.get("connectionSpecification", spec_schema)
        root = inner if isinstance(inner, Mapping) else {}
        schemas = [root]
    finder = _Finder(root, has_spec=spec_schema is not None)
    return finder.walk(config, schemas, _Way("", ()), is_secret=False)


class _Way(NamedTuple):
    """How a walk came to a value."""

    path: str
    keys: tuple[Any, ...]

    def to(self, key: Any) -> _Way:
        name = f"[{key}]" if isinstance(key, int) else f".{key}" if self.path else str(key)
        return _Way(self.path + name, (*self.keys, key))


class _Finder:
    """Walks a config and its schema side by side."""

    def __init__(self, root: Mapping[str, Any], *, has_spec: bool) -> None:
        self._root = root
        self._has_spec = has_spec

    def walk(
        self,
        value: Any,
        schemas: list[Mapping[str, Any]],
        way: _Way,
        *,
        is_secret: bool,
    ) -> Iterator[_Secret]:
        """Yield each secret scalar in `value`, which `schemas` describe."""
        if len(way.keys) > _DEPTH:
            return
        schemas = self._with_variants(schemas)
        is_secret = is_secret or any(schema.get("airbyte_secret") for schema in schemas)
        if isinstance(value, Mapping):
            for key, child in value.items():
                known = is_secret or (not isinstance(child, Mapping) and self._is_named(str(key)))
                below = list(_schemas_of_key(schemas, str(key)))
                yield from self.walk(child, below, way.to(key), is_secret=known)
        elif isinstance(value, list):
            below = list(_schemas_of_items(schemas))
            for index, child in enumerate(value):
                yield from self.walk(child, below, way.to(index), is_secret=is_secret)
        elif is_secret and isinstance(value, str | int | float) and not isinstance(value, bool):
            text = value if isinstance(value, str) else json.dumps(value)
            yield _Secret(way.path, text, way.keys)
            yield from self._inside(text, way)

    def _inside(self, text: str, way: _Way) -> Iterator[_Secret]:
        """Look into a secret that is a JSON object or array itself."""
        if not text.lstrip().startswith(("{", "[")):
            return
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            return
        found = _Finder({}, has_spec=False).walk(inner, [], way, is_secret=False)
        yield from (_Secret(one.path, one.value, way.keys) for one in found)

    def _is_named(self, key: str) -> bool:
        name = re.sub(r"[^a-z0-9]", "", key.lower())
        if _ALWAYS_SECRET.search(name):
            return True
        return not self._has_spec and _LIKELY_SECRET.search(name) is not None

    def _with_variants(self, schemas: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return `schemas` and all that they may stand for: variants, conditions, `$ref`s."""
        found: list[Mapping[str, Any]] = []
        seen: set[int] = set()
        waiting: list[Any] = list(schemas)
        while waiting:
            schema = waiting.pop()
            if not isinstance(schema, Mapping) or id(schema) in seen:
                continue
            seen.add(id(schema))
            found.append(schema)
            for keyword in ("oneOf", "anyOf", "allOf"):
                variants = schema.get(keyword)
                if isinstance(variants, list):
                    waiting.extend(variants)
            waiting.extend(schema[key] for key in ("if", "then", "else") if key in schema)
            if isinstance(schema.get("$ref"), str):
                waiting.append(self._referred(schema["$ref"]))
        return found

    def _referred(self, reference: str) -> Mapping[str, Any]:
        """Return what a `$ref` inside the schema points to; nothing is ever fetched."""
        if not reference.startswith("#"):
            return {}
        node: Any = self._root
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, Mapping) or key not in node:
                return {}
            node = node[key]
        return node if isinstance(node, Mapping) else {}


def _schemas_of_key(schemas: list[Mapping[str, Any]], key: str) -> Iterator[Mapping[str, Any]]:
    for schema in schemas:
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and isinstance(properties.get(key), Mapping):
            yield properties[key]
        patterns = schema.get("patternProperties")
        if isinstance(patterns, Mapping):
            # Any pattern may fit: a stranger's regex isn't worth running to find out.
            yield from (child for child in patterns.values() if isinstance(child, Mapping))
        if isinstance(schema.get("additionalProperties"), Mapping):
            yield schema["additionalProperties"]


def _schemas_of_items(schemas: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for schema in schemas:
        for keyword in ("items", "prefixItems", "additionalItems", "contains"):
            below = schema.get(keyword)
            children = below if isinstance(below, list) else [below]
            yield from (child for child in children if isinstance(child, Mapping))
