"""One acceptance session: what is judged, by which runner, and where it is written down.

The controller opens it (chooses the runner, resolves or builds the connector, makes the
run's folder); each xdist worker joins it with what the controller sends.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import secrets
import sys
import threading
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hydrotest_acceptance.executor import LOOK_UP_S, Executor
from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.choosing import choose_runner
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import MAX_OUTPUT_BYTES, ConnectorUnderTest
from hydrotest_core.connector.folder import ConnectorFolder
from hydrotest_core.connector.follower import Follower
from hydrotest_core.connector.isolation import STRICT, profile_in
from hydrotest_core.connector.session import Session, clear_stale
from hydrotest_core.errors import HydrotestError, InfrastructureError
from hydrotest_core.run.directory import RunDirectory
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    from hydrotest_acceptance.config import AcceptanceConfig
    from hydrotest_core.connector.execution import ConnectorRunner

__all__ = ["AcceptanceSession", "Options", "Subject"]

_ENDS_WITHIN_S = 10.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line.

    Attributes:
        folder: The folder with `acceptance-test-config.yml`.
        runner: `auto`, `docker` or `process`.
        isolation: Name of a profile of the Docker runner.
        version: Which version of the connector; `None` takes the tag of
            `connector_image`.
        home: Where environments, executions and reports are kept.
        max_age_s: How old a kept execution may be to be taken; 0 takes only
            those of this session.
        max_output_bytes: How much the connector may say in one execution.
    """

    folder: str
    runner: str
    version: str | None
    home: str
    max_age_s: float = 0.0
    max_output_bytes: int = MAX_OUTPUT_BYTES
    isolation: str = STRICT.name


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller found out, as it goes to each worker.

    Attributes:
        options: What was asked for, the runner replaced by the one chosen.
        runner_why: One sentence: why this runner.
        connector: What is judged.
        session_id: The id that labels containers and processes.
        session_key: Hex; equal secrets get equal tokens in all workers.
        run_path: The run's folder.
        accept_since_ms: Executions that ended before this are run anew.
        host_for_connector: The address under which the connector reaches this machine.
    """

    options: Options
    runner_why: str
    connector: ConnectorUnderTest
    session_id: str
    session_key: str
    run_path: str
    accept_since_ms: int
    host_for_connector: str


class AcceptanceSession:
    """What a controller opened or a worker joined; `executor` runs the connector."""

    def __init__(
        self,
        subject: Subject,
        session: Session,
        runner: ConnectorRunner,
        config: AcceptanceConfig,
        *,
        worker: str = "",
    ) -> None:
        self.subject = subject
        self.options = subject.options
        self.run = RunDirectory(Path(subject.run_path), worker)
        self._session = session
        self._follower = Follower(session)
        self._ahead: threading.Thread | None = None
        cache = ExecutionCache(
            Path(subject.options.home),
            runner,
            session=subject.session_id,
            accept_since_ms=subject.accept_since_ms,
            on_start=self.run.started,
            on_end=self.run.ended,
            on_damage=self.run.warn,
        )
        self.executor = Executor(
            connector=subject.connector,
            cache=cache,
            run=self.run,
            session_key=bytes.fromhex(subject.session_key),
            environment=config.environment,
            isolation=subject.options.isolation,
            max_output_bytes=subject.options.max_output_bytes,
        )

    def __repr__(self) -> str:
        connector = self.subject.connector
        return f"<AcceptanceSession {connector.name}:{connector.version} {self.options.runner}>"

    @property
    def host_for_connector(self) -> str:
        """The address under which the connector reaches servers on this machine."""
        return self.subject.host_for_connector

    @classmethod
    def open(cls, options: Options, config: AcceptanceConfig) -> AcceptanceSession:
        """Choose the runner, resolve the connector, make the run's folder.

        Raises:
            UsageError: The folder or an option is wrong.
            InfrastructureError: The engine, a build or an install failed.
        """
        say(f"hydrotest {version()}  {Path(options.folder).name}  settings {config.path}")
        _clear_what_the_dead_left()
        session = Session.open()
        try:
            runner, why = choose_runner(options.runner, session)
            say(f"runner {runner.name}: {why}")
            connector, host = _resolve(options, config, runner.name)
        except BaseException:
            session.close()
            raise
        say(f"judging {connector.name}:{connector.version} {connector.identity[:19]}")
        now_ms = time.time_ns() // 1_000_000
        subject = Subject(
            options=msgspec.structs.replace(options, runner=runner.name),
            runner_why=why,
            connector=connector,
            session_id=session.id,
            session_key=secrets.token_hex(32),
            run_path=str(RunDirectory.create(Path(options.home)).path),
            accept_since_ms=now_ms - round(options.max_age_s * 1000),
            host_for_connector=host,
        )
        return cls(subject, session, runner, config)

    @classmethod
    def join(cls, sent: str, config: AcceptanceConfig, worker: str) -> AcceptanceSession:
        """Make a worker's half from what `for_worker` returned; it ends with its controller."""
        subject = msgspec.json.decode(sent, type=Subject, dec_hook=_from_wire)
        session = Session.join(subject.session_id)
        runner, _ = choose_runner(subject.options.runner, session)
        joined = cls(subject, session, runner, config, worker=worker)
        joined._follower.start()
        return joined

    def for_worker(self) -> str:
        """Return what a worker needs to join."""
        return msgspec.json.encode(self.subject, enc_hook=str).decode()

    def isolation(self) -> str:
        """Return the isolation that was in force, in words, and for which commands.

        Not of second looks: those explain, and no verdict rests on them.
        """
        commands: dict[str, set[str]] = defaultdict(set)
        for summary in self.run.executions():
            # One that was deleted meanwhile has nothing to say, and costs nobody the report.
            with contextlib.suppress(InfrastructureError):
                manifest = Evidence(self.run.path / summary.directory).manifest
                profile = profile_in(manifest.isolation)
                if profile is None or profile.name == self.options.isolation:
                    commands[manifest.isolation].add(str(manifest.command))
        if len(commands) <= 1:
            return next(iter(commands), "")
        # They differ in the last words only: what of the network was there.
        common = os.path.commonprefix(list(commands)).rpartition(", ")[0]  # noqa: RUF071 - meant
        rest = [
            f"{', '.join(sorted(names))}: {text.removeprefix(common).strip(', ')}"
            for text, names in commands.items()
        ]
        return f"{common}; {'; '.join(rest)}" if common else "; ".join(rest)

    def clear_orphans(self) -> None:
        """Remove what a worker left behind that is dead."""
        self._session.clear_orphans()

    def announce_end(self) -> None:
        """Have the workers end, too."""
        self._session.announce_end()

    def keep_guarded(self) -> None:
        """See to it that somebody cleans up if we are killed."""
        self._session.keep_guarded()

    def run_ahead(self, config: AcceptanceConfig) -> None:
        """Begin to run `spec` in a thread: it is what any worker asks for first.

        What goes wrong is kept or not, as ever; the test that asks for it tells.
        """
        executor = replace(self.executor, seen=[])
        section = config.section("spec")
        tests = (section.tests if section else None) or ()
        executor.begin_test(min([LOOK_UP_S, *(config.timeout_s("spec", one) for one in tests)]))

        def run() -> None:
            with contextlib.suppress(HydrotestError):
                executor.spec()

        self._ahead = threading.Thread(target=run, name="hydrotest-ahead", daemon=True)
        self._ahead.start()

    def close(self) -> None:
        """Let go of the session; whatever still runs under its label is removed."""
        self._follower.stop()
        self._session.close()
        if self._ahead is not None:
            self._ahead.join(_ENDS_WITHIN_S)


