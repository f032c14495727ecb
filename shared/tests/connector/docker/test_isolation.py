"""What a connector finds when it looks around, under each profile, on a real engine."""

from __future__ import annotations

import contextlib
import dataclasses
import textwrap
import time
from pathlib import Path

import docker
import msgspec
import pytest

from hydrotest_core.connector.docker import DockerRunner
from hydrotest_core.connector.docker_container import Container
from hydrotest_core.connector.engine import engine_address
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    ExecutionInputs,
    Network,
)
from hydrotest_core.connector.isolation import PROFILES, STRICT
from hydrotest_core.connector.session import Session
from hydrotest_core.errors import ImageUnavailable
from hydrotest_core.redaction import SecretDict

BASE = "python:3.11-slim-bookworm"
MIB = 1024**2

PROBE = """
    import json, os, resource, socket

    status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())

    def read(*paths):
        found = [path for path in paths if os.path.exists(path)]
        return open(found[0]).read().strip() if found else None

    def error_of(action, *words):
        try:
            action(*words)
        except OSError as exc:
            return type(exc).__name__
        return None

    def write(path, size=1):
        with open(path, "wb", buffering=0) as file:
            for _ in range(size):
                file.write(b"x" * 1024**2)

    def connect(address):
        socket.create_connection((address, 53), timeout=2).close()

    def room(path):
        found = os.statvfs(path)
        return found.f_blocks * found.f_frsize

    mounts = [line.split() for line in open("/proc/mounts")]
    print(json.dumps({
        "capabilities": int(status["CapEff"], 16),
        "bounding capabilities": int(status["CapBnd"], 16),
        "no new privileges": status["NoNewPrivs"],
        "seccomp": status["Seccomp"],
        "user": f"{os.getuid()}:{os.getgid()}",
        "groups": os.getgroups(),
        "unwritable": [path for path in ("/x", "/etc/x", "/usr/x", "/var/tmp/x", "/opt/x",
            "/hydrotest/x", "/hydrotest/config.json") if error_of(write, path)],
        "writable": [path for path in ("/tmp/x", "/dev/shm/x") if not error_of(write, path)],
        "size of /tmp": room("/tmp"),
        "overfull /tmp": error_of(write, "/tmp/big", 4),
        "size of /dev/shm": room("/dev/shm"),
        "options of /tmp": sorted({"nosuid", "nodev"} & set(
            next((m[3] for m in mounts if m[1] == "/tmp"), "").split(","))),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "routes": [line.split()[0] for line in open("/proc/net/route").readlines()[1:]],
        "name": error_of(socket.getaddrinfo, "example.com", 80),
        "address": error_of(connect, "192.0.2.1"),
        "memory": read("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
        "swap": read("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"),
        "more swap": read("/sys/fs/cgroup/memory.swap.max"),
        "processes": read("/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "first process": read("/proc/1/comm"),
        "own processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[-1],
        "pid namespace": os.readlink("/proc/self/ns/pid"),
        "ipc namespace": os.readlink("/proc/self/ns/ipc"),
        "engine sockets": [path for path in ("/var/run/docker.sock", "/run/docker.sock",
            "/run/containerd/containerd.sock") if os.path.exists(path)],
        "devices": sorted(set(os.listdir("/dev")) & {"sda", "vda", "kmsg", "mem", "fuse", "kvm"}),
    }))
"""


@pytest.fixture(scope="module")
def image():
    """The image of a connector that says what it finds, of root's; no build, and gone after."""
    with contextlib.closing(docker.APIClient(base_url=engine_address(), timeout=60)) as client:
        held = client.create_container(BASE, ["true"])["Id"]
        settings = {
            "Entrypoint": ["python3", "-c", textwrap.dedent(PROBE)],
            "Cmd": [],
            "User": "",
        }
        made = client.commit(
            held, repository="hydrotest-test-isolation", tag=str(time.time_ns()), conf=settings
        )["Id"]
        client.remove_container(held)
        yield made
        client.remove_image(made, force=True)


@pytest.fixture(scope="module")
def session():
    with Session.open() as session:
        yield session


@pytest.fixture(scope="module")
def look(image, session, tmp_path_factory):
    """Return a function that runs the connector and returns what it found, and the manifest."""

    def run(profile=STRICT, network=Network.NONE):
        output_dir = tmp_path_factory.mktemp("out", numbered=True) / "o"
        output_dir.mkdir(mode=0o700)
        inputs = ExecutionInputs(
            connector=ConnectorUnderTest(
                name="source-x", version="dev", identity=image, image="source-x:dev"
            ),
            command=Command.CHECK,
            config=SecretDict(),
            network=network,
            isolation=profile.name,
            timeout_s=60.0,
            output_dir=output_dir,
        )
        runner = DockerRunner(session, profiles={profile.name: profile})
        manifest = runner.run(inputs).manifest
        return msgspec.json.decode(b"".join(Evidence(output_dir).stdout())), manifest

    return run


