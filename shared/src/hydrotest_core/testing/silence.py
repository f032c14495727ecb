"""A pytest plugin: a test that talks to the network fails, `-p hydrotest_core.testing.silence`.

This machine may be talked to, by Unix sockets and by its loopback addresses: there stand the
Docker engine and the servers of tests. Whatever else is connected to, sent to or looked up by
name is refused and told, however the attempt was wrapped: Python itself announces it.
Source: PEP 578, audit events `socket.*`.

`forbid_network` does the same for any other Python program, a child process from its
`sitecustomize`.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["forbid_network"]

_WITH_AN_ADDRESS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_WITH_A_NAME: Final = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_OWN_NAMES: Final = frozenset({"", "localhost"})


def forbid_network(tell: Callable[[str], object]) -> None:
    """Refuse the network to this process from now on; it can't be taken back.

    Args:
        tell: Called with each attempt in words, before it fails with a `ConnectionError`.
    """

    def refuse(event: str, words: tuple[Any, ...]) -> None:
        if not event.startswith("socket."):
            return
        target = _target(event, words)
        if target is not None:
            tell(f"{event} {target}")
            message = f"the network is forbidden: {event} {target}"
            raise ConnectionError(message)

    sys.addaudithook(refuse)


def _target(event: str, words: tuple[Any, ...]) -> str | None:
    """Return what of the network is meant; `None` for this machine."""
    if event in _WITH_AN_ADDRESS:
        address = words[1]
        # A Unix socket's is a path, a netlink socket's numbers.
        if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
            return None
        return None if _is_own(address[0]) else f"{address[0]}:{address[1]}"
    if event in _WITH_A_NAME:
        host = words[0].decode() if isinstance(words[0], bytes) else words[0]
        return None if host is None or _is_own(host) else host
    return None


def _is_own(host: str) -> bool:
    try:
        return host in _OWN_NAMES or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_ATTEMPTS: Final = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Forbid the network to all tests of this process."""
    attempts: list[str] = []
    config.stash[_ATTEMPTS] = attempts
    forbid_network(attempts.append)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test for what was tried while it ran, in whatever thread, its error caught or not."""
    yield
    attempts = item.config.stash[_ATTEMPTS]
    if attempts:
        said = ", ".join(dict.fromkeys(attempts))
        attempts.clear()
        pytest.fail(f"the test talked to the network: {said}", pytrace=False)
