"""Brings up our PokéAPI for the acceptance tests: a pytest plugin.

Where pytest runs in several processes, only the controller serves. It writes the configs of this
folder, with the server's address in them, to `secrets/`, where the tests look for them.
HYDROTEST_HOST_FOR_CONNECTOR says at which address of this machine the connector can reach us.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent
SECRETS = FOLDER.parent / "secrets"
CONFIGS = ("config.json", "invalid_config.json")
PUBLIC_ORIGIN = "https://pokeapi.co"
SERVER = pytest.StashKey[Any]()
ORIGIN = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the server and tell the connector where it is."""
    if hasattr(config, "workerinput"):
        return
    host = os.environ.get("HYDROTEST_HOST_FOR_CONNECTOR", "127.0.0.1")
    # A container comes from the engine's network, under a name that only it can resolve.
    listen = host if host == "127.0.0.1" else "0.0.0.0"
    server = server_module().PokeApiServer(listen, busy=["/api/v2/type", "/api/v2/pokemon/3"])
    server.start()
    config.stash[SERVER] = server
    config.stash[ORIGIN] = origin = f"http://{host}:{server.server_address[1]}"
    SECRETS.mkdir(mode=0o700, exist_ok=True)
    for name in CONFIGS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        (SECRETS / name).write_text(text.replace(PUBLIC_ORIGIN, origin), encoding="utf-8")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server and take back the configs that lead to it."""
    server = config.stash.get(SERVER, None)
    if server is None:
        return
    server.stop()
    for name in CONFIGS:
        path = SECRETS / name
        # Another session may have written its own meanwhile.
        if path.exists() and config.stash[ORIGIN] in path.read_text(encoding="utf-8"):
            path.unlink()


def server_module() -> Any:
    """Load `pokeapi_server.py` from beside this file, whatever this module is called."""
    path = FOLDER / "pokeapi_server.py"
    spec = importlib.util.spec_from_file_location("hydrotest_pokeapi_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
