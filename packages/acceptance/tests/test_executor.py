from __future__ import annotations

import time
from pathlib import Path

import pytest

from hydrotest_acceptance.executor import Executor
from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.execution import Command, ConnectorUnderTest, Network
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.protocol import MessageType
from hydrotest_core.redaction import SecretDict
from hydrotest_core.run.directory import RunDirectory
from hydrotest_core.run.findings import Finding, Judgement, Rule, Severity
from hydrotest_core.testing import (
    Script,
    ScriptedRunner,
    a_catalog,
    a_configured_catalog,
    a_connection_status,
    a_log,
    a_record,
    a_spec,
)

MARKED = a_spec({"colour": {"type": "string", "airbyte_secret": True}})
CONFIG = SecretDict(api_key="s3cr3t-value", colour="ultramarine")
CATALOG = a_configured_catalog("users")
SAYS = {
    Command.SPEC: Script([MARKED]),
    Command.CHECK: Script([a_connection_status(), a_log("ultramarine s3cr3t-value")]),
    Command.DISCOVER: Script([a_catalog("users")]),
    Command.READ: Script([a_record("users", id=1), a_record("pets", id=2)]),
}
RULE = Rule(code="HT-A-001", title="a title", why="why", source="house rule")


@pytest.fixture
def executor_of(tmp_path):
    """Return a function that makes an executor, its runner beside it as `runner`."""

    def make(scripts=SAYS, **more):
        home = tmp_path / "home"
        run = RunDirectory.create(home)
        runner = scripts if isinstance(scripts, ScriptedRunner) else ScriptedRunner(scripts)
        return Executor(
            connector=ConnectorUnderTest(name="source-x", version="dev", identity="env:1"),
            cache=ExecutionCache(
                home,
                runner,
                session="s",
                accept_since_ms=0,
                on_start=run.started,
                on_end=run.ended,
            ),
            run=run,
            session_key=b"k" * 32,
            **more,
        )

    return make


def calls(executor):
    return [call.command for call in executor.cache.runner.calls]


def last(executor):
    return executor.cache.runner.calls[-1]


class TestCommands:
    def test_each_is_told_how_much_it_may_say(self, executor_of):
        executor = executor_of(max_output_bytes=5_000)
        executor.spec()

        assert last(executor).max_output_bytes == 5_000

    def test_spec_takes_no_config_and_no_network(self, executor_of):
        executor = executor_of()

        found = executor.spec()

        assert [message.type for message in found.messages(MessageType.SPEC)] == [MessageType.SPEC]
        assert last(executor).network is Network.NONE
        assert last(executor).config is None

    @pytest.mark.parametrize("command", ["check", "discover"])
    def test_check_and_discover_take_the_config(self, executor_of, command):
        executor = executor_of()

        getattr(executor, command)(CONFIG)

        assert (last(executor).command, last(executor).config) == (command, CONFIG)
        assert last(executor).network is Network.BRIDGE

    def test_read_takes_catalog_and_state(self, executor_of):
        executor = executor_of()

        executor.read(CONFIG, CATALOG, state=[{"type": "STREAM"}])

        assert last(executor).configured_catalog == CATALOG
        assert last(executor).state == [{"type": "STREAM"}]

    def test_read_without_a_state_is_not_one_with_an_empty_one(self, executor_of):
        executor = executor_of()
        executor.read(CONFIG, CATALOG)
        assert last(executor).state is None

        assert not executor.read(CONFIG, CATALOG, state=[]).cached.is_reused

    def test_a_second_attempt_runs_again(self, executor_of):
        executor = executor_of()
        first, second = executor.read(CONFIG, CATALOG), executor.read(CONFIG, CATALOG, attempt=2)

        assert first.cached.directory != second.cached.directory
        assert calls(executor).count(Command.READ) == 2

    def test_the_same_question_is_asked_once(self, executor_of):
        executor = executor_of()
        for _ in range(3):
            executor.check(CONFIG)

        assert calls(executor) == [Command.SPEC, Command.CHECK]

    def test_an_empty_config_is_given_to_the_connector(self, executor_of):
        executor = executor_of()

        executor.check(SecretDict())

        assert last(executor).config == {}

    @pytest.mark.parametrize(
        "ask",
        [
            lambda executor, mode: executor.spec(mode),
            lambda executor, mode: executor.check(CONFIG, mode),
            lambda executor, mode: executor.discover(CONFIG, mode),
            lambda executor, mode: executor.read(CONFIG, CATALOG, deployment_mode=mode),
        ],
        ids=["spec", "check", "discover", "read"],
    )
    def test_the_deployment_mode_is_a_variable_in_capitals(self, executor_of, ask):
        executor = executor_of(environment={"GREETING": "hello"})

        ask(executor, "cloud")
        assert last(executor).environment == {"GREETING": "hello", "DEPLOYMENT_MODE": "CLOUD"}

        ask(executor, None)
        assert last(executor).environment == {"GREETING": "hello"}


