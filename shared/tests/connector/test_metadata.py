from __future__ import annotations

import pytest

from hydrotest_core.connector.metadata import Metadata, read_metadata
from hydrotest_core.errors import SettingsError

_WHOLE = """
data:
  name: Faker
  dockerRepository: airbyte/source-faker
  dockerImageTag: 7.2.1
  connectorSubtype: api
  documentationUrl: https://example.com/faker
  connectorBuildOptions: {baseImage: "python:3.11"}
  ab_internal: {ql: 400}
  remoteRegistries: {pypi: {enabled: true, packageName: airbyte-source-faker}}
  tags: [cdk:python, language:python]
"""
_OF_OTHER_KINDS = """
data:
  dockerRepository: 7
  tags: language:x
  ab_internal: [1]
  remoteRegistries: no
  connectorBuildOptions: {baseImage: []}
"""


def test_the_fields_that_decide_something_are_read(tmp_path):
    (tmp_path / "metadata.yaml").write_text(_WHOLE)

    found = read_metadata(tmp_path)

    assert found.data["name"] == "Faker"
    assert found == Metadata(
        name="Faker",
        docker_repository="airbyte/source-faker",
        docker_image_tag="7.2.1",
        connector_subtype="api",
        documentation_url="https://example.com/faker",
        base_image="python:3.11",
        quality_level=400,
        pypi_package="airbyte-source-faker",
        language="python",
        data=found.data,
    )


@pytest.mark.parametrize(
    "text",
    [
        "data: 7",
        "[1, 2]",
        "other: {}",
        _OF_OTHER_KINDS,
    ],
    ids=["data is a number", "a list", "no data", "each field of another kind"],
)
def test_what_is_of_another_kind_counts_as_missing(tmp_path, text):
    (tmp_path / "metadata.yaml").write_text(text)

    found = read_metadata(tmp_path)

    assert (found.docker_repository, found.base_image, found.language) == (None, None, None)
    assert (found.pypi_package, found.quality_level) == (None, 0)


def test_a_folder_without_metadata_has_none(tmp_path):
    assert read_metadata(tmp_path) == Metadata()


def test_a_package_that_is_not_published_is_no_package(tmp_path):
    text = "data: {remoteRegistries: {pypi: {enabled: false, packageName: x}}}"
    (tmp_path / "metadata.yaml").write_text(text)

    assert read_metadata(tmp_path).pypi_package is None


def test_broken_yaml_is_told_with_its_place(tmp_path):
    (tmp_path / "metadata.yaml").write_text("data:\n\t- tab\n")

    with pytest.raises(SettingsError, match=r"metadata\.yaml:2"):
        read_metadata(tmp_path)
