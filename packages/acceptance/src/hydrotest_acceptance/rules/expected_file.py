"""Reads the file of expected records, and judges whether it speaks of what is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_acceptance.rules.breaches import quoted
from hydrotest_acceptance.rules.catalogue import EXPECTED_FILE
from hydrotest_core.errors import SettingsError, UsageError
from hydrotest_core.protocol import StreamDescriptor
from hydrotest_core.run.findings import Example, Finding, Judgement, Where

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from hydrotest_core.protocol import ConfiguredAirbyteCatalog

__all__ = [
    "ExpectedRecord",
    "ExpectedRecords",
    "judge_expected_streams",
    "load_expected_records",
]


class _WrittenRecord(msgspec.Struct):
    """A line of the file, as it is written."""

    stream: str
    data: dict[str, Any]
    emitted_at: int
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """One record that is expected, and the line of the file that says so."""

    data: dict[str, Any]
    line: int
    artifact: str


@dataclass(frozen=True, slots=True)
class ExpectedRecords:
    """All records that are expected, by stream, each stream's in the file's order.

    Attributes:
        artifact: The file, as findings name it.
        by_stream: The records; the namespace is `None` where the file has none.
    """

    artifact: str
    by_stream: dict[StreamDescriptor, list[ExpectedRecord]]

    def of(self, stream: StreamDescriptor) -> list[ExpectedRecord]:
        """Return a stream's expected records; a file without namespaces speaks by name."""
        exact = self.by_stream.get(stream)
        return exact if exact is not None else self.by_stream.get(StreamDescriptor(stream.name), [])


def load_expected_records(path: Path, artifact: str | None = None) -> ExpectedRecords:
    """Read a file with one record a line: `{"stream": …, "data": {…}, "emitted_at": …}`.

    Args:
        path: The file.
        artifact: What findings call it; its name by default.

    Raises:
        UsageError: The file isn't there.
        SettingsError: Lines that aren't such records, all of them.
    """
    name = artifact or path.name
    try:
        content = path.read_bytes()
    except OSError as exc:
        msg = "The file of expected records can't be read."
        hint = "correct expect_records.path, or give a bypass_reason in its place"
        raise UsageError(msg, hint=hint, path=path, reason=exc.strerror) from exc
    by_stream: dict[StreamDescriptor, list[ExpectedRecord]] = {}
    mistakes = []
    decoder = msgspec.json.Decoder(_WrittenRecord)
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            mistakes.append(f"{path}:{number}: {exc}")
            continue
        stream = StreamDescriptor(record.stream, record.namespace)
        by_stream.setdefault(stream, []).append(ExpectedRecord(record.data, number, name))
    if mistakes:
        msg = "The file of expected records has lines that are no records."
        hint = 'each line is an object with "stream", "data" and "emitted_at"'
        raise SettingsError(msg, hint=hint, mistakes=mistakes)
    return ExpectedRecords(name, by_stream)


def judge_expected_streams(
    expected: ExpectedRecords,
    catalog: ConfiguredAirbyteCatalog,
    empty_streams: Collection[str] = (),
    *,
    must_cover: bool = False,
) -> Judgement:
    """Judge HT-READ-033: the file's streams are read, and where asked, the other way round.

    Args:
        expected: The file.
        catalog: What is read.
        empty_streams: Names of streams that may be empty.
        must_cover: Every stream that is read must be in the file but the empty ones:
            strictness `high`.
    """
    declared = [each.stream.descriptor for each in catalog.streams]
    names = {stream.name for stream in declared}
    findings = [
        _not_read(stream, records[0], is_empty=stream.name in empty_streams)
        for stream, records in expected.by_stream.items()
        if (stream not in declared if stream.namespace else stream.name not in names)
    ]
    if must_cover:
        findings += [
            _not_covered(stream)
            for stream in declared
            if stream.name not in empty_streams and not expected.of(stream)
        ]
    checked = len(expected.by_stream) + (len(declared) if must_cover else 0)
    return Judgement(rule=EXPECTED_FILE, findings=tuple(findings), checked=checked)


def _not_read(stream: StreamDescriptor, first: ExpectedRecord, *, is_empty: bool) -> Finding:
    hint = "take its lines out of the file, or read the stream"
    if is_empty:
        hint = "empty_streams names it: either it has records or it may be empty"
    return Finding(
        rule=EXPECTED_FILE,
        where=_where(stream),
        expected="a stream of the configured catalog",
        got="expected records of a stream that isn't read",
        hint=hint,
        examples=(Example(artifact=first.artifact, line=first.line),),
    )


def _not_covered(stream: StreamDescriptor) -> Finding:
    return Finding(
        rule=EXPECTED_FILE,
        where=_where(stream),
        expected="expected records of every stream that is read (test_strictness_level: high)",
        got="none",
        hint="add a few of its records to the file, or name it in empty_streams",
        waive=f"empty_streams:\n  - name: {quoted(stream.name)}\n    bypass_reason: …",
    )


def _where(stream: StreamDescriptor) -> Where:
    return Where(stream=stream.name, namespace=stream.namespace, command="read")