class TestTime:
    def test_is_what_is_left_of_the_tests(self, executor_of):
        executor = executor_of()
        executor.begin_test(100)

        executor.spec()

        assert 90 < last(executor).timeout_s <= 100

    def test_is_a_second_at_least(self, executor_of):
        executor = executor_of()
        executor.begin_test(-50)

        executor.spec()

        assert last(executor).timeout_s == 1

    def test_outside_of_any_test_is_a_day(self, executor_of):
        executor = executor_of()

        found = executor.spec()

        assert last(executor).timeout_s == 86_400
        assert found.evidence.manifest.timeout_s == 86_400

    def test_of_a_look_up_of_secrets_is_gone_for_the_command(self, executor_of, monkeypatch):
        """`spec` is run first, and what it took is no time of `check`."""
        clock = [0.0]
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])

        def script(inputs):
            if inputs.command is Command.SPEC:
                clock[0] += 30
            return SAYS[inputs.command]

        executor = executor_of(ScriptedRunner(script))
        executor.begin_test(100)

        executor.check(CONFIG)

        assert [call.timeout_s for call in executor.cache.runner.calls] == [60, 70]

    def test_of_a_look_up_is_a_minute_at_most_so_that_a_hang_hangs_once(self, executor_of):
        scripts = {**SAYS, Command.SPEC: Script(hangs=True)}
        executor = executor_of(scripts)

        for seconds in (100, 1000, 10_000):
            executor.begin_test(seconds)
            executor.check(CONFIG)

        assert calls(executor) == [Command.SPEC, Command.CHECK]
        assert executor.cache.runner.calls[0].timeout_s == 60


class TestSeen:
    def test_is_what_the_test_looked_at_in_order(self, executor_of):
        executor = executor_of()
        executor.begin_test(60)

        asked = [executor.check(CONFIG), executor.spec(), executor.check(CONFIG)]

        assert executor.seen == [one.cached.key for one in asked]

    def test_is_forgotten_by_the_next_test(self, executor_of):
        executor = executor_of()
        executor.check(CONFIG)
        executor.begin_test(60)

        assert executor.seen == []

    def test_has_no_look_up_of_secrets(self, executor_of):
        executor = executor_of()

        check = executor.check(CONFIG)

        assert calls(executor) == [Command.SPEC, Command.CHECK]
        assert executor.seen == [check.cached.key]

    def test_is_logged_each_time_look_ups_included(self, executor_of):
        executor = executor_of()
        executor.check(CONFIG)
        executor.check(CONFIG)

        assert [(one.command, one.reused) for one in executor.run.asked()] == [
            (Command.SPEC, False),
            (Command.CHECK, False),
            (Command.CHECK, True),
        ]
        assert executor.run.running() == []

    def test_judgements_say_where_they_were_seen(self, executor_of):
        execution = executor_of().spec()
        findings = tuple(Finding(rule=RULE, expected="this", got=text) for text in "ab")
        judged = [Judgement(rule=RULE, checked=1), Judgement(rule=RULE, findings=findings)]

        first, second = execution.seen(judged)

        assert first == judged[0]
        assert [one.execution for one in second.findings] == [execution.cached.directory.name] * 2
        assert [one.got for one in second.findings] == ["a", "b"]


def kept(executor):
    """Everything that was written down."""
    home = Path(executor.run.path).parents[1]
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


