"""Rules about `check`: the answer to a config is the one that was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydrotest_acceptance.rules.execution import one_message
from hydrotest_core.protocol import MessageType
from hydrotest_core.run.findings import Finding, Judgement, Rule, Where

if TYPE_CHECKING:
    from hydrotest_core.connector.evidence import Evidence

__all__ = ["answers_as_expected"]

STATUS = Rule(
    code="HT-CONN-001",
    title="check answers a config as expected",
    why="Users learn only from check whether what they filled in will work.",
    source="CAT TestConnection::test_check",
)
_HERE = Where(command="check")


def answers_as_expected(evidence: Evidence, expected: str) -> tuple[Judgement, ...]:
    """Judge the answer to `check`.

    Args:
        evidence: The execution of `check`.
        expected: `succeed` or `failed`, the status in the answer; or `exception`,
            an error trace instead of an answer.
    """
    if expected == "exception":
        return (_raises(evidence),)
    answered = one_message(evidence, MessageType.CONNECTION_STATUS)
    statuses = [
        message.connection_status
        for message in evidence.messages(MessageType.CONNECTION_STATUS)
        if message.connection_status is not None
    ]
    wanted = {"succeed": "SUCCEEDED", "failed": "FAILED"}[expected]
    findings = tuple(
        Finding(
            rule=STATUS,
            where=_HERE,
            expected=f"status {wanted}",
            got=f"status {status.status}: {status.message or 'without a message'}",
            hint=(
                "is the config still valid? run check with it by hand"
                if expected == "succeed"
                else "check must find out that this config can't work"
            ),
        )
        for status in statuses
        if status.status != wanted
    )
    return answered, Judgement(rule=STATUS, findings=findings, checked=len(statuses))


def _raises(evidence: Evidence) -> Judgement:
    traces = [message.trace for message in evidence.messages(MessageType.TRACE) if message.trace]
    errors = [trace.error for trace in traces if trace.error is not None and trace.error.message]
    findings: tuple[Finding, ...] = ()
    if not errors:
        findings = (
            Finding(
                rule=STATUS,
                where=_HERE,
                expected="a TRACE message of type ERROR with a message in it",
                got=f"{len(traces)} TRACE messages, none of them an error",
                hint="let the connector send an error trace before it exits",
            ),
        )
    return Judgement(rule=STATUS, findings=findings, checked=1)
