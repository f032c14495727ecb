from __future__ import annotations

import contextlib
import secrets

import docker
import pytest

from hydrotest_core.connector.docker_images import open_images
from hydrotest_core.connector.dockerfile import BuildContext
from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import BuildFailed, EngineUnavailable, ImageUnavailable


@pytest.fixture
def images():
    with open_images() as found:
        yield found


@pytest.fixture
def a_reference():
    name = f"hydrotest-test-{secrets.token_hex(4)}/x:1"
    yield ImageRef.parse(name)
    with contextlib.closing(docker.APIClient()) as api:
        for image in api.images(name):
            api.remove_image(image["Id"], force=True)


@pytest.mark.parametrize(
    "text",
    ["hydrotest/no-such:1", "localhost:1/x:1", "hydrotest/x@sha256:" + "0" * 64],
    ids=["name", "registry", "digest"],
)
def test_an_image_that_is_not_there_is_not_found(images, text):
    assert images.find(ImageRef.parse(text)) is None


def test_what_can_not_be_pulled_says_why(images):
    told: list[str] = []

    with pytest.raises(ImageUnavailable, match="couldn't be pulled") as caught:
        images.pull(ImageRef.parse("localhost:1/x:1"), told.append)

    assert "docker pull localhost:1/x:1" in caught.value.hint
    assert caught.value.facts["reason"]


def test_an_image_is_built_without_a_base(images, a_reference):
    context = BuildContext(
        dockerfile='FROM scratch\nCOPY a /a\nENV A=b=c\nENTRYPOINT ["/a"]\n',
        generated={"a": b"x"},
    )

    built = images.build(context, a_reference, {"one": "1", "two": "2"}, None)

    assert images.find(a_reference) == built
    assert built.entrypoint == ("/a",)
    assert built.labels == {"one": "1", "two": "2"}
    assert built.environment["A"] == "b=c"
    assert built.tags == (str(a_reference),)


def test_a_missing_file_is_told(images, a_reference):
    context = BuildContext(dockerfile="FROM scratch\nCOPY missing /missing\n")

    with pytest.raises(BuildFailed, match="missing"):
        images.build(context, a_reference, {}, None)


def test_an_engine_that_goes_away_is_told(images):
    import requests.exceptions  # noqa: PLC0415 - only here

    with pytest.raises(EngineUnavailable, match="stopped answering"), open_images():
        raise requests.exceptions.ConnectionError