class TestSecrets:
    def test_that_a_name_or_the_specification_marks_are_kept_nowhere(self, executor_of):
        executor = executor_of()

        executor.check(CONFIG)

        assert b"s3cr3t-value" not in kept(executor)
        assert b"ultramarine" not in kept(executor)
        assert b"secret:colour" in kept(executor)

    def test_that_the_connector_sends_itself_are_kept_nowhere_in_later_commands_too(
        self, executor_of
    ):
        update = {"config": {"colour": "vermilion-of-the-update"}}
        body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": update}
        scripts = {
            **SAYS,
            Command.CHECK: Script([{"type": "CONTROL", "control": body}]),
            Command.DISCOVER: Script([a_log("vermilion-of-the-update")]),
        }
        executor = executor_of(scripts)

        executor.check(CONFIG)
        executor.discover(CONFIG)

        assert b"vermilion" not in kept(executor)
        assert kept(executor).count(b"secret:colour.2") >= 2

    def test_that_are_too_short_to_look_for_are_named_in_the_manifest(self, executor_of):
        executor = executor_of(environment={"PIN": "1234"})

        manifest = executor.check(SecretDict(CONFIG, api_key="abc")).evidence.manifest

        assert manifest.unsearched_secrets == {
            "api_key": "shorter than 6 characters",
            "environment.PIN": "shorter than 6 characters",
        }

    def test_of_the_variables_are_kept_nowhere_even_without_a_config(self, executor_of):
        scripts = {**SAYS, Command.SPEC: Script([MARKED, a_log("k3y-of-the-variable")])}
        executor = executor_of(scripts, environment={"API_KEY": "k3y-of-the-variable", "A": "b"})

        executor.spec()

        assert b"k3y-of-the-variable" not in kept(executor)
        assert b"secret:environment.API_KEY" in kept(executor)

    def test_look_the_same_in_all_workers(self, executor_of):
        texts = {executor_of().redactor(CONFIG).redact_text("ultramarine") for _ in range(2)}

        assert len(texts) == 1
        assert "ultramarine" not in texts.pop()

    def test_without_a_config_need_no_look_up(self, executor_of):
        executor = executor_of()

        assert executor.redactor(None).is_empty
        assert executor.redactor(SecretDict()).is_empty
        assert calls(executor) == []

    @pytest.mark.parametrize(
        "spec",
        [Script(), Script(exit_code=1), Script(["nonsense"]), Script(hangs=True)],
        ids=["silent", "crashes", "nonsense", "hangs"],
    )
    def test_that_only_their_name_gives_away_are_kept_nowhere_without_a_spec(
        self, executor_of, spec
    ):
        executor = executor_of({**SAYS, Command.SPEC: spec})

        executor.check(CONFIG)

        assert b"s3cr3t-value" not in kept(executor)

    def test_are_asked_for_again_where_the_machine_failed(self, executor_of):
        class Shaky(ScriptedRunner):
            def run(self, inputs):
                if len(self.calls) == 0:
                    self.calls.append(inputs)
                    message = "The Docker engine stopped answering."
                    raise InfrastructureError(message)
                return super().run(inputs)

        executor = executor_of(Shaky(SAYS))
        with pytest.raises(InfrastructureError):
            executor.check(CONFIG)

        executor.check(CONFIG)

        assert b"ultramarine" not in kept(executor)

    def test_of_an_empty_specification_are_those_with_likely_names(self, executor_of):
        spec = a_spec()
        spec["spec"]["connectionSpecification"] = {}
        executor = executor_of({**SAYS, Command.SPEC: Script([spec])})

        assert "value-of-it" not in executor.redactor(SecretDict(token="value-of-it")).redact_text(
            "value-of-it"
        )


class ByProfile:
    """A Docker runner that isn't one: what it says depends on the profile it is asked for."""

    name = "docker"

    def __init__(self, **scripts):
        self.runners = {
            profile: ScriptedRunner({**SAYS, Command.CHECK: script})
            for profile, script in scripts.items()
        }
        self.profiles = []

    def run(self, inputs):
        self.profiles.append((inputs.command, inputs.isolation))
        return self.runners[inputs.isolation].run(inputs)


class TestSecondLook:
    REFUSED = Script(stderr="PermissionError: Permission denied", exit_code=1)

    @pytest.fixture
    def look(self, tmp_path):
        """Return a function that blames a check for a failure and gives what is said of it."""

        def blame(runner, isolation="strict", *, severity=Severity.ERROR):
            home = tmp_path / "home"
            run = RunDirectory.create(home)
            executor = Executor(
                connector=ConnectorUnderTest(name="source-x", version="dev", identity="sha256:1"),
                cache=ExecutionCache(home, runner, session="s", accept_since_ms=0),
                run=run,
                session_key=b"k" * 32,
                isolation=isolation,
            )
            executor.begin_test(60)
            check = executor.check(CONFIG)
            finding = Finding(rule=RULE, expected="this", got="that", severity=severity)
            judged = check.seen([Judgement(rule=RULE, findings=(finding,), checked=1)])
            return [
                (one.rule.code, one.findings[0].execution == check.cached.directory.name)
                for one in executor.second_look(judged)
            ]

        return blame

    def test_what_works_with_more_is_told_with_where_it_failed(self, look):
        runner = ByProfile(
            strict=self.REFUSED, writable=self.REFUSED, relaxed=Script([a_connection_status()])
        )

        assert look(runner) == [("HT-ISO-001", True)]
        checks = [profile for command, profile in runner.profiles if command is Command.CHECK]
        assert checks == ["strict", "writable", "relaxed"]

    def test_who_relaxed_by_wish_is_told_nothing(self, look):
        runner = ByProfile(relaxed=self.REFUSED, writable=Script([a_connection_status()]))

        assert look(runner, "relaxed") == []

    def test_an_execution_that_nobody_blames_is_not_looked_at(self, look):
        runner = ByProfile(strict=self.REFUSED, writable=Script([a_connection_status()]))

        assert look(runner, severity=Severity.WARNING) == []
        assert {profile for _, profile in runner.profiles} == {"strict"}

    def test_a_program_of_this_machine_has_no_profiles(self, look):
        assert look(ScriptedRunner({**SAYS, Command.CHECK: self.REFUSED})) == []

    def test_an_engine_that_fails_meanwhile_costs_the_explanation_only(self, look):
        class Failing(ByProfile):
            def run(self, inputs):
                if inputs.isolation != "strict":
                    message = "No Docker engine answers."
                    raise InfrastructureError(message)
                return super().run(inputs)

        assert look(Failing(strict=self.REFUSED)) == []
