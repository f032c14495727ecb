from __future__ import annotations

import pytest

from hydrotest_core.connector.folder import ConnectorFolder
from hydrotest_core.connector.image_plan import INPUTS_LABEL, ImageState, plan_image
from hydrotest_core.connector.recipe import recipe_of
from hydrotest_core.errors import BuildFailed, ConnectorFolderError, ImageUnavailable

docker_images = pytest.importorskip("hydrotest_core.connector.docker_images")


def facts(identity="sha256:1", labels=None):
    return docker_images.ImageFacts(
        id=identity, entrypoint=("x",), labels=labels or {}, environment={}, tags=()
    )


class FakeImages(docker_images.Images):  # type: ignore[name-defined] # may be skipped
    """An engine that has some images, and may get others."""

    def __init__(self, present=None, pullable=None):
        self.present = dict(present or {})
        self.pullable = dict(pullable or {})

    def find(self, reference):
        return self.present.get(str(reference))

    def pull(self, reference, progress):
        if str(reference) not in self.pullable:
            message = "An image couldn't be pulled."
            raise ImageUnavailable(message, reason="denied")
        self.present[str(reference)] = self.pullable[str(reference)]
        return self.present[str(reference)]


_BASE = "python:3.11-slim-bookworm"


def a_recipe(tmp_path, version="dev", **files):
    folder = tmp_path / "source-x"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return recipe_of(ConnectorFolder.load(folder), version)


def test_a_generated_image_depends_on_the_base_images_id(tmp_path):
    recipe = a_recipe(tmp_path, setup__py="")

    plans = [
        plan_image(recipe, FakeImages({_BASE: facts(identity)}), None)
        for identity in ("sha256:1", "sha256:1", "sha256:2")
    ]

    hashes = [plan.labels[INPUTS_LABEL] for plan in plans]
    assert hashes[0] == hashes[1] != hashes[2]
    assert str(plans[0].reference) == "airbyte/source-x:dev"


def test_a_base_image_that_is_not_there_is_pulled(tmp_path):
    images = FakeImages(pullable={_BASE: facts()})

    plan_image(a_recipe(tmp_path, setup__py=""), images, None)

    assert _BASE in images.present


def test_a_base_image_that_can_not_be_pulled_is_named_with_the_way_out(tmp_path):
    with pytest.raises(BuildFailed, match=_BASE) as caught:
        plan_image(a_recipe(tmp_path, setup__py=""), FakeImages(), None)

    assert "base_image" in caught.value.hint
    assert caught.value.facts["reason"] == "denied"


@pytest.mark.parametrize(
    ("dockerfile", "given"),
    [
        ("FROM scratch", {"io.airbyte.name", "io.airbyte.version"}),
        ("FROM scratch\nLABEL io.airbyte.name=x", {"io.airbyte.version"}),
        ("FROM scratch\nLABEL io.airbyte.name=x io.airbyte.version=1", set()),
    ],
    ids=["none", "one", "both"],
)
def test_labels_that_a_dockerfile_lacks_are_given(tmp_path, dockerfile, given):
    plan = plan_image(a_recipe(tmp_path, Dockerfile=dockerfile), FakeImages(), None)

    assert set(plan.labels) == {*given, INPUTS_LABEL}


def test_a_dockerfile_makes_the_image_of_a_package_too(tmp_path):
    recipe = a_recipe(tmp_path, Dockerfile="FROM mine", setup__py="")

    assert plan_image(recipe, FakeImages(), None).context.dockerfile == "FROM mine"


@pytest.mark.parametrize(
    ("files", "version"),
    [({"hydrotest__yaml": "image: a/b:1"}, "dev"), ({"manifest__yaml": ""}, "1.0.0")],
    ids=["only an image", "released"],
)
def test_what_has_no_recipe_is_refused(tmp_path, files, version):
    with pytest.raises(ConnectorFolderError, match="docker pull"):
        plan_image(a_recipe(tmp_path, version, **files), FakeImages(), None)


def test_how_an_image_stands_to_its_folder(tmp_path):
    plan = plan_image(a_recipe(tmp_path, Dockerfile="FROM x"), FakeImages(), None)
    inputs = plan.labels[INPUTS_LABEL]

    assert plan.state_of(None) is ImageState.MISSING
    assert plan.state_of(facts()) is ImageState.FOREIGN
    assert plan.state_of(facts(labels={INPUTS_LABEL: inputs})) is ImageState.CURRENT
    assert plan.state_of(facts(labels={INPUTS_LABEL: "other"})) is ImageState.STALE
