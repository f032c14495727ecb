from __future__ import annotations

import msgspec
import pytest

from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    Ending,
    ExecutionInputs,
)
from hydrotest_core.errors import UsageError
from hydrotest_core.redaction import Redactor, SecretDict
from hydrotest_core.testing import Script, ScriptedRunner, a_log, a_record, a_state


@pytest.fixture
def play(tmp_path):
    """Return a function that plays a script for a `check`."""

    def run(script, **more):
        output_dir = tmp_path / "out"
        output_dir.mkdir(mode=0o700)
        connector = ConnectorUnderTest(name="source-x", version="dev", identity="script")
        inputs = ExecutionInputs(
            connector=connector,
            output_dir=output_dir,
            **{"command": Command.CHECK, "config": SecretDict(), **more},
        )
        return ScriptedRunner({Command.CHECK: script}).run(inputs)

    return run


def stdout_of(result):
    return b"".join(Evidence(result.directory).stdout())


def test_lines_are_said_as_they_are_given(play):
    result = play(Script([a_log("one"), "no message", b"\xff", a_state("users")]))

    lines = stdout_of(result).split(b"\n")
    assert msgspec.json.decode(lines[0]) == a_log("one")
    assert lines[1:3] == [b"no message", b"\xff"]
    assert lines[4:] == [b""]
    assert result.manifest.problem_count == 2


def test_script_without_lines_says_nothing(play):
    result = play(Script())

    assert stdout_of(result) == b""
    assert result.manifest.line_count == 0


def test_last_line_may_lack_its_end(play):
    assert stdout_of(play(Script(["a", "b"], ends_line=False))) == b"a\nb"


def test_lines_may_come_from_a_generator(play):
    result = play(Script(a_record("s", id=number) for number in range(3)))

    assert result.manifest.message_counts == {"RECORD": 3}


@pytest.mark.parametrize("said", ["oops é", "oops é".encode()], ids=["text", "bytes"])
def test_stderr_is_said_apart(play, said):
    result = play(Script(stderr=said))

    assert (result.directory / "stderr.log").read_text() == "oops é"


@pytest.mark.parametrize(
    ("script", "ending", "exit_code", "signal"),
    [
        pytest.param(Script(), Ending.EXITED, 0, None, id="exits"),
        pytest.param(Script(exit_code=7), Ending.EXITED, 7, None, id="fails"),
        pytest.param(Script(signal=11), Ending.SIGNALLED, None, 11, id="crashes"),
        pytest.param(Script(hangs=True), Ending.TIMED_OUT, None, 9, id="hangs"),
        pytest.param(Script(runs_out_of_memory=True), Ending.OUT_OF_MEMORY, None, 9, id="memory"),
    ],
)
def test_each_ending_can_be_played(play, script, ending, exit_code, signal):
    manifest = play(script).manifest

    assert (manifest.ending, manifest.exit_code, manifest.signal) == (ending, exit_code, signal)
    assert manifest.is_out_of_memory == (ending is Ending.OUT_OF_MEMORY)


def test_secrets_are_replaced_as_with_any_runner(play):
    result = play(
        Script(["the key is s3cr3t-value-1"]), redactor=Redactor({"key": "s3cr3t-value-1"})
    )

    assert b"s3cr3t" not in stdout_of(result)
    assert result.manifest.redactions == {"key": 1}


def test_command_without_a_script_is_told(play):
    with pytest.raises(UsageError, match="no script for this command"):
        play(Script(), command=Command.SPEC, config=None)


def test_script_may_be_written_for_what_is_asked(tmp_path):
    runner = ScriptedRunner(lambda inputs: Script([a_log(inputs.command)]))
    for name in ("one", "two"):
        (tmp_path / name).mkdir(mode=0o700)
        connector = ConnectorUnderTest(name=name, version="dev", identity="script")
        inputs = ExecutionInputs(
            connector=connector, command=Command.SPEC, output_dir=tmp_path / name
        )
        result = runner.run(inputs)

        assert b'"message":"spec"' in stdout_of(result)
    assert [call.connector.name for call in runner.calls] == ["one", "two"]
    assert repr(runner) == "ScriptedRunner(2 calls)"


def test_interrupted_script_keeps_what_was_said(play, tmp_path):
    def lines():
        yield "said"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(Script(lines()))

    evidence = Evidence(tmp_path / "out")
    assert evidence.manifest.ending is Ending.INTERRUPTED
    assert evidence.manifest.line_count == 1
