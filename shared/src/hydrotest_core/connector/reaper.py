"""Removing what a session left behind, and the child process that does so when we died.

Run as a program (`python -I -S reaper.py SESSION ENGINE`) it waits on its standard
input and outlives whoever started it:

```
dir PATH      a folder to be removed along with the rest
done          the session came to its own end; leave at once
end of file   the parent died, however: remove all that carries the session's label
```

Waiting, it holds 12 MB: this file imports the standard library only, and the larger
parts of it where they are used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

__all__ = [
    "KINDS",
    "SESSION_LABEL",
    "SESSION_VARIABLE",
    "Engine",
    "EngineAnswerError",
    "Reaper",
    "clear",
    "environments_of",
    "holders_of",
    "kill_marked",
    "main",
    "marked_processes",
    "remove_tree",
]

SESSION_LABEL = "io.hydrotest.session"
SESSION_VARIABLE = "HYDROTEST_SESSION"

# In the order in which they can be removed: what is used last goes last.
KINDS = ("containers", "networks", "volumes")

_CALL_S = 5.0
# A request of the dead parent may still be on its way inside the engine, so one
# empty look proves little.
_PAUSES_S = (0.0, 0.3, 0.5, 0.7)
_AT_MOST_S = 60.0
_ENDS_WITHIN_S = 5.0


class Reaper:
    """The parent's end of the reaper: while it is open, the child waits.

    Args:
        session: The id of the session.
        engine: The engine's address; none has to answer there.
    """

    def __init__(self, session: str, engine: str) -> None:
        self._session = session
        self._engine = engine
        self._folders: list[Path] = []
        self._child = self._start()

    def __repr__(self) -> str:
        state = "waiting" if self._child.poll() is None else "ended"
        return f"Reaper(pid={self._child.pid}, {state})"

    def _start(self) -> Popen[bytes]:
        import subprocess  # noqa: PLC0415 - see the module's docstring

        environment = {
            name: value
            for name, value in os.environ.items()
            if name in {"PATH", "HOME"} or name.startswith("DOCKER_")
        }
        # Its own session: Ctrl-C in our terminal must not reach it. No pipe of ours but
        # its input, for who waits for the end of our output must not wait for it.
        return subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, self._session, self._engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The child's process number."""
        return self._child.pid

    def watch(self, folder: Path) -> None:
        """Have a folder removed too, when we die."""
        self._folders.append(folder)
        self._tell(b"dir " + os.fsencode(folder))

    def revive(self) -> None:
        """Start the child again where it was killed; call it from one thread at a time."""
        if self._child.poll() is None:
            return
        self._let_go()
        self._child = self._start()
        for folder in self._folders:
            self._tell(b"dir " + os.fsencode(folder))

    def close(self) -> None:
        """Let the child go; what the session left must be gone already."""
        self._tell(b"done")
        self._let_go()
        import subprocess  # noqa: PLC0415 - see the module's docstring

        try:
            self._child.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _let_go(self) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()

    def _tell(self, line: bytes) -> None:
        assert self._child.stdin is not None
        # It may have been killed; then the next session's `stale_sessions` is our net.
        with contextlib.suppress(OSError, ValueError):
            self._child.stdin.write(line + b"\n")
            self._child.stdin.flush()


class EngineAnswerError(OSError):
    """An engine is there, and what it answered says nothing: refused, torn, or no HTTP."""


