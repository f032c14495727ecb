"""Rules about one execution, whatever its command: how it ended, and that it kept to the protocol."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from hydrotest_core.connector.execution import Ending
from hydrotest_core.connector.layout import MESSAGE_FILES
from hydrotest_core.protocol import MessageType, ProblemKind
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.connector.execution import ExecutionManifest
    from hydrotest_core.protocol import Line

__all__ = [
    "ended_in_time",
    "ended_well",
    "has_keys_once",
    "judge_execution",
    "keeps_secrets",
    "one_message",
    "speaks_protocol",
]

EXIT = Rule(
    code="HT-RUN-001",
    title="the connector exits with code 0 after it did its work",
    why="The platform marks the sync as failed, however good the records were.",
    source="Airbyte protocol, connector interface; CAT ignored exit codes",
)
TIME = Rule(
    code="HT-RUN-002",
    title="the connector comes to an end within the test's time",
    why="A sync that never ends blocks every later one.",
    source="CAT timeout_seconds",
)
PROTOCOL = Rule(
    code="HT-RUN-003",
    title="every line on stdout is a message of the Airbyte protocol",
    why="The platform drops what it can't parse: a broken record is a lost record.",
    source="Airbyte protocol, AirbyteMessage; CAT dropped such lines",
)
SECRETS = Rule(
    code="HT-RUN-004",
    title="no secret of the config appears in the output",
    why="Logs and records are stored where more people can read them than the secret's owner.",
    source="house rule, ADR-0006; a request from CAT's users",
)
ANSWER = Rule(
    code="HT-RUN-005",
    title="the command is answered exactly once",
    why="The platform takes one answer and ignores the rest, or waits for one that never comes.",
    source="Airbyte protocol, connector interface; CAT test_spec, test_check, test_discover",
)

KEYS = Rule(
    code="HT-RUN-006",
    title="no object in a message has a key twice",
    why="Of two values under one key a parser keeps one; which one differs between parsers.",
    source="RFC 8259 section 4; house rule",
)

# Records are alike: what the first of a stream don't do, the others hardly ever do.
_RECORDS_LOOKED_AT = 1000
_EXAMPLES = 3
_SHOWN = 160


def judge_execution(evidence: Evidence, *, must_succeed: bool = True) -> tuple[Judgement, ...]:
    """Apply every rule of this module that needs nothing but the execution."""
    judgements = [
        ended_in_time(evidence),
        speaks_protocol(evidence),
        has_keys_once(evidence),
        keeps_secrets(evidence),
    ]
    if must_succeed:
        judgements.insert(0, ended_well(evidence))
    return tuple(judgements)


def _where(manifest: ExecutionManifest) -> Where:
    return Where(command=manifest.command)


def _last_words(evidence: Evidence) -> tuple[Example, ...]:
    tail = [line for line in evidence.stderr_tail(3) if line.strip()]
    return tuple(Example(artifact="stderr.log", text=line[:_SHOWN]) for line in tail)


def ended_well(evidence: Evidence) -> Judgement:
    """Judge the end: exit code 0, no signal, memory not used up.

    A run that we stopped because its time was up is judged by `ended_in_time`.
    """
    manifest = evidence.manifest
    got = {
        Ending.EXITED: f"exit code {manifest.exit_code}",
        Ending.SIGNALLED: f"killed by {_signal_name(manifest.signal)}",
        Ending.OUT_OF_MEMORY: "killed for using more memory than it may",
    }.get(manifest.ending)
    if got is None:
        return Judgement(rule=EXIT, skipped=f"the run was stopped: {manifest.ending}")
    if manifest.ending is Ending.EXITED and manifest.exit_code == 0:
        return Judgement(rule=EXIT, findings=tuple(_error_traces(evidence)), checked=1)
    finding = Finding(
        rule=EXIT,
        where=_where(manifest),
        expected="exit code 0",
        got=got,
        hint="read the last lines of stderr.log in the execution's folder",
        examples=_last_words(evidence),
    )
    return Judgement(rule=EXIT, findings=(finding, *_error_traces(evidence)), checked=1)


def _error_traces(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each error the connector reported, whatever it exited with."""
    for line in evidence.lines(MessageType.TRACE):
        trace = line.message.trace if line.message else None
        if trace is not None and trace.error is not None:
            yield Finding(
                rule=EXIT,
                where=_where(evidence.manifest),
                expected="no error trace in a run that is to succeed",
                got=f"an error trace: {trace.error.message}",
                hint="see internal_message and stack_trace of this trace",
                examples=(Example(artifact="messages/traces.jsonl", line=line.number),),
            )


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def ended_in_time(evidence: Evidence) -> Judgement:
    """Judge that the connector came to an end by itself."""
    manifest = evidence.manifest
    findings: tuple[Finding, ...] = ()
    if manifest.ending is Ending.TIMED_OUT:
        findings = (
            Finding(
                rule=TIME,
                where=_where(manifest),
                expected=f"an end within {manifest.timeout_s:.0f} s",
                got=f"still running; stopped after {manifest.duration_s:.0f} s",
                hint="raise timeout_seconds if it is slow; if it hangs, look for threads or "
                "connections that are never closed",
                examples=_last_words(evidence),
            ),
        )
    return Judgement(rule=TIME, findings=findings, checked=1)


