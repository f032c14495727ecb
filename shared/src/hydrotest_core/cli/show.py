"""`hydrotest show`: what a connector said in one execution, in order or around one line."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from hydrotest_core.errors import UsageError
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]

_AROUND: Final = 5
_SHOWN: Final = 2000
_PLACE: Final = re.compile(r"(?P<path>.*?)(?::(?P<line>[1-9][0-9]*))?")


class _Shown(NamedTuple):
    """A line as it is shown, and where it comes from."""

    number: int
    origin: str
    raw: bytes
    end: bytes


@click.command()
@click.argument("place", metavar="PLACE[:LINE]")
@click.option(
    "--raw",
    is_flag=True,
    envvar="HYDROTEST_SHOW_RAW",
    show_envvar=True,
    help="The bytes as they came, for another program.",
)
def command(place: str, *, raw: bool) -> None:
    """Show what a connector said.

    PLACE is the folder of an execution, or a file in it as a finding names it, packed or
    not: .../stdout:14, .../records/000.jsonl:214. Without a file it is stdout, put together
    in order from the files that its lines lie in. With :LINE five lines before and after
    are shown, too; of stdout with the ms after the start and the file of each.

    Control characters are shown as text, and long lines cut; --raw does neither.
    """
    found = _PLACE.fullmatch(place)
    assert found is not None
    line = int(found["line"] or 0)
    lines = _lines(Path(found["path"]).resolve())
    if line:
        around = 0 if raw else _AROUND
        first = max(1, line - around)
        lines = itertools.islice(lines, first - 1, line + around)
    is_there = not line
    for shown in lines:
        is_there = is_there or shown.number == line
        if raw:
            sys.stdout.buffer.write(shown.raw + shown.end)
        else:
            mark = ">" if shown.number == line else " "
            origin = f"{shown.origin:<28} " if line and shown.origin else ""
            click.echo(f"{mark}{shown.number:>8}  {origin}{_text(shown.raw)}")
    sys.stdout.flush()
    if not is_there:
        message = "There is no such line."
        raise UsageError(message, place=place, hint="show the place without a line's number")


def _lines(path: Path) -> Iterator[_Shown]:
    """Yield the lines of a place.

    Raises:
        UsageError: It isn't in an execution's folder.
        InfrastructureError: The folder was changed, or is of an older format.
    """
    from hydrotest_core.connector.evidence import Evidence  # noqa: PLC0415 - --help is fast
    from hydrotest_core.connector.layout import STDOUT  # noqa: PLC0415
    from hydrotest_core.connector.stored import PACKED, StoredFile  # noqa: PLC0415

    folder = next((one for one in (path, *path.parents) if _is_execution(one)), None)
    if folder is None:
        message = "This is no execution's folder, and no file in one."
        hint = "give a path that a finding names behind “evidence”"
        raise UsageError(message, path=path, hint=hint)
    name = path.relative_to(folder).as_posix().removesuffix(PACKED)
    if name in {".", STDOUT}:
        for one in Evidence(folder).output():
            end = b"\n" if one.is_ended else b""
            origin = f"{one.at_ms} ms {one.artifact}:{one.artifact_line}"
            yield _Shown(one.number, origin, one.raw, end)
        return
    stored = StoredFile(folder, name)
    if not stored.exists:
        message = "The execution has no such file."
        raise UsageError(message, path=path, hint="its connector said nothing of that kind")
    for number, (raw, is_whole) in enumerate(stored.lines(), 1):
        yield _Shown(number, "", raw, b"\n" if is_whole else b"")


def _is_execution(path: Path) -> bool:
    # The first stands in a folder of an older format, which then is refused by name.
    names = ("stdout.log", "order.log", "order.log.zst")
    return any((path / name).is_file() for name in names)


def _text(raw: bytes) -> str:
    text = for_terminal(raw[:_SHOWN].decode("utf-8", "backslashreplace"))
    return f"{text} … ({len(raw):,} bytes)" if len(raw) > _SHOWN else text
