"""What goes into running a connector once, and what comes out.

`ConnectorRunner.run(ExecutionInputs) -> ExecutionResult` is the one seam of the
house: everything above it works alike on an image, a local program and a script
of lines.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence  # noqa: TC003 - msgspec reads the annotations
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - the same
from typing import Any, Final, Protocol

import msgspec

from hydrotest_core.protocol.catalog import StreamDescriptor
from hydrotest_core.redaction import Redactor, SecretDict
from hydrotest_core.untrusted import UntrustedText, as_it_came

__all__ = [
    "FORMAT_VERSION",
    "MAX_OUTPUT_BYTES",
    "Command",
    "ConnectorRunner",
    "ConnectorUnderTest",
    "Ending",
    "ExecutionInputs",
    "ExecutionManifest",
    "ExecutionResult",
    "LongLine",
    "Network",
    "StreamCount",
]


FORMAT_VERSION: Final = 2
"""What an execution's folder looks like; another version is refused, never guessed at."""

MAX_OUTPUT_BYTES: Final = 20_000_000_000
"""How much a connector may say by default, on stdout and stderr together."""


class Command(enum.StrEnum):
    """The commands a connector answers to. Source: Airbyte protocol, connector interface."""

    SPEC = "spec"
    CHECK = "check"
    DISCOVER = "discover"
    READ = "read"
    WRITE = "write"


class Network(enum.StrEnum):
    """What of the network a connector may reach while it runs.

    `NONE` is enforced by the Docker runner only; the process runner can't take
    the network away and says so in the manifest.
    """

    NONE = "none"
    BRIDGE = "bridge"


class Ending(enum.StrEnum):
    """How an execution came to its end; six ways that a bare exit code confuses."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    TOO_MUCH_OUTPUT = "too_much_output"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorUnderTest:
    """A connector that has been resolved to something that can be started.

    Attributes:
        name: `source-faker`, without registry or organisation.
        version: The version as it was asked for: `dev`, `latest`, `7.2.0`.
        identity: What it is, whatever it is called: an image id (`sha256:…`) or
            `env:` and the hash of what made its environment.
        image: The image reference, for the Docker runner.
        argv: What starts it, the protocol's own arguments left out, for the
            process runner.
        environment: Variables the connector needs to start, for the process runner.
        labels: The image's labels, or what would be its labels.
        entrypoint: The image's entrypoint, or what would be its entrypoint.
        working_directory: Where the process is started; `None` for a scratch folder.
    """

    name: str
    version: str
    identity: str
    image: str | None = None
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    working_directory: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionInputs:
    """All that determines one execution, and where its output goes.

    Attributes:
        connector: What is run.
        command: Which command.
        config: The connector's configuration; given even when empty.
        configured_catalog: The configured catalog as JSON-ready data.
        state: The state to start from, a JSON list of state messages; given even
            when empty.
        environment: Extra variables for the connector.
        network: What of the network it may reach.
        isolation: Name of the profile that keeps the machine from it; only the Docker
            runner has profiles.
        timeout_s: Seconds until it is stopped.
        max_output_bytes: How much it may say, on stdout and stderr together, until it
            is stopped; what comes after that isn't kept.
        attempt: 1, or n for the n-th of several equal executions a rule asked for.
        output_dir: An existing, private, empty folder for the output.
        redactor: What must not be written down.
    """

    connector: ConnectorUnderTest
    command: Command
    config: SecretDict | None = None
    configured_catalog: Mapping[str, Any] | None = None
    state: Sequence[Any] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    network: Network = Network.BRIDGE
    isolation: str = "strict"
    timeout_s: float = 600.0
    max_output_bytes: int = MAX_OUTPUT_BYTES
    attempt: int = 1
    output_dir: Path
    redactor: Redactor = field(default_factory=Redactor)


class StreamCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many records of one (namespace, stream) came, and the file that has them."""

    stream: UntrustedText
    namespace: UntrustedText | None = None
    records: int
    path: str

    @property
    def descriptor(self) -> StreamDescriptor:
        """The stream as judges compare it."""
        namespace = None if self.namespace is None else as_it_came(self.namespace)
        return StreamDescriptor(as_it_came(self.stream), namespace)


class LongLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of stdout that is longer than the platform likes.

    Attributes:
        line: Its number on stdout, from 1.
        path: The file that has it, `records/000.jsonl`.
        path_line: Its line there, from 1.
        characters: How many UTF-16 units it has, which is what the platform counts; of
            a line that was cut, of what was kept.
        size_bytes: Its true length.
    """

    line: int
    path: str
    path_line: int
    characters: int
    size_bytes: int


class ExecutionManifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`: what ran and how it ended. Times are ms since epoch, UTC.

    Attributes:
        format_version: The version of this file's format.
        runner: `docker`, `process` or `scripted`.
        isolation: The profile that was in force, in words.
        argv: The command line inside the container or on this machine; paths as
            the connector saw them, no secret.
        input_hashes: SHA-256 or HMAC of each input file, by its name.
        exit_code: `None` when a signal ended it or it never started.
        signal: The signal's number, or `None`.
        ending_note: What else is known of the end, or can't be known, in words: who
            sent the signal, whether it was one. "" where all is said.
        is_out_of_memory: The memory of one of its processes ran out; it need not have
            been the one whose end this is.
        duration_s: By the monotonic clock, from start to end of the connector.
        peak_rss_bytes: The connector's largest resident set; sampled on Docker,
            exact for a process; `None` where it can't be known.
        line_count: Lines on stdout.
        problem_count: Lines on stdout that are no protocol message.
        long_line_count: Lines of 20,000,000 characters or more.
        long_lines: The first ten of them.
        max_output_bytes: How much it might have said.
        message_counts: Messages by their type, `{"RECORD": 1000, "STATE": 3}`.
        redactions: How often a secret was replaced, by secret, in stdout and stderr.
        unsearched_secrets: Why a secret was not looked for there, by secret: it is too
            short or too common to be told from other text.
    """

    format_version: int = FORMAT_VERSION
    key: str = ""
    session: str = ""
    connector: str
    version: str
    identity: str
    runner: str
    isolation: str = ""
    command: Command
    argv: list[str]
    environment_names: list[str] = []
    input_hashes: dict[str, str] = {}
    attempt: int = 1
    ending: Ending
    exit_code: int | None
    signal: int | None = None
    ending_note: str = ""
    is_out_of_memory: bool = False
    started_at_ms: int
    ended_at_ms: int
    duration_s: float
    timeout_s: float
    peak_rss_bytes: int | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    line_count: int = 0
    problem_count: int = 0
    long_line_count: int = 0
    long_lines: list[LongLine] = []
    max_output_bytes: int = MAX_OUTPUT_BYTES
    message_counts: dict[str, int] = {}
    streams: list[StreamCount] = []
    redactions: dict[str, int] = {}
    unsearched_secrets: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """A finished execution: its manifest, and the folder that holds what it said.

    The folder is read through `hydrotest_core.connector.evidence.Evidence`.
    """

    manifest: ExecutionManifest
    directory: Path


class ConnectorRunner(Protocol):
    """Runs a connector once.

    `run` returns for everything a connector can do, crashing and hanging
    included; it raises `InfrastructureError` only where the machine failed, and
    even then what the connector said so far is in `inputs.output_dir`.
    """

    name: str

    def run(self, inputs: ExecutionInputs) -> ExecutionResult:
        """Run `inputs.command`, write its output to `inputs.output_dir`, say how it ended."""
        ...
