"""Turns what the rules found into what pytest understands, and keeps it for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from hydrotest_core.run.finding_text import headline
from hydrotest_core.run.findings import Finding, Outcome, Severity
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from hydrotest_core.run.findings import Judgement

__all__ = ["Judge"]

_HEADLINES: Final = 10


class Judge:
    """Collects the judgements of one test.

    Calling it gives the judgements that the test is about: with one of them, or one
    that was noted before, a failure, the test fails. `note` keeps judgements aside
    that can fail the test but can't make it pass: how the connector exited says
    nothing about whether its records were looked at.

    Args:
        second_look: Given the judgements of a test that is about to fail, says what else
            there is to know; it may run the connector again.
    """

    def __init__(
        self, second_look: Callable[[list[Judgement]], list[Judgement]] | None = None
    ) -> None:
        self._second_look = second_look
        self._aside: list[Judgement] = []
        self._principal: list[Judgement] = []

    def __repr__(self) -> str:
        return f"<Judge {self.outcome} {len(self.judgements)} judgements>"

    def note(self, *judgements: Judgement) -> None:
        """Keep judgements that only a failure makes count."""
        self._aside.extend(judgements)

    def __call__(self, *judgements: Judgement) -> None:
        """Keep the judgements that the test is about, and fail where one of all is a failure."""
        self._principal.extend(judgements)
        self.stop_if_failed()

    def stop_if_failed(self) -> None:
        """Fail the test here if anything so far is a failure: what follows would build on it."""
        if self.complaint:
            if self._second_look is not None:
                self._aside.extend(self._second_look(self.judgements))
            pytest.fail(self.complaint, pytrace=False)

    @property
    def complaint(self) -> str:
        """What pytest says of the failures, safe to print; "" where there are none.

        One line each for the first: the whole story stands in the summary and the report.
        """
        errors = [finding for finding in self.findings if finding.severity is Severity.ERROR]
        lines = [headline(finding) for finding in errors[:_HEADLINES]]
        if len(errors) > len(lines):
            lines.append(f"and {len(errors) - len(lines)} more")
        return "\n".join(lines)

    @property
    def judgements(self) -> list[Judgement]:
        """All judgements so far."""
        return [*self._aside, *self._principal]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings so far, warnings included."""
        return tuple(finding for one in self.judgements for finding in one.findings)

    @property
    def outcome(self) -> Outcome:
        """What the judgements come to: one that passed outweighs those with nothing to judge."""
        if any(one.outcome is Outcome.FAILED for one in self.judgements):
            return Outcome.FAILED
        outcomes = {one.outcome for one in self._principal}
        for outcome in (Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.SKIPPED):
            if outcome in outcomes:
                return outcome
        return Outcome.INCONCLUSIVE

    @property
    def reason(self) -> str:
        """Why there was nothing to judge, or why the rules were not applied; safe to print."""
        reasons = [for_terminal(one.skipped) for one in self._principal if one.skipped]
        nothing = [
            f"{one.rule.code} had nothing to judge"
            for one in self._principal
            if one.outcome is Outcome.INCONCLUSIVE
        ]
        return "; ".join(dict.fromkeys(reasons + nothing)) or "no rule was applied"

    @property
    def rules(self) -> tuple[str, ...]:
        """Codes of the rules that had something to judge."""
        judged = [one.rule.code for one in self.judgements if one.checked or one.findings]
        return tuple(dict.fromkeys(judged))
