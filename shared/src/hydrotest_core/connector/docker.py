"""Running a connector as the image it ships in, on a Docker engine.

The container is created, attached to, started, waited for, looked at and removed: only
in this order no byte is lost, and the engine can still say whether the memory ran out.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Self

from hydrotest_core.connector.docker_container import (
    FILES_FOLDER,
    HOST_NAME,
    Container,
)
from hydrotest_core.connector.docker_errors import SILENCE_S, engine_errors, open_client
from hydrotest_core.connector.docker_loss import KNOCK_S, Loss
from hydrotest_core.connector.docker_memory import MemoryWatch
from hydrotest_core.connector.docker_stream import DemuxStream, StreamBrokenError
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import Ending
from hydrotest_core.connector.isolation import PROFILES
from hydrotest_core.connector.pump import PumpEnd, pump
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.connector.runner import Ended, Execution, prepare
from hydrotest_core.errors import EngineUnavailable, ImageUnavailable, UsageError
from hydrotest_core.untrusted import as_it_came

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import docker

    from hydrotest_core.connector.execution import (
        ConnectorUnderTest,
        ExecutionInputs,
        ExecutionResult,
    )
    from hydrotest_core.connector.isolation import IsolationProfile
    from hydrotest_core.connector.runner import Invocation
    from hydrotest_core.connector.session import Session

__all__ = ["DockerRunner", "describe_engine", "host_address", "image_id"]

_DRAIN_S: Final = 5.0
_ENDS_WITHIN_S: Final = 10.0
_BY_SIGNAL: Final = 128
_NOT_STARTED: Final = (126, 127)
_INIT_FAILED: Final = "[FATAL tini "
_UNSURE: Final = "or it exited with 128 and that number: the engine tells no difference"


def describe_engine(address: str | None = None, *, timeout_s: int = 5) -> str:
    """Return one line about the engine: `Docker engine 20.10.24 at unix:///…`.

    Raises:
        EngineUnavailable: None answers in this time.
    """
    address = address or engine_address()
    with contextlib.closing(open_client(address, timeout_s)) as client, engine_errors(""):
        return f"Docker engine {client.version()['Version']} at {address}"


def image_id(reference: str) -> str | None:
    """Return the id of an image on the engine; `None` where it isn't there.

    Raises:
        EngineUnavailable: No engine answers.
    """
    with contextlib.closing(open_client(engine_address())) as client:
        try:
            return _Image.look_up(client, reference, reference).id
        except ImageUnavailable:
            return None


def host_address() -> str:
    """Return the name by which a connector on the bridge network reaches this machine."""
    return HOST_NAME


class DockerRunner:
    """Runs `connector.image` in a container. It never pulls.

    Args:
        session: What labels the container, and says where the engine is.
        profiles: What the container keeps from the connector, by the names that inputs give.
        stop_grace_s: How long a connector whose time is up has between the request to
            end (SIGTERM) and its end (SIGKILL).
        silence_s: How long the engine may be silent before it counts as gone; it tells
            how the container does once a second.
    """

    name = "docker"

    def __init__(
        self,
        session: Session,
        *,
        profiles: Mapping[str, IsolationProfile] = PROFILES,
        stop_grace_s: float = 5.0,
        silence_s: int = SILENCE_S,
    ) -> None:
        self._silence_s = silence_s
        self._session = session
        self._profiles = profiles
        self._stop_grace_s = stop_grace_s
        self._loss = Loss(lambda: open_client(session.engine, KNOCK_S).close())

    def __repr__(self) -> str:
        return f"DockerRunner({self._session!r})"

    def run(self, inputs: ExecutionInputs) -> ExecutionResult:
        """Run the connector once; see `ConnectorRunner`.

        A container's end is a number: 128 + n is what the engine makes of signal n, and a
        connector may also exit with it. Both are told: `exit_code` 139, `signal` 11.

        Raises:
            UsageError: There is no image, or the command lacks its config or catalog.
            ImageUnavailable: The image isn't there, or its entrypoint can't be started.
            EngineUnavailable: No engine answers, or it stopped answering on the way.
            InfrastructureError: The disk is full, or the session is over.
        """
        self._session.require_open()
        self._loss.refuse_while_gone()
        try:
            return self._run(inputs)
        except EngineUnavailable as exc:
            self._loss.remember(exc)
            raise

    def _run(self, inputs: ExecutionInputs) -> ExecutionResult:
        invocation = prepare(inputs, PurePosixPath(FILES_FOLDER))
        with (
            contextlib.closing(open_client(self._session.engine, self._silence_s)) as client,
            OutputRecorder(
                inputs.output_dir, inputs.redactor, max_bytes=inputs.max_output_bytes
            ) as recorder,
        ):
            image = _Image.of(client, inputs.connector)
            execution = Execution(
                inputs,
                runner=self.name,
                isolation=self._profiles[inputs.isolation].in_words(image.user, inputs.network),
                argv=(*image.entrypoint, *invocation.arguments),
                files=invocation.files,
                recorder=recorder,
                session=self._session,
            )
            mark = secrets.token_hex(6)
            container = Container(client, f"hydrotest-{self._session.id}-{mark}", image.reference)
            try:
                with engine_errors(image.reference, image.entrypoint):
                    self._create(container, image, invocation, inputs, mark)
                    output = container.attach()
                    container.start()
                memory = MemoryWatch(self._session.engine, container.name, self._silence_s)
                voice = _Voice(output, recorder, memory)
                ended = self._follow(container, voice, memory, execution)
            except BaseException:
                container.remove()
                execution.abandon()
                raise
            container.remove()
            recorder.close()
            _refuse_unstarted(image, ended, inputs.output_dir)
            return execution.finish(ended)

    def _create(
        self,
        container: Container,
        image: _Image,
        invocation: Invocation,
        inputs: ExecutionInputs,
        mark: str,
    ) -> None:
        container.create(
            image.id,
            invocation.arguments,
            profile=self._profiles[inputs.isolation],
            image_user=image.user,
            network=inputs.network,
            environment=inputs.environment,
            labels={
                **self._session.labels(mark),
                "io.hydrotest.connector": inputs.connector.name,
                "io.hydrotest.command": inputs.command.value,
            },
        )
        if invocation.files:
            container.put(invocation.files)
        # Whoever closed the session meanwhile did not see this container.
        self._session.require_open()

    def _follow(
        self, container: Container, voice: _Voice, memory: MemoryWatch, execution: Execution
    ) -> Ended:
        """Take what the connector says until it has ended or its time is up."""
        execution.start_clock()
        memory.start()
        try:
            with engine_errors(container.image):
                # It is asked to end for either: its time is up, or it said too much.
                is_late = voice.listen(execution.deadline, may_be_cut=False) is not PumpEnd.EOF
                if is_late:
                    self._stop(container, voice)
                state = container.wait(time.monotonic() + _ENDS_WITHIN_S)
            is_told = state is None or is_late or not _signal_in(state["ExitCode"])
            signals = () if state is None or is_told else container.signals_sent(state)
            if memory.lost is not None:
                raise _cut(container) from memory.lost
        finally:
            execution.stop_clock()
            # Its samples end with the container.
            container.remove()
            memory.stop()
        if state is None:
            # The engine ends this stream with the container, never before (measured): what
            # the connector still says is lost to us.
            raise _cut(container)
        return _ended(state, signals, is_late=is_late, peak_rss_bytes=memory.peak_bytes)

    def _stop(self, container: Container, voice: _Voice) -> None:
        container.signal("SIGTERM")
        if voice.listen(time.monotonic() + self._stop_grace_s) is PumpEnd.DEADLINE:
            container.signal("SIGKILL")
            voice.listen(time.monotonic() + _DRAIN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """An image on the engine.

    Attributes:
        id: `sha256:…`, which is what runs: a tag may move.
        reference: What a person calls it.
        entrypoint: What is started.
        user: Who runs it; "" for root.
    """

    id: str
    reference: str
    entrypoint: tuple[str, ...]
    user: str

    @classmethod
    def of(cls, client: docker.APIClient, connector: ConnectorUnderTest) -> Self:
        """Look up a connector's image, by its identity where it has one."""
        has_id = connector.identity.startswith("sha256:")
        name = connector.identity if has_id else connector.image
        if not name:
            message = "This connector has no image."
            hint = "resolve it for the Docker runner, or take the process runner"
            raise UsageError(message, connector=connector.name, hint=hint)
        found = cls.look_up(client, name, connector.image or name)
        if not found.entrypoint:
            message = "The image has no ENTRYPOINT."
            hint = "the protocol's words follow the entrypoint: give it one, then build it again"
            raise ImageUnavailable(message, image=found.reference, hint=hint)
        return found

    @classmethod
    def look_up(cls, client: docker.APIClient, name: str, reference: str) -> Self:
        with engine_errors(reference):
            facts: Mapping[str, Any] = client.inspect_image(name)  # type: ignore[no-untyped-call] # not in the stubs
        config = facts.get("Config") or {}
        return cls(
            id=facts["Id"],
            reference=reference,
            entrypoint=tuple(config.get("Entrypoint") or ()),
            user=config.get("User") or "",
        )


