"""Images on a Docker engine: looked up, pulled and built. The SDK's errors end here.

| the SDK raises | we raise |
|---|---|
| `DockerException` while connecting, any connection error later | `EngineUnavailable` |
| `ImageNotFound`, `NotFound` while looking up | nothing: the image isn't there |
| `APIError` while looking up or pulling | `ImageUnavailable` |
| `APIError`, `BuildError`, an error in the stream while building | `BuildFailed` |
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import docker
import docker.errors
import docker.utils
import requests.exceptions

from hydrotest_core.connector.dockerfile import BuildContext
from hydrotest_core.connector.heartbeat import Heartbeat
from hydrotest_core.connector.sources import NEVER_SENT, SourceFile
from hydrotest_core.errors import BuildFailed, EngineUnavailable, ImageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from hydrotest_core.connector.references import ImageRef

__all__ = ["ImageFacts", "Images", "folder_context", "open_images"]

_SPOOL_BYTES = 16 * 1024 * 1024


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
def open_images(client: docker.DockerClient | None = None) -> Iterator[Images]:
    """Give access to an engine's images, by `client` or by the environment's own settings.

    Raises:
        EngineUnavailable: No engine answers, or it stops answering on the way.
    """
    try:
        engine = client or docker.from_env()
    except docker.errors.DockerException as exc:
        raise _unavailable(exc) from exc
    try:
        yield Images(engine)
    except requests.exceptions.ConnectionError as exc:
        raise _unavailable(exc) from exc
    finally:
        if client is None:
            engine.close()


class Images:
    """The images of one engine."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def find(self, reference: ImageRef) -> ImageFacts | None:
        """Look an image up; `None` where the engine doesn't have it.

        Raises:
            ImageUnavailable: The engine refuses to say.
        """
        try:
            inspect = self._client.api.inspect_image
            facts: Mapping[str, Any] = inspect(  # type: ignore[no-untyped-call] - not in the stubs
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
                events = self._client.api.pull(
                    reference.repository, tag=tag, stream=True, decode=True
                )
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
            with Heartbeat(what, progress) as heartbeat, _packed(context) as packed:
                events = self._client.api.build(
                    fileobj=packed,
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
                self._client.api.remove_image(image.id)


def folder_context(folder: Path) -> BuildContext:
    """Return the context of a folder with a Dockerfile of its own.

    Its `.dockerignore` holds; credentials and caches are left out besides.
    """
    ignore = folder / ".dockerignore"
    lines = ignore.read_text("utf-8").splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    patterns += [pattern for name in NEVER_SENT for pattern in (name, f"**/{name}")]
    names = sorted(docker.utils.exclude_paths(str(folder), patterns))
    files = (folder / name for name in names)
    return BuildContext(
        dockerfile=(folder / "Dockerfile").read_text("utf-8"),
        sources=tuple(
            SourceFile(
                name=path.relative_to(folder).as_posix(),
                path=path,
                is_executable=bool(path.stat().st_mode & 0o111),
            )
            for path in files
            if path.is_file()
        ),
    )


@contextlib.contextmanager
def _packed(context: BuildContext) -> Iterator[IO[bytes]]:
    """Pack the context as a tar whose bytes depend on contents alone, so layers are found again."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        with tarfile.open(fileobj=spool, mode="w") as tar:
            generated = {**context.generated, "Dockerfile": context.dockerfile.encode()}
            for file in context.sources:
                name = f"{context.sources_at}/{file.name}" if context.sources_at else file.name
                if name in generated:
                    continue
                with file.path.open("rb") as stream:
                    size = file.path.stat().st_size
                    tar.addfile(_entry(name, size, is_executable=file.is_executable), stream)
            for name, content in generated.items():
                tar.addfile(_entry(name, len(content), is_executable=False), io.BytesIO(content))
        spool.seek(0)
        yield spool


def _entry(name: str, size: int, *, is_executable: bool) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o755 if is_executable else 0o644
    return entry


def _follow(events: Iterator[Mapping[str, Any]], heartbeat: Heartbeat) -> str | None:
    """Read a build's or a pull's events to the end; return the error it ended with, if any."""
    for event in events:
        if "error" in event:
            heartbeat.line(str(event["error"]))
            return str(event["error"]).strip()
        # A pull repeats its progress many times a second; only the words matter.
        text = event.get("stream") or event.get("status") or ""
        for line in str(text).splitlines():
            heartbeat.line(line, is_milestone=line.startswith("Step "))
    return None


def _unavailable(exc: Exception) -> EngineUnavailable:
    message = "No Docker engine answers."
    hint = "start Docker, set DOCKER_HOST, or use the process runner: --runner process"
    return EngineUnavailable(message, reason=exc, hint=hint)


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
