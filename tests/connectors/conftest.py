"""How the reference connectors are started here: as plain child processes, no runner of ours."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from airbyte_protocol.models import AirbyteMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CONNECTORS = Path(__file__).parents[2] / "connectors"


@dataclass(frozen=True)
class Said:
    """What a connector said, and how it ended."""

    code: int
    stdout: bytes
    stderr: bytes

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The lines that hold a JSON object."""
        found = []
        for line in self.stdout.splitlines():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def of(self, kind: str) -> list[Any]:
        """The payloads of all messages of one type."""
        names = {"CONNECTION_STATUS": "connectionStatus"}
        name = names.get(kind, kind.lower())
        return [message[name] for message in self.messages if message.get("type") == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The data of one stream's records."""
        return [record["data"] for record in self.of("RECORD") if record.get("stream") == stream]

    def states(self, stream: str) -> list[dict[str, Any]]:
        """The states of one stream."""
        found = [state for state in self.of("STATE") if "stream" in state]
        return [s for s in found if s["stream"]["stream_descriptor"]["name"] == stream]

    def statuses(self, stream: str) -> list[str]:
        """The statuses of one stream, in order."""
        found = [t["stream_status"] for t in self.of("TRACE") if t["type"] == "STREAM_STATUS"]
        return [s["status"] for s in found if s["stream_descriptor"]["name"] == stream]

    @property
    def errors(self) -> list[str]:
        """The texts of the TRACE errors."""
        return [t["error"]["message"] for t in self.of("TRACE") if t["type"] == "ERROR"]

    @property
    def streams(self) -> dict[str, dict[str, Any]]:
        """The streams of the catalog, by name."""
        return {stream["name"]: stream for stream in self.of("CATALOG")[0]["streams"]}


class Program:
    """A connector as a command line, with the files it is given."""

    def __init__(self, argv: Sequence[str | Path], folder: Path) -> None:
        self.argv = [str(part) for part in argv]
        self.folder = folder

    def command(self, command: str, **files: Any) -> list[str]:
        """Write the given files and give the whole command line."""
        argv = [*self.argv, command]
        for name, content in files.items():
            path = self.folder / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            argv += [f"--{name}", str(path)]
        return argv

    def run(self, command: str, env: Mapping[str, str] | None = None, **files: Any) -> Said:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(command, **files),
            capture_output=True,
            check=False,
            timeout=60,
            env={**os.environ, **(env or {})},
        )
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def connectors() -> Path:
    """The folder of the reference connectors."""
    return CONNECTORS


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    """Make a program of a command line."""
    return lambda *argv: Program(argv, tmp_path)


@pytest.fixture(scope="session")
def input_of() -> Callable[[str, str], Any]:
    """Read a file of a connector's `integration_tests/`."""

    def read(connector: str, name: str) -> Any:
        return json.loads((CONNECTORS / connector / "integration_tests" / name).read_text())

    return read


@pytest.fixture(scope="session")
def compiled_hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """source-hostile as bytecode: it is started two hundred times, and compiled once."""
    script = CONNECTORS / "source-hostile" / "source_hostile.py"
    target = tmp_path_factory.mktemp("hostile") / "source_hostile.pyc"
    py_compile.compile(str(script), cfile=str(target), doraise=True)
    return target


@pytest.fixture
def hostile(program: Callable[..., Program], compiled_hostile: Path) -> Program:
    """source-hostile; -S and -I leave site-packages out: faster, and proof it needs none."""
    return program(sys.executable, "-I", "-S", compiled_hostile)


@pytest.fixture(scope="session")
def hostile_catalog(input_of: Callable[[str, str], Any]) -> Any:
    """All streams of source-hostile, those that can in the mode `incremental`."""
    return input_of("source-hostile", "configured_catalog.json")


@pytest.fixture(scope="session")
def configured() -> Callable[..., dict[str, Any]]:
    """Make a configured catalog of all that was discovered."""

    def configure(said: Said, mode: str | None = None) -> dict[str, Any]:
        return {
            "streams": [
                {
                    "stream": stream,
                    "sync_mode": mode or stream["supported_sync_modes"][-1],
                    "destination_sync_mode": "append",
                }
                for stream in said.streams.values()
            ]
        }

    return configure


@pytest.fixture(scope="session")
def judge_read() -> Callable[[Said, Said], None]:
    """Hold a read against the protocol's models and against the catalog it belongs to."""
    return _judge_read


def _judge_read(read: Said, discovered: Said) -> None:
    assert read.code == 0
    assert read.stderr == b""
    for line in read.stdout.splitlines():
        AirbyteMessage.parse_raw(line)
    for name, stream in discovered.streams.items():
        validator = jsonschema.Draft7Validator(
            stream["json_schema"], format_checker=jsonschema.FormatChecker()
        )
        keys = set()
        for data in read.records(name):
            validator.validate(data)
            assert set(data) <= set(stream["json_schema"]["properties"])
            keys.add(tuple(data[path[0]] for path in stream["source_defined_primary_key"]))

        assert len(keys) == len(read.records(name)) > 0
        assert None not in {part for key in keys for part in key}
        assert read.statuses(name) == ["STARTED", "RUNNING", "COMPLETE"]
    _judge_states(read, discovered)


def _judge_states(read: Said, discovered: Said) -> None:
    """Each state counts the records since the one before, and none of them lies beyond it."""
    pending: dict[str, list[Any]] = defaultdict(list)
    for message in read.messages:
        if message["type"] == "RECORD":
            pending[message["record"]["stream"]].append(message["record"]["data"])
        if message["type"] == "STATE":
            state = message["state"]
            name = state["stream"]["stream_descriptor"]["name"]
            covered = pending.pop(name, [])

            assert state["sourceStats"] == {"recordCount": len(covered)}
            cursor = (discovered.streams[name].get("default_cursor_field") or [None])[0]
            if cursor:
                mark = state["stream"]["stream_state"][cursor]
                assert all(data[cursor] <= mark for data in covered)

    assert not pending
