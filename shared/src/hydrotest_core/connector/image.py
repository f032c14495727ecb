"""A connector as an image: built from its folder, or found on the engine, or pulled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydrotest_core.connector.execution import ConnectorUnderTest
from hydrotest_core.connector.image_plan import INPUTS_LABEL, ImageState, plan_image
from hydrotest_core.connector.launch import ENTRYPOINT_VARIABLE
from hydrotest_core.connector.recipe import DEV, recipe_of
from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import ImageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

    from hydrotest_core.connector.docker_images import ImageFacts
    from hydrotest_core.connector.folder import ConnectorFolder

__all__ = [
    "INPUTS_LABEL",
    "BuiltImage",
    "ImageState",
    "build_image",
    "ensure_image",
    "image_state",
    "resolve_image",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """A connector's image after `build_image`.

    Attributes:
        reference: What it is called: `airbyte/source-faker:dev`.
        identity: Its id, `sha256:…`.
        was_built: False where an image from the same inputs was there already.
        warnings: What the platform will miss in it.
    """

    reference: str
    identity: str
    was_built: bool
    warnings: tuple[str, ...] = ()


def build_image(
    folder: ConnectorFolder,
    version: str = DEV,
    *,
    progress: Callable[[str], None] | None = None,
    client: docker.APIClient | None = None,
    force: bool = False,
) -> BuiltImage:
    """Build a version of a connector as `airbyte/source-x:<version>`.

    Nothing is built where an image from the same inputs is there under that name.

    Args:
        folder: The connector.
        version: `dev`, or another version that the folder says how to make.
        progress: Takes lines that say what is going on, at least every ten seconds.
        client: The engine; by default the environment's.
        force: Build even so.

    Raises:
        ConnectorFolderError: The folder doesn't say how this version is made.
        BuildFailed: The build failed; the last lines are in the error.
        EngineUnavailable: No engine answers.
    """
    from hydrotest_core.connector.docker_images import open_images  # noqa: PLC0415 - SDK

    recipe = recipe_of(folder, version)
    with open_images(client) as images:
        plan = plan_image(recipe, images, progress)
        found = images.find(plan.reference)
        is_current = plan.state_of(found) is ImageState.CURRENT
        if found is None or force or not is_current:
            found = images.build(plan.context, plan.reference, plan.labels, progress)
            is_current = False
    return BuiltImage(
        reference=str(plan.reference),
        identity=found.id,
        was_built=not is_current,
        warnings=tuple(_warnings(found)),
    )


def image_state(
    folder: ConnectorFolder, version: str = DEV, *, client: docker.APIClient | None = None
) -> ImageState:
    """Say whether a version's image is on the engine, and whether it is what the folder holds.

    Raises:
        ConnectorFolderError: The folder can't have such a version.
        EngineUnavailable: No engine answers.
    """
    from hydrotest_core.connector.docker_images import open_images  # noqa: PLC0415 - SDK

    recipe = recipe_of(folder, version)
    with open_images(client) as images:
        found = images.find(recipe.image)
        if found is None:
            return ImageState.MISSING
        if not recipe.is_built or INPUTS_LABEL not in found.labels:
            return ImageState.FOREIGN
        return plan_image(recipe, images, None).state_of(found)


def resolve_image(
    target: ConnectorFolder | ImageRef | str,
    version: str = DEV,
    *,
    client: docker.APIClient | None = None,
) -> ConnectorUnderTest:
    """Resolve a version of a connector to the image that is on the engine.

    Args:
        target: A connector's folder, or the reference of an image; a reference
            says its own version.
        version: Which version of the folder.
        client: The engine; by default the environment's.

    Raises:
        ImageUnavailable: The engine doesn't have it, or it has no entrypoint.
        EngineUnavailable: No engine answers.
    """
    from hydrotest_core.connector.docker_images import open_images  # noqa: PLC0415 - SDK

    if isinstance(target, (str, ImageRef)):
        reference = ImageRef.parse(target) if isinstance(target, str) else target
        name, said = reference.name, reference.tag or reference.digest or "latest"
        hint = f"try `docker pull {reference}`"
    else:
        recipe = recipe_of(target, version)
        name, said, reference = target.name, version, recipe.image
        command = f"hydrotest build {name}" + (f" --version {said}" if said != DEV else "")
        hint = f"run `{command}`" if recipe.is_built else f"try `docker pull {reference}`"
    with open_images(client) as images:
        return _resolved(name, said, reference, images.find(reference), hint)


def ensure_image(
    target: ConnectorFolder | ImageRef | str,
    version: str = DEV,
    *,
    build_if_missing: bool,
    progress: Callable[[str], None] | None = None,
    client: docker.APIClient | None = None,
) -> ConnectorUnderTest:
    """Resolve a version of a connector to an image, built or pulled first where that is allowed.

    An image that something else made under that name is taken as it is; one that
    we made is built anew when the folder has changed.

    Args:
        target: A connector's folder, or the reference of an image.
        version: Which version of the folder.
        build_if_missing: Whether to build or pull what isn't there; else a stale
            image is taken, aloud, and a missing one is an error.
        progress: Takes lines that say what is going on.
        client: The engine; by default the environment's.

    Raises:
        ImageUnavailable: It isn't there and mustn't be made, or can't be pulled.
        BuildFailed: It couldn't be built.
        ConnectorFolderError: The folder can't have such a version.
        EngineUnavailable: No engine answers.
    """
    if isinstance(target, (str, ImageRef)):
        reference = ImageRef.parse(target) if isinstance(target, str) else target
        if build_if_missing:
            _pull_if_missing(reference, progress, client)
        return resolve_image(reference, client=client)
    recipe = recipe_of(target, version)
    if build_if_missing and not recipe.is_built:
        _pull_if_missing(recipe.image, progress, client)
    elif recipe.is_built:
        state = image_state(target, version, client=client)
        if build_if_missing and state in {ImageState.MISSING, ImageState.STALE}:
            built = build_image(target, version, progress=progress, client=client)
            if progress is not None:
                for warning in built.warnings:
                    progress(f"warning: {warning}")
        elif state is ImageState.STALE and progress is not None:
            progress(f"{recipe.image} is older than the folder: `hydrotest build {target.name}`")
    return resolve_image(target, version, client=client)


def _pull_if_missing(
    reference: ImageRef,
    progress: Callable[[str], None] | None,
    client: docker.APIClient | None,
) -> None:
    from hydrotest_core.connector.docker_images import open_images  # noqa: PLC0415 - SDK

    with open_images(client) as images:
        if images.find(reference) is None:
            images.pull(reference, progress)


def _warnings(found: ImageFacts) -> list[str]:
    started_by = found.environment.get(ENTRYPOINT_VARIABLE)
    expected = " ".join(found.entrypoint)
    if started_by is None:
        line = f'ENV {ENTRYPOINT_VARIABLE}="{expected}"'
        return [f"the platform starts a connector by {ENTRYPOINT_VARIABLE}; add `{line}`"]
    if started_by != expected:
        return [f"{ENTRYPOINT_VARIABLE} is {started_by!r}, but the entrypoint is {expected!r}"]
    return []


def _resolved(
    name: str, version: str, reference: ImageRef, found: ImageFacts | None, hint: str
) -> ConnectorUnderTest:
    if found is None:
        message = "The connector's image isn't on the engine."
        raise ImageUnavailable(message, image=reference, hint=hint)
    if not found.entrypoint:
        message = "The image has no entrypoint, so it can't take a connector's commands."
        hint = "add an ENTRYPOINT to its Dockerfile and build it again"
        raise ImageUnavailable(message, image=reference, hint=hint)
    started_by = found.environment.get(ENTRYPOINT_VARIABLE)
    return ConnectorUnderTest(
        name=name,
        version=version,
        identity=found.id,
        image=str(reference),
        environment={} if started_by is None else {ENTRYPOINT_VARIABLE: started_by},
        labels=found.labels,
        entrypoint=found.entrypoint,
    )
