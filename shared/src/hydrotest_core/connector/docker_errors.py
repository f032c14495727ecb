"""Meeting an engine, and what it and the SDK say when something is wrong.

| the SDK raises | we raise |
|---|---|
| `ImageNotFound`; `APIError` 400 (a bad reference, nothing to start) | `ImageUnavailable` |
| `APIError` at the start that tells of an `exec` | `ImageUnavailable`, with the entrypoint |
| `NotFound`, any other `APIError` | `EngineUnavailable` |
| `DockerException`, errors of requests, urllib3 and sockets | `EngineUnavailable` |
"""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import docker
import docker.errors
import docker.utils
import requests.exceptions
import urllib3.exceptions

from hydrotest_core.connector.docker_stream import StreamBrokenError
from hydrotest_core.errors import EngineUnavailable, ImageUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["FOREIGN", "SILENCE_S", "engine_errors", "open_client"]

FOREIGN: Final = (
    docker.errors.DockerException,
    docker.errors.StreamParseError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    StreamBrokenError,
    OSError,
)

# With all that must follow an engine's death it stays below half a minute.
SILENCE_S: Final = 15
_BAD_REQUEST = 400
_ABOUT_EXEC = re.compile(r"exec|OCI runtime create failed|permission denied", re.IGNORECASE)


class _Client(docker.APIClient):
    """The SDK, with a limit on every call: it attaches to a container without one."""

    def request(self, *args: Any, **more: Any) -> Any:
        """Send a request, within the client's limit where the call has none of its own."""
        more.setdefault("timeout", self.timeout)
        return super().request(*args, **more)


def open_client(address: str, timeout_s: int = SILENCE_S) -> docker.APIClient:
    """Connect to an engine.

    Raises:
        EngineUnavailable: None answers at this address in this time.
    """
    settings = docker.utils.kwargs_from_env()
    try:
        _knock(address, timeout_s)
        return _Client(base_url=address, tls=settings.get("tls") or False, timeout=timeout_s)
    except FOREIGN as exc:
        message = "No Docker engine answers."
        hint = "start Docker, set DOCKER_HOST, or use the process runner: --runner process"
        reason = _innermost(exc)
        raise EngineUnavailable(message, engine=address, reason=reason, hint=hint) from exc


def _innermost(exc: BaseException) -> str:
    """Return what the system said, out of the sentences that libraries wrap around it."""
    seen: set[int] = set()
    cause: BaseException | None = exc
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        nested = next((arg for arg in cause.args if isinstance(arg, BaseException)), None)
        cause = getattr(cause, "reason", None) or nested or cause.__cause__ or cause.__context__
        cause = cause if isinstance(cause, BaseException) else None
    return str(exc)


def _knock(address: str, timeout_s: int) -> None:
    """See that somebody listens: where nobody does, the SDK leaves its socket open."""
    parts = urlsplit(address)
    if parts.scheme == "unix":
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(timeout_s)
            one.connect(parts.path)


@contextlib.contextmanager
def engine_errors(image: str, entrypoint: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn what the SDK raises into ours; see the module's table.

    Args:
        image: What is being run; "" where it is only the engine that is asked.
        entrypoint: What is being started; empty where nothing is.
    """
    facts = {"image": image} if image else {}
    try:
        yield
    except docker.errors.ImageNotFound as exc:
        message = "The image isn't on the engine."
        hint = f"`hydrotest build` the connector, or `docker pull {image}`"
        raise ImageUnavailable(message, **facts, hint=hint) from exc
    except docker.errors.NotFound as exc:
        message = "The container was removed while the connector ran."
        raise EngineUnavailable(message, **facts, hint="run it again") from exc
    except docker.errors.APIError as exc:
        raise _refused(exc, facts, entrypoint) from exc
    except FOREIGN as exc:
        message = "The Docker engine stopped answering."
        hint = "see that it runs (`docker info`), then run it again"
        raise EngineUnavailable(message, **facts, reason=repr(exc), hint=hint) from exc


def _refused(
    exc: docker.errors.APIError, facts: Mapping[str, str], entrypoint: tuple[str, ...]
) -> EngineUnavailable | ImageUnavailable:
    reason = str(exc.explanation or exc)
    if entrypoint and _ABOUT_EXEC.search(reason):
        message = "The image's entrypoint can't be started."
        hint = "mend ENTRYPOINT in its Dockerfile, then build it again"
        return ImageUnavailable(
            message, **facts, entrypoint=list(entrypoint), reason=reason, hint=hint
        )
    if exc.status_code == _BAD_REQUEST:
        message = "The image can't be run."
        hint = "see that its name is right and that it has an ENTRYPOINT"
        return ImageUnavailable(message, **facts, reason=reason, hint=hint)
    message = "The Docker engine refused."
    hint = "see what it says, and `docker info`"
    return EngineUnavailable(message, **facts, reason=reason, hint=hint)
