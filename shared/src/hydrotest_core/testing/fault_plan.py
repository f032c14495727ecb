"""Failures on purpose: of the n-th call, or of calls drawn from a seed, replayable.

The n-th call in turn, until a run comes through without a failure (SQLite's manner):

```python
for plan in FaultPlan.each_call():
    with plan, plan.attached(files_below(tmp_path)):
        atomic_write(path, b"new")
```

Calls drawn from a seed, which a failing test tells:

```python
@pytest.mark.parametrize("seed", fault_seeds(24))
def test_a_retry_succeeds(seed, tmp_path):
    with FaultPlan(seed) as plan:
        with plan.attached(files_below(tmp_path), engine_calls()), suppress(InfrastructureError):
            ...
```

`HYDROTEST_FAULT_SEED` runs one of them again: `17` a seed, `call-3` the third call.
The seams are patched from the test; nothing in the code under test knows of it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias
from unittest import mock

from hydrotest_core.connector.reaper import Engine
from hydrotest_core.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from hydrotest_core.connector.execution import (
        ConnectorRunner,
        ExecutionInputs,
        ExecutionResult,
    )

__all__ = [
    "SEED_VARIABLE",
    "FaultPlan",
    "FaultyRunner",
    "Seam",
    "clock",
    "engine_calls",
    "fault_seeds",
    "files_below",
]

SEED_VARIABLE: Final = "HYDROTEST_FAULT_SEED"
_CALL: Final = "call-"
_MOST_CALLS: Final = 500
_DISK_ERRORS: Final = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)
_JUMP_NS: Final = 3600 * 10**9

Seam: TypeAlias = "Callable[[FaultPlan], Iterator[contextlib.AbstractContextManager[Any]]]"
"""Where calls can fail: gives the patches that make them ask a plan."""


class FaultPlan:
    """Says of each call at the seams whether it fails; a context manager that tells its seed.

    A seed draws for the k-th call of each name by itself, so that threads, which come in
    any order, don't make another run of it.

    Args:
        seed: What is drawn from.
        nth: The one call that fails instead, counted over all names from 1.
        rate: How likely a call fails.
        at_most: How many fail.

    Attributes:
        calls: The names of the calls so far, in order.
        faults: Those that failed, `os.write #3`.
    """

    def __init__(
        self, seed: int = 0, *, nth: int | None = None, rate: float = 0.1, at_most: int = 2
    ) -> None:
        self._seed = seed
        self._nth = nth
        self._rate = rate
        self._at_most = at_most
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self.faults: list[str] = []

    def __repr__(self) -> str:
        return f"FaultPlan({self.token}, {len(self.calls)} calls, failed: {self.faults})"

    @property
    def token(self) -> str:
        """What `HYDROTEST_FAULT_SEED` must be to see this again."""
        return str(self._seed) if self._nth is None else f"{_CALL}{self._nth}"

    @classmethod
    def each_call(cls) -> Iterator[Self]:
        """Yield plans that fail the first call, the second …, until one found nothing to fail."""
        asked = os.environ.get(SEED_VARIABLE, "")
        if asked.startswith(_CALL):
            yield cls(nth=int(asked.removeprefix(_CALL)))
            return
        for number in range(1, _MOST_CALLS + 1):
            plan = cls(nth=number)
            yield plan
            if not plan.faults:
                return
        message = f"more than {_MOST_CALLS} calls: is this one run?"
        raise AssertionError(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(f"{self!r}: see it again with {SEED_VARIABLE}={self.token}")

    @contextlib.contextmanager
    def attached(self, *seams: Seam) -> Iterator[Self]:
        """Have the calls at these seams fail as planned, until the end of the `with`."""
        with contextlib.ExitStack() as stack:
            for seam in seams:
                for patch in seam(self):
                    stack.enter_context(patch)
            yield self

    def fails(self, name: str) -> bool:
        """Count a call and say whether it fails."""
        with self._lock:
            self.calls.append(name)
            number = self.calls.count(name)
            is_due = self._is_due(name, number)
            if is_due:
                self.faults.append(f"{name} #{number}")
            return is_due

    def _is_due(self, name: str, number: int) -> bool:
        if self._nth is not None:
            return len(self.calls) == self._nth
        return len(self.faults) < self._at_most and self.draw(f"{name} {number}") < self._rate

    def draw(self, what: str) -> float:
        """Return a number between 0 and 1 that depends on the seed and on `what` alone."""
        return random.Random(f"{self._seed} {what}").random()  # noqa: S311 - not for secrets

    def disk_error(self, path: str) -> OSError:
        """Return what a disk may say."""
        number = _DISK_ERRORS[0]
        if self._nth is None:
            number = _DISK_ERRORS[int(self.draw(path) * len(_DISK_ERRORS))]
        return OSError(number, os.strerror(number), path)


def fault_seeds(count: int) -> list[int]:
    """Return seeds to run with; the one that was asked for where there is one."""
    asked = os.environ.get(SEED_VARIABLE, "")
    return [int(asked)] if asked.isdecimal() else list(range(count))


def files_below(root: Path) -> Seam:
    """Have calls fail that make, write, flush or rename files below a folder.

    A write that fails has written half of its bytes, as on a disk that becomes full.
    """
    return lambda plan: _Files(plan, str(root)).patches()


class _Files:
    """Stands in for the functions of `os` that change files."""

    def __init__(self, plan: FaultPlan, root: str) -> None:
        self._plan = plan
        self._root = root
        self._real = {name: getattr(os, name) for name in (*_BY_PATH, *_BY_DESCRIPTOR, "fdopen")}
        self._paths: dict[int, tuple[str, tuple[int, int]]] = {}

    def patches(self) -> Iterator[contextlib.AbstractContextManager[Any]]:
        for name in _BY_PATH:
            yield mock.patch.object(os, name, self._by_path(name))
        for name in _BY_DESCRIPTOR:
            yield mock.patch.object(os, name, self._by_descriptor(name))
        yield mock.patch.object(os, "fdopen", self._fdopen)

    def _by_path(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **more: Any) -> Any:
            where = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
            is_ours = isinstance(where, str) and where.startswith(self._root)
            is_write = name != "open" or bool(args and args[0] & (os.O_WRONLY | os.O_RDWR))
            if is_ours and is_write and self._plan.fails(f"os.{name}"):
                raise self._plan.disk_error(where)
            result = self._real[name](path, *args, **more)
            if name == "open" and is_ours and is_write:
                self._paths[result] = (where, _identity(result))
            return result

        return call

    def _by_descriptor(self, name: str) -> Callable[..., Any]:
        def call(descriptor: Any, *args: Any) -> Any:
            where = self._path_of(descriptor)
            if where and self._plan.fails(f"os.{name}"):
                if name in {"write", "writev"}:
                    data = b"".join(args[0]) if name == "writev" else bytes(args[0])
                    self._real["write"](descriptor, data[: len(data) // 2])
                raise self._plan.disk_error(where)
            return self._real[name](descriptor, *args)

        return call

    def _path_of(self, descriptor: Any) -> str:
        if not isinstance(descriptor, int) or descriptor not in self._paths:
            return ""
        where, identity = self._paths[descriptor]
        # The number may be another file's by now.
        return where if _identity(descriptor) == identity else ""

    def _fdopen(self, descriptor: int, mode: str = "r", *args: Any, **more: Any) -> Any:
        where = self._path_of(descriptor)
        if not where or "b" not in mode or args or more:
            return self._real["fdopen"](descriptor, mode, *args, **more)
        return io.BufferedWriter(_Raw(descriptor, mode))


class _Raw(io.FileIO):
    """A file whose writes go through `os.write`, where a plan may have them fail."""

    def write(self, data: Any, /) -> int:
        return os.write(self.fileno(), data)


_BY_PATH: Final = ("open", "mkdir", "rename", "replace")
_BY_DESCRIPTOR: Final = ("write", "writev", "fsync", "fchmod")


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def engine_calls(*, is_answer_lost: bool = False) -> Seam:
    """Have calls of a Docker engine fail, those of the SDK and the reaper's plain ones.

    Args:
        is_answer_lost: Whether the engine did as it was asked, and only its answer never
            came; else the call doesn't reach it.
    """

    def patches(plan: FaultPlan) -> Iterator[contextlib.AbstractContextManager[Any]]:
        import docker  # noqa: PLC0415 - the SDK is an extra
        import requests  # noqa: PLC0415 - comes with it

        real_send, real_call = docker.APIClient.send, Engine._call  # noqa: SLF001 - its one way out

        def send(client: Any, request: Any, **more: Any) -> Any:
            fails = plan.fails(f"engine {request.method}")
            answer = real_send(client, request, **more) if is_answer_lost or not fails else None
            if answer is not None and not fails:
                return answer
            if answer is not None:
                answer.close()
            message = "planned"
            raise requests.ConnectionError(message)

        def call(engine: Engine, method: str, path: str) -> Any:
            fails = plan.fails(f"reaper {method}")
            answer = real_call(engine, method, path) if is_answer_lost or not fails else None
            if answer is not None and not fails:
                return answer
            raise ConnectionResetError(errno.ECONNRESET, "planned")

        yield mock.patch.object(docker.APIClient, "send", send, create=True)
        yield mock.patch.object(Engine, "_call", call)

    return patches


def clock() -> Seam:
    """Have the clock jump by an hour, forth or back, for good; `monotonic` never does."""

    def patches(plan: FaultPlan) -> Iterator[contextlib.AbstractContextManager[Any]]:
        real, shift = time.time_ns, [0]

        def time_ns() -> int:
            if plan.fails("time.time_ns"):
                # Half of the plans jump back.
                shift[0] += _JUMP_NS if plan.draw("direction") < 0.5 else -_JUMP_NS  # noqa: PLR2004
            return real() + shift[0]

        yield mock.patch.object(time, "time_ns", time_ns)

    return patches


class FaultyRunner:
    """A runner that fails as planned, before it ran anything or when it has.

    Args:
        runner: The one that runs.
        plan: Asked twice a run.
    """

    def __init__(self, runner: ConnectorRunner, plan: FaultPlan) -> None:
        self.name = runner.name
        self._runner = runner
        self._plan = plan

    def __repr__(self) -> str:
        return f"FaultyRunner({self._runner!r}, {self._plan!r})"

    def run(self, inputs: ExecutionInputs) -> ExecutionResult:
        """Run `inputs`; see `ConnectorRunner`.

        Raises:
            EngineUnavailable: As planned.
        """
        self._ask("before")
        result = self._runner.run(inputs)
        self._ask("after")
        return result

    def _ask(self, when: str) -> None:
        if self._plan.fails(f"runner {when}"):
            message = "This failure was planned."
            raise EngineUnavailable(message, when=when, hint="it is a test's")
