"""What is told of a test whose worker died: the command, the connector's last words, the evidence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from hydrotest_core.run.directory import RunDirectory

__all__ = ["obituary"]

_LINES = 50


def obituary(run: RunDirectory, worker: str, since_s: float) -> str:
    """Return what a worker was at when it died, line by line; safe for a terminal.

    What matters most stands last: who shortens it keeps its end.

    Args:
        run: The run's folder.
        worker: The worker's name, `gw0`.
        since_s: When its test began, by the monotonic clock.
    """
    last = run.last_of(worker, since_s)
    if last is None:
        return "It had run no command of the connector for this test."
    folder = Path(last.directory)
    said = Evidence(folder).stderr_tail(_LINES) if folder.is_dir() else []
    lines = ["The connector said nothing on stderr."]
    if said:
        lines = [f"The connector's last words on stderr ({len(said)} lines):"]
        lines += [f"  {for_terminal(line)}" for line in said]
    where = os.path.relpath(folder) if folder.is_dir() else "nothing: it hadn't said a word"
    return "\n".join((*lines, f"command: {for_terminal(last.what)}", f"artifacts: {where}"))
