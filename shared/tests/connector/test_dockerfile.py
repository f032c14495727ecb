from __future__ import annotations

import pytest

from hydrotest_core.connector.dockerfile import (
    DEFAULT_BASE_IMAGE,
    base_image_of,
    generated_context,
)
from hydrotest_core.connector.folder import ConnectorFolder
from hydrotest_core.connector.recipe import recipe_of
from hydrotest_core.errors import UsageError

_PYPROJECT = """
[project]
version = "1.0.0"
dependencies = ["airbyte-cdk>=6,<7", "x==1"]
scripts = {source-x = "x:main"}
"""


def a_folder(tmp_path, **files):
    folder = tmp_path / "source-x"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def a_context(tmp_path, version="dev", **files):
    return generated_context(recipe_of(ConnectorFolder.load(a_folder(tmp_path, **files)), version))


def position(context, text):
    lines = context.dockerfile.splitlines()
    [found] = [number for number, line in enumerate(lines) if text in line]
    return found


def test_a_package_installs_dependencies_below_its_code(tmp_path):
    context = a_context(tmp_path, pyproject__toml=_PYPROJECT, constraints__txt="a==1\n")

    dependencies = position(context, "-r /airbyte/dependencies.txt")
    code = position(context, "COPY code/")
    package = position(context, "txt /airbyte/integration_code")
    assert dependencies < code < package < position(context, "LABEL")
    assert context.generated["dependencies.txt"] == b"airbyte-cdk>=6,<7\nx==1\n"
    assert context.generated["constraints.txt"] == b"a==1\n"
    assert context.dockerfile.count("-c /airbyte/constraints.txt") == 2
    assert [file.name for file in context.sources] == ["constraints.txt", "pyproject.toml"]
    assert context.sources_at == "code"


def test_a_package_whose_dependencies_are_unknown_installs_all_at_once(tmp_path):
    context = a_context(tmp_path, setup__py="")

    assert "dependencies.txt" not in context.dockerfile
    assert "pip install --no-cache-dir --no-input --progress-bar off /airbyte" in context.dockerfile


def test_a_requirement_needs_no_code(tmp_path):
    context = a_context(tmp_path, hydrotest__yaml="requirement: airbyte-source-x==2.0.0")

    assert context.generated == {"dependencies.txt": b"airbyte-source-x==2.0.0\n"}
    assert context.sources == ()
    assert "COPY code/" not in context.dockerfile
    assert 'ENTRYPOINT ["source-x"]' in context.dockerfile


def test_a_manifest_is_run_by_the_cdk(tmp_path):
    context = a_context(tmp_path, manifest__yaml="version: 1.0.0", hydrotest__yaml="cdk: 7.1.0")

    assert context.generated["dependencies.txt"] == b"airbyte-cdk==7.1.0\n"
    assert "code/source_declarative_manifest/manifest.yaml" in context.generated
    assert position(context, "-r /airbyte/dependencies.txt") < position(context, "COPY code/")
    assert 'ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]' in context.dockerfile


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject__toml": _PYPROJECT},
        {"manifest__yaml": ""},
        {"hydrotest__yaml": "requirement: x==1\ncommand: [run, '--all']"},
    ],
    ids=["package", "manifest", "requirement"],
)
def test_each_image_is_what_the_platform_expects(tmp_path, files):
    context = a_context(tmp_path, **files)
    lines = context.dockerfile.splitlines()

    entrypoint = next(line for line in lines if line.startswith("ENTRYPOINT"))
    words = " ".join(eval(entrypoint.removeprefix("ENTRYPOINT ")))
    assert f'AIRBYTE_ENTRYPOINT="{words}"' in context.dockerfile
    assert 'io.airbyte.name="airbyte/source-x"' in context.dockerfile
    assert "io.airbyte.version=" in context.dockerfile
    assert "USER 1000:1000" in lines
    assert lines.index("USER 1000:1000") > lines.index("USER 0")
    assert "PYTHONDONTWRITEBYTECODE=1" in context.dockerfile
    assert "HOME=/tmp" in context.dockerfile


def test_the_text_builds_with_both_builders(tmp_path):
    text = a_context(tmp_path, pyproject__toml=_PYPROJECT).dockerfile

    assert "--mount" not in text
    assert "<<" not in text
    assert text.startswith("FROM ")


def test_values_can_not_break_out_of_their_quotes(tmp_path):
    settings = "requirement: x==1\ncommand: [run, 'a\"b', '$HOME', 'c\\d']"

    context = a_context(tmp_path, hydrotest__yaml=settings)

    assert 'AIRBYTE_ENTRYPOINT="run a\\"b \\$HOME c\\\\d"' in context.dockerfile


@pytest.mark.parametrize(
    ("settings", "metadata", "base"),
    [
        ("base_image: reg:5000/base:1", "python:3.10", "reg:5000/base:1"),
        ("python: '3.12'", "python:3.10", "python:3.12-slim-bookworm"),
        ("{}", "registry.example/airbyte/python-connector-base:4.0.0", None),
        ("{}", "registry.example/airbyte/source-declarative-manifest:7.0.0", DEFAULT_BASE_IMAGE),
        ("{}", None, DEFAULT_BASE_IMAGE),
    ],
    ids=["settings", "python", "metadata", "a manifest's base", "default"],
)
def test_the_base_image_comes_from_the_nearest_source(tmp_path, settings, metadata, base):
    files = {"setup__py": "", "hydrotest__yaml": settings}
    if metadata is not None:
        files["metadata__yaml"] = f"data: {{connectorBuildOptions: {{baseImage: '{metadata}'}}}}"

    recipe = recipe_of(ConnectorFolder.load(a_folder(tmp_path, **files)))

    assert base_image_of(recipe) == (base or metadata)


def test_a_base_image_that_is_no_reference_is_refused(tmp_path):
    settings = 'base_image: "python\\nRUN evil"'

    with pytest.raises(UsageError, match="no image reference"):
        a_context(tmp_path, setup__py="", hydrotest__yaml=settings)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("source_x.py", "2"),
        ("constraints.txt", "a==2"),
        ("metadata.yaml", "data: {dockerImageTag: 2.0.0}"),
        ("hydrotest.yaml", "base_image: other"),
        ("new.py", ""),
    ],
    ids=["code", "constraints", "version", "base", "new file"],
)
def test_each_input_changes_the_fingerprint(tmp_path, name, text):
    files = {"setup__py": "", "source_x__py": "1", "constraints__txt": "a==1"}
    before = a_context(tmp_path, **files).fingerprint
    (tmp_path / "source-x" / name).write_text(text)

    assert a_context(tmp_path).fingerprint != before


def test_what_only_tests_the_connector_changes_nothing(tmp_path):
    before = a_context(tmp_path, setup__py="").fingerprint
    (tmp_path / "source-x" / "unit_tests").mkdir()
    (tmp_path / "source-x" / "unit_tests" / "test_x.py").write_text("")

    assert a_context(tmp_path, setup__py="").fingerprint == before
