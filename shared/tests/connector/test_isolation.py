from __future__ import annotations

import contextlib
import dataclasses

import docker
import pytest

from hydrotest_core.connector.docker_container import Container
from hydrotest_core.connector.execution import Command, ConnectorUnderTest, ExecutionInputs, Network
from hydrotest_core.connector.isolation import (
    PROFILES,
    RELAXED,
    STRICT,
    WRITABLE,
    profile_in,
)


@pytest.mark.parametrize("root", ["", "root", "0", "0:0", "root:root"])
def test_strict_never_runs_as_root(root):
    assert STRICT.user(root) == "1000:1000"
    assert RELAXED.user(root) == root


@pytest.mark.parametrize("user", ["airbyte", "1001", "1001:0", "rooted"])
def test_user_of_an_image_that_is_not_root_is_kept(user):
    assert STRICT.user(user) == user
    assert RELAXED.user(user) == user


def test_profiles_are_known_by_their_names():
    assert PROFILES == {"strict": STRICT, "writable": WRITABLE, "relaxed": RELAXED}


def test_strict_is_what_an_execution_gets_that_asks_for_nothing(tmp_path):
    connector = ConnectorUnderTest(name="source-x", version="dev", identity="sha256:0")
    inputs = ExecutionInputs(connector=connector, command=Command.SPEC, output_dir=tmp_path)

    assert PROFILES[inputs.isolation] is STRICT


def test_profile_is_found_again_in_its_words():
    for profile in PROFILES.values():
        assert profile_in(profile.in_words("", Network.NONE)) is profile
    assert profile_in("process: its own group of processes") is None
    assert profile_in("") is None


def given_up(profile):
    return [(one.what, one.now) for one in profile.relaxations()]


def test_strict_gives_up_nothing():
    assert STRICT.relaxations() == ()


def test_each_relaxation_says_what_it_gives_up():
    root_is_writable = ("root file system", "writable")
    assert given_up(WRITABLE) == [root_is_writable]
    assert given_up(RELAXED) == [
        root_is_writable,
        ("user", "the image's, root too"),
        ("capabilities", "the engine's default ones"),
    ]
    assert all(one.gives_up for one in RELAXED.relaxations())


@pytest.fixture
def asked(monkeypatch):
    """Return a function that gives what an engine would be asked for a container."""
    client = docker.APIClient(base_url="unix:///nowhere/docker.sock", version="1.41")
    sent = {}
    monkeypatch.setattr(client, "create_container", lambda _, *words, **more: sent.update(more))

    def ask(profile=STRICT, network=Network.NONE, image_user=""):
        Container(client, "x", "source-x:dev").create(
            "sha256:0",
            ("spec",),
            profile=profile,
            image_user=image_user,
            network=network,
            environment={},
            labels={},
        )
        return sent

    with contextlib.closing(client):
        yield ask


# What an engine calls the promises of B4; anything more or less is seen.
STRICT_ON_THE_ENGINE = {
    "Init": True,
    "LogConfig": {"Type": "none", "Config": {}},
    "NetworkMode": "none",
    "IpcMode": "private",
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "ReadonlyRootfs": True,
    "Tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={1024**3}"},
    "ShmSize": 64 * 1024**2,
    "PidsLimit": 256,
    "Memory": 2 * 1024**3,
    "MemorySwap": 2 * 1024**3,
    "Ulimits": [{"Name": "nofile", "Soft": 4096, "Hard": 4096}],
}


def test_strict_is_all_that_an_engine_is_asked_for(asked):
    sent = asked()
    (files,) = sent["host_config"].pop("Mounts")

    assert sent["host_config"] == STRICT_ON_THE_ENGINE
    assert sent["user"] == "1000:1000"
    # A volume without a name: nothing of this machine, its engine's socket least of all.
    assert (files["Type"], files["Source"], files["Target"]) == ("volume", None, "/hydrotest")


@pytest.mark.parametrize(
    ("profile", "network", "differs"),
    [
        pytest.param(
            STRICT, Network.BRIDGE, {"NetworkMode", "ExtraHosts"}, id="strict with a network"
        ),
        pytest.param(WRITABLE, Network.NONE, {"ReadonlyRootfs", "Tmpfs"}, id="writable"),
        pytest.param(RELAXED, Network.NONE, {"ReadonlyRootfs", "Tmpfs", "CapDrop"}, id="relaxed"),
    ],
)
def test_whatever_is_relaxed_the_rest_stays(asked, profile, network, differs):
    host = asked(profile, network)["host_config"]
    host.pop("Mounts")

    changed = {
        key
        for key in {*host, *STRICT_ON_THE_ENGINE}
        if host.get(key) != STRICT_ON_THE_ENGINE.get(key)
    }
    assert changed == differs


def test_strict_is_told_in_words():
    assert STRICT.in_words("", Network.NONE) == (
        "strict: read-only root, 1024 MiB of /tmp in memory, user 1000:1000 instead of root, "
        "no capabilities, no new privileges, 2048 MiB of memory, 256 processes, no network"
    )


def test_relaxed_is_told_in_words():
    assert RELAXED.in_words("airbyte", Network.BRIDGE) == (
        "relaxed: writable root, user airbyte, no new privileges, 2048 MiB of memory, "
        "256 processes, bridge network"
    )


def test_limit_of_processors_is_told_where_there_is_one():
    assert "1.5 CPUs" in dataclasses.replace(STRICT, cpus=1.5).in_words("", Network.NONE)
