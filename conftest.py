"""Markers come from the folder a test lies in."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
from pathlib import Path

import pytest


def _hear_signals() -> None:
    """Undo what `nohup` and a shell's `&` do to every process below them.

    They let SIGINT and SIGHUP be ignored, also by the processes that tests start in order
    to end them by just these signals; such a test would wait for ever.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            usual = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)


_hear_signals()


def pytest_configure(config: pytest.Config) -> None:
    """Have each of our tests leave nothing open, and leave the network alone.

    Not a package that stands alone: it is tested without the core. Nor a run of the
    acceptance suites, which come here only because they lie below us.
    """
    if config.rootpath != Path(__file__).parent or not importlib.util.find_spec("hydrotest_core"):
        return
    for name in ("leaks", "silence"):
        plugin = importlib.import_module(f"hydrotest_core.testing.{name}")
        if not config.pluginmanager.is_registered(plugin):
            config.pluginmanager.register(plugin, f"hydrotest-{name}")


@functools.cache
def _why_no_engine() -> str | None:
    """Say why no Docker engine answers, or return `None` where one does."""
    try:
        import docker  # noqa: PLC0415 - only where docker tests were collected
    except ImportError:
        return "the docker SDK is not installed"
    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException as exc:
        return f"no Docker engine answers: {exc}"
    try:
        client.ping()
    except (docker.errors.DockerException, OSError) as exc:
        return f"no Docker engine answers: {exc}"
    finally:
        client.close()
    return None


def _below(path: Path, root: Path) -> tuple[str, ...]:
    """Return the folders between the root and a test; a test from elsewhere has none."""
    return path.relative_to(root).parts if path.is_relative_to(root) else ()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the long tests be asked for."""
    parser.addoption("--soak", action="store_true", help="Run the tests that take long, too.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies in a folder named `docker`, and skip it, aloud, without an engine.

    With `HYDROTEST_REQUIRE_DOCKER=1` the skip turns into a failure: CI sets it, so
    that a green run can't mean "the Docker tests didn't run". What takes long is skipped
    unless it is asked for.
    """
    for item in items:
        if item.get_closest_marker("soak") and not config.getoption("--soak"):
            item.add_marker(pytest.mark.skip(reason="takes long: --soak runs it"))
        if "docker" not in _below(item.path, config.rootpath):
            continue
        item.add_marker(pytest.mark.docker)
        reason = _why_no_engine()
        if reason and os.environ.get("HYDROTEST_REQUIRE_DOCKER") == "1":
            pytest.exit(f"HYDROTEST_REQUIRE_DOCKER=1, but {reason}", returncode=3)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
