from __future__ import annotations

import contextlib
import secrets

import docker
import docker.errors
import pytest

from hydrotest_core.connector.folder import ConnectorFolder
from hydrotest_core.connector.image import (
    ImageState,
    build_image,
    ensure_image,
    image_state,
    resolve_image,
)
from hydrotest_core.errors import BuildFailed, ImageUnavailable

_BASE = "python:3.11-slim-bookworm"

_DOCKERFILE = f"""
FROM {_BASE}
COPY source.sh /source.sh
ENTRYPOINT ["sh", "/source.sh"]
"""


@pytest.fixture
def client():
    with contextlib.closing(docker.APIClient()) as api:
        yield api


@pytest.fixture
def repository(client):
    """A name that nothing else has; what gets it is removed."""
    name = f"hydrotest-test-{secrets.token_hex(4)}/source-tiny"
    yield name
    for image in client.images(name):
        client.remove_image(image["Id"], force=True)


@pytest.fixture
def a_folder(tmp_path, repository):
    def make(**files):
        folder = tmp_path / "source-tiny"
        folder.mkdir(exist_ok=True)
        metadata = f"data: {{dockerRepository: {repository}, dockerImageTag: 1.2.3}}"
        for name, text in {"metadata__yaml": metadata, **files}.items():
            (folder / name.replace("__", ".")).write_text(text)
        return ConnectorFolder.load(folder)

    return make


@pytest.fixture
def a_package(a_folder, tiny_package):
    def make(**files):
        return a_folder(**tiny_package, **files)

    return make


@pytest.fixture
def a_script(a_folder):
    def make(script='echo "sh says $*"', dockerfile=_DOCKERFILE):
        return a_folder(Dockerfile=dockerfile, source__sh=script)

    return make


def says(client, image, *arguments):
    """Run an image as strictly as connectors are run, and return what it printed."""
    container = client.create_container(
        image,
        command=list(arguments),
        host_config=client.create_host_config(
            network_mode="none",
            read_only=True,
            tmpfs={"/tmp": ""},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        ),
    )
    try:
        client.start(container)
        client.wait(container)
        return client.logs(container).decode()
    finally:
        client.remove_container(container, force=True)


def layers(client, image):
    return client.inspect_image(image)["RootFS"]["Layers"]


def test_a_package_becomes_an_image_as_the_platform_expects_it(client, a_package, repository):
    told: list[str] = []

    built = build_image(a_package(), progress=told.append, client=client)
    connector = resolve_image(a_package(), client=client)

    assert built.was_built
    assert built.warnings == ()
    assert built.reference == connector.image == f"{repository}:dev"
    assert built.identity == connector.identity
    assert connector.name == "source-tiny"
    assert connector.entrypoint == ("source-tiny",)
    assert connector.environment == {"AIRBYTE_ENTRYPOINT": "source-tiny"}
    assert connector.labels["io.airbyte.name"] == repository
    assert connector.labels["io.airbyte.version"] == "1.2.3"
    assert says(client, built.identity, "spec") == "tiny says spec as 1000\n"
    assert any("Step 1/" in line for line in told)


def test_an_image_is_built_anew_only_when_its_inputs_change(client, a_package, tiny_package):
    first = build_image(a_package(), client=client)
    same = build_image(a_package(), client=client)
    assert image_state(a_package(), client=client) is ImageState.CURRENT
    assert (same.was_built, same.identity) == (False, first.identity)
    before = layers(client, first.identity)

    edited = a_package(
        source_tiny__py=tiny_package["source_tiny.py"].replace("tiny says", "tiny now says")
    )
    assert image_state(edited, client=client) is ImageState.STALE
    changed = build_image(edited, client=client)

    assert changed.was_built
    assert says(client, changed.identity, "check") == "tiny now says check as 1000\n"
    # All that stands below the code is the same layer, and the old image is gone.
    shared = set(before) & set(layers(client, changed.identity))
    assert len(shared) > len(layers(client, _BASE))
    with pytest.raises(docker.errors.ImageNotFound):
        client.inspect_image(first.identity)


def test_force_builds_all_the_same(client, a_script):
    first = build_image(a_script(), client=client)

    assert build_image(a_script(), client=client, force=True).was_built
    assert says(client, first.reference, "spec") == "sh says spec\n"


def test_a_folders_own_dockerfile_gets_the_labels_it_lacks(client, a_script, repository):
    built = build_image(a_script(), client=client)
    connector = resolve_image(a_script(), client=client)

    assert connector.labels["io.airbyte.name"] == repository
    assert connector.labels["io.airbyte.version"] == "1.2.3"
    assert connector.entrypoint == ("sh", "/source.sh")
    [warning] = built.warnings
    assert 'ENV AIRBYTE_ENTRYPOINT="sh /source.sh"' in warning


