"""Findings and verdicts: what a rule saw, and what it comes to.

A rule is a pure function from evidence to findings and returns all of them. It
never passes on nothing: without anything to judge its verdict is `INCONCLUSIVE`.
"""

from __future__ import annotations

import enum

import msgspec

# msgspec reads a struct's annotations while the program runs, so their names must be there.
from hydrotest_core.untrusted import UntrustedText, as_it_came

__all__ = ["Example", "Finding", "Judgement", "Outcome", "Rule", "Severity", "Verdict", "Where"]


class Severity(enum.StrEnum):
    """How bad a finding is; only an `ERROR` fails a verdict."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Outcome(enum.StrEnum):
    """What a test came to."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One acceptance criterion.

    Attributes:
        code: `HT-READ-012`; stable over releases.
        title: The rule in words, one sentence without a full stop.
        why: What goes wrong for a user when the rule is broken.
        source: Where the rule comes from: a specification, CAT, or `house rule`.
    """

    code: str
    title: str
    why: str
    source: str


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """The place a finding is about.

    Attributes:
        stream: The stream's name, or `None`.
        namespace: The stream's namespace, or `None`.
        path: A JSON path inside the record, the schema or the spec: `address.zip`.
        command: `read`, `spec`, …
    """

    stream: UntrustedText | None = None
    namespace: UntrustedText | None = None
    path: UntrustedText | None = None
    command: str | None = None

    @property
    def name(self) -> UntrustedText:
        """The place in a word or two: `users address.zip`, or the command."""
        stream = ".".join(as_it_came(part) for part in (self.namespace, self.stream) if part)
        parts = [part for part in (stream, as_it_came(self.path or "")) if part]
        return " ".join(parts) or (self.command or "connector")


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of what was found, already redacted.

    Attributes:
        artifact: A path inside the execution's folder, `records/000.jsonl`.
        line: The line in it, from 1.
        text: What stands there, shortened.
    """

    artifact: str
    line: int | None = None
    text: UntrustedText = ""

    @property
    def place(self) -> str:
        """Where it stands: `records/000.jsonl:14`."""
        return f"{self.artifact}:{self.line}" if self.line else self.artifact


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that breaks one rule; what a rule says of a connector quotes it.

    Attributes:
        rule: The rule that is broken.
        where: The place.
        expected: What the rule asks for here.
        got: What was there instead.
        hint: What to do next.
        severity: Only `ERROR` fails the verdict.
        examples: At most five instances.
        total: How many instances there are.
        checked: How many were looked at; 0 where counting means nothing.
        waive: A snippet for `acceptance-test-config.yml` that waives it, or "".
        execution: The folder name of the execution it was seen in, or "".
    """

    rule: Rule
    where: Where = Where()
    expected: UntrustedText
    got: UntrustedText
    hint: UntrustedText = ""
    severity: Severity = Severity.ERROR
    examples: tuple[Example, ...] = ()
    total: int = 1
    checked: int = 0
    waive: UntrustedText = ""
    execution: str = ""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule came to on one piece of evidence.

    Attributes:
        rule: The rule.
        findings: All it found.
        checked: How many things it looked at; with 0 it is inconclusive.
        skipped: Why the rule was not applied, or "".
    """

    rule: Rule
    findings: tuple[Finding, ...] = ()
    checked: int = 0
    skipped: UntrustedText = ""

    @property
    def outcome(self) -> Outcome:
        """The rule's outcome; a warning alone doesn't fail it."""
        if any(finding.severity is Severity.ERROR for finding in self.findings):
            return Outcome.FAILED
        if self.skipped:
            return Outcome.SKIPPED
        return Outcome.PASSED if self.checked else Outcome.INCONCLUSIVE


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one test came to.

    Attributes:
        test: The test's id, `TestBasicRead::test_read[inputs0]`.
        suite: `basic_read`.
        outcome: What it came to.
        reason: Why it was skipped or is inconclusive; else "".
        findings: All findings, warnings included.
        rules: Codes of the rules that had something to judge.
        duration_s: Wall time of the test.
        executions: Keys of the executions it looked at.
        rerun: The one command that reruns just this test.
    """

    test: UntrustedText
    suite: str
    outcome: Outcome
    reason: UntrustedText = ""
    findings: tuple[Finding, ...] = ()
    rules: tuple[str, ...] = ()
    duration_s: float = 0.0
    executions: tuple[str, ...] = ()
    rerun: UntrustedText = ""
