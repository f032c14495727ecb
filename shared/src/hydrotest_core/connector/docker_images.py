"""Images on a Docker engine: looked up, pulled and built. The SDK's errors end here.

| the SDK raises | we raise |
|---|---|
| errors of requests and urllib3, and what `open_client` turns | `EngineUnavailable` |
| `ImageNotFound`, `NotFound` while looking up | nothing: the image isn't there |
| `APIError` while looking up or pulling | `ImageUnavailable` |
| `APIError`, `BuildError`, an error in the stream while building | `BuildFailed` |
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions
import urllib3.exceptions

from hydrotest_core.connector.docker_context import packed
from hydrotest_core.connector.docker_errors import open_client
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.heartbeat import Heartbeat
from hydrotest_core.errors import BuildFailed, EngineUnavailable, ImageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import APIClient

    from hydrotest_core.connector.dockerfile import BuildContext
    from hydrotest_core.connector.references import ImageRef

__all__ = ["ImageFacts", "Images", "open_images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an engine says of an image.

    Attributes:
        id: `sha256:…`.
        entrypoint: As the image has it; empty where it has none.
        labels: Its labels.
        environment: Its variables.
        tags: What else it is called.
    """

    id: str
    entrypoint: tuple[str, ...]
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    tags: tuple[str, ...]


@contextlib.contextmanager
def open_images(client: APIClient | None = None) -> Iterator[Images]:
    """Give access to the images of an engine: `client`'s, or the one that Docker itself would ask.

    Raises:
        EngineUnavailable: No engine answers, or it stops answering on the way.
    """
    api = client or open_client(engine_address())
    try:
        yield Images(api)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as exc:
        message = "The Docker engine stopped answering."
        hint = "see that it runs (`docker info`), then try again"
        raise EngineUnavailable(message, engine=api.base_url, reason=exc, hint=hint) from exc
    finally:
        if client is None:
            api.close()


class Images:
    """The images of one engine."""

    def __init__(self, client: APIClient) -> None:
        self._api = client

    def __repr__(self) -> str:
        return f"Images({self._api.base_url!r})"

    def find(self, reference: ImageRef) -> ImageFacts | None:
        """Look an image up; `None` where the engine doesn't have it.

        Raises:
            ImageUnavailable: The engine refuses to say.
        """
        try:
            inspect = self._api.inspect_image
            facts: Mapping[str, Any] = inspect(  # type: ignore[no-untyped-call]  # not in the stubs
                reference.engine_name
            )
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError as exc:
            message = "The engine can't say what an image is."
            raise ImageUnavailable(message, image=reference, reason=exc.explanation) from exc
        config = facts.get("Config") or {}
        variables = (line.partition("=") for line in config.get("Env") or ())
        return ImageFacts(
            id=facts["Id"],
            entrypoint=tuple(config.get("Entrypoint") or ()),
            labels=dict(config.get("Labels") or {}),
            environment={name: value for name, _, value in variables},
            tags=tuple(facts.get("RepoTags") or ()),
        )

    def pull(self, reference: ImageRef, progress: Callable[[str], None] | None) -> ImageFacts:
        """Fetch an image from its registry.

        Raises:
            ImageUnavailable: The registry doesn't have it, or can't be reached.
        """
        tag = reference.digest or reference.tag or "latest"
        try:
            with Heartbeat(f"pulling {reference}", progress) as heartbeat:
                events = self._api.pull(reference.repository, tag=tag, stream=True, decode=True)
                error = _follow(events, heartbeat)
        except docker.errors.APIError as exc:
            error = str(exc.explanation or exc)
            raise _not_pulled(reference, error) from exc
        found = None if error else self.find(reference)
        if found is None:
            raise _not_pulled(reference, error or "the image isn't there after the pull")
        return found

    def build(
        self,
        context: BuildContext,
        reference: ImageRef,
        labels: Mapping[str, str],
        progress: Callable[[str], None] | None,
    ) -> ImageFacts:
        """Build an image and call it `reference`; what it replaces is removed.

        Raises:
            BuildFailed: A step failed; the last lines of its output are in the error.
        """
        before = self.find(reference)
        what = f"building {reference}"
        try:
            with Heartbeat(what, progress) as heartbeat, packed(context) as tar:
                events = self._api.build(
                    fileobj=tar,
                    custom_context=True,
                    tag=str(reference),
                    labels=dict(labels),
                    rm=True,
                    forcerm=True,
                    decode=True,
                )
                error = _follow(events, heartbeat)
        except docker.errors.APIError as exc:
            raise _not_built(reference, str(exc.explanation or exc), []) from exc
        except docker.errors.BuildError as exc:
            raise _not_built(reference, str(exc), []) from exc
        after = self.find(reference)
        if error or after is None:
            raise _not_built(reference, error or "the engine has no image", heartbeat.tail)
        if before is not None and before.id != after.id:
            self._remove_replaced(before)
        return after

    def _remove_replaced(self, image: ImageFacts) -> None:
        """Remove an image that a build took the name of, unless something else needs it."""
        if len(image.tags) <= 1:
            with contextlib.suppress(docker.errors.APIError):
                self._api.remove_image(image.id)


def _follow(events: Iterator[Mapping[str, Any]], heartbeat: Heartbeat) -> str | None:
    """Read a build's or a pull's events to the end; return the error among them, if any."""
    error = None
    # To the end even after an error: what is left unread keeps the connection open.
    for event in events:
        if "error" in event:
            error = str(event["error"]).strip()
        text = event.get("error") or event.get("stream") or event.get("status") or ""
        for line in str(text).splitlines():
            heartbeat.line(line, is_milestone=line.startswith("Step "))
    return error


def _not_pulled(reference: ImageRef, reason: str) -> ImageUnavailable:
    message = "An image couldn't be pulled."
    hint = f"check the name and `docker login`, then try `docker pull {reference}`"
    return ImageUnavailable(message, image=reference, reason=reason, hint=hint)


def _not_built(reference: ImageRef, reason: str, tail: list[str]) -> BuildFailed:
    message = "An image couldn't be built."
    last_lines = "".join(f"\n  {line}" for line in tail) + "\n" if tail else "none"
    hint = "mend what the lines above say, then build again"
    if "no space left" in reason.lower():
        hint = "free some space: `docker system df` says what takes it"
    return BuildFailed(message, image=reference, reason=reason, last_lines=last_lines, hint=hint)
