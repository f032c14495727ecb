"""Runs the connector's commands for the suites: through the cache, within the test's time."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_acceptance.rules.isolation import works_as_isolated
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    MAX_OUTPUT_BYTES,
    Command,
    ExecutionInputs,
    Network,
)
from hydrotest_core.connector.isolation import STRICT
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol import MessageType
from hydrotest_core.redaction import Redactor, SecretDict, find_secrets
from hydrotest_core.run.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hydrotest_core.connector.cache import CachedExecution, ExecutionCache
    from hydrotest_core.connector.execution import ConnectorUnderTest
    from hydrotest_core.protocol import AirbyteMessage
    from hydrotest_core.run.directory import RunDirectory
    from hydrotest_core.run.findings import Judgement

__all__ = ["LOOK_UP_S", "Execution", "Executor"]

# Time for starting and stopping that a test's own timeout doesn't have to hold.
_LEAST_S = 1.0
# What looking up a config's secrets may take of it: a spec that hangs hangs once, not in each test.
LOOK_UP_S = 60.0
# Before any test began there is no end to its time, and JSON has no word for that.
_LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Execution:
    """One finished execution, as a suite looks at it."""

    cached: CachedExecution
    evidence: Evidence

    def seen(self, judgements: Iterable[Judgement]) -> list[Judgement]:
        """Return judgements whose findings say that this is where they were seen."""
        folder = self.cached.directory.name
        return [
            msgspec.structs.replace(
                one,
                findings=tuple(
                    msgspec.structs.replace(finding, execution=folder) for finding in one.findings
                ),
            )
            for one in judgements
        ]

    def messages(self, kind: MessageType) -> list[AirbyteMessage]:
        """Return all messages of a kind; not for records, which may be many."""
        return list(self.evidence.messages(kind))


@dataclass(slots=True)
class Executor:
    """Runs commands of one connector for one worker.

    Attributes:
        connector: What is judged.
        cache: Where executions come from.
        run: The run's folder, where each execution is logged.
        session_key: Makes equal secrets look equal in all workers.
        environment: Variables for every command.
        isolation: Name of the profile that keeps the machine from the connector.
        max_output_bytes: How much the connector may say in one execution.
        deadline: When the current test's time is up, by the monotonic clock.
        seen: Keys of the executions the current test looked at, in order.
    """

    connector: ConnectorUnderTest
    cache: ExecutionCache
    run: RunDirectory
    session_key: bytes
    environment: Mapping[str, str] = field(default_factory=dict)
    isolation: str = STRICT.name
    max_output_bytes: int = MAX_OUTPUT_BYTES
    deadline: float = float("inf")
    seen: list[str] = field(default_factory=list)
    _specification: Mapping[str, Any] | None = None
    _learned: dict[str, str] = field(default_factory=dict, repr=False)
    _of_test: list[tuple[ExecutionInputs, Execution]] = field(default_factory=list, repr=False)

    def begin_test(self, timeout_s: float) -> None:
        """Start the clock of a test."""
        self.deadline = time.monotonic() + timeout_s
        self.seen = []
        self._of_test = []

    def spec(self, deployment_mode: str | None = None) -> Execution:
        """Run `spec`, without network."""
        return self._execute(Command.SPEC, deployment_mode=deployment_mode, network=Network.NONE)

    def check(self, config: SecretDict, deployment_mode: str | None = None) -> Execution:
        """Run `check`."""
        return self._execute(Command.CHECK, config=config, deployment_mode=deployment_mode)

    def discover(self, config: SecretDict, deployment_mode: str | None = None) -> Execution:
        """Run `discover`."""
        return self._execute(Command.DISCOVER, config=config, deployment_mode=deployment_mode)

    def read(
        self,
        config: SecretDict,
        configured_catalog: Mapping[str, Any],
        *,
        state: Sequence[Any] | None = None,
        attempt: int = 1,
        deployment_mode: str | None = None,
    ) -> Execution:
        """Run `read`; `attempt` 2 is a run of its own of the same inputs."""
        return self._execute(
            Command.READ,
            config=config,
            configured_catalog=configured_catalog,
            state=state,
            attempt=attempt,
            deployment_mode=deployment_mode,
        )

    def second_look(self, judgements: Sequence[Judgement]) -> list[Judgement]:
        """Say what a test's failed executions needed that `strict` keeps from a connector.

        Where something was refused to the connector it is run again with less kept from
        it. An engine that fails meanwhile costs the explanation only.
        """
        if self.isolation != STRICT.name or self.cache.runner.name != "docker":
            return []
        findings = [finding for one in judgements for finding in one.findings]
        blamed = {one.execution for one in findings if one.severity is Severity.ERROR}
        found: list[Judgement] = []
        for inputs, execution in self._of_test:

            def again(profile: str, inputs: ExecutionInputs = inputs) -> Evidence:
                less = replace(inputs, isolation=profile, timeout_s=self._time_left_s())
                return self._take(less).evidence

            if execution.cached.directory.name in blamed:
                with contextlib.suppress(InfrastructureError):
                    found += execution.seen(works_as_isolated(execution.evidence, again))
        return found

    def redactor(self, config: SecretDict | None) -> Redactor:
        """Return what keeps secrets of config and variables out of all that is written."""
        found = find_secrets(self.environment, None)
        secrets = {f"environment.{name}": value for name, value in found.values.items()}
        left_out = {f"environment.{name}": reason for name, reason in found.left_out.items()}
        specification = self._connection_specification() if config else None
        if config:
            found = find_secrets(config, specification)
            secrets |= found.values
            left_out |= found.left_out
        redactor = Redactor(secrets, self.session_key, specification, left_out)
        redactor.learn(self._learned)
        return redactor

    def _execute(
        self,
        command: Command,
        *,
        config: SecretDict | None = None,
        configured_catalog: Mapping[str, Any] | None = None,
        state: Sequence[Any] | None = None,
        attempt: int = 1,
        deployment_mode: str | None = None,
        network: Network = Network.BRIDGE,
        at_most_s: float = _LONGEST_S,
    ) -> Execution:
        # First of all: it may take a run of `spec`, and that time is gone then.
        redactor = self.redactor(config)
        environment = dict(self.environment)
        if deployment_mode:
            environment["DEPLOYMENT_MODE"] = deployment_mode.upper()
        inputs = ExecutionInputs(
            connector=self.connector,
            command=command,
            config=config,
            configured_catalog=configured_catalog,
            state=state,
            environment=environment,
            network=network,
            isolation=self.isolation,
            timeout_s=min(at_most_s, self._time_left_s()),
            max_output_bytes=self.max_output_bytes,
            attempt=attempt,
            output_dir=Path(),
            redactor=redactor,
        )
        execution = self._take(inputs)
        self._of_test.append((inputs, execution))
        return execution

    def _time_left_s(self) -> float:
        return max(_LEAST_S, self.deadline - time.monotonic())

    def _take(self, inputs: ExecutionInputs) -> Execution:
        try:
            cached = self.cache.run(inputs)
        finally:
            # What the connector was given while it ran may turn up in what it says next time.
            self._learned |= inputs.redactor.learned
        self.run.log(cached)
        self.seen.append(cached.key)
        return Execution(cached, Evidence(cached.directory))

    def _connection_specification(self) -> Mapping[str, Any] | None:
        """Return what the connector says its config is, which names the secrets in it.

        Without an answer it is asked again the next time: an engine that failed once
        must not cost the secrets that only the specification marks.
        """
        if self._specification is None:
            looked_at = len(self.seen)
            spec = self._execute(Command.SPEC, network=Network.NONE, at_most_s=LOOK_UP_S)
            for message in spec.messages(MessageType.SPEC):
                if message.spec is not None:
                    self._specification = message.spec.connection_specification
            # Looking up the secrets isn't part of what the test asked for.
            del self.seen[looked_at:]
        return self._specification or None
