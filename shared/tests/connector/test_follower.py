from __future__ import annotations

import dataclasses
import queue

import pytest

from hydrotest_core.connector.follower import Follower
from hydrotest_core.connector.owner import ProcessIdentity
from hydrotest_core.connector.session import Session

pytestmark = pytest.mark.usefixtures("own_temporary_folder")

GIVE_UP_S = 10.0


@pytest.fixture
def owner():
    with Session.open(engine="unix:///nowhere/docker.sock") as session:
        yield session


@pytest.fixture
def joined(owner):
    return Session.join(owner.id)


@pytest.fixture
def heard():
    return queue.Queue()


@pytest.fixture
def follower(joined, heard):
    following = Follower(
        joined,
        interrupt=lambda: heard.put("interrupted"),
        leave=lambda: heard.put("left"),
        grace_s=0.1,
    )
    following.start()
    yield following
    following.stop()


def nothing_more(heard):
    with pytest.raises(queue.Empty):
        heard.get(timeout=0.5)
    return True


def test_while_the_owner_lives_and_works_nothing_happens(follower, heard):
    assert nothing_more(heard)


def test_a_worker_is_interrupted_once_when_its_owner_is_told_to_end(owner, follower, heard):
    owner.announce_end()
    owner.announce_end()

    assert heard.get(timeout=GIVE_UP_S) == "interrupted"
    assert nothing_more(heard), "a living owner ends its workers itself"


def test_a_worker_whose_owner_died_is_interrupted_and_then_leaves(follower, joined, heard):
    joined.owner = dataclasses.replace(ProcessIdentity.current(), started="1")

    assert heard.get(timeout=GIVE_UP_S) == "interrupted"
    assert heard.get(timeout=GIVE_UP_S) == "left"


def test_a_worker_that_ended_in_good_order_does_not_leave_twice(owner, joined, heard):
    follower = Follower(joined, interrupt=lambda: heard.put("interrupted"), grace_s=60)
    follower.start()
    owner.announce_end()
    assert heard.get(timeout=GIVE_UP_S) == "interrupted"

    follower.stop()

    assert repr(follower) == f"Follower({joined!r}, over)"
    follower._thread.join(GIVE_UP_S)
    assert not follower._thread.is_alive()