def _clear_what_the_dead_left() -> None:
    """Remove, aloud, what sessions left that were killed along with their reapers."""
    try:
        gone = clear_stale()
    except OSError as exc:  # What answers there is no engine; choosing a runner tells.
        say(f"what dead sessions left can't be listed: {exc}")
        return
    for line in gone:
        say(f"removed {line}, whose owner is dead")


def _resolve(
    options: Options, config: AcceptanceConfig, runner: str
) -> tuple[ConnectorUnderTest, str]:
    folder = ConnectorFolder.load(Path(options.folder))
    asked = options.version or config.image_tag or "dev"
    if runner == "docker":
        from hydrotest_core.connector.docker import host_address  # noqa: PLC0415 - needs the SDK
        from hydrotest_core.connector.image import ensure_image  # noqa: PLC0415

        connector = ensure_image(folder, asked, build_if_missing=True, progress=say)
        return connector, host_address()
    from hydrotest_core.connector.environment import resolve_process  # noqa: PLC0415

    return resolve_process(folder, asked, home=Path(options.home), progress=say), "127.0.0.1"


def _from_wire(kind: type, value: Any) -> Any:
    return Path(value) if issubclass(kind, Path) else value


def say(line: str) -> None:
    """Tell the person who waits; a long build must not be silent."""
    print(for_terminal(line), file=sys.stderr, flush=True)  # noqa: T201 - before pytest's reporter is there


def version() -> str:
    """Return the release of hydrotest-acceptance that is installed."""
    return importlib.metadata.version("hydrotest-acceptance")
