"""Rules about what was kept from the connector, and what it can't do without.

A connector that fails where something was refused to it is run again with less kept from
it. That it works then explains the failure; it takes none back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hydrotest_acceptance.rules.execution import ended_well
from hydrotest_core.connector.isolation import PROFILES, RELAXED, WRITABLE
from hydrotest_core.connector.layout import STDERR_FILE, STDOUT
from hydrotest_core.run.findings import Example, Finding, Judgement, Rule, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hydrotest_core.connector.evidence import Evidence

__all__ = ["is_as_strict", "refusal", "works_as_isolated"]

ROOT: Final = Rule(
    code="HT-ISO-001",
    title="the connector works without root",
    why="Rootless Airbyte runs it as uid 1000 without capabilities, and it breaks there.",
    source="Airbyte platform, rootless connectors; house rule",
)
STRICT: Final = Rule(
    code="HT-ISO-002",
    title="the connector is judged under the profile strict",
    why="What a looser profile lets pass may fail where the connector is run.",
    source="house rule",
)
READ_ONLY: Final = Rule(
    code="HT-ISO-003",
    title="the connector writes nowhere but to /tmp",
    why="Hardened clusters mount the root file system read-only, and it breaks there.",
    source="Pod security practice, readOnlyRootFilesystem; house rule",
)

# What C libraries and runtimes say of EACCES, EPERM and EROFS.
_REFUSED = re.compile(
    rb"permission denied|read-only file ?system|operation not permitted"
    rb"|\bE(?:ACCES|PERM|ROFS)\b|AccessDeniedException",
    re.IGNORECASE,
)
_LOOKED_AT_BYTES: Final = 256 * 1024
_SHOWN: Final = 200


def is_as_strict(profile: str) -> Judgement:
    """Judge the profile that was asked for: a warning for each thing that it gives up."""
    findings = tuple(
        Finding(
            rule=STRICT,
            where=Where(path=relaxation.what),
            expected="as under strict",
            got=f"{relaxation.now}: {relaxation.gives_up}",
            hint=f"judge without --isolation {profile} before a release",
            severity=Severity.WARNING,
        )
        for relaxation in PROFILES[profile].relaxations()
    )
    return Judgement(rule=STRICT, findings=findings, checked=1)


def refusal(evidence: Evidence) -> Example | None:
    """Return where the connector says that something was refused to it; `None` where it doesn't."""
    for name, pieces in ((STDERR_FILE, evidence.stderr()), (STDOUT, evidence.stdout())):
        for number, line in enumerate(_begin(pieces).split(b"\n"), start=1):
            found = _REFUSED.search(line)
            if found:
                begin = max(0, found.start() - _SHOWN // 2)
                text = line[begin : begin + _SHOWN].decode("utf-8", "backslashreplace")
                return Example(artifact=name, line=number, text=text)
    return None


def _begin(pieces: Iterator[bytes]) -> bytes:
    begin = b""
    for piece in pieces:
        begin += piece
        if len(begin) >= _LOOKED_AT_BYTES:
            break
    return begin[:_LOOKED_AT_BYTES]


def works_as_isolated(
    evidence: Evidence, again: Callable[[str], Evidence]
) -> tuple[Judgement, ...]:
    """Say what a connector that failed would have needed.

    Args:
        evidence: An execution that failed under `strict`.
        again: Runs the same under another profile.

    Returns:
        Nothing where isolation doesn't explain it: nothing was refused, or it fails as
        well with less kept from it.
    """
    refused = refusal(evidence)
    if refused is None:
        return ()
    for profile, finding in ((WRITABLE, _writes), (RELAXED, _needs_root)):
        if _works(again(profile.name)):
            found = finding(evidence, refused)
            return (Judgement(rule=found.rule, findings=(found,), checked=1),)
    return ()


def _works(evidence: Evidence) -> bool:
    return not ended_well(evidence).findings and refusal(evidence) is None


def _writes(evidence: Evidence, refused: Example) -> Finding:
    return Finding(
        rule=READ_ONLY,
        where=Where(command=evidence.manifest.command),
        expected="the command works with a read-only root file system",
        got="it works with a writable one only",
        hint="write to TMPDIR or /tmp; --isolation writable judges it as it is",
        examples=(refused,),
    )


def _needs_root(evidence: Evidence, refused: Example) -> Finding:
    return Finding(
        rule=ROOT,
        where=Where(command=evidence.manifest.command),
        expected="the command works as uid 1000 without capabilities",
        got="it works as root only",
        hint="in the Dockerfile, chown to 1000 what it reads and writes; "
        "--isolation relaxed judges it as it is",
        examples=(refused,),
    )
