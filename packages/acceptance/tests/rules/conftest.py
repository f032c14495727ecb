"""Evidence for rules, made from messages without running anything."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import Command, Ending, ExecutionManifest
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.protocol import AirbyteCatalog, ConfiguredAirbyteCatalog


@pytest.fixture
def evidence_of(tmp_path):
    """Return a function that writes messages and a manifest as a runner does, and reads them."""
    numbers = itertools.count()

    def make(*messages, unended=b"", stderr=b"", **manifest):
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        with OutputRecorder(directory) as recorder:
            for message in messages:
                raw = message if isinstance(message, bytes) else json.dumps(message).encode()
                recorder.stdout(raw + b"\n")
            recorder.stdout(unended)
            recorder.stderr(stderr)
            summary = recorder.close()
        facts = {
            "connector": "source-x",
            "version": "dev",
            "identity": "sha256:1",
            "runner": "scripted",
            "command": Command.READ,
            "argv": [],
            "ending": Ending.EXITED,
            "exit_code": 0,
            "started_at_ms": 0,
            "ended_at_ms": 1,
            "duration_s": 0.001,
            "timeout_s": 60,
            "line_count": summary.line_count,
            "problem_count": summary.problem_count,
            "message_counts": summary.message_counts,
            "streams": summary.streams,
        }
        content = msgspec.json.encode(ExecutionManifest(**{**facts, **manifest}))
        (directory / "manifest.json").write_bytes(content)
        return Evidence(directory)

    return make


@pytest.fixture
def catalog_of():
    """Return a function that makes a discovered catalog from streams as JSON-ready data."""

    def make(*streams):
        return msgspec.convert({"streams": list(streams)}, AirbyteCatalog)

    return make


@pytest.fixture
def configured_of():
    """Return a function that makes configured streams from names, with a cursor `at` and a key `id`."""

    def make(*names, **more):
        streams = [
            {
                "stream": {
                    "name": name,
                    "json_schema": {},
                    "supported_sync_modes": ["full_refresh", "incremental"],
                    "source_defined_primary_key": [["id"]],
                    **more,
                },
                "sync_mode": "incremental",
                "destination_sync_mode": "append",
                "cursor_field": ["at"],
            }
            for name in names
        ]
        return msgspec.convert({"streams": streams}, ConfiguredAirbyteCatalog).streams

    return make
