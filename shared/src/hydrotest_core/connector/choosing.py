"""Which runner: the one asked for, or what this machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hydrotest_core.connector.process import ProcessRunner
from hydrotest_core.errors import EngineUnavailable, UsageError

if TYPE_CHECKING:
    from hydrotest_core.connector.execution import ConnectorRunner
    from hydrotest_core.connector.session import Session

__all__ = ["choose_runner"]

_ENGINE_ANSWERS_WITHIN_S: Final = 2


def choose_runner(name: str, session: Session) -> tuple[ConnectorRunner, str]:
    """Return the runner that was asked for, and one sentence that says why it is this one.

    Args:
        name: `docker`, `process`, or `auto`: Docker where an engine answers within two
            seconds, else process.
        session: The session that all it starts belongs to.

    Raises:
        EngineUnavailable: Docker was asked for by name and can't serve.
        UsageError: There is no runner of this name.
    """
    if name == "process":
        return ProcessRunner(session), "asked for by name"
    if name not in {"auto", "docker"}:
        message = "There is no such runner."
        raise UsageError(message, runner=name, hint="take auto, docker or process")
    try:
        runner, engine = _docker_runner(session)
    except EngineUnavailable as exc:
        if name == "docker":
            raise
        why = f"{exc.message.rstrip('.')} ({exc.facts.get('reason', '')})"
        return ProcessRunner(session), why
    return runner, f"{'asked for by name; ' if name == 'docker' else ''}{engine}"


def _docker_runner(session: Session) -> tuple[ConnectorRunner, str]:
    try:
        from hydrotest_core.connector.docker import (  # noqa: PLC0415 - the SDK is an extra
            DockerRunner,
            describe_engine,
        )
    except ImportError as exc:
        message = "The Docker SDK is not installed."
        hint = "pip install 'hydrotest-core[docker]', or take the process runner"
        raise EngineUnavailable(message, reason=exc, hint=hint) from exc
    engine = describe_engine(session.engine, timeout_s=_ENGINE_ANSWERS_WITHIN_S)
    return DockerRunner(session), engine
