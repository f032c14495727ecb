"""For tests of rules: a declared stream, and records shown to a judge without running anything.

```python
judge = PrimaryKeyJudge(declared_stream(key=[["id"]]))
assert see(judge, {"id": 1}, {"id": 1})["HT-READ-020"].findings
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_acceptance.rules.record_pass import RecordPass
from hydrotest_core.connector.records import RecordLine
from hydrotest_core.protocol import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hydrotest_acceptance.rules.record_pass import RecordJudge
    from hydrotest_core.run.findings import Judgement

__all__ = ["configured_catalog", "declared_stream", "see"]

_NAME = "users"


def declared_stream(
    schema: Mapping[str, Any] | None = None,
    key: list[list[str]] | None = None,
    **properties: Any,
) -> AirbyteStream:
    """Return the stream `users` as a catalog declares it.

    Args:
        schema: Its JSON schema; by default an object with `properties`.
        key: Its primary key, as paths.
        properties: Its columns' schemas.
    """
    return AirbyteStream(
        name=_NAME,
        json_schema=dict(schema or {"type": "object", "properties": properties}),
        supported_sync_modes=[SyncMode.FULL_REFRESH],
        source_defined_primary_key=key,
    )


def configured_catalog(
    *names: str | tuple[str, str | None], namespace: str | None = None
) -> ConfiguredAirbyteCatalog:
    """Return a configured catalog of streams read in full.

    Args:
        names: Their names, or names with a namespace each.
        namespace: What a name without one gets.
    """
    pairs = [name if isinstance(name, tuple) else (name, namespace) for name in names]
    return ConfiguredAirbyteCatalog(
        [
            ConfiguredAirbyteStream(
                stream=AirbyteStream(
                    name=name,
                    namespace=its,
                    json_schema={},
                    supported_sync_modes=[SyncMode.FULL_REFRESH],
                ),
                sync_mode=SyncMode.FULL_REFRESH,
                destination_sync_mode=DestinationSyncMode.APPEND,
            )
            for name, its in pairs
        ]
    )


def see(judge: RecordJudge, *records: object) -> dict[str, Judgement]:
    """Show records of `users` to a judge as a read does; return its judgements by code.

    A record is given as Python data, or as JSON in bytes where the spelling counts.

    Raises:
        ValueError: A record can't be read, so no judge saw it.
    """
    lines = [
        RecordLine(
            line=number,
            artifact="records/000.jsonl",
            emitted_at=0,
            data=msgspec.Raw(one if isinstance(one, bytes) else msgspec.json.encode(one)),
            raw=b"",
        )
        for number, one in enumerate(records, start=1)
    ]
    readable, *judgements = RecordPass(StreamDescriptor(_NAME), [judge]).run(lines)
    if readable.findings:
        (first, *_) = readable.findings[0].examples
        message = f"no record: {records[(first.line or 1) - 1]!r}"
        raise ValueError(message)
    return {judgement.rule.code: judgement for judgement in judgements}
