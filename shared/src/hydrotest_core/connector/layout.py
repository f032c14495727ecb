r"""Where the output of an execution lies in its folder, for who writes and who reads it.

```
stderr.log                  as it came, secrets replaced
order.log                   the order of all lines of stdout, and when they came
messages/<kind>.jsonl       all messages but records, one file a kind
records/<nnn>.jsonl         records, one file a (namespace, stream), in order of appearance
records/index.json          which stream has which file; names live only here, never in a path
problems.log                lines that are no message, as they came
problems.jsonl              why they are none; the first 1,000 of text, and of broken messages
                            (`looks_like_message`)
manifest.json               what ran and how it ended; written by the runner, last
```

Each line of stdout lies in one of these files, as it came; `order.log` says in which, see
`hydrotest_core.connector.order`. Each line of them ends with a line feed, also where the
connector forgot its last one: a last line without one was torn by a crash of ours. Files
that would be empty aren't there, but for `order.log` and `stderr.log`.

Where the output is large, files are packed: `records/000.jsonl.zst`, see
`hydrotest_core.connector.stored`.
"""

from __future__ import annotations

from typing import Final, Self

import msgspec

from hydrotest_core.connector.execution import StreamCount
from hydrotest_core.protocol.lines import Line, Problem, ProblemKind
from hydrotest_core.protocol.messages import MessageType

__all__ = [
    "INDEX_FILE",
    "MANIFEST_FILE",
    "MESSAGE_FILES",
    "ORDER_FILE",
    "PROBLEMS_FILE",
    "PROBLEM_LINES_FILE",
    "RECORDS_PATTERN",
    "STDERR_FILE",
    "STDOUT",
    "STORED_PROBLEMS",
    "StoredProblem",
    "StreamIndex",
    "records_file",
]

MANIFEST_FILE: Final = "manifest.json"
ORDER_FILE: Final = "order.log"
STDERR_FILE: Final = "stderr.log"
PROBLEM_LINES_FILE: Final = "problems.log"
PROBLEMS_FILE: Final = "problems.jsonl"
INDEX_FILE: Final = "records/index.json"
RECORDS_PATTERN: Final = r"records/[0-9]{3,}\.jsonl"
STDOUT: Final = "stdout"
"""No file: all lines together, as `order.log` has them; `hydrotest show` opens `…/stdout:14`."""

MESSAGE_FILES: Final = {
    MessageType.LOG: "messages/logs.jsonl",
    MessageType.STATE: "messages/states.jsonl",
    MessageType.TRACE: "messages/traces.jsonl",
    MessageType.CATALOG: "messages/catalog.jsonl",
    MessageType.SPEC: "messages/spec.jsonl",
    MessageType.CONNECTION_STATUS: "messages/connection_status.jsonl",
    MessageType.CONTROL: "messages/controls.jsonl",
    MessageType.DESTINATION_CATALOG: "messages/destination_catalog.jsonl",
}

STORED_PROBLEMS: Final = 1000
"""How many lines of text are stored as problems, and how many broken messages beside them."""

_STORED_TEXT_BYTES: Final = 2048


def records_file(index: int) -> str:
    """Return the path of the file for the stream that came as number `index`, from 0."""
    return f"records/{index:03d}.jsonl"


class StreamIndex(msgspec.Struct, frozen=True, kw_only=True):
    """`records/index.json`: the streams in order of appearance."""

    format_version: int = 1
    streams: list[StreamCount]


class StoredProblem(msgspec.Struct, frozen=True, kw_only=True):
    r"""One line of `problems.jsonl`.

    Attributes:
        line: The line's number on stdout, from 1.
        kind: What sort of problem it has.
        detail: The problem in a sentence.
        text: The line's first 2,048 bytes; what isn't UTF-8 stands as `\xff`.
    """

    line: int
    kind: ProblemKind
    detail: str
    text: str

    @classmethod
    def of(cls, line: Line) -> Self:
        """Return what is stored of a line that has a problem."""
        assert line.problem is not None
        return cls(
            line=line.number,
            kind=line.problem.kind,
            detail=line.problem.detail,
            text=line.raw[:_STORED_TEXT_BYTES].decode("utf-8", "backslashreplace"),
        )

    def as_line(self) -> Line:
        """Return the line again, as far as it was stored."""
        problem = Problem(self.kind, self.detail)
        return Line(self.line, self.text.encode(), None, problem)