class Engine:
    """The few calls of a Docker engine that cleaning up needs, by plain HTTP.

    Args:
        address: `unix:///path` or `tcp://host:port`, as in `DOCKER_HOST`; with TLS
            where `DOCKER_TLS_VERIFY` says so.

    All methods raise `OSError` where no engine answers, or one of another kind of
    address (`ssh://`) would have to.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def __repr__(self) -> str:
        return f"Engine({self._address!r})"

    def labelled(self, kind: str, label: str) -> dict[str, dict[str, str]]:
        """Return what of `kind` has a label (`name` or `name=value`): its id → its labels."""
        import json  # noqa: PLC0415 - see the module's docstring
        from urllib.parse import quote  # noqa: PLC0415

        filters = quote(json.dumps({"label": [label]}))
        status, body = self._call("GET", f"/{kind}{_list_path(kind)}all=1&filters={filters}")
        try:
            found = json.loads(body or b"[]")
        except ValueError as exc:  # Cut off, for example by a restart.
            message = f"the engine's answer can't be read: {exc!r}"
            raise EngineAnswerError(message) from exc
        if status >= 300:  # noqa: PLR2004 - HTTP's own numbers
            message = f"the engine refused to list its {kind}: {status}"
            raise EngineAnswerError(message)
        entries = (found.get("Volumes") or []) if isinstance(found, dict) else found
        return {entry.get("Id") or entry["Name"]: entry.get("Labels") or {} for entry in entries}

    def remove(self, kind: str, name: str) -> bool:
        """Remove one thing, running or not; false where the engine said no."""
        status, _ = self._call("DELETE", f"/{kind}/{name}?force=1&v=1")
        return status < 300 or status == 404  # noqa: PLR2004 - HTTP's own numbers

    def _call(self, method: str, path: str) -> tuple[int, bytes]:
        import http.client  # noqa: PLC0415 - see the module's docstring

        connection = http.client.HTTPConnection("localhost", timeout=_CALL_S)
        try:
            connection.sock = _open_socket(self._address)
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as exc:
            message = f"the engine's answer can't be read: {exc!r}"
            raise EngineAnswerError(message) from exc
        finally:
            connection.close()


def _list_path(kind: str) -> str:
    return "/json?" if kind == "containers" else "?"


def _open_socket(address: str) -> object:
    import socket  # noqa: PLC0415 - see the module's docstring
    from urllib.parse import urlsplit  # noqa: PLC0415

    parts = urlsplit(address)
    if parts.scheme == "unix":
        plain = socket.socket(socket.AF_UNIX)
        try:
            plain.settimeout(_CALL_S)
            plain.connect(parts.path)
        except OSError:
            plain.close()
            raise
        return plain
    if parts.scheme not in {"tcp", "http", "https"} or not parts.hostname:
        message = f"no way to an engine at {address}"
        raise OSError(message)
    connected = socket.create_connection((parts.hostname, parts.port or 2375), _CALL_S)
    if not os.environ.get("DOCKER_TLS_VERIFY"):
        return connected
    import ssl  # noqa: PLC0415

    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context.wrap_socket(connected, server_hostname=parts.hostname)


def marked_processes(variable: str, value: str) -> list[int]:
    """Return the processes, our own left out, that were started with a variable of this value.

    A child inherits it, so one that left its group and its session is found too. On Linux
    what they started is among them even where it was given no variables at all.
    """
    mark = f"{variable}={value}".encode()
    own = os.getpid()
    if Path("/proc/self").is_dir():
        found = [pid for pid, text in _proc("environ") if mark in text.split(b"\0") and pid != own]
        return found and _with_children(found)
    return [pid for pid in _from_ps(mark) if pid != own]


def _proc(name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each process and what one of its files in `/proc` says."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # It has ended, or it isn't ours.
                yield int(folder.name), (folder / name).read_bytes()


def holders_of(pipes: set[str]) -> list[int]:
    """Return the processes, our own left out, that have one of these files open, `pipe:[4711]`.

    Linux only. Which of them are ours can't be seen elsewhere.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):  # It has ended, or it isn't ours.
            if any(os.readlink(one) in pipes for one in folder.iterdir()):  # noqa: PTH115 - no path
                found.append(int(folder.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def _with_children(roots: list[int]) -> list[int]:
    # The parent's number is the second word after the name, which may hold anything.
    parents = {pid: int(text.rpartition(b")")[2].split()[1]) for pid, text in _proc("stat")}
    found = dict.fromkeys(roots)
    while more := [pid for pid in parents if parents[pid] in found and pid not in found]:
        found |= dict.fromkeys(more)
    return list(found)


def _from_ps(mark: bytes) -> list[int]:
    import subprocess  # noqa: PLC0415 - see the module's docstring

    # macOS shows the environment of one's own processes after the command.
    listing = subprocess.run(
        ["/bin/ps", "-axEww", "-o", "pid=,command="], capture_output=True, check=False
    )
    return environments_of(listing.stdout, mark)


def environments_of(listing: bytes, mark: bytes) -> list[int]:
    """Return the numbers of the lines of a `ps` listing that have `mark` as a word."""
    rows = (line.split() for line in listing.splitlines())
    return [int(words[0]) for words in rows if words and mark in words[1:]]


def kill_marked(variable: str, value: str) -> int:
    """Kill the marked processes and say how many there were; those that fork meanwhile too."""
    killed = 0
    for _ in range(20):
        pids = marked_processes(variable, value)
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.01)
    return killed


def remove_tree(path: Path) -> bool:
    """Remove a folder with all that is in it, read-only folders too; false if it is still there."""
    shutil.rmtree(path, ignore_errors=True)
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o700)
        for root, names, _ in os.walk(path):
            for folder in (Path(root, name) for name in names):
                if not folder.is_symlink():
                    folder.chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def clear(session: str, address: str, folders: list[Path]) -> list[str]:
    """Remove what carries a session's label or mark, once over; `containers 3f2c…` a thing.

    Args:
        session: The session's id.
        address: Where the engine is; without one, processes and folders are removed.
        folders: Folders of the session.
    """
    gone = [f"processes {count}"] if (count := kill_marked(SESSION_VARIABLE, session)) else []
    with contextlib.suppress(OSError):  # No engine: then nothing of ours runs on it.
        gone += _clear_engine(Engine(address), f"{SESSION_LABEL}={session}")
    gone += [
        f"folder {folder}" for folder in folders if os.path.lexists(folder) and remove_tree(folder)
    ]
    return gone


def _clear_engine(engine: Engine, label: str) -> list[str]:
    gone: list[str] = []

    def remove(kind: str, name: str) -> None:
        with contextlib.suppress(OSError):
            if engine.remove(kind, name):
                gone.append(f"{kind} {name}")

    for kind in KINDS:
        threads = [
            threading.Thread(target=remove, args=(kind, name), daemon=True)
            for name in engine.labelled(kind, label)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return gone


def _clear_until_quiet(session: str, address: str, folders: list[Path]) -> None:
    deadline = time.monotonic() + _AT_MOST_S
    looks = 0
    while looks < len(_PAUSES_S) and time.monotonic() < deadline:
        time.sleep(_PAUSES_S[looks])
        looks = 1 if clear(session, address, folders) else looks + 1


def main(arguments: list[str]) -> int:
    """Wait for the parent's end; see the module's docstring."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    session, address = arguments
    folders: list[Path] = []
    for line in sys.stdin.buffer:
        word, _, rest = line.rstrip(b"\n").partition(b" ")
        if word == b"done":
            return 0
        if word == b"dir":
            folders.append(Path(os.fsdecode(rest)))
    _clear_until_quiet(session, address, folders)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
