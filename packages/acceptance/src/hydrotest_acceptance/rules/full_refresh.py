"""Rules about two full reads of the same: nothing of the first may be missing in the second."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hydrotest_acceptance.rules.canonical import fingerprint, without
from hydrotest_core.connector.records import read_data
from hydrotest_core.protocol import Problem, value_at
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.connector.records import RecordLine
    from hydrotest_core.protocol import ConfiguredAirbyteStream

__all__ = ["second_read_holds_the_first"]

SUBSET = Rule(
    code="HT-FULL-001",
    title="a second full read gives all the records of the first",
    why="A full refresh that differs from one run to the next loses or changes data at random.",
    source="Airbyte acceptance tests reference, TestSequentialReads",
)
_EXAMPLES = 3
_SHOWN = 200


def second_read_holds_the_first(
    first: Evidence,
    second: Evidence,
    streams: Iterable[ConfiguredAirbyteStream],
    ignored: Mapping[str, Sequence[str]],
) -> Judgement:
    """Judge two reads of the same catalog, stream by stream, record by record.

    Records are compared as JSON values, without their ignored fields, each as often
    as it came; the second read may hold more. Memory grows with the number of
    distinct records, by a hash each.

    Args:
        first: The first read.
        second: The second one, a run of its own.
        streams: What was read.
        ignored: Fields that may differ, by stream name: `a/b`, `a/*/b`.
    """
    findings, checked = [], 0
    for configured in streams:
        stream = configured.stream
        fields = [tuple(path.split("/")) for path in ignored.get(stream.name, ())]
        there = Counter(
            hashed for hashed, _ in _hashes(second, stream.namespace, stream.name, fields)
        )
        missing: list[RecordLine] = []
        total = here = 0
        for hashed, record in _hashes(first, stream.namespace, stream.name, fields):
            here += 1
            if there[hashed] > 0:
                there[hashed] -= 1
                continue
            total += 1
            if len(missing) < _EXAMPLES:
                missing.append(record)
        checked += here
        if total:
            keys = configured.primary_key or stream.source_defined_primary_key or []
            changed = _changed_fields(second, stream.namespace, stream.name, keys, fields, missing)
            findings.append(_finding(stream.namespace, stream.name, missing, total, here, changed))
    return Judgement(rule=SUBSET, findings=tuple(findings), checked=checked)


def _finding(
    namespace: str | None,
    name: str,
    missing: Sequence[RecordLine],
    total: int,
    checked: int,
    changed: Sequence[str],
) -> Finding:
    got = f"{total} records of the first are missing"
    hint = "does the service return other data each time? then read a fixed account"
    waive = ""
    if changed:
        got += f" or differ, in {', '.join(changed)}"
        hint = "if these fields change by their nature, list them in ignored_fields"
        entries = "".join(f"\n    - name: {field}\n      bypass_reason: …" for field in changed)
        waive = f"ignored_fields:\n  {name}:{entries}"
    return Finding(
        rule=SUBSET,
        where=Where(stream=name, namespace=namespace, command="read"),
        expected="every record of the first read in the second one too",
        got=got,
        hint=hint,
        examples=tuple(
            Example(
                artifact=record.artifact,
                line=record.line,
                text=bytes(record.data)[:_SHOWN].decode("utf-8", "backslashreplace"),
            )
            for record in missing
        ),
        total=total,
        checked=checked,
        waive=waive,
    )


def _hashes(
    evidence: Evidence, namespace: str | None, name: str, fields: Sequence[tuple[str, ...]]
) -> Iterator[tuple[bytes, RecordLine]]:
    for record in evidence.records(name, namespace):
        data = read_data(record)
        # What can't be decoded is compared as it stands; another rule reports it.
        value = record.raw.hex() if isinstance(data, Problem) else without(data, fields)
        yield fingerprint(value), record


def _changed_fields(
    second: Evidence,
    namespace: str | None,
    name: str,
    keys: Sequence[Sequence[str]],
    fields: Sequence[tuple[str, ...]],
    missing: Sequence[RecordLine],
) -> list[str]:
    """Return the fields in which the missing records differ from their namesakes, if any."""
    if not keys:
        return []
    wanted: dict[bytes, Any] = {}
    for record in missing:
        data = read_data(record)
        if not isinstance(data, Problem):
            wanted[_key_of(data, keys)] = without(data, fields)
    changed: set[str] = set()
    for record in second.records(name, namespace):
        data = read_data(record)
        before = None if isinstance(data, Problem) else wanted.get(_key_of(data, keys))
        if before is not None:
            changed.update(_differing(before, without(data, fields), ""))
    return sorted(changed)


def _key_of(data: Any, keys: Sequence[Sequence[str]]) -> bytes:
    return fingerprint([str(value_at(data, path)) for path in keys])


def _differing(left: Any, right: Any, path: str) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in {*left, *right}:
            here = f"{path}/{name}".removeprefix("/")
            if (name in left) != (name in right):
                yield here
            elif fingerprint(left[name]) != fingerprint(right[name]):
                yield from _differing(left[name], right[name], here)
    else:
        yield path
