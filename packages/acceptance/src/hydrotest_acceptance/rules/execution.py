"""Rules about one execution, whatever its command: how it ended, and that it kept to the protocol."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from hydrotest_acceptance.rules.close_look import judge_closely
from hydrotest_acceptance.rules.lines import speaks_protocol
from hydrotest_acceptance.rules.volume import keeps_lines_short, keeps_within_limit
from hydrotest_core.connector.execution import Ending
from hydrotest_core.protocol import MessageType
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Severity, Where
from hydrotest_core.untrusted import as_it_came

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydrotest_core.connector.evidence import Evidence
    from hydrotest_core.connector.execution import ExecutionManifest

__all__ = [
    "ended_by_itself",
    "ended_in_time",
    "ended_well",
    "judge_execution",
    "keeps_secrets",
    "one_message",
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

_SHOWN = 160


def judge_execution(evidence: Evidence, *, must_succeed: bool = True) -> tuple[Judgement, ...]:
    """Apply every rule that needs nothing but the execution.

    Args:
        evidence: The execution.
        must_succeed: False where the connector is given something it has to refuse; it may
            exit as it likes then, but a crash stays one.
    """
    return (
        ended_well(evidence) if must_succeed else ended_by_itself(evidence),
        ended_in_time(evidence),
        speaks_protocol(evidence),
        *judge_closely(evidence),
        keeps_within_limit(evidence),
        keeps_lines_short(evidence),
        keeps_secrets(evidence),
    )


def _where(manifest: ExecutionManifest) -> Where:
    return Where(command=manifest.command)


def _last_words(evidence: Evidence) -> tuple[Example, ...]:
    tail = [as_it_came(line) for line in evidence.stderr_tail(3)]
    return tuple(
        Example(artifact="stderr.log", text=line[:_SHOWN]) for line in tail if line.strip()
    )


def ended_well(evidence: Evidence) -> Judgement:
    """Judge the end: exit code 0, no signal, memory not used up.

    A run that we stopped because its time was up is judged by `ended_in_time`.
    """
    manifest = evidence.manifest
    if manifest.ending in _STOPPED_BY_US:
        return _stopped(manifest)
    is_good = manifest.ending is Ending.EXITED and manifest.exit_code == 0
    ends = _out_of_memory_within(evidence) if is_good else (_bad_end(evidence, "exit code 0"),)
    return Judgement(rule=EXIT, findings=(*ends, *_error_traces(evidence)), checked=1)


def ended_by_itself(evidence: Evidence) -> Judgement:
    """Judge the end of a run that may fail: any exit code, but no signal and no lack of memory."""
    manifest = evidence.manifest
    if manifest.ending in _STOPPED_BY_US:
        return _stopped(manifest)
    is_good = manifest.ending is Ending.EXITED
    findings = () if is_good else (_bad_end(evidence, "an exit code of its own"),)
    return Judgement(rule=EXIT, findings=findings, checked=1)


_STOPPED_BY_US = (Ending.TIMED_OUT, Ending.TOO_MUCH_OUTPUT, Ending.INTERRUPTED)


def _stopped(manifest: ExecutionManifest) -> Judgement:
    return Judgement(rule=EXIT, skipped=f"the run was stopped: {manifest.ending}")


def _bad_end(evidence: Evidence, expected: str) -> Finding:
    manifest = evidence.manifest
    return Finding(
        rule=EXIT,
        where=_where(manifest),
        expected=expected,
        got=_end_in_words(manifest),
        hint=(
            "make it need less memory: read in pages and keep no records"
            if manifest.ending is Ending.OUT_OF_MEMORY
            else "read the last lines of stderr.log in the execution's folder"
        ),
        examples=_last_words(evidence),
    )


def _end_in_words(manifest: ExecutionManifest) -> str:
    """Say how it ended; what its runner couldn't tell for sure stands behind it."""
    if manifest.ending is Ending.OUT_OF_MEMORY:
        end = "killed for using more memory than it may"
    elif manifest.ending is Ending.EXITED:
        end = f"exit code {manifest.exit_code}"
    else:
        end = f"killed by {_signal_name(manifest.signal)}"
    return f"{end} ({manifest.ending_note})" if manifest.ending_note else end


def _out_of_memory_within(evidence: Evidence) -> tuple[Finding, ...]:
    """Find that one of its processes was killed for its memory, though it exited with 0."""
    manifest = evidence.manifest
    if not manifest.is_out_of_memory:
        return ()
    finding = Finding(
        rule=EXIT,
        where=_where(manifest),
        expected="no process of the connector killed for its memory",
        got="exit code 0, but the memory of one of its processes ran out",
        hint="see which of its child processes is missing, and what it was to do",
        severity=Severity.WARNING,
    )
    return (finding,)


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
    """Judge that the connector came to an end by itself; one that we stopped never did."""
    manifest = evidence.manifest
    got, hint = {
        Ending.TIMED_OUT: (
            f"still running; stopped after {manifest.duration_s:.0f} s",
            "raise timeout_seconds if it is slow; if it hangs, look for threads never joined",
        ),
        Ending.INTERRUPTED: (
            f"interrupted by us after {manifest.duration_s:.0f} s, so nobody knows",
            "run it again",
        ),
    }.get(manifest.ending, ("", ""))
    finding = Finding(
        rule=TIME,
        where=_where(manifest),
        expected=f"an end within {manifest.timeout_s:.0f} s",
        got=got,
        hint=hint,
        examples=_last_words(evidence),
    )
    return Judgement(rule=TIME, findings=(finding,) if got else (), checked=1)


def keeps_secrets(evidence: Evidence) -> Judgement:
    """Judge that nothing had to be taken out of the output; secrets are redacted as they come."""
    manifest = evidence.manifest
    findings = tuple(
        Finding(
            rule=SECRETS,
            where=Where(command=manifest.command, path=name),
            expected="the value of this config field nowhere in the output",
            got=f"its value, in stdout or stderr, {count} times",
            hint="find the log line or record that holds «secret:…» on stdout or stderr",
            total=count,
        )
        for name, count in sorted(manifest.redactions.items())
        if count
    )
    return Judgement(rule=SECRETS, findings=(*findings, *_not_looked_for(manifest)), checked=1)


def _not_looked_for(manifest: ExecutionManifest) -> Iterator[Finding]:
    """Yield a warning for each secret that could be in the output without anybody noticing."""
    for name, reason in sorted(manifest.unsearched_secrets.items()):
        yield Finding(
            rule=SECRETS,
            where=Where(command=manifest.command, path=name),
            expected="a secret that can be told from other text",
            got=f"one that is {reason}",
            hint="test with a longer value; this one isn't looked for, only CONTROL messages "
            "are freed of it",
            severity=Severity.WARNING,
        )


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
                hint="see stdout and stderr for what came instead" if not count else "send it once",
                examples=_last_words(evidence) if not count else (),
            ),
        )
    return Judgement(rule=ANSWER, findings=findings, checked=1)
