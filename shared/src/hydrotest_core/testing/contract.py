"""What every runner must do; a runner's tests subclass `RunnerContract`.

```python
class TestMyRunner(RunnerContract):
    @pytest.fixture
    def runner(self): ...

    @pytest.fixture
    def launch(self): ...
```
"""

from __future__ import annotations

import enum
import importlib.resources
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorRunner,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
    ExecutionResult,
)
from hydrotest_core.protocol.messages import MessageType
from hydrotest_core.redaction import SecretDict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Behaviour", "RunnerContract", "program"]

_CATALOG: Final[dict[str, Any]] = {"streams": []}
_BIG: Final = 5_000_000


class Behaviour(enum.StrEnum):
    """How the connector behaves that a runner is tested with.

    Attributes:
        RECORDS: Emits 1,000 numbered records and exits with 0.
        EXIT_3: Says "before" and exits with 3.
        SIGNAL: Says "before" and kills itself.
        HANG: Says "before" and "still here" and never ends, whatever it is asked; it
            leaves two children, one of them in a session of its own.
        BACKGROUND: Says "gone" and exits with 0; its children keep its pipes open.
        TWO_VOICES: Says 500 numbered lines on stdout and on stderr, in turns.
        ECHO: Says what it was given: `{"command", "files", "environment"}` as JSON.
        BIG_LINE: Says one message of 5 MB.
        NO_NEWLINE: Says "last" without a line feed.
        UNICODE: Says a message beyond ASCII, and a line that isn't UTF-8.
    """

    RECORDS = "records"
    EXIT_3 = "exit_3"
    SIGNAL = "signal"
    HANG = "hang"
    BACKGROUND = "background"
    TWO_VOICES = "two_voices"
    ECHO = "echo"
    BIG_LINE = "big_line"
    NO_NEWLINE = "no_newline"
    UNICODE = "unicode"


def program() -> str:
    """Return the source of a Python program that behaves as its first argument says."""
    return importlib.resources.files(__package__).joinpath("contract_program.py").read_text("utf-8")


