from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest
from click.shell_completion import ShellComplete

from hydrotest_core.cli.main import cli, main
from hydrotest_core.errors import (
    BuildFailed,
    ConnectorExited,
    ConnectorFolderError,
    HydrotestError,
    InfrastructureError,
    SettingsError,
    UsageError,
)
from hydrotest_core.run.tally import ExitCode
from hydrotest_core.settings import Mistake

# The package has a function of the module's name.
main_module = sys.modules["hydrotest_core.cli.main"]
HEAVY = ["docker", "jinja2", "jsonschema_rs", "msgspec", "requests", "rich", "yaml", "filelock"]


@pytest.fixture
def run(capsys):
    """Return a function that runs a command line and gives (exit code, stdout, stderr)."""

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            main(args)
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return call


@pytest.fixture
def command(monkeypatch):
    """Return a function that makes `hydrotest act` do something."""

    def make(action):
        act = click.Command("act", callback=action)
        known = main_module._Commands.get_command

        def get(self, ctx, name):
            return act if name == "act" else known(self, ctx, name)

        def names(self, ctx):
            return ["act", "build", "doctor"]

        monkeypatch.setattr(main_module._Commands, "get_command", get)
        monkeypatch.setattr(main_module._Commands, "list_commands", names)

    return make


def raising(error):
    def action():
        raise error

    return action


class TestHelp:
    def test_lists_the_commands_and_what_they_do(self, run):
        code, out, _ = run("--help")

        assert code == 0
        assert "build   Build a connector's image" in out
        assert "doctor  Say what works" in out
        assert "Exit codes: 0 passed" in out

    def test_has_a_short_form(self, run):
        assert run("-h") == run("--help")

    def test_without_arguments_is_wrong_usage_that_shows_the_help(self, run):
        code, _, err = run()

        assert code == 2
        assert "Commands:" in err

    def test_version_is_the_installed_one(self, run):
        code, out, _ = run("--version")

        assert code == 0
        assert out == "hydrotest, version 0.1.0\n"

    @pytest.mark.parametrize(
        "args",
        [["--help"], ["--version"], ["-h"], ["doctor", "--help"], ["build", "--help"]],
        ids=" ".join,
    )
    def test_imports_nothing_heavy(self, args):
        script = (
            "import sys\n"
            "from hydrotest_core.cli import main\n"
            "try:\n"
            f"    main({args})\n"
            "except SystemExit as ended:\n"
            "    assert ended.code == 0\n"
            f"found = [name for name in {HEAVY} if name in sys.modules]\n"
            "print('heavy:', found, file=sys.stderr)\n"
        )

        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )

        assert done.stderr == "heavy: []\n"

    def test_completion_needs_no_command_to_be_loaded(self, monkeypatch):
        monkeypatch.setattr(main_module.importlib, "import_module", raising(AssertionError()))

        found = ShellComplete(cli, {}, "hydrotest", "_X").get_completions([], "d")

        assert [(item.value, item.help) for item in found] == [
            ("doctor", "Say what works on this machine, and mend the rest.")
        ]

    def test_completion_knows_the_options(self):
        found = ShellComplete(cli, {}, "hydrotest", "_X").get_completions([], "--v")

        assert [item.value for item in found] == ["--version"]


