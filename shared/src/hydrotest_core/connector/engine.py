"""Where the Docker engine is, found as Docker's own command line finds it.

The first of these that says something: `DOCKER_HOST`; the context named by
`DOCKER_CONTEXT` or chosen in `~/.docker/config.json` (Docker Desktop, Colima and
rootless engines come with one); the rootless socket, where there is no other.
Source: Docker's reference, "docker context".
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["engine_address"]

_SYSTEM_SOCKET = "/var/run/docker.sock"


def engine_address(environment: Mapping[str, str] | None = None) -> str:
    """Return the address of the engine, `unix:///path` or `tcp://host:port`.

    Nothing is asked whether an engine is there.

    Args:
        environment: Variables; ours by default.
    """
    variables = os.environ if environment is None else environment
    if host := variables.get("DOCKER_HOST"):
        return host
    folder = Path(variables.get("DOCKER_CONFIG") or Path.home() / ".docker")
    context = variables.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if isinstance(context, str) and context != "default":
        digest = hashlib.sha256(context.encode()).hexdigest()
        meta = _read(folder / "contexts" / "meta" / digest / "meta.json")
        host = meta.get("Endpoints", {}).get("docker", {}).get("Host")
        if isinstance(host, str):
            return host
    rootless = f"{variables.get('XDG_RUNTIME_DIR', '')}/docker.sock"
    use_rootless = not Path(_SYSTEM_SOCKET).exists() and Path(rootless).exists()
    return f"unix://{rootless if use_rootless else _SYSTEM_SOCKET}"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):  # Docker's own files: where they are broken, Docker says so.
        return {}
    return found if isinstance(found, dict) else {}
