"""One container from its creation to its removal.

The connector's files go into a volume without a name, by the engine's own interface: it
works where the engine can't see our disk (a remote one, Docker in Docker, a virtual
machine that shares only the home folder), needs no ownership to agree, and the engine
removes it along with the container. Measured: 55 ms. They are readable by whoever the
connector runs as, and belong to root, so only a connector that is root can change them.
"""

from __future__ import annotations

import io
import logging
import os
import socket
import tarfile
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import docker
import docker.errors
import docker.types
import requests

from hydrotest_core.connector.docker_errors import FOREIGN
from hydrotest_core.connector.docker_stream import forward
from hydrotest_core.connector.execution import Network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hydrotest_core.connector.isolation import IsolationProfile

__all__ = ["FILES_FOLDER", "HOST_NAME", "Container"]

logger = logging.getLogger(__name__)

FILES_FOLDER: Final = "/hydrotest"
HOST_NAME: Final = "host.docker.internal"

_LAST_CALL_S: Final = 5


def _timestamp(moment: str) -> int:
    """Return an engine's `2026-01-02T03:04:05.678Z` as whole seconds since epoch."""
    return int(datetime.fromisoformat(f"{moment[:19]}+00:00").timestamp())


class Container:
    """A container that exists on the engine; every call may raise what the SDK raises.

    Args:
        client: The engine.
        name: What it is called, so that it is found even when its creation was cut off.
        image: What a person calls its image.
    """

    def __init__(self, client: docker.APIClient, name: str, image: str) -> None:
        self.name = name
        self.image = image
        self._client = client
        self._stream: Any = None
        self._descriptor: int | None = None
        self._is_removed = False

    def __repr__(self) -> str:
        return f"Container({self.name!r})"

    def create(
        self,
        image_id: str,
        arguments: tuple[str, ...],
        *,
        profile: IsolationProfile,
        image_user: str,
        network: Network,
        environment: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> None:
        """Create it, with an empty volume for the connector's files; start nothing."""
        user = profile.user(image_user)
        # Nobody's home is writable under a read-only root, and uid 1000 may have none.
        home = {"HOME": "/tmp"} if user != image_user else {}  # noqa: S108 - in the container
        self._client.create_container(
            image_id,
            list(arguments),
            name=self.name,
            user=user or None,
            environment={**home, **environment},
            labels=dict(labels),
            host_config=self._host_config(profile, network, labels),
        )

    def _host_config(
        self, profile: IsolationProfile, network: Network, labels: Mapping[str, str]
    ) -> Any:
        is_alone = network is Network.NONE
        files = docker.types.Mount(
            FILES_FOLDER, None, type="volume", no_copy=True, labels=dict(labels)
        )
        tmp = {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={profile.tmp_bytes}"}  # noqa: S108
        return self._client.create_host_config(
            init=True,
            log_config=docker.types.LogConfig(type="none"),
            network_mode="none" if is_alone else "bridge",
            ipc_mode="private",
            extra_hosts=None if is_alone else {HOST_NAME: "host-gateway"},
            cap_drop=list(profile.dropped_capabilities),
            security_opt=["no-new-privileges"],
            read_only=profile.is_root_read_only,
            tmpfs=tmp if profile.tmp_bytes else None,
            shm_size=profile.shm_bytes,
            pids_limit=profile.process_limit,
            mem_limit=profile.memory_bytes,
            memswap_limit=profile.memory_bytes,
            nano_cpus=round(profile.cpus * 1e9) or None,
            ulimits=[
                docker.types.Ulimit(name="nofile", soft=profile.open_files, hard=profile.open_files)
            ],
            mounts=[files],
        )

    def put(self, files: Mapping[str, bytes]) -> None:
        """Put the connector's files into the volume."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o444
                tar.addfile(entry, io.BytesIO(data))
        self._client.put_archive(self.name, FILES_FOLDER, packed.getvalue())

    def attach(self) -> int:
        """Return a descriptor that gives stdout and stderr; to be called before the start."""
        wanted = {"stdout": 1, "stderr": 1, "stream": 1}
        self._stream = self._client.attach_socket(self.name, params=wanted)
        raw = getattr(self._stream, "_sock", self._stream)
        if type(raw) is socket.socket:
            raw.settimeout(None)
            return raw.fileno()
        self._descriptor = forward(raw)
        return self._descriptor

    def start(self) -> None:
        """Start the connector."""
        self._client.start(self.name)

    def state(self) -> Mapping[str, Any]:
        """Return what the engine calls its state: `Running`, `ExitCode`, `OOMKilled` and more."""
        state: Mapping[str, Any] = self._client.inspect_container(self.name)["State"]
        return state

    def wait(self, deadline: float) -> Mapping[str, Any] | None:
        """Return its state when it has ended; `None` when the deadline came first."""
        pause_s = 0.002
        while True:
            state = self.state()
            if not state["Running"]:
                return state
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, pause_s))
            pause_s = min(2 * pause_s, 0.5)

    def signals_sent(self, state: Mapping[str, Any]) -> list[int]:
        """Return the signals that somebody sent it through the engine, from its events.

        It takes up to a second, since events are asked for in whole ones. An engine that
        keeps none, or doesn't answer, sent none as far as we know: this explains an end, and
        isn't worth losing one.
        """
        try:
            events = self._client.events(
                since=_timestamp(state["StartedAt"]),
                until=_timestamp(state["FinishedAt"]) + 1,
                filters={"container": [self.name], "event": ["kill"]},
                decode=True,
            )
            return [int(event["Actor"]["Attributes"]["signal"]) for event in events]
        except (*FOREIGN, KeyError, ValueError, TypeError):
            return []

    def signal(self, name: str) -> None:
        """Send a signal to the connector; nothing happens when it has ended."""
        try:
            self._client.kill(self.name, name)
        except docker.errors.APIError as exc:
            if exc.status_code != requests.codes.conflict:
                raise

    def remove(self) -> None:
        """Remove it, running or not, with its volume; never raises, the session comes after us.

        Only the first call does something: an engine that is gone is asked once.
        """
        if self._is_removed:
            return
        self._close_stream()
        self._client.timeout = _LAST_CALL_S
        try:
            self._client.remove_container(self.name, v=True, force=True)
        except docker.errors.NotFound:
            pass  # It was never made, or somebody was faster.
        except FOREIGN as exc:
            logger.warning("container.not_removed name=%s reason=%s", self.name, exc)
        self._is_removed = True

    def _close_stream(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._stream is not None:
            # Closed by the socket, the answer around it would complain about that.
            getattr(self._stream, "_response", self._stream).close()
            self._stream = None
