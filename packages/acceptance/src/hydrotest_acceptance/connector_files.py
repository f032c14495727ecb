"""The files that `acceptance-test-config.yml` names, read as the suites need them."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_core.errors import UsageError
from hydrotest_core.protocol import SyncMode, to_wire
from hydrotest_core.redaction import SecretDict
from hydrotest_core.settings import load_json, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hydrotest_core.protocol import AirbyteCatalog, AirbyteStream

__all__ = ["ConnectorFiles", "configured", "in_sync_mode"]

UPDATED = "updated_configurations"


class ConnectorFiles:
    """Reads files below the base path of a settings file.

    Every method raises `UsageError` with the path and the next step where a file is
    missing or can't be read as what it should be.
    """

    def __init__(self, base: Path) -> None:
        self.base = base

    def __repr__(self) -> str:
        return f"<ConnectorFiles {self.base}>"

    def config(self, path: str) -> SecretDict:
        """Read a connector's config, or the newest that the connector has updated."""
        asked = self.base / path
        folder = asked.parent / UPDATED
        newer = [
            candidate
            for candidate in (folder.iterdir() if folder.is_dir() else ())
            if fnmatch.fnmatch(candidate.name, f"{asked.stem}|*{asked.suffix}")
        ]
        chosen = max(newer, key=lambda candidate: candidate.stat().st_ctime_ns, default=asked)
        return SecretDict(_object(load_json(chosen, what="config"), chosen))

    def expected_spec(self, path: str) -> Mapping[str, Any] | None:
        """Read the expected specification, JSON or YAML; `None` where the file isn't there.

        A declarative `manifest.yaml` holds it under `spec`.
        """
        file = self.base / path
        if not file.exists():
            return None
        if file.suffix == ".json":
            return _object(load_json(file, what="expected spec"), file)
        value = _object(load_yaml(file).value, file)
        if file.stem != "manifest":
            return value
        spec = value.get("spec") or {}
        renamed = {
            "connectionSpecification": spec.get("connection_specification"),
            "documentationUrl": spec.get("documentation_url"),
            "advanced_auth": spec.get("advanced_auth"),
        }
        return {key: part for key, part in renamed.items() if part is not None}

    def state(self, path: str) -> Sequence[Any]:
        """Read a state: a JSON list of state messages; a lone message counts as one."""
        value = load_json(self.base / path, what="state")
        return value if isinstance(value, list) else [value]

    def configured_catalog(
        self, path: str | None, discovered: AirbyteCatalog, *, without: Iterable[str] = ()
    ) -> list[dict[str, Any]]:
        """Return the configured streams: from a file, or all that were discovered.

        A file's streams keep sync mode, cursor and primary key of the file, and
        take everything else from the discovered stream of that name.

        Raises:
            UsageError: The file names a stream that wasn't discovered.
        """
        left_out = set(without)
        if path is None:
            return [configured(one) for one in discovered.streams if one.name not in left_out]
        file = self.base / path
        streams = _object(load_json(file, what="configured catalog"), file).get("streams") or []
        by_key = {(one.namespace, one.name): one for one in discovered.streams}
        chosen = []
        for entry in streams:
            key = (entry["stream"].get("namespace"), entry["stream"]["name"])
            if key not in by_key:
                message = "The configured catalog names a stream that was not discovered."
                raise UsageError(
                    message,
                    hint="correct the name, or mend discover",
                    file=file,
                    stream=key[1],
                    discovered=", ".join(sorted(one.name for one in discovered.streams)),
                )
            chosen.append({**configured(by_key[key]), **_kept(entry)})
        return [one for one in chosen if one["stream"]["name"] not in left_out]


def configured(stream: AirbyteStream) -> dict[str, Any]:
    """Return a stream configured by its own defaults, as JSON-ready data."""
    modes = stream.supported_sync_modes or [SyncMode.FULL_REFRESH]
    choice = {
        "stream": msgspec.json.decode(to_wire(stream)),
        "sync_mode": str(modes[0]),
        "destination_sync_mode": "append",
        "cursor_field": stream.default_cursor_field,
        "primary_key": stream.source_defined_primary_key,
    }
    return {key: value for key, value in choice.items() if value is not None}


def in_sync_mode(streams: Iterable[Mapping[str, Any]], mode: str) -> list[dict[str, Any]]:
    """Return the configured streams that support a sync mode, set to it.

    A stream without a configured cursor takes its default one.
    """
    chosen = []
    for one in streams:
        if mode in (one["stream"].get("supported_sync_modes") or []):
            cursor = one.get("cursor_field") or one["stream"].get("default_cursor_field")
            chosen.append(
                {**one, "sync_mode": mode, **({"cursor_field": cursor} if cursor else {})}
            )
    return chosen


def _kept(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "stream" and value is not None}


def _object(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = "A file holds something else than an object."
        raise UsageError(
            message,
            hint="write it as { … } with the keys that are asked for",
            file=path,
            got=type(value).__name__,
        )
    return value
