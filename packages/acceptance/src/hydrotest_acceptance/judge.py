"""Turns what the rules found into what pytest understands, and keeps it for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hydrotest_core.run.finding_text import finding_text
from hydrotest_core.run.findings import Finding, Outcome, Severity

if TYPE_CHECKING:
    from hydrotest_core.run.findings import Judgement

__all__ = ["Judge"]


class Judge:
    """Collects the judgements of one test.

    Calling it with judgements keeps them all, and fails the test when one of
    them is a failure. `note` keeps them without failing, so that a test can
    gather several steps and then call once.
    """

    def __init__(self) -> None:
        self.judgements: list[Judgement] = []

    def __repr__(self) -> str:
        return f"<Judge {self.outcome} judgements={len(self.judgements)}>"

    def note(self, *judgements: Judgement) -> None:
        """Keep judgements; the next call decides."""
        self.judgements.extend(judgements)

    def __call__(self, *judgements: Judgement) -> None:
        self.note(*judgements)
        errors = [finding for finding in self.findings if finding.severity is Severity.ERROR]
        if errors:
            pytest.fail("\n".join(map(finding_text, errors)), pytrace=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings so far, warnings included."""
        return tuple(finding for one in self.judgements for finding in one.findings)

    @property
    def outcome(self) -> Outcome:
        """What the judgements come to: one that passed outweighs those with nothing to judge."""
        outcomes = {judgement.outcome for judgement in self.judgements}
        for outcome in (Outcome.FAILED, Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.SKIPPED):
            if outcome in outcomes:
                return outcome
        return Outcome.INCONCLUSIVE

    @property
    def reason(self) -> str:
        """Why there was nothing to judge, or why the rules were not applied."""
        reasons = [judgement.skipped for judgement in self.judgements if judgement.skipped]
        nothing = [
            f"{judgement.rule.code} had nothing to judge"
            for judgement in self.judgements
            if judgement.outcome is Outcome.INCONCLUSIVE
        ]
        return "; ".join(dict.fromkeys(reasons + nothing)) or "no rule was applied"

    @property
    def rules(self) -> tuple[str, ...]:
        """Codes of the rules that had something to judge."""
        judged = [one.rule.code for one in self.judgements if one.checked or one.findings]
        return tuple(dict.fromkeys(judged))
