"""The files that `acceptance-test-config.yml` names, read as the suites need them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_core.errors import UsageError
from hydrotest_core.protocol import SyncMode, to_wire
from hydrotest_core.redaction import SecretDict
from hydrotest_core.settings import load_json, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        chosen = max(_updated(asked), key=lambda file: file.stat().st_ctime_ns, default=asked)
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
        spec = _object(value.get("spec") or {}, file)
        renamed = {
            "connectionSpecification": spec.get("connection_specification"),
            "documentationUrl": spec.get("documentation_url"),
            "advanced_auth": spec.get("advanced_auth"),
        }
        return {key: part for key, part in renamed.items() if part is not None}

    def state(self, path: str) -> Sequence[Any]:
        """Read a state: a JSON list of state messages; a lone message counts as one."""
        file = self.base / path
        value = load_json(file, what="state")
        return value if isinstance(value, list) else [_object(value, file)]

    def configured_catalog(
        self, path: str | None, discovered: AirbyteCatalog, *, without: Iterable[str] = ()
    ) -> list[dict[str, Any]]:
        """Return the configured streams: from a file, or all that were discovered.

        A file's streams keep sync mode, cursor and primary key of the file, and
        take everything else from the discovered stream of that name. One without a
        namespace is the one stream of its name, whatever namespace that has.

        Raises:
            UsageError: The file names streams that weren't discovered, or isn't a
                configured catalog.
        """
        left_out = set(without)
        if path is None:
            return [configured(one) for one in discovered.streams if one.name not in left_out]
        file = self.base / path
        entries = _entries(_object(load_json(file, what="configured catalog"), file), file)
        pairs = [(entry, _discovered(entry["stream"], discovered)) for entry in entries]
        unknown = [entry["stream"]["name"] for entry, stream in pairs if stream is None]
        if unknown:
            raise _not_discovered(file, unknown, discovered)
        return [
            {**configured(stream), **_kept(entry)}
            for entry, stream in pairs
            if stream is not None and stream.name not in left_out
        ]


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


def _updated(asked: Path) -> Iterator[Path]:
    """Yield the updated versions of a config: `updated_configurations/config|1700000000.json`."""
    folder = asked.parent / UPDATED
    # Whoever could plant a link there would choose what the connector is told.
    is_ours = folder.is_dir() and not folder.is_symlink()
    for file in folder.iterdir() if is_ours else ():
        is_named = file.name.startswith(f"{asked.stem}|") and file.suffix == asked.suffix
        if is_named and file.is_file() and not file.is_symlink():
            yield file


def _entries(catalog: Mapping[str, Any], file: Path) -> list[dict[str, Any]]:
    """Return the streams of a configured catalog, each with a stream that has a name."""
    entries = catalog.get("streams")
    if not isinstance(entries, list):
        message = "The configured catalog has no list of streams."
        hint = 'write it as {"streams": [{"stream": {"name": …}, "sync_mode": …}, …]}'
        raise UsageError(message, hint=hint, file=file)
    for number, entry in enumerate(entries):
        stream = entry.get("stream") if isinstance(entry, dict) else None
        if not isinstance(stream, dict) or not isinstance(stream.get("name"), str):
            message = "A stream of the configured catalog has no name."
            hint = 'each entry of streams has a "stream", and that has a "name"'
            raise UsageError(message, hint=hint, file=file, entry=f"streams[{number}]")
    return entries


def _discovered(stream: Mapping[str, Any], catalog: AirbyteCatalog) -> AirbyteStream | None:
    namesakes = [one for one in catalog.streams if one.name == stream["name"]]
    namespace = stream.get("namespace")
    exact = [one for one in namesakes if one.namespace == namespace]
    if not exact and namespace is None and len(namesakes) == 1:
        return namesakes[0]
    return exact[-1] if exact else None


def _not_discovered(file: Path, names: Sequence[str], catalog: AirbyteCatalog) -> UsageError:
    known = sorted({one.name for one in catalog.streams})
    near = {match for name in names for match in difflib.get_close_matches(name, known, n=1)}
    hint = f"did you mean {', '.join(sorted(near))}?" if near else "correct it, or mend discover"
    message = "The configured catalog names a stream that was not discovered."
    return UsageError(
        message, hint=hint, file=file, streams=", ".join(names), discovered=len(known)
    )


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