def test_an_entrypoint_that_differs_from_the_variable_is_a_warning(client, a_script):
    built = build_image(
        a_script(dockerfile=_DOCKERFILE + 'ENV AIRBYTE_ENTRYPOINT="sh /other.sh"\n'), client=client
    )

    [warning] = built.warnings
    assert "sh /other.sh" in warning


def test_a_failing_step_is_told_with_its_last_words(client, a_script, repository):
    dockerfile = f"FROM {_BASE}\nRUN echo first words; echo last words >&2; exit 9\n"

    with pytest.raises(BuildFailed, match="couldn't be built") as caught:
        build_image(a_script(dockerfile=dockerfile), client=client)

    text = str(caught.value)
    assert "last words" in text
    assert "code: 9" in text
    assert client.images(repository) == []


def test_a_dockerfile_with_a_mistake_is_told(client, a_script):
    with pytest.raises(BuildFailed, match="FRON"):
        build_image(a_script(dockerfile="FRON x\n"), client=client)


def test_an_image_that_is_missing_names_the_command_that_makes_it(client, a_script):
    with pytest.raises(ImageUnavailable, match="isn't on the engine") as caught:
        resolve_image(a_script(), client=client)

    assert caught.value.hint == "run `hydrotest build source-tiny`"


def test_an_image_without_entrypoint_is_refused(client, a_script):
    build_image(a_script(dockerfile=f"FROM {_BASE}\nCMD true\n"), client=client)

    with pytest.raises(ImageUnavailable, match="no entrypoint"):
        resolve_image(a_script(), client=client)


def test_an_image_is_found_by_a_reference_with_a_port_and_by_its_id(client, a_script, repository):
    built = build_image(a_script(), client=client)
    client.tag(built.identity, f"localhost:5000/{repository}", tag="2.0.0")

    try:
        by_name = resolve_image(f"localhost:5000/{repository}:2.0.0", client=client)
    finally:
        client.remove_image(f"localhost:5000/{repository}:2.0.0")
    by_id = resolve_image(built.identity, client=client)

    assert (by_name.name, by_name.version) == ("source-tiny", "2.0.0")
    assert by_name.identity == by_id.identity == built.identity


class TestEnsure:
    def test_what_is_missing_is_built(self, client, a_script):
        told: list[str] = []

        connector = ensure_image(
            a_script(), build_if_missing=True, progress=told.append, client=client
        )

        assert says(client, connector.image, "spec") == "sh says spec\n"
        assert told[-1].startswith("warning: the platform starts")

    def test_what_is_missing_and_must_not_be_built_is_an_error(self, client, a_script):
        with pytest.raises(ImageUnavailable, match="isn't on the engine"):
            ensure_image(a_script(), build_if_missing=False, client=client)

    def test_what_we_made_is_made_anew_when_the_folder_changes(self, client, a_script):
        ensure_image(a_script(), build_if_missing=True, client=client)

        connector = ensure_image(a_script("echo new"), build_if_missing=True, client=client)

        assert says(client, connector.image) == "new\n"

    def test_a_stale_image_that_must_not_be_built_is_taken_aloud(self, client, a_script):
        first = ensure_image(a_script(), build_if_missing=True, client=client)
        told: list[str] = []

        connector = ensure_image(
            a_script("echo new"), build_if_missing=False, progress=told.append, client=client
        )

        assert connector.identity == first.identity
        assert "hydrotest build source-tiny" in told[0]

    def test_what_something_else_made_is_taken_as_it_is(self, client, a_script, repository):
        client.tag(_BASE, repository, tag="dev")
        assert image_state(a_script(), client=client) is ImageState.FOREIGN

        # The base image has no entrypoint, by which it is recognised here.
        try:
            with pytest.raises(ImageUnavailable, match="no entrypoint"):
                ensure_image(a_script(), build_if_missing=True, client=client)
        finally:
            client.remove_image(f"{repository}:dev")

    def test_a_version_that_exists_only_as_an_image_is_pulled(self, client, a_folder):
        folder = a_folder(hydrotest__yaml="image: localhost:1/source-tiny:1")

        with pytest.raises(ImageUnavailable, match="couldn't be pulled"):
            ensure_image(folder, build_if_missing=True, client=client)
        with pytest.raises(ImageUnavailable, match="docker pull localhost:1/source-tiny:1"):
            ensure_image(folder, build_if_missing=False, client=client)