class TestEveryFlag:
    @staticmethod
    def flags():
        context = click.Context(cli)
        for name in cli.list_commands(context):
            command = cli.get_command(context, name)
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    yield pytest.param(command, parameter, id=f"{name} {parameter.opts[0]}")

    @pytest.mark.parametrize(("command", "option"), list(flags()))
    def test_has_a_variable_that_its_help_names(self, command, option):
        text = command.get_help(click.Context(command, info_name="x"))

        assert option.envvar.startswith("HYDROTEST_")
        assert option.envvar in text
        assert option.help

    def test_can_be_given_by_its_variable(self, run, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        monkeypatch.setenv("HYDROTEST_DOCTOR_JSON", "1")

        _, out, _ = run("doctor")

        assert json.loads(out)["findings"]

    def test_wins_over_its_variable(self, run, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        monkeypatch.setenv("HYDROTEST_HOME", "by-variable")

        assert "home            by-variable," in run("doctor")[1]
        assert "home            by-flag," in run("doctor", "--home", "by-flag")[1]


MISTAKES = [
    Mistake(file="a.yml", line=3, column=1, message="unknown key", hint="did you mean 'x'?"),
    Mistake(file="a.yml", line=9, column=5, message="no number"),
]


class TestExitCodes:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (ConnectorExited("It ended."), ExitCode.FINDINGS),
            (UsageError("Not so."), ExitCode.USAGE),
            (ConnectorFolderError("No folder."), ExitCode.USAGE),
            (SettingsError("Mistakes.", mistakes=MISTAKES), ExitCode.USAGE),
            (click.UsageError("Not so."), ExitCode.USAGE),
            (click.ClickException("Not so."), ExitCode.USAGE),
            (click.FileError("x"), ExitCode.USAGE),
            (InfrastructureError("Broken."), ExitCode.INCONCLUSIVE),
            (BuildFailed("Broken."), ExitCode.INCONCLUSIVE),
            (HydrotestError("Broken."), ExitCode.INCONCLUSIVE),
            (OSError(28, "No space left on device"), ExitCode.INCONCLUSIVE),
            (KeyboardInterrupt(), ExitCode.INTERRUPTED),
            (click.Abort(), ExitCode.INTERRUPTED),
            (SystemExit(3), ExitCode.INCONCLUSIVE),
        ],
        ids=lambda value: value.name if isinstance(value, ExitCode) else type(value).__name__,
    )
    def test_of_an_error(self, run, command, error, code):
        command(raising(error))

        assert run("act")[0] == code

    @pytest.mark.parametrize(
        ("value", "code"), [(None, 0), (ExitCode.PASSED, 0), (ExitCode.FINDINGS, 1), (3, 3)]
    )
    def test_of_what_a_command_returns(self, run, command, value, code):
        command(lambda: value)

        assert run("act")[0] == code

    def test_our_constants_are_those_of_the_table(self):
        assert main_module.EXIT_USAGE == ExitCode.USAGE
        assert main_module.EXIT_INCONCLUSIVE == ExitCode.INCONCLUSIVE
        assert main_module.EXIT_INTERRUPTED == ExitCode.INTERRUPTED

    def test_an_interruption_says_so(self, run, command):
        command(raising(KeyboardInterrupt()))

        assert run("act")[2].endswith("hydrotest: interrupted\n")

    def test_an_error_of_ours_that_nobody_foresaw_is_not_swallowed(self, command):
        command(raising(ZeroDivisionError()))

        with pytest.raises(ZeroDivisionError):
            main(["act"])


class TestErrors:
    def test_stand_line_by_line_with_the_way_out_at_the_end(self, run, command):
        error = InfrastructureError("It broke.", hint="mend it", image="x:dev", exit_code=1)
        command(raising(error))

        _, out, err = run("act")

        assert out == ""
        assert err == "hydrotest: It broke.\n  image: x:dev\n  exit code: 1\nhint: mend it\n"

    def test_keep_the_lines_of_a_fact(self, run, command):
        command(raising(BuildFailed("It broke.", last_lines="\n  one\n  two\n", reason="no")))

        assert run("act")[2] == (
            "hydrotest: It broke.\n  last lines:\n    one\n    two\n  reason: no\n"
        )

    def test_of_settings_list_every_mistake(self, run, command):
        command(raising(SettingsError("Mistakes.", mistakes=MISTAKES, line=3)))

        assert run("act")[2] == (
            "hydrotest: Mistakes.\n"
            "  a.yml:3:1: unknown key hint: did you mean 'x'?\n"
            "  a.yml:9:5: no number\n"
        )

    @pytest.mark.parametrize(
        "error",
        [
            InfrastructureError("\x1b]0;x\x07"),
            InfrastructureError("It broke.", reason="one\n\x1b[2J"),
            InfrastructureError("It broke.", hint="\x1b[2J"),
            SettingsError("It broke.", mistakes=["fine", "\u202egnp"]),
            OSError("\x9b2J"),
        ],
        ids=["message", "second line of a fact", "hint", "second mistake", "of the system"],
    )
    def test_bring_no_control_character_to_the_terminal(self, run, command, error):
        command(raising(error))

        text = run("act")[2]

        assert all(each.isprintable() or each == "\n" for each in text)
        assert "\\" in text

    def test_of_a_full_disk_say_what_is_free_and_needed(self, run, command, tmp_path):
        command(raising(OSError(28, "No space left on device", str(tmp_path / "x"))))

        text = run("act")[2]

        for word in (str(tmp_path / "x"), "free bytes", "needed bytes", "free some space"):
            assert word in text


