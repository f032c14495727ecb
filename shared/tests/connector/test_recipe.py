from __future__ import annotations

import pytest

from hydrotest_core.connector.folder import ConnectorFolder, ConnectorKind
from hydrotest_core.connector.recipe import recipe_of
from hydrotest_core.errors import ConnectorFolderError, UsageError

_DIGEST = "sha256:" + "ab" * 32
_CDK_IMAGE = f"x.io/airbyte/source-declarative-manifest:7.1.0@{_DIGEST}"
_METADATA = """
data:
  dockerRepository: localhost:5000/org/source-x
  dockerImageTag: 2.0.0
  remoteRegistries: {pypi: {packageName: airbyte-source-x}}
"""


def a_connector(tmp_path, settings="", metadata=_METADATA, **files):
    folder = tmp_path / "source-x"
    folder.mkdir()
    if settings:
        (folder / "hydrotest.yaml").write_text(settings)
    if metadata:
        (folder / "metadata.yaml").write_text(metadata)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return ConnectorFolder.load(folder)


def test_dev_is_the_folder_itself(tmp_path):
    connector = a_connector(tmp_path, pyproject__toml="")

    recipe = recipe_of(connector)

    assert recipe.sources == connector.path
    assert recipe.requirement is None
    assert recipe.is_built
    assert str(recipe.image) == "localhost:5000/org/source-x:dev"
    assert recipe.labels == {
        "io.airbyte.name": "localhost:5000/org/source-x",
        "io.airbyte.version": "2.0.0",
    }


def test_dev_is_the_requirement_where_there_is_one(tmp_path):
    recipe = recipe_of(a_connector(tmp_path, "requirement: airbyte-source-x==2.0.1"))

    assert (recipe.sources, recipe.requirement) == (None, "airbyte-source-x==2.0.1")
    assert recipe.release == "2.0.1"
    assert recipe.is_built


@pytest.mark.parametrize(
    ("value", "requirement", "image", "is_built"),
    [
        ("airbyte-source-x==1.9.0", "airbyte-source-x==1.9.0", "localhost:5000/org/source-x", True),
        ("1.9.0", "airbyte-source-x==1.9.0", "localhost:5000/org/source-x", True),
        ("other/source-x:1.9.0", None, "other/source-x:1.9.0", False),
        (_DIGEST, None, f"localhost:5000/org/source-x@{_DIGEST}", False),
        ("nightly", None, "localhost:5000/org/source-x:nightly", False),
    ],
    ids=["requirement", "release", "reference", "digest", "tag"],
)
def test_a_named_version_of_a_package(tmp_path, value, requirement, image, is_built):
    connector = a_connector(tmp_path, f"versions: {{latest: {value!r}}}", pyproject__toml="")

    recipe = recipe_of(connector, "latest")

    assert recipe.requirement == requirement
    assert str(recipe.image) == (f"{image}:latest" if is_built else image)
    assert recipe.is_built is is_built


def test_a_named_version_can_be_a_folder_of_its_own(tmp_path):
    connector = a_connector(tmp_path, "versions: {latest: ./released}", pyproject__toml="")
    (connector.path / "released").mkdir()
    (connector.path / "released" / "pyproject.toml").write_text('[project]\nversion = "1.0.0"\n')

    recipe = recipe_of(connector, "latest")

    assert recipe.sources == connector.path / "released"
    assert recipe.release == "1.0.0"
    assert recipe.kind is ConnectorKind.PYTHON


def test_a_named_folder_that_is_not_there_is_refused(tmp_path):
    connector = a_connector(tmp_path, "versions: {latest: ./released}", pyproject__toml="")

    with pytest.raises(ConnectorFolderError, match="folder isn't there"):
        recipe_of(connector, "latest")


def test_a_released_version_of_a_published_package_is_that_release(tmp_path):
    recipe = recipe_of(a_connector(tmp_path, pyproject__toml=""), "1.8.0")

    assert recipe.requirement == "airbyte-source-x==1.8.0"
    assert recipe.release == "1.8.0"


@pytest.mark.parametrize("version", ["1.8.0", "latest", _DIGEST], ids=["number", "name", "digest"])
def test_another_version_of_what_is_no_package_is_an_image(tmp_path, version):
    recipe = recipe_of(a_connector(tmp_path, manifest__yaml=""), version)

    assert recipe.kind is ConnectorKind.IMAGE
    assert not recipe.is_built
    assert str(recipe.image).startswith("localhost:5000/org/source-x")
    assert str(recipe.image).endswith(version)


def test_an_image_alone_is_its_own_dev(tmp_path):
    folder = a_connector(tmp_path, "image: reg:5000/a/source-x:3", metadata="")

    assert str(recipe_of(folder).image) == "reg:5000/a/source-x:3"
    assert str(recipe_of(folder, "2").image) == "reg:5000/a/source-x:2"
    assert not recipe_of(folder).is_built


def test_a_published_image_is_dev_where_metadata_is_all_there_is(tmp_path):
    assert str(recipe_of(a_connector(tmp_path)).image) == "localhost:5000/org/source-x:2.0.0"


def test_a_dockerfile_makes_the_image_of_any_kind(tmp_path):
    recipe = recipe_of(a_connector(tmp_path, Dockerfile="FROM scratch", metadata=""))

    assert recipe.kind is ConnectorKind.IMAGE
    assert recipe.is_built
    assert str(recipe.image) == "airbyte/source-x:dev"


def test_a_program_without_dockerfile_has_no_image(tmp_path):
    recipe = recipe_of(a_connector(tmp_path, "command: [sh, x.sh]", metadata=""))

    assert recipe.sources is not None
    assert not recipe.is_built


@pytest.mark.parametrize("version", ["a b", "x:y", ""])
def test_a_version_that_can_not_be_is_refused_with_those_that_are(tmp_path, version):
    connector = a_connector(tmp_path, "versions: {latest: 1.0.0, older: 0.9.0}", pyproject__toml="")

    with pytest.raises(ConnectorFolderError) as caught:
        recipe_of(connector, version)

    assert "dev, latest, older" in caught.value.hint


def test_a_named_version_that_is_nothing_is_refused(tmp_path):
    connector = a_connector(tmp_path, "versions: {latest: 'NOT/Valid Ref'}", pyproject__toml="")

    with pytest.raises(UsageError, match="no image reference"):
        recipe_of(connector, "latest")


@pytest.mark.parametrize(
    ("settings", "metadata", "cdk"),
    [
        ("cdk: 6.0.0", _METADATA, "6.0.0"),
        (
            "",
            f"data: {{connectorBuildOptions: {{baseImage: '{_CDK_IMAGE}'}}}}",
            "7.1.0",
        ),
        ("", "data: {connectorBuildOptions: {baseImage: 'airbyte/other:7.1.0'}}", "7.39.1"),
        ("", "", "7.39.1"),
    ],
    ids=["settings", "base image", "other base image", "default"],
)
def test_the_cdk_of_a_manifest(tmp_path, settings, metadata, cdk):
    connector = a_connector(tmp_path, settings, metadata, manifest__yaml="")

    assert recipe_of(connector).cdk == cdk


def test_the_release_of_a_package_without_metadata_is_what_the_package_states(tmp_path):
    text = '[tool.poetry]\nversion = "0.3.0"\n'

    assert recipe_of(a_connector(tmp_path, metadata="", pyproject__toml=text)).release == "0.3.0"