@pytest.fixture(scope="module")
def strict(look):
    """What the connector finds under `strict` without network, with little room in /tmp."""
    found, _ = look(dataclasses.replace(STRICT, tmp_bytes=3 * MIB))
    return found


@pytest.mark.parametrize(
    ("what", "is_so"),
    [
        ("capabilities", 0),
        ("bounding capabilities", 0),
        ("no new privileges", "1"),
        ("seccomp", "2"),
        ("user", "1000:1000"),
        (
            "unwritable",
            [
                *("/x", "/etc/x", "/usr/x", "/var/tmp/x", "/opt/x"),
                *("/hydrotest/x", "/hydrotest/config.json"),
            ],
        ),
        ("writable", ["/tmp/x", "/dev/shm/x"]),
        ("size of /tmp", 3 * MIB),
        ("overfull /tmp", "OSError"),
        ("size of /dev/shm", 64 * MIB),
        ("options of /tmp", ["nodev", "nosuid"]),
        ("interfaces", ["lo"]),
        ("routes", []),
        ("name", "gaierror"),
        ("address", "OSError"),
        ("memory", str(2048 * MIB)),
        ("processes", "256"),
        ("open files", [4096, 4096]),
        ("first process", "docker-init"),
        ("engine sockets", []),
        ("devices", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_strict_keeps_the_machine_from_a_connector(strict, what, is_so):
    assert strict[what] == is_so


def test_no_memory_is_had_from_swap(strict):
    # Version 1 of the engine's cgroups counts both together, version 2 each alone.
    assert strict["swap"] in {strict["memory"], None}
    assert strict["more swap"] in {"0", None}


def test_other_processes_and_their_memory_are_out_of_sight(strict):
    assert strict["own processes"] < 100
    for kind in ("pid", "ipc"):
        assert strict[f"{kind} namespace"] != str(Path(f"/proc/self/ns/{kind}").readlink())


def test_profile_in_force_is_printed(look):
    _, manifest = look()

    assert manifest.isolation == (
        "strict: read-only root, 1024 MiB of /tmp in memory, user 1000:1000 instead of root, "
        "no capabilities, no new privileges, 2048 MiB of memory, 256 processes, no network"
    )


def test_with_a_network_nothing_else_is_let_go(look, strict):
    found, _ = look(dataclasses.replace(STRICT, tmp_bytes=3 * MIB), Network.BRIDGE)

    of_the_network = {"interfaces", "routes", "name", "address"}
    passing = {"pid namespace", "ipc namespace", "own processes"}
    assert found["interfaces"] == ["eth0", "lo"]
    assert {key for key in found if found[key] != strict[key]} <= of_the_network | passing


@pytest.mark.parametrize(
    ("name", "user", "has_capabilities"),
    [("writable", "1000:1000", False), ("relaxed", "0:0", True)],
)
def test_what_a_profile_gives_up_is_all_it_gives_up(look, strict, name, user, has_capabilities):
    found, manifest = look(PROFILES[name])

    assert (found["user"], bool(found["capabilities"])) == (user, has_capabilities)
    assert manifest.isolation.startswith(
        f"{name}: writable root, user {user.replace('0:0', 'root')}"
    )
    # Root without the capability to be anybody else is kept out as well.
    assert "/tmp/x" in found["writable"]
    for kept in ("no new privileges", "seccomp", "memory", "processes", "open files", "interfaces"):
        assert found[kept] == strict[kept]


def test_image_that_is_not_there_is_never_pulled(session, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(docker.APIClient, "pull", lambda *words, **more: asked.append(words))
    connector = ConnectorUnderTest(
        name="source-x", version="dev", identity="", image="hydrotest-no-such-image:dev"
    )

    with pytest.raises(ImageUnavailable, match="isn't on the engine"):
        DockerRunner(session).run(
            ExecutionInputs(connector=connector, command=Command.SPEC, output_dir=tmp_path)
        )
    assert asked == []


def test_a_container_is_created_of_an_id_so_a_tag_that_moves_changes_nothing(
    image, session, tmp_path, monkeypatch
):
    ids = []
    create = Container.create

    def remember(self, of, *words, **more):
        ids.append(of)
        create(self, of, *words, **more)

    monkeypatch.setattr(Container, "create", remember)
    connector = ConnectorUnderTest(
        name="source-x", version="dev", identity=image, image="hydrotest-no-such-image:dev"
    )

    DockerRunner(session).run(
        ExecutionInputs(
            connector=connector,
            command=Command.SPEC,
            network=Network.NONE,
            output_dir=tmp_path,
        )
    )
    assert ids == [image]
