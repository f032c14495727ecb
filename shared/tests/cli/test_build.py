from __future__ import annotations

import sys

import pytest

import hydrotest_core.connector
from hydrotest_core.cli.main import main
from hydrotest_core.connector.environment import resolve_process
from hydrotest_core.connector.image import BuiltImage
from hydrotest_core.errors import BuildFailed

NOBODY = "tcp://127.0.0.1:1"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with two connectors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", NOBODY)
    for name in ("source-apple", "source-pear"):
        folder = tmp_path / "connectors" / name
        folder.mkdir(parents=True)
        (folder / "hydrotest.yaml").write_text("kind: image\ncommand: [sh, 'my source.sh']\n")
        (folder / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


@pytest.fixture
def run(capsys):
    """Return a function that runs `hydrotest build` and gives (exit code, stdout, stderr)."""

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            main(["build", *args])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return call


@pytest.fixture
def builds(monkeypatch):
    """Return a function that has `build_image` say and give something; it lists the calls."""
    image = pytest.importorskip("hydrotest_core.connector.image")

    def make(result, *lines):
        calls = []

        def build_image(folder, version, *, progress):
            calls.append((folder.name, version))
            for line in lines:
                progress(line)
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(image, "build_image", build_image)
        return calls

    return make


def built(*, was_built=True, warnings=()):
    return BuiltImage(
        reference="airbyte/source-apple:dev",
        identity="sha256:1f",
        was_built=was_built,
        warnings=warnings,
    )


@pytest.mark.parametrize("name", ["source-aple", "connectors/source-aple"])
def test_an_unknown_connector_is_told_the_nearest(run, place, name):
    code, out, err = run(name)

    assert code == 2
    assert out == ""
    assert "No connector of that name was found." in err
    assert "hint: did you mean source-apple" in err


def test_an_unknown_connector_where_there_are_none(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code, _, err = run("source-x")

    assert code == 2
    assert "hint: say the path of its folder" in err


def test_a_broken_folder_says_where_the_mistake_is(run, place):
    (place / "connectors/source-pear/hydrotest.yaml").write_text("kind: image\nkomand: [sh]\n")

    code, _, err = run("source-pear")

    assert code == 2
    assert "hydrotest.yaml:2:1: unknown key 'komand'" in err
    assert "did you mean 'command'?" in err


@pytest.mark.parametrize("name", ["source-apple", "connectors/source-apple"])
def test_without_an_engine_it_says_the_ways_out(run, place, name):
    code, out, err = run(name)

    assert code == 3
    assert out == ""
    assert f"engine: {NOBODY}" in err
    assert "hint: start Docker, or set DOCKER_HOST" in err
    # What the hint names is a command that works from here.
    assert err.endswith(f"without an engine: hydrotest build {name} --local\n")


def test_without_the_sdk_it_says_the_ways_out(run, place, monkeypatch):
    monkeypatch.setitem(sys.modules, "hydrotest_core.connector.docker_images", None)
    monkeypatch.delattr(hydrotest_core.connector, "docker_images", raising=False)

    code, _, err = run("source-apple")

    assert code == 3
    assert "The Docker SDK is not installed." in err
    assert "hint: pip install 'hydrotest-core[docker]'" in err


def test_an_image_is_named_on_stdout_and_told_about_on_stderr(run, place, builds):
    calls = builds(built(), "Step 1/2")

    code, out, err = run("source-apple")

    assert code == 0
    assert calls == [("source-apple", "dev")]
    assert out == "airbyte/source-apple:dev sha256:1f\n"
    assert err == "Step 1/2\nairbyte/source-apple:dev is built\n"


def test_an_image_that_is_there_is_said_to_be(run, place, builds):
    builds(built(was_built=False))

    assert "is there already" in run("source-apple")[2]


def test_each_warning_of_a_build_is_shown(run, place, builds):
    builds(built(warnings=("no entrypoint", "no label")))

    code, _, err = run("source-apple")

    assert code == 0
    assert "warning: no entrypoint\nwarning: no label\n" in err


def test_a_build_that_fails_shows_its_last_lines(run, place, builds):
    builds(BuildFailed("An image couldn't be built.", last_lines="\n  boom\n", hint="mend it"))

    code, _, err = run("source-apple")

    assert code == 3
    assert "  last lines:\n    boom\nhint: mend it\n" in err


def test_what_a_build_says_brings_no_control_character(run, place, builds):
    builds(built(warnings=("\x1b[2J",)), "fine", "\x1b]0;x\x07")

    err = run("source-apple")[2]

    assert "\x1b" not in err
    assert "\\x1b]0;x\\x07" in err
    assert "warning: \\x1b[2J" in err


@pytest.mark.parametrize(
    ("args", "environment"),
    [(["--version", "1.2.0"], {}), ([], {"HYDROTEST_BUILD_VERSION": "1.2.0"})],
    ids=["flag", "variable"],
)
def test_the_version_is_handed_on(run, place, builds, monkeypatch, args, environment):
    calls = builds(built())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    run("source-pear", *args)

    assert calls == [("source-pear", "1.2.0")]


@pytest.mark.parametrize(
    ("args", "environment"),
    [(["--local"], {}), ([], {"HYDROTEST_BUILD_LOCAL": "true"})],
    ids=["flag", "variable"],
)
def test_a_local_program_is_named_so_that_a_shell_understands(
    run, place, monkeypatch, args, environment
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    code, out, err = run("source-apple", *args)

    assert code == 0
    assert out == "sh 'my source.sh'\n"
    assert err == "source-apple:dev starts by:\n"


@pytest.mark.parametrize(
    ("args", "environment"),
    [(["--home", "there"], {}), ([], {"HYDROTEST_HOME": "there"})],
    ids=["flag", "variable"],
)
def test_home_is_where_the_environment_goes(run, place, monkeypatch, args, environment):
    homes = []

    def resolve(folder, version, *, home, progress):
        homes.append(home)
        return resolve_process(folder, version, home=home, progress=progress)

    monkeypatch.setattr("hydrotest_core.connector.environment.resolve_process", resolve)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    run("source-apple", "--local", *args)

    assert homes == [place / "there"]


def test_a_home_that_is_a_file_is_wrong_usage(run, place):
    (place / "there").touch()

    assert run("source-apple", "--local", "--home", "there")[0] == 2
