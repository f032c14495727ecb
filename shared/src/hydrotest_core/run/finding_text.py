"""One finding as a block of plain text, for a terminal, a JUnit file or an assertion.

Connector text passes `for_terminal` here, so what comes out can be printed.
"""

from __future__ import annotations

import posixpath
import textwrap
from typing import TYPE_CHECKING

from hydrotest_core.run.wording import grouped
from hydrotest_core.untrusted import for_terminal, lines_of, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hydrotest_core.run.findings import Example, Finding
    from hydrotest_core.untrusted import UntrustedText

    Paint = Callable[[str, str], str]

__all__ = ["finding_text", "headline", "located", "one_line", "plain", "summary", "wrapped"]

_INDENT = 4
_LABEL = 11
_LONGEST_VALUE = 600
_LONGEST_EXAMPLE = 200
_EXAMPLES = 5


def plain(text: str, role: str) -> str:  # noqa: ARG001 - the shape of every painter
    """Return the text as it is: the painter for where there is no colour."""
    return text


def one_line(text: UntrustedText, limit: int | None = _LONGEST_VALUE) -> str:
    """Return untrusted text safe for a terminal, on one line, its line ends visible."""
    return for_terminal(text if limit is None else shortened(text, limit))


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Return safe text broken into lines of `width`, with an indent for the first and the rest.

    A long word is broken anywhere, so what a line begins with is looked at again.
    """
    broken = textwrap.wrap(
        text,
        width=width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )
    return [for_terminal(line) for line in broken] or [first.rstrip()]


def headline(finding: Finding) -> str:
    """Return `HT-READ-012  users address.zip`: which rule is broken where, safe to print."""
    return f"{one_line(finding.rule.code, 40)}  {one_line(finding.where.name, 200)}"


def summary(finding: Finding) -> str:
    """Return a finding on one line, safe to print: rule, place, what was got and expected."""
    return (
        f"{headline(finding)}: {one_line(finding.rule.title)}; "
        f"expected {one_line(finding.expected, 200)}, got {one_line(finding.got, 200)}"
    )


def located(folder: str, example: Example) -> str:
    """Return where an example stands: `executions/4f1c/records/000.jsonl:14`."""
    return posixpath.join(folder, example.place)


def finding_text(
    finding: Finding,
    *,
    test: UntrustedText = "",
    rerun: UntrustedText = "",
    folder: str | None = None,
    width: int = 100,
    paint: Paint = plain,
) -> str:
    """Return everything a person needs to understand, reproduce and waive a finding.

    Args:
        finding: What was found.
        test: The test that saw it.
        rerun: The command that judges just this again; never broken into lines.
        folder: The folder its artifacts lie in; the finding's own word without it.
        width: Columns.
        paint: Colours a text by its role: `bad`, `dim` or `strong`.
    """
    where = finding.execution if folder is None else folder
    code, place = headline(finding).split("  ", 1)
    told = [f"{paint(code, 'bad')}  {paint(place, 'strong')}"]
    room = width - _INDENT - _LABEL
    for label, value in (
        ("rule", finding.rule.title),
        ("expected", finding.expected),
        ("got", finding.got),
    ):
        told += _labelled(label, wrapped(one_line(value), room), paint)
    told += _labelled("in", list(_instances(finding, room)), paint)
    told += _labelled("evidence", _evidence(finding, where), paint)
    if finding.hint:
        told += _labelled("hint", wrapped(one_line(finding.hint), room), paint)
    told += _labelled("test", [one_line(test)] if test else [], paint)
    told += _labelled("Reproduce:", [one_line(rerun, None)] if rerun else [], paint)
    told += _labelled("Waive:", _waiver(finding), paint)
    return "\n".join(told)


def _waiver(finding: Finding) -> list[str]:
    return [one_line(line, None) for line in lines_of(finding.waive)]


def _instances(finding: Finding, width: int) -> Iterator[str]:
    examples = finding.examples[:_EXAMPLES]
    if finding.checked:
        count = f"{grouped(finding.total)} of {grouped(finding.checked)} checked"
        yield f"{count}; the first:" if examples else count
    elif finding.total > 1:
        yield f"{grouped(finding.total)} places" + ("; the first:" if examples else "")
    for example in examples:
        text = one_line(example.text, _LONGEST_EXAMPLE)
        yield from wrapped(f"{one_line(example.place)}  {text}".rstrip(), width, rest="  ")


def _evidence(finding: Finding, folder: str) -> list[str]:
    """Return the first example's path in one piece, so that a terminal can open it."""
    if not folder:
        return []
    path = located(folder, finding.examples[0]) if finding.examples else folder
    return [one_line(path, None)]


def _labelled(label: str, values: list[str], paint: Paint) -> list[str]:
    return [
        " " * _INDENT + paint(f"{label if index == 0 else '':<{_LABEL}}", "dim") + value
        for index, value in enumerate(values)
    ]