def speaks_protocol(evidence: Evidence) -> Judgement:
    """Judge every line of stdout; noise is a warning, a broken message an error."""
    manifest = evidence.manifest
    groups: dict[tuple[ProblemKind, bool], list[Line]] = defaultdict(list)
    counts: dict[tuple[ProblemKind, bool], int] = defaultdict(int)
    for line in evidence.problems():
        if line.problem is None:
            continue
        group = (line.problem.kind, _is_noise(line.problem.kind, line.raw))
        counts[group] += 1
        if len(groups[group]) < _EXAMPLES:
            groups[group].append(line)
    findings = tuple(
        Finding(
            rule=PROTOCOL,
            where=_where(manifest),
            expected="a message of the Airbyte protocol on every line",
            got=_in_words(kind, lines[0]),
            hint=(
                "print to stderr, or send a LOG message"
                if is_noise
                else "write each message as one line of JSON, as the protocol's schema says"
            ),
            severity=Severity.WARNING if is_noise else Severity.ERROR,
            examples=tuple(
                Example(
                    artifact="stdout.log",
                    line=line.number,
                    text=line.raw[:_SHOWN].decode("utf-8", "backslashreplace"),
                )
                for line in lines
            ),
            total=counts[kind, is_noise],
            checked=manifest.line_count,
        )
        for (kind, is_noise), lines in groups.items()
    )
    return Judgement(rule=PROTOCOL, findings=findings, checked=manifest.line_count)


def _is_noise(kind: ProblemKind, raw: bytes) -> bool:
    """Say whether a line is text that the platform logs; a broken message is data it loses."""
    if kind is ProblemKind.EMPTY:
        return True
    is_text = kind in {ProblemKind.NOT_JSON, ProblemKind.NOT_AN_OBJECT}
    return is_text and not raw.lstrip().startswith((b"{", b"\xef\xbb\xbf{"))


def _in_words(kind: ProblemKind, line: Line) -> str:
    words = str(kind).replace("_", " ").lower()
    return f"{words}: {line.problem.detail}" if line.problem else words


def has_keys_once(evidence: Evidence) -> Judgement:
    """Judge all messages but LOG, of each stream's records the first thousand."""
    twice: dict[str, list[Example]] = defaultdict(list)
    checked = 0
    for artifact, line, raw in _lines_to_look_at(evidence):
        checked += 1
        for key in sorted(_keys_twice(raw)):
            twice[key].append(Example(artifact=artifact, line=line))
    findings = tuple(
        Finding(
            rule=KEYS,
            where=Where(command=evidence.manifest.command, path=key),
            expected="each key once in an object",
            got=f"the key {key!r} twice",
            hint="build the message with a JSON library, not by joining text",
            examples=tuple(examples[:_EXAMPLES]),
            total=len(examples),
            checked=checked,
        )
        for key, examples in twice.items()
    )
    return Judgement(rule=KEYS, findings=findings, checked=checked)


def _lines_to_look_at(evidence: Evidence) -> Iterator[tuple[str, int, bytes]]:
    for kind in (MessageType.SPEC, MessageType.CATALOG, MessageType.STATE, MessageType.CONTROL):
        for line in evidence.lines(kind):
            yield MESSAGE_FILES[kind], line.number, line.raw
    for stream in evidence.streams:
        records = evidence.records(stream.stream, stream.namespace)
        for record in itertools.islice(records, _RECORDS_LOOKED_AT):
            yield record.artifact, record.line, record.raw


def _keys_twice(raw: bytes) -> set[str]:
    found: set[str] = set()

    def take(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            found.update(key for key, count in counts.items() if count > 1)
        return members

    with contextlib.suppress(ValueError, RecursionError):  # Another rule's matter.
        json.loads(raw, object_pairs_hook=take)
    return found


def keeps_secrets(evidence: Evidence) -> Judgement:
    """Judge that nothing had to be taken out of the output; secrets are redacted as they come."""
    manifest = evidence.manifest
    findings = tuple(
        Finding(
            rule=SECRETS,
            where=Where(command=manifest.command, path=name),
            expected="the value of this config field nowhere in the output",
            got=f"its value, in stdout or stderr, {count} times",
            hint="find the log line or record that holds «secret:…» in stdout.log or stderr.log",
            total=count,
        )
        for name, count in sorted(manifest.redactions.items())
        if count
    )
    return Judgement(rule=SECRETS, findings=findings, checked=1)


def one_message(evidence: Evidence, kind: MessageType) -> Judgement:
    """Judge that exactly one message of a kind came."""
    count = evidence.manifest.message_counts.get(kind, 0)
    findings: tuple[Finding, ...] = ()
    if count != 1:
        findings = (
            Finding(
                rule=ANSWER,
                where=_where(evidence.manifest),
                expected=f"exactly one {kind} message",
                got=f"{count}",
                hint="see stdout.log and stderr.log for what came instead"
                if not count
                else "send it once",
                examples=_last_words(evidence) if not count else (),
            ),
        )
    return Judgement(rule=ANSWER, findings=findings, checked=1)
