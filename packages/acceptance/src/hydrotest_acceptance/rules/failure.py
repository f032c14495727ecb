"""Rules about a read that can't succeed: the connector says what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydrotest_core.protocol import MessageType
from hydrotest_core.run.findings import Finding, Judgement, Rule, Severity, Where

if TYPE_CHECKING:
    from hydrotest_core.connector.evidence import Evidence

__all__ = ["IMPOSSIBLE_CATALOG", "explains_failure"]

TRACE = Rule(
    code="HT-READ-050",
    title="a connector that fails sends an error trace",
    why="Without one, the user sees an exit code and no reason.",
    source="Airbyte protocol, AirbyteTraceMessage; CAT test_airbyte_trace_message_on_failure",
)

# A stream that no connector has, in sync modes that don't exist. Source: CAT.
IMPOSSIBLE_CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "__AIRBYTE__stream_that_does_not_exist",
                "json_schema": {"type": "object", "properties": {"f1": {"type": "string"}}},
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "INVALID",
            "destination_sync_mode": "INVALID",
        }
    ]
}


def explains_failure(evidence: Evidence) -> Judgement:
    """Judge a read of `IMPOSSIBLE_CATALOG`: an error trace, and an exit code other than 0."""
    traces = [message.trace for message in evidence.messages(MessageType.TRACE) if message.trace]
    findings = []
    if not any(trace.error is not None for trace in traces):
        findings.append(
            Finding(
                rule=TRACE,
                where=Where(command="read"),
                expected="a TRACE message of type ERROR",
                got=f"{len(traces)} TRACE messages, none of them an error",
                hint="catch what is raised at the top, and send it as an error trace",
            )
        )
    if evidence.manifest.exit_code == 0:
        findings.append(
            Finding(
                rule=TRACE,
                where=Where(command="read"),
                expected="an exit code other than 0",
                got="exit code 0",
                hint="exit with 1 after the error trace",
                severity=Severity.WARNING,
            )
        )
    return Judgement(rule=TRACE, findings=tuple(findings), checked=1)
