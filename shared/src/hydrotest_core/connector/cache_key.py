"""What an execution is known by: an HMAC of all that determines it.

Keyed, so that a short secret in a config can't be found by trying out configs
(ecosystem reference, C6); by a secret that each installation makes for itself, so keys
of two installations say nothing about each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Final

from hydrotest_core.sealed import atomic_write, make_private_dir, open_private

if TYPE_CHECKING:
    from pathlib import Path

    from hydrotest_core.connector.execution import ExecutionInputs

__all__ = ["execution_key", "installation_key"]

logger = logging.getLogger(__name__)

# Part of every key: executions kept in another format are not found, and so not misread.
_FORMAT: Final = 1
_KEY_BYTES: Final = 32


def installation_key(home: Path) -> bytes:
    """Return the secret of this installation, made at the first call.

    Of two processes that come here at once, the second takes the first one's. A file
    that can't be a key is put aside; what was kept under that key isn't found again.

    Raises:
        OSError: What the system says.
    """
    path = make_private_dir(home) / "key"
    found = _read_key(path)
    if found is None:
        with open_private(path.with_name("key.lock"), "ab") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            found = _read_key(path) or _make_key(path)
    return found


def _read_key(path: Path) -> bytes | None:
    try:
        found = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return None
    return found if len(found) == _KEY_BYTES else None


def _make_key(path: Path) -> bytes:
    if os.path.lexists(path):
        path.rename(path.with_name(f"key.damaged-{time.time_ns()}"))
        logger.warning("cache.key_replaced path=%s", path)
    made = secrets.token_bytes(_KEY_BYTES)
    atomic_write(path, made)
    return made


def execution_key(inputs: ExecutionInputs, runner: str, secret: bytes) -> str:
    """Return 64 hex digits that stand for all that determines an execution.

    The timeout isn't part of it: it decides only how long we are ready to wait.
    """
    connector = inputs.connector
    determined_by = {
        "format": _FORMAT,
        "runner": runner,
        "identity": connector.identity,
        "argv": list(connector.argv),
        "own_environment": dict(connector.environment),
        "working_directory": str(connector.working_directory),
        "command": inputs.command,
        "config": inputs.config,
        "catalog": inputs.configured_catalog,
        "state": list(inputs.state) if inputs.state is not None else None,
        "environment": dict(inputs.environment),
        "network": inputs.network,
        "isolation": inputs.isolation,
        "attempt": inputs.attempt,
    }
    canonical = json.dumps(determined_by, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(secret, canonical, hashlib.sha256).hexdigest()