class _Voice:
    """What an attached container says, from the engine to the recorder."""

    def __init__(self, descriptor: int, recorder: OutputRecorder, memory: MemoryWatch) -> None:
        self._descriptor = descriptor
        self._recorder = recorder
        self._demux = DemuxStream(recorder.stdout, recorder.stderr)
        self._memory = memory

    def listen(self, deadline: float, *, may_be_cut: bool = True) -> PumpEnd:
        """Pass on what comes until the container has ended or the deadline passed.

        Args:
            deadline: By the monotonic clock.
            may_be_cut: Go on after more came than may be kept.
        """

        def may_go_on() -> bool:
            self._recorder.check()
            return self._memory.lost is None and (may_be_cut or not self._recorder.is_cut)

        end = pump({self._descriptor: self._demux.feed}, deadline=deadline, on_tick=may_go_on)
        if self._memory.lost is not None:
            raise self._memory.lost
        if end is PumpEnd.EOF and not self._demux.is_complete:
            message = "the output broke off"
            raise StreamBrokenError(message)
        return end


def _cut(container: Container) -> EngineUnavailable:
    """An engine that went may have ended the container itself when it came back."""
    message = "The connection to a container was cut while the connector ran."
    return EngineUnavailable(message, image=container.image, hint="run it again")


