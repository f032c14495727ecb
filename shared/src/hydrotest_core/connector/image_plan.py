"""What a connector's image is to be made from, and whether the one on the engine was."""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydrotest_core.connector.dockerfile import BuildContext, generated_context
from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import BuildFailed, ConnectorFolderError, ImageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hydrotest_core.connector.docker_images import ImageFacts, Images
    from hydrotest_core.connector.recipe import Recipe

__all__ = ["INPUTS_LABEL", "ImagePlan", "ImageState", "plan_image"]

# The hash of all inputs, on each image that we build.
INPUTS_LABEL = "io.hydrotest.inputs"


class ImageState(enum.StrEnum):
    """How the image that is on the engine stands to the folder it is named after.

    `MISSING`: there is none. `CURRENT`: we built it from what the folder holds
    now. `STALE`: we built it, and the folder has changed since. `FOREIGN`: it was
    pulled, or built by something else.
    """

    MISSING = "missing"
    CURRENT = "current"
    STALE = "stale"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """What is to be built.

    Attributes:
        reference: What it will be called.
        context: What is sent to the engine.
        labels: The labels that the Dockerfile doesn't set.
    """

    reference: ImageRef
    context: BuildContext
    labels: Mapping[str, str] = field(default_factory=dict)

    def state_of(self, found: ImageFacts | None) -> ImageState:
        """Say how the image that is on the engine stands to this plan."""
        if found is None:
            return ImageState.MISSING
        inputs = found.labels.get(INPUTS_LABEL)
        if inputs is None:
            return ImageState.FOREIGN
        return ImageState.CURRENT if inputs == self.labels[INPUTS_LABEL] else ImageState.STALE


def plan_image(recipe: Recipe, images: Images, progress: Callable[[str], None] | None) -> ImagePlan:
    """Say what is to be built for a recipe; a base image that isn't there is pulled.

    Raises:
        ConnectorFolderError: The folder doesn't say how this version is made.
        BuildFailed: The base image isn't there and can't be pulled.
    """
    from hydrotest_core.connector.docker_context import folder_context  # noqa: PLC0415 - SDK

    if not recipe.is_built:
        message = "The folder doesn't say how this version's image is made."
        hint = f"pull it: `docker pull {recipe.image}`, or add a Dockerfile"
        raise ConnectorFolderError(message, version=recipe.version, hint=hint)
    if recipe.sources is not None and recipe.dockerfile is not None:
        context = folder_context(recipe.sources)
        base_id = ""
        labels = {
            name: value for name, value in recipe.labels.items() if name not in context.dockerfile
        }
    else:
        context = generated_context(recipe)
        base_id = _base_id(context, images, progress)
        labels = {}
    parts = [context.fingerprint, base_id, sorted(labels.items())]
    inputs = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return ImagePlan(
        reference=recipe.image, context=context, labels={**labels, INPUTS_LABEL: inputs}
    )


def _base_id(context: BuildContext, images: Images, progress: Callable[[str], None] | None) -> str:
    """Return the id of the base image, pulled if need be, so that a newer base builds anew."""
    if context.base_image is None:
        return ""
    reference = ImageRef.parse(context.base_image)
    found = images.find(reference)
    if found is None:
        try:
            found = images.pull(reference, progress)
        except ImageUnavailable as exc:
            message = "The image that the connector is built on isn't there."
            hint = "pull it, or name another as `base_image` in hydrotest.yaml"
            reason = exc.facts.get("reason", "")
            raise BuildFailed(message, base_image=reference, reason=reason, hint=hint) from exc
    return found.id
