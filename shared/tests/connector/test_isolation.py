from __future__ import annotations

import dataclasses

import pytest

from hydrotest_core.connector.execution import Network
from hydrotest_core.connector.isolation import PROFILES, RELAXED, STRICT


@pytest.mark.parametrize("root", ["", "root", "0", "0:0", "root:root"])
def test_strict_never_runs_as_root(root):
    assert STRICT.user(root) == "1000:1000"
    assert RELAXED.user(root) == root


@pytest.mark.parametrize("user", ["airbyte", "1001", "1001:0", "rooted"])
def test_user_of_an_image_that_is_not_root_is_kept(user):
    assert STRICT.user(user) == user
    assert RELAXED.user(user) == user


def test_profiles_are_known_by_their_names():
    assert PROFILES == {"strict": STRICT, "relaxed": RELAXED}


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
