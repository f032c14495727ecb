"""What an engine answers to what our code asks; a fake one must answer as a real one does.

```python
class TestMyEngine(EngineContract):
    @pytest.fixture
    def engine(self): ...

    @pytest.fixture
    def python_image(self): ...
```
"""

from __future__ import annotations

import contextlib
import io
import secrets
import tarfile
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import docker
import docker.errors
import docker.types
import pytest

from hydrotest_core.connector.docker_memory import resident_bytes
from hydrotest_core.connector.docker_stream import DemuxStream
from hydrotest_core.connector.reaper import Engine

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

__all__ = ["EngineContract"]

_FILES: Final = "/given"
_LABEL: Final = "io.hydrotest.contract"
_ENDS_WITHIN_S: Final = 20.0
_SAYS: Final = "import os; os.write(1, b'out'); os.write(2, b'err')"
_WAITS: Final = "import time; time.sleep(60)"
_LEAVES_A_CHILD: Final = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
"""
_CLOSES_ITS_PIPES: Final = """
import os, time
os.close(1), os.close(2), time.sleep(1)
os._exit(5)
"""


class EngineContract:
    """The questions, by the SDK and by plain HTTP as our code asks them."""

    @pytest.fixture
    def engine(self) -> str:
        """Return the engine's address."""
        raise NotImplementedError

    @pytest.fixture
    def python_image(self) -> Callable[..., str]:
        """Return a function that takes an entrypoint's words and gives an image's id."""
        raise NotImplementedError

    @pytest.fixture
    def client(self, engine: str) -> Iterator[docker.APIClient]:
        """Return the SDK's end of a connection."""
        with contextlib.closing(docker.APIClient(base_url=engine, timeout=30)) as client:
            yield client

    @pytest.fixture
    def make(
        self, client: docker.APIClient, python_image: Callable[..., str]
    ) -> Iterator[Callable[..., str]]:
        """Return a function that creates a container that runs a piece of Python."""
        made: list[str] = []

        def create(code: str = _SAYS, **more: Any) -> str:
            mount = docker.types.Mount(
                _FILES, None, type="volume", no_copy=True, labels=more.get("labels")
            )
            host = client.create_host_config(init=True, mounts=[mount], network_mode="none")
            image = python_image("python3", "-c", code)
            made.append(client.create_container(image, host_config=host, **more)["Id"])
            return made[-1]

        yield create
        for one in made:
            with contextlib.suppress(docker.errors.NotFound):
                client.remove_container(one, v=True, force=True)

    @pytest.fixture
    def ended(self, client: docker.APIClient, make: Callable[..., str]) -> Callable[..., Any]:
        """Return a function that runs Python and returns its state and what it said."""

        def run(code: str) -> tuple[dict[str, Any], bytes, bytes]:
            name = make(code)
            out, err = _play(client, name)
            return _state_in_the_end(client, name), out, err

        return run

    def test_version_is_told(self, client: docker.APIClient) -> None:
        """The SDK won't begin without it."""
        version = client.version()

        assert version["Version"]
        assert version["ApiVersion"] >= "1.41"

    def test_image_is_told_with_what_starts_it(
        self, client: docker.APIClient, python_image: Callable[..., str]
    ) -> None:
        """Its id is what runs, whatever it is called."""
        id_ = python_image("python3", "-c", "1")

        found: dict[str, Any] = client.inspect_image(id_)  # type: ignore[no-untyped-call] # not in the stubs
        assert found["Id"] == id_
        assert id_.startswith("sha256:")
        assert found["Config"]["Entrypoint"] == ["python3", "-c", "1"]
        assert not found["Config"]["User"]

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            pytest.param("hydrotest-no-such-image:dev", 404, id="absent"),
            pytest.param("sha256:" + 64 * "0", 404, id="absent id"),
            pytest.param("Not A Name", 400, id="no name"),
        ],
    )
    def test_image_that_is_not_there_is_told(
        self, client: docker.APIClient, name: str, status: int
    ) -> None:
        """By what kind of error, too: it leads to different advice."""
        with pytest.raises(docker.errors.APIError) as caught:
            client.inspect_image(name)  # type: ignore[no-untyped-call] # not in the stubs

        assert caught.value.status_code == status
        assert isinstance(caught.value, docker.errors.ImageNotFound) == (status == 404)  # noqa: PLR2004 - HTTP's

    def test_container_of_no_image_is_not_created(self, client: docker.APIClient) -> None:
        """The image may have been removed a moment ago."""
        with pytest.raises(docker.errors.ImageNotFound):
            client.create_container("hydrotest-no-such-image:dev", "x")

    def test_created_container_does_not_run(
        self, client: docker.APIClient, make: Callable[..., str]
    ) -> None:
        """It has its name, its labels and its volume already."""
        name = f"hydrotest-contract-{secrets.token_hex(6)}"
        id_ = make(name=name, labels={_LABEL: name})

        found = client.inspect_container(name)
        assert (found["Id"], found["Name"]) == (id_, f"/{name}")
        assert (found["State"]["Status"], found["State"]["Running"]) == ("created", False)
        assert found["Config"]["Labels"][_LABEL] == name
        (mount,) = found["Mounts"]
        assert (mount["Type"], mount["Destination"]) == ("volume", _FILES)

    def test_name_is_given_once(self, make: Callable[..., str]) -> None:
        """The second one is refused."""
        name = f"hydrotest-contract-{secrets.token_hex(6)}"
        make(name=name)

        with pytest.raises(docker.errors.APIError) as caught:
            make(name=name)
        assert caught.value.status_code == 409  # noqa: PLR2004 - HTTP's

    def test_files_that_were_put_in_are_read(
        self, client: docker.APIClient, make: Callable[..., str]
    ) -> None:
        """Before the start, into the volume."""
        name = make(
            "import sys; print(open(sys.argv[1]).read(), end='')", command=[f"{_FILES}/a.json"]
        )

        assert client.put_archive(name, _FILES, _packed("a.json", b"grown"))
        assert _play(client, name) == (b"grown", b"")

    def test_stdout_and_stderr_come_apart(self, ended: Callable[..., Any]) -> None:
        """In one stream, each piece behind a header."""
        state, out, err = ended(_SAYS)

        assert (out, err) == (b"out", b"err")
        assert (state["ExitCode"], state["OOMKilled"], state["Status"]) == (0, False, "exited")

    @pytest.mark.parametrize(
        ("code", "number"),
        [
            pytest.param("raise SystemExit(3)", 3, id="exit"),
            pytest.param("import os; os.kill(os.getpid(), 9)", 137, id="killed"),
            pytest.param("import os; os.kill(os.getpid(), 15)", 143, id="terminated"),
            pytest.param("import os; os._exit(255)", 255, id="255"),
        ],
    )
    def test_end_is_a_number(self, ended: Callable[..., Any], code: str, number: int) -> None:
        """A signal is 128 and its number."""
        state, _, _ = ended(code)

        assert state["ExitCode"] == number

    def test_child_in_the_background_ends_with_its_parent(self, ended: Callable[..., Any]) -> None:
        """It would keep the pipes open, were it to live on."""
        state, _, _ = ended(_LEAVES_A_CHILD)

        assert state["ExitCode"] == 0

    def test_stream_ends_with_the_container_not_with_its_pipes(
        self, ended: Callable[..., Any]
    ) -> None:
        """So an end before that one is a cut."""
        state, _, _ = ended(_CLOSES_ITS_PIPES)

        assert state["ExitCode"] == 5  # noqa: PLR2004 - it said so

    @pytest.mark.parametrize(
        ("program", "number"),
        [
            pytest.param("/hydrotest-no-such-program", 127, id="absent"),
            pytest.param("/etc/passwd", 126, id="no program"),
        ],
    )
    def test_program_that_cannot_be_started_is_told_on_stderr(
        self,
        client: docker.APIClient,
        python_image: Callable[..., str],
        program: str,
        number: int,
    ) -> None:
        """The container's first process is the engine's init, and it was started."""
        host = client.create_host_config(init=True, network_mode="none")
        name = client.create_container(python_image(program), "x", host_config=host)["Id"]
        try:
            out, err = _play(client, name)
            state = _state_in_the_end(client, name)
        finally:
            client.remove_container(name, v=True, force=True)

        assert (out, state["ExitCode"]) == (b"", number)
        assert err.startswith(b"[FATAL tini ")

    def test_signal_ends_it_once(self, client: docker.APIClient, make: Callable[..., str]) -> None:
        """One that doesn't run can't be signalled."""
        name = make(_WAITS)
        assert _status_of(lambda: client.kill(name, "SIGTERM")) == 409  # noqa: PLR2004 - HTTP's
        client.start(name)
        client.kill(name, "SIGTERM")

        state = _state_in_the_end(client, name)
        assert state["ExitCode"] == 143  # noqa: PLR2004 - 128 + 15
        assert _signals(client, name, state) == ["15"]
        assert _status_of(lambda: client.kill(name, "SIGKILL")) == 409  # noqa: PLR2004 - HTTP's

    def test_running_container_is_removed_only_by_force(
        self, client: docker.APIClient, make: Callable[..., str]
    ) -> None:
        """And its volume goes with it."""
        name = make(_WAITS)
        volume = client.inspect_container(name)["Mounts"][0]["Name"]
        client.start(name)

        assert _status_of(lambda: client.remove_container(name)) == 409  # noqa: PLR2004 - HTTP's
        client.remove_container(name, v=True, force=True)
        assert _status_of(lambda: client.inspect_container(name)) == 404  # noqa: PLR2004 - HTTP's
        assert not client.volumes({"name": volume})["Volumes"]

    @pytest.mark.parametrize("ask", ["start", "kill", "inspect_container", "remove_container"])
    def test_container_that_is_not_there_is_told(self, client: docker.APIClient, ask: str) -> None:
        """Whatever is asked of it."""
        with pytest.raises(docker.errors.NotFound, match="No such container"):
            getattr(client, ask)("hydrotest-no-such-container")

    def test_samples_tell_memory_and_end_with_the_container(
        self, client: docker.APIClient, make: Callable[..., str]
    ) -> None:
        """They go on without numbers when it has ended, until it is removed."""
        name = make(f"x = b'1' * 30_000_000\n{_WAITS}")
        client.start(name)
        samples = client.stats(name, decode=True, stream=True)
        peaks = (resident_bytes(sample) or 0 for sample in samples)
        found = next(peak for peak in peaks if peak > 30_000_000)  # noqa: PLR2004 - what it took

        client.kill(name)
        _state_in_the_end(client, name)
        assert next(samples) is not None
        client.remove_container(name, v=True)
        list(samples)
        assert found < 100_000_000  # noqa: PLR2004 - not somebody else's

    @pytest.mark.parametrize("kind", ["containers", "networks", "volumes"])
    def test_things_are_found_by_label_and_removed(
        self, engine: str, client: docker.APIClient, make: Callable[..., str], kind: str
    ) -> None:
        """By its name and by its value, as the reaper asks."""
        mine, other = secrets.token_hex(6), secrets.token_hex(6)
        created: dict[str, Callable[[str], str]] = {
            "containers": lambda value: make(labels={_LABEL: value}),
            "networks": lambda value: client.create_network(
                f"hydrotest-{value}", labels={_LABEL: value}
            )["Id"],
            "volumes": lambda value: client.create_volume(
                f"hydrotest-{value}", labels={_LABEL: value}
            )["Name"],
        }
        names = {value: created[kind](value) for value in (mine, other)}
        asked = Engine(engine)

        try:
            assert asked.labelled(kind, f"{_LABEL}={mine}") == {names[mine]: {_LABEL: mine}}
            assert {*names.values()} <= {*asked.labelled(kind, _LABEL)}
            assert asked.labelled(kind, f"{_LABEL}=nobody") == {}
        finally:
            assert [asked.remove(kind, name) for name in names.values()] == [True, True]
        assert asked.labelled(kind, f"{_LABEL}={mine}") == {}
        assert asked.remove(kind, names[mine]), "what isn't there any more is gone too"

    def test_volume_in_use_is_not_removed(
        self, engine: str, client: docker.APIClient, make: Callable[..., str]
    ) -> None:
        """Its container comes first."""
        volume = client.inspect_container(make())["Mounts"][0]["Name"]

        assert not Engine(engine).remove("volumes", volume)


