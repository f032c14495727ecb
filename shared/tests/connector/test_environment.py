from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hydrotest_core.connector.environment import resolve_process
from hydrotest_core.connector.folder import ConnectorFolder
from hydrotest_core.connector.installer import Installer, find_uv
from hydrotest_core.errors import BuildFailed, ConnectorFolderError


@pytest.fixture
def a_package(tmp_path, tiny_package):
    """Return a function that writes the package, some of its files replaced."""

    def make(**files):
        folder = tmp_path / "source-tiny"
        folder.mkdir()
        replaced = {name.replace("__", "."): text for name, text in files.items()}
        for name, text in {**tiny_package, **replaced}.items():
            (folder / name).write_text(text)
        return folder

    return make


def a_folder(tmp_path, **files):
    folder = tmp_path / "source-x"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def says(connector, *arguments):
    done = subprocess.run(
        [*connector.argv, *arguments],
        env={**os.environ, **connector.environment},
        cwd=connector.working_directory,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.parametrize("uv", [pytest.param(find_uv(), id="uv"), pytest.param(None, id="pip")])
def test_a_package_folder_becomes_a_program_that_runs(tmp_path, a_package, uv):
    folder = a_package()
    before = sorted(path.name for path in folder.iterdir())

    connector = resolve_process(
        ConnectorFolder.load(folder), home=tmp_path / "home", installer=Installer(uv)
    )

    assert says(connector, "spec") == f"tiny says spec as {os.getuid()}\n"
    assert connector.entrypoint == ("source-tiny",)
    assert connector.environment["AIRBYTE_ENTRYPOINT"] == "source-tiny"
    assert connector.labels == {
        "io.airbyte.name": "airbyte/source-tiny",
        "io.airbyte.version": "1.2.3",
    }
    assert connector.identity.startswith("env:")
    assert connector.image is None
    assert sorted(path.name for path in folder.iterdir()) == before


def test_changed_code_is_another_connector_and_changed_tests_are_not(
    tmp_path, a_package, tiny_package
):
    folder = a_package()
    home = tmp_path / "home"
    first = resolve_process(ConnectorFolder.load(folder), home=home)
    (folder / "unit_tests").mkdir()
    (folder / "unit_tests" / "test_x.py").write_text("")
    same = resolve_process(ConnectorFolder.load(folder), home=home)
    (folder / "source_tiny.py").write_text(
        tiny_package["source_tiny.py"].replace("tiny says", "tiny now says")
    )
    changed = resolve_process(ConnectorFolder.load(folder), home=home)

    assert same == first
    assert changed.identity != first.identity
    assert says(first, "check") == f"tiny says check as {os.getuid()}\n"
    assert says(changed, "check") == f"tiny now says check as {os.getuid()}\n"


def test_main_py_runs_from_a_copy_that_a_later_edit_does_not_reach(
    tmp_path, a_package, tiny_package
):
    without_scripts = tiny_package["pyproject.toml"].split("[project.scripts]", maxsplit=1)[0]
    folder = a_package(
        pyproject__toml=without_scripts,
        main__py="from source_tiny import main\nmain()\n",
    )

    connector = resolve_process(ConnectorFolder.load(folder), home=tmp_path / "home")
    (folder / "main.py").write_text("raise SystemExit(1)")

    assert connector.entrypoint == ("python", "/airbyte/integration_code/main.py")
    assert says(connector, "read") == f"tiny says read as {os.getuid()}\n"


def test_a_released_version_is_installed_from_the_index(tmp_path, a_package, monkeypatch):
    index = tmp_path / "index"
    index.mkdir()
    folder = a_package(
        hydrotest__yaml="versions: {latest: airbyte-source-tiny==1.2.3}",
        constraints__txt="airbyte-source-tiny==9.9.9\n",
    )
    command = ["-c", f"import backend; backend.build_wheel({str(index)!r})"]
    subprocess.run([sys.executable, *command], cwd=folder, check=True)
    monkeypatch.setenv("UV_FIND_LINKS", str(index))

    connector = resolve_process(ConnectorFolder.load(folder), "latest", home=tmp_path / "home")

    assert says(connector, "spec") == f"tiny says spec as {os.getuid()}\n"
    assert connector.version == "latest"
    assert connector.labels["io.airbyte.version"] == "1.2.3"


def test_what_can_not_be_installed_says_why_and_leaves_nothing(tmp_path):
    folder = a_folder(tmp_path, hydrotest__yaml="requirement: hydrotest-no-such-package==1.0")

    with pytest.raises(BuildFailed, match="hydrotest-no-such-package") as caught:
        resolve_process(ConnectorFolder.load(folder), home=tmp_path / "home")

    assert caught.value.hint
    left = [path.name for path in (tmp_path / "home" / "environments").iterdir()]
    assert all(name.endswith(".lock") for name in left)


class _NoInstaller(Installer):
    """Leaves an environment that has Python and nothing else."""

    def install(self, directory, requirements, constraints, *, what, cwd):
        (directory / "requirements").write_text("\n".join(requirements))


def test_an_edited_manifest_is_another_connector_in_the_same_environment(tmp_path):
    folder = a_folder(tmp_path, manifest__yaml="version: 1.0.0", hydrotest__yaml="cdk: 6.1.0")
    home, installer = tmp_path / "home", _NoInstaller(find_uv())
    first = resolve_process(ConnectorFolder.load(folder), home=home, installer=installer)
    (folder / "manifest.yaml").write_text("version: 2.0.0")
    second = resolve_process(ConnectorFolder.load(folder), home=home, installer=installer)

    assert first.identity != second.identity
    assert first.argv[0] == second.argv[0]
    assert first.argv[1] != second.argv[1]
    assert first.entrypoint == ("python", "/airbyte/integration_code/main.py")
    [installed] = (home / "environments").glob("*/requirements")
    assert installed.read_text() == "airbyte-cdk==6.1.0"


def test_a_script_the_package_lacks_is_named(tmp_path):
    folder = a_folder(tmp_path, hydrotest__yaml="requirement: x==1\ncommand: [source-y]")

    with pytest.raises(ConnectorFolderError, match="script=source-y"):
        resolve_process(
            ConnectorFolder.load(folder), home=tmp_path / "h", installer=_NoInstaller(find_uv())
        )


class TestProgram:
    """A connector of kind image that also says how it is started on this machine."""

    def test_it_runs_in_its_folder_without_an_environment(self, tmp_path):
        folder = a_folder(
            tmp_path,
            Dockerfile="FROM scratch",
            hydrotest__yaml="command: [sh, source.sh]",
            source__sh='echo "sh says $*"',
        )

        connector = resolve_process(ConnectorFolder.load(folder), home=tmp_path / "home")

        assert says(connector, "spec") == "sh says spec\n"
        assert connector.argv == ("sh", "source.sh")
        assert connector.working_directory == folder
        assert not (tmp_path / "home").exists()

    def test_a_path_to_it_holds_from_anywhere(self, tmp_path):
        folder = a_folder(tmp_path, hydrotest__yaml="command: [./run]", run="#!/bin/sh\necho ran\n")
        (folder / "run").chmod(0o755)

        connector = resolve_process(ConnectorFolder.load(folder), home=tmp_path / "home")

        assert connector.argv == (str(folder / "run"),)
        assert says(connector) == "ran\n"

    def test_a_changed_file_makes_it_another_connector(self, tmp_path):
        folder = a_folder(tmp_path, hydrotest__yaml="command: [sh, a.sh]", a__sh="", b__awk="1")
        home = tmp_path / "home"
        first = resolve_process(ConnectorFolder.load(folder), home=home)
        same = resolve_process(ConnectorFolder.load(folder), home=home)
        (folder / "b.awk").write_text("2")
        changed = resolve_process(ConnectorFolder.load(folder), home=home)

        assert first.identity == same.identity != changed.identity

    @pytest.mark.parametrize(
        ("files", "version", "way_out"),
        [
            ({"Dockerfile": "FROM scratch"}, "dev", "command:"),
            ({"hydrotest__yaml": "image: a/b:1"}, "dev", "versions:"),
            ({"hydrotest__yaml": "command: [sh]"}, "1.0.0", "versions:"),
            ({"setup__py": ""}, "1.0.0", "versions:"),
        ],
        ids=["dockerfile", "image", "released program", "released package"],
    )
    def test_what_is_only_an_image_says_so(self, tmp_path, files, version, way_out):
        folder = a_folder(tmp_path, **files)

        with pytest.raises(ConnectorFolderError, match="exists only as an image") as caught:
            resolve_process(ConnectorFolder.load(folder), version, home=tmp_path / "home")

        assert way_out in caught.value.hint