class TestColours:
    @pytest.mark.parametrize(
        ("environment", "is_coloured"),
        [
            ({}, False),
            ({"FORCE_COLOR": "1"}, True),
            ({"FORCE_COLOR": ""}, False),
            ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
            ({"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
            ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
        ],
        ids=["none", "force", "empty force", "both", "empty no", "dumb"],
    )
    def test_follow_the_variables(self, run, command, monkeypatch, environment, is_coloured):
        for name in ("FORCE_COLOR", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command(lambda: click.echo(click.style("x", fg="red")))

        assert ("\x1b[31m" in run("act")[1]) is is_coloured


class TestUnknownCommands:
    def test_are_told_the_nearest_one(self, run):
        code, _, err = run("bild")

        assert code == 2
        assert "No such command 'bild'. Did you mean 'build'?" in err

    def test_are_told_none_that_is_far(self, run):
        assert "Did you mean" not in run("xyzzy")[2]

    def test_unknown_options_are_told_the_nearest_one(self, run):
        code, _, err = run("doctor", "--jsn")

        assert code == 2
        assert "--json" in err


class Dist:
    """A distribution, as far as the help looks at one."""

    name = "hydrotest-x"

    def __init__(self, summary):
        self.metadata = {"Summary": summary}


@pytest.fixture
def brings(monkeypatch):
    """Return a function that makes installed packages bring commands."""

    def make(*pairs, summary="What it does."):
        found = []
        for name, value in pairs:
            entry_point = EntryPoint(name, value, "hydrotest.commands")
            vars(entry_point)["dist"] = Dist(summary)
            found.append(entry_point)
        monkeypatch.setattr(main_module, "_entry_points", lambda: tuple(found))

    return make


good = click.Command("good", callback=lambda: click.echo("did it"))


class TestPackages:
    def test_bring_commands(self, run, brings, monkeypatch):
        monkeypatch.setitem(sys.modules, "a_package", sys.modules[__name__])
        brings(("good", "a_package:good"))

        assert run("good") == (0, "did it\n", "")

    @pytest.mark.parametrize(
        ("summary", "said"), [("Does it.", "Does it."), (None, "From hydrotest-x.")]
    )
    def test_are_listed_without_being_loaded(self, run, brings, summary, said):
        brings(("one", "no_such_module:one"), ("two", "no_such_module:two"), summary=summary)

        code, out, _ = run("--help")

        assert code == 0
        assert f"one     {said}" in out
        assert f"two     {said}" in out

    @pytest.mark.parametrize(
        "value",
        ["no_such_module:command", "json:no_such_name", "json:dumps"],
        ids=["no module", "no name", "no command"],
    )
    def test_that_are_broken_break_only_their_own_command(self, run, brings, value):
        brings(("bad", value))

        code, _, err = run("bad")

        assert code == 3
        assert "The command can't be loaded." in err
        assert "package: hydrotest-x" in err
        assert "hint: install hydrotest-x again" in err
        assert run("--help")[0] == 0

    def test_do_not_replace_our_own(self, run, brings):
        brings(("doctor", "no_such_module:command"))

        assert "mend the rest" in run("--help")[1]
        assert run("doctor", "--help")[0] == 0


LOGIN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
SLOW = """
import sys, time
import click
from hydrotest_core.cli import main as door

@click.command()
def act():
    try:
        print("working", flush=True)
        time.sleep(600)
    finally:
        print("cleaning up", flush=True)
        time.sleep(float(sys.argv[2]))

sys.modules["hydrotest_core.cli.main"]._Commands.get_command = lambda *_: act
door(["build"])
"""


class TestInterruption:
    """Ctrl-C in a terminal, and the signals that CI sends."""

    @pytest.fixture
    def act(self):
        """Return a function that starts a command which cleans up for some seconds."""
        ours, theirs = os.openpty()
        started = []

        def start(cleans_up_s):
            argv = [sys.executable, "-c", LOGIN, sys.executable, "-c", SLOW, "act", cleans_up_s]
            process = subprocess.Popen(
                argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
            started.append(process)
            return process, ours

        yield start
        for process in started:
            process.kill()
            process.wait()
        os.close(ours)
        os.close(theirs)

    @staticmethod
    def read(terminal, word):
        said = b""
        while word not in said:
            assert select.select([terminal], [], [], 20)[0], said
            said += os.read(terminal, 4096)
        return said

    def test_by_ctrl_c_is_clean_and_ends_with_130(self, act):
        process, terminal = act("0")
        self.read(terminal, b"working")

        os.write(terminal, b"\x03")

        assert b"cleaning up" in self.read(terminal, b"hydrotest: interrupted")
        assert process.wait(60) == 130

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
    def test_by_a_signal_is_the_same(self, act, number):
        process, terminal = act("0")
        self.read(terminal, b"working")

        process.send_signal(number)

        assert b"cleaning up" in self.read(terminal, b"hydrotest: interrupted")
        assert process.wait(60) == 130

    def test_by_the_second_ctrl_c_is_at_once(self, act):
        process, terminal = act("600")
        self.read(terminal, b"working")
        os.write(terminal, b"\x03")
        self.read(terminal, b"cleaning up")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.4)

        os.write(terminal, b"\x03")

        assert process.wait(1) == -signal.SIGINT