class RunnerContract:
    """The tests.

    Attributes:
        hang_timeout_s: Long enough for a connector to start and to say two lines.
    """

    hang_timeout_s = 3.0

    @pytest.fixture
    def runner(self) -> ConnectorRunner:
        """Return the runner; a short time between SIGTERM and SIGKILL saves time."""
        raise NotImplementedError

    @pytest.fixture
    def launch(self) -> Callable[[Behaviour], ConnectorUnderTest]:
        """Return a function that gives a connector that behaves as it is told."""
        raise NotImplementedError

    @pytest.fixture
    def leftovers(self) -> Callable[[], list[str]]:
        """Return a function that lists what is left of the executions so far."""
        return list

    @pytest.fixture
    def play(
        self,
        runner: ConnectorRunner,
        launch: Callable[[Behaviour], ConnectorUnderTest],
        tmp_path: Path,
    ) -> Callable[..., ExecutionResult]:
        """Return a function that runs a behaviour once, as a `check` unless told otherwise."""

        def run(behaviour: Behaviour, **more: Any) -> ExecutionResult:
            inputs: dict[str, Any] = {"command": Command.CHECK, "config": SecretDict(), **more}
            output_dir = tmp_path / behaviour
            output_dir.mkdir(mode=0o700)
            return runner.run(
                ExecutionInputs(connector=launch(behaviour), output_dir=output_dir, **inputs)
            )

        return run

    def test_says_how_it_ran(self, play: Callable[..., ExecutionResult]) -> None:
        """The manifest names the runner, and holds times that fit together."""
        result = play(Behaviour.RECORDS)

        manifest = Evidence(result.directory).manifest
        assert manifest == result.manifest
        assert manifest.runner
        assert manifest.argv[-3:-1] == ["check", "--config"]
        assert manifest.ended_at_ms >= manifest.started_at_ms
        assert manifest.duration_s >= 0

    def test_exit_code_0_is_an_end(self, play: Callable[..., ExecutionResult]) -> None:
        """All is well."""
        manifest = play(Behaviour.RECORDS).manifest

        assert (manifest.ending, manifest.exit_code, manifest.signal) == (Ending.EXITED, 0, None)

    def test_exit_code_3_is_told(self, play: Callable[..., ExecutionResult]) -> None:
        """A failure is told apart, and what was said before it is kept."""
        result = play(Behaviour.EXIT_3)

        manifest = result.manifest
        assert (manifest.ending, manifest.exit_code, manifest.signal) == (Ending.EXITED, 3, None)
        assert _said(result) == ["before"]

    def test_signal_is_told(self, play: Callable[..., ExecutionResult]) -> None:
        """A crash is told apart from an exit."""
        result = play(Behaviour.SIGNAL)

        assert (result.manifest.ending, result.manifest.signal) == (Ending.SIGNALLED, 9)
        assert result.manifest.exit_code in {None, 137}
        assert not result.manifest.is_out_of_memory
        assert _said(result) == ["before"]

    def test_timeout_keeps_what_was_said_and_leaves_nothing(
        self, play: Callable[..., ExecutionResult], leftovers: Callable[[], list[str]]
    ) -> None:
        """Neither the connector nor a child of it is there afterwards."""
        result = play(Behaviour.HANG, timeout_s=self.hang_timeout_s)

        assert result.manifest.ending is Ending.TIMED_OUT
        assert result.manifest.timeout_s == self.hang_timeout_s
        assert _said(result) == ["before", "still here"]
        assert leftovers() == []

    def test_children_in_the_background_keep_nobody_waiting(
        self, play: Callable[..., ExecutionResult], leftovers: Callable[[], list[str]]
    ) -> None:
        """A connector has ended when its process has."""
        result = play(Behaviour.BACKGROUND)

        assert (result.manifest.ending, result.manifest.exit_code) == (Ending.EXITED, 0)
        assert _said(result) == ["gone"]
        assert leftovers() == []

    def test_stdout_and_stderr_stay_apart_and_in_order(
        self, play: Callable[..., ExecutionResult]
    ) -> None:
        """Each has its own file."""
        result = play(Behaviour.TWO_VOICES)

        said = (result.directory / "stderr.log").read_text().splitlines()
        assert said == [f"err {number}" for number in range(500)]
        assert _said(result) == [f"out {number}" for number in range(500)]

    def test_records_keep_their_order(self, play: Callable[..., ExecutionResult]) -> None:
        """And are counted."""
        result = play(Behaviour.RECORDS)

        records = Evidence(result.directory).records("s")
        assert [msgspec.json.decode(one.data)["id"] for one in records] == list(range(1000))
        assert result.manifest.message_counts == {"RECORD": 1000}

    @pytest.mark.parametrize(
        ("config", "state"),
        [
            pytest.param({}, [], id="empty"),
            pytest.param({"key": "grüße"}, [{"type": "STREAM"}], id="filled"),
        ],
    )
    def test_files_are_handed_over(
        self,
        play: Callable[..., ExecutionResult],
        config: dict[str, Any],
        state: list[Any],
    ) -> None:
        """An empty config and an empty state are still given."""
        result = play(
            Behaviour.ECHO,
            command=Command.READ,
            config=SecretDict(config),
            configured_catalog=_CATALOG,
            state=state,
        )

        heard = _heard(result)
        assert heard["command"] == "read"
        assert heard["files"] == {"--config": config, "--catalog": _CATALOG, "--state": state}

    def test_absent_state_is_no_argument(self, play: Callable[..., ExecutionResult]) -> None:
        """A first sync has none."""
        result = play(
            Behaviour.ECHO,
            command=Command.READ,
            config=SecretDict(),
            configured_catalog=_CATALOG,
        )

        assert _heard(result)["files"] == {"--config": {}, "--catalog": _CATALOG}

    def test_environment_is_handed_over(self, play: Callable[..., ExecutionResult]) -> None:
        """Values keep blanks and characters that a shell would eat."""
        value = "a b $HOME \"'ü"
        result = play(Behaviour.ECHO, environment={"DEPLOYMENT_MODE": value})

        assert _heard(result)["environment"]["DEPLOYMENT_MODE"] == value
        assert "DEPLOYMENT_MODE" in result.manifest.environment_names

    def test_big_line_arrives_whole(self, play: Callable[..., ExecutionResult]) -> None:
        """However the pipe cuts it."""
        assert [len(text) for text in _said(play(Behaviour.BIG_LINE))] == [_BIG]

    def test_last_line_without_a_line_feed_counts(
        self, play: Callable[..., ExecutionResult]
    ) -> None:
        """It is judged like the others."""
        assert _said(play(Behaviour.NO_NEWLINE)) == ["last"]

    def test_bytes_arrive_as_they_were(self, play: Callable[..., ExecutionResult]) -> None:
        """Those that are no UTF-8 too."""
        result = play(Behaviour.UNICODE)

        assert _said(result) == ["grüße 🚰 \u2028 e\u0301"]
        assert b"".join(Evidence(result.directory).stdout()).endswith(b"\n\xff\xfe broken\n")
        assert result.manifest.problem_count == 1


def _said(result: ExecutionResult) -> list[str]:
    logs = Evidence(result.directory).messages(MessageType.LOG)
    return [one.log.message for one in logs if one.log is not None]


def _heard(result: ExecutionResult) -> dict[str, Any]:
    heard: dict[str, Any] = msgspec.json.decode(_said(result)[0])
    return heard
