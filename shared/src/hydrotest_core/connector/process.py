"""Running a connector as a program of this machine.

It gets a session and a group of processes of its own, a scratch folder as HOME and
TMPDIR, and only those of our variables that it can't do without. Nothing keeps it from
the network or from the user's files: that is what the Docker runner is for.

Its tree of processes is gone when `run` returns: the group is killed, then whoever left
the group is found by the variable that all inherit. Source: ecosystem reference, B2.5.
"""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING, Final

from hydrotest_core.connector.process_tree import ProcessTree
from hydrotest_core.connector.pump import PumpEnd, pump
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.runner import Execution, prepare
from hydrotest_core.disk import disk_errors
from hydrotest_core.sealed import make_private_dir, open_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hydrotest_core.connector.execution import ExecutionInputs, ExecutionResult
    from hydrotest_core.connector.runner import Ended, Invocation
    from hydrotest_core.connector.session import Session

__all__ = ["ISOLATION", "ProcessRunner", "minimal_environment"]

ISOLATION: Final = (
    "process: its own group of processes, HOME and TMPDIR; the network and this user's files "
    "are not out of its reach"
)

_PASSED_ON: Final = (
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)

# What is still in the pipes of killed processes is there at once.
_DRAIN_S = 2.0


class ProcessRunner:
    """Runs `connector.argv` as a child process.

    Args:
        session: What marks the processes and gives the scratch folder.
        stop_grace_s: How long a connector whose time is up has between the request to
            end (SIGTERM) and its end (SIGKILL).
    """

    name = "process"

    def __init__(self, session: Session, *, stop_grace_s: float = 5.0) -> None:
        self._session = session
        self._stop_grace_s = stop_grace_s

    def __repr__(self) -> str:
        return f"ProcessRunner({self._session!r})"

    def run(self, inputs: ExecutionInputs) -> ExecutionResult:
        """Run the connector once; see `ConnectorRunner`.

        Raises:
            UsageError: The command needs a config or a catalog, and there is none.
            BuildFailed: The connector's program isn't there or can't be started.
            InfrastructureError: The disk is full, or the session is over.
        """
        mark = secrets.token_hex(6)
        with self._session.scratch(mark) as scratch:
            invocation = prepare(inputs, scratch / "inputs")
            _write_files(scratch / "inputs", invocation)
            argv = (*inputs.connector.argv, *invocation.arguments)
            environment = {
                **minimal_environment(os.environ, scratch),
                **inputs.connector.environment,
                **inputs.environment,
                **self._session.variables(mark),
            }
            with OutputRecorder(
                inputs.output_dir, inputs.redactor, max_bytes=inputs.max_output_bytes
            ) as recorder:
                execution = Execution(
                    inputs,
                    runner=self.name,
                    isolation=ISOLATION,
                    argv=argv,
                    files=invocation.files,
                    recorder=recorder,
                    session=self._session,
                )
                tree = ProcessTree(
                    argv, inputs.connector.working_directory or scratch / "home", mark
                )
                try:
                    tree.start(environment)
                    execution.start_clock()
                    ended = _follow(tree, recorder, execution, self._stop_grace_s)
                except BaseException:
                    tree.kill()
                    execution.abandon()
                    raise
                finally:
                    tree.close()
                return execution.finish(ended)


def minimal_environment(ours: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Return what of our variables a connector gets, and folders of its own.

    Args:
        ours: Our variables.
        scratch: A private folder; `home` and `tmp` are made in it.
    """
    passed = {
        name: value for name, value in ours.items() if name in _PASSED_ON or name[:3] == "LC_"
    }
    return {
        "PATH": os.defpath,
        **passed,
        "HOME": str(make_private_dir(scratch / "home")),
        "TMPDIR": str(make_private_dir(scratch / "tmp")),
    }


def _write_files(folder: Path, invocation: Invocation) -> None:
    elsewhere = "choose another temporary folder with TMPDIR"
    with disk_errors("The connector's files can't be written.", folder, elsewhere=elsewhere):
        make_private_dir(folder)
        for name, data in invocation.files.items():
            with open_private(folder / name) as file:
                file.write(data)


def _follow(
    tree: ProcessTree, recorder: OutputRecorder, execution: Execution, grace_s: float
) -> Ended:
    """Take what the connector says until it has ended or its time is up."""
    sources = {tree.stdout: recorder.stdout, tree.stderr: recorder.stderr}

    def may_go_on() -> bool:
        recorder.check()
        return not recorder.is_cut and tree.may_still_speak()

    end = pump(sources, deadline=execution.deadline, on_tick=may_go_on)
    # It is asked to end for either: its time is up, or it said too much.
    is_late = (end is PumpEnd.DEADLINE or recorder.is_cut) and tree.is_running()
    if end is PumpEnd.EOF:
        # It may close its pipes and go on.
        is_late = not tree.wait(execution.deadline)
    if is_late:
        tree.ask_to_end()
        soon = time.monotonic() + grace_s
        if pump(sources, deadline=soon, on_tick=tree.is_running) is PumpEnd.EOF:
            tree.wait(soon)
    execution.stop_clock()
    tree.kill(are_pipes_closed=end is PumpEnd.EOF)
    pump(sources, deadline=time.monotonic() + _DRAIN_S)
    return tree.ended(is_late=is_late)
