from __future__ import annotations

import pytest

from hydrotest_core.connector.folder import ConnectorFolder
from hydrotest_core.connector.launch import entrypoint_of, held_versions, local_argv
from hydrotest_core.connector.recipe import recipe_of
from hydrotest_core.errors import ConnectorFolderError

_MAIN = ("python", "/airbyte/integration_code/main.py")


def a_recipe(tmp_path, version="dev", **files):
    folder = tmp_path / "source-x"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return recipe_of(ConnectorFolder.load(folder), version)


@pytest.mark.parametrize(
    ("files", "entrypoint"),
    [
        ({"manifest__yaml": ""}, _MAIN),
        ({"manifest__yaml": "", "hydrotest__yaml": "command: [x]"}, _MAIN),
        ({"hydrotest__yaml": "requirement: a==1"}, ("source-x",)),
        ({"hydrotest__yaml": "requirement: a==1\ncommand: [run-it, now]"}, ("run-it", "now")),
        (
            {"pyproject__toml": "[project.scripts]\nother = 'a:b'\nsource-x = 'a:b'\n"},
            ("source-x",),
        ),
        ({"pyproject__toml": "[project.scripts]\nother = 'a:b'\n", "main__py": ""}, ("other",)),
        ({"pyproject__toml": "[project.scripts]\na = 'a:b'\nb = 'a:b'\n", "main__py": ""}, _MAIN),
        ({"setup__py": "", "main__py": ""}, _MAIN),
        ({"setup__py": ""}, ("source-x",)),
    ],
    ids=[
        "manifest",
        "manifest has no command",
        "requirement",
        "requirement with command",
        "script of its name",
        "its only script",
        "several scripts",
        "main.py",
        "nothing but its name",
    ],
)
def test_how_a_generated_image_is_started(tmp_path, files, entrypoint):
    assert entrypoint_of(a_recipe(tmp_path, **files)) == entrypoint


def test_an_entrypoint_is_found_in_the_environment(tmp_path):
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.touch()

    argv = local_argv((*_MAIN, "--flag"), tmp_path, tmp_path / "code")

    assert argv == (str(program), str(tmp_path / "code" / "main.py"), "--flag")


def test_a_script_that_is_not_there_is_named_with_those_near_to_it(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "source-xx").touch()

    with pytest.raises(ConnectorFolderError, match="no such console script") as caught:
        local_argv(("source-x",), tmp_path, tmp_path)

    assert "command: [NAME]" in caught.value.hint
    assert "source-xx" in caught.value.hint


def test_a_connectors_own_line_does_not_hold_it(tmp_path):
    constraints = "a==1\nairbyte-Source_X==2.0\nsource-x==2\nThe.Package==1\n# note\nz==9 ; x\n"
    recipe = a_recipe(
        tmp_path, constraints__txt=constraints, hydrotest__yaml="requirement: the-package[b]==2"
    )

    assert held_versions(recipe) == "a==1\n# note\nz==9 ; x\n"


def test_without_constraints_nothing_is_held(tmp_path):
    assert held_versions(a_recipe(tmp_path, setup__py="")) is None