def _signal_in(code: int) -> int | None:
    """Return the number of the signal that an exit code stands for."""
    number = code - _BY_SIGNAL
    return number if number in signal.valid_signals() else None


def _ended(
    state: Mapping[str, Any],
    signals: Sequence[int],
    *,
    is_late: bool,
    peak_rss_bytes: int | None,
) -> Ended:
    code: int = state["ExitCode"]
    is_out_of_memory = bool(state.get("OOMKilled"))
    number = _signal_in(code)
    ending, note = Ending.EXITED, ""
    if number is not None:
        ending, note = Ending.SIGNALLED, _UNSURE
        if number in signals:
            note = "by somebody, through the engine"
    # The memory of one of its processes may run out, and the connector live on and exit.
    if is_out_of_memory and number == signal.SIGKILL:
        ending, note = Ending.OUT_OF_MEMORY, ""
    return Ended(
        ending=Ending.TIMED_OUT if is_late else ending,
        exit_code=code,
        signal=number,
        ending_note="" if is_late else note,
        is_out_of_memory=is_out_of_memory,
        peak_rss_bytes=peak_rss_bytes,
    )


def _refuse_unstarted(image: _Image, ended: Ended, directory: Path) -> None:
    """Tell a connector that exits with 127 from an entrypoint that isn't there.

    The container's first process is the engine's init; it starts the entrypoint, and says
    on stderr when it can't.
    """
    if ended.exit_code not in _NOT_STARTED:
        return
    said = Evidence(directory).stderr_tail(1)
    if said and as_it_came(said[0]).startswith(_INIT_FAILED):
        message = "The image's entrypoint can't be started."
        hint = "mend ENTRYPOINT in its Dockerfile, then build it again"
        raise ImageUnavailable(
            message,
            image=image.reference,
            entrypoint=list(image.entrypoint),
            reason=said[0],
            hint=hint,
        )
