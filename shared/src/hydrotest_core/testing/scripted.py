"""A runner that runs nothing: it says what a script says.

```python
runner = ScriptedRunner({Command.READ: Script([a_record("users", id=1), a_state("users")])})
```

All above the runners is tested with it, and the output takes the same way to the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from hydrotest_core.connector.execution import Command, Ending
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.runner import Ended, Execution, prepare
from hydrotest_core.errors import UsageError
from hydrotest_core.testing.builders import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from hydrotest_core.connector.execution import ExecutionInputs, ExecutionResult

__all__ = ["Script", "ScriptedLine", "ScriptedRunner", "Scripts"]

ScriptedLine: TypeAlias = "bytes | str | Mapping[str, Any]"
"""A message, or a line as it is where it is no message."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a connector says, and how it ends.

    Attributes:
        lines: What it says on stdout.
        stderr: What it says on stderr.
        exit_code: What it exits with.
        signal: The signal that ends it instead, or `None`.
        hangs: Whether it never ends; its time is up at once then, nobody waits for it.
        runs_out_of_memory: Whether it is killed for its memory.
        ends_line: Whether its last line ends with a line feed.
    """

    lines: Iterable[ScriptedLine] = ()
    stderr: bytes | str = b""
    exit_code: int = 0
    signal: int | None = None
    hangs: bool = False
    runs_out_of_memory: bool = False
    ends_line: bool = True

    def ended(self) -> Ended:
        """Say how it ends."""
        signal = 9 if self.hangs or self.runs_out_of_memory else self.signal
        ending = Ending.EXITED if signal is None else Ending.SIGNALLED
        ending = Ending.OUT_OF_MEMORY if self.runs_out_of_memory else ending
        return Ended(
            ending=Ending.TIMED_OUT if self.hangs else ending,
            exit_code=self.exit_code if signal is None else None,
            signal=signal,
            is_out_of_memory=self.runs_out_of_memory,
        )


Scripts: TypeAlias = "Mapping[Command, Script] | Callable[[ExecutionInputs], Script]"
"""A script a command, or a function that writes one for what it is asked."""


class ScriptedRunner:
    """Plays scripts.

    Args:
        scripts: What is said to which command.

    Attributes:
        calls: What it was asked to run, in order.
    """

    name = "scripted"

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self.calls: list[ExecutionInputs] = []

    def __repr__(self) -> str:
        return f"ScriptedRunner({len(self.calls)} calls)"

    def run(self, inputs: ExecutionInputs) -> ExecutionResult:
        """Play the script for `inputs`.

        Raises:
            UsageError: There is none, or the command lacks its config or catalog.
        """
        self.calls.append(inputs)
        script = self._script(inputs)
        invocation = prepare(inputs, _nowhere(inputs.output_dir))
        with OutputRecorder(
            inputs.output_dir, inputs.redactor, max_bytes=inputs.max_output_bytes
        ) as recorder:
            execution = Execution(
                inputs,
                runner=self.name,
                isolation="scripted: nothing runs",
                argv=(*inputs.connector.argv, *invocation.arguments),
                files=invocation.files,
                recorder=recorder,
                session=None,
            )
            execution.start_clock()
            try:
                _play(script, recorder)
            except BaseException:
                execution.abandon()
                raise
            return execution.finish(script.ended())

    def _script(self, inputs: ExecutionInputs) -> Script:
        if callable(self._scripts):
            return self._scripts(inputs)
        if inputs.command not in self._scripts:
            message = "There is no script for this command."
            hint = "give ScriptedRunner one"
            raise UsageError(message, command=inputs.command, hint=hint)
        return self._scripts[inputs.command]


def _nowhere(output_dir: Path) -> Path:
    return output_dir / "inputs"


def _play(script: Script, recorder: OutputRecorder) -> None:
    stderr = script.stderr
    recorder.stderr(stderr.encode() if isinstance(stderr, str) else stderr)
    end = b""
    for line in script.lines:
        recorder.stdout(end + _as_bytes(line))
        end = b"\n"
    if script.ends_line:
        recorder.stdout(end)


def _as_bytes(line: ScriptedLine) -> bytes:
    if isinstance(line, bytes):
        return line
    return line.encode() if isinstance(line, str) else as_line(line)