def _packed(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o444
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _play(client: docker.APIClient, name: str) -> tuple[bytes, bytes]:
    """Start a container and listen to its end; return stdout and stderr."""
    out, err = bytearray(), bytearray()
    demux = DemuxStream(out.extend, err.extend)
    stream: Any = client.attach_socket(name, params={"stdout": 1, "stderr": 1, "stream": 1})
    try:
        raw: socket.socket = stream._sock  # noqa: SLF001 - the SDK gives no other way
        client.start(name)
        while data := raw.recv(65536):
            demux.feed(data)
    finally:
        stream._response.close()  # noqa: SLF001 - as above
    assert demux.is_complete
    return bytes(out), bytes(err)


def _state_in_the_end(client: docker.APIClient, name: str) -> dict[str, Any]:
    """Return a container's state once it has ended; the stream may end a moment before."""
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while (state := client.inspect_container(name)["State"])["Running"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.01)
    return dict(state)


def _signals(client: docker.APIClient, name: str, state: dict[str, Any]) -> list[str]:
    """Return the signals that the engine says it sent to a container that has ended."""
    ended = datetime.fromisoformat(f"{state['FinishedAt'][:19]}+00:00").timestamp()
    events = client.events(
        since=int(ended) - 60,
        until=int(ended) + 1,
        filters={"container": [name], "event": ["kill"]},
        decode=True,
    )
    return [event["Actor"]["Attributes"]["signal"] for event in events]


def _status_of(ask: Callable[[], object]) -> int | None:
    """Return the HTTP status with which an engine refuses."""
    try:
        ask()
    except docker.errors.APIError as exc:
        return exc.status_code
    return None
