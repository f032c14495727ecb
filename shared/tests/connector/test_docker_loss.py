from __future__ import annotations

import pytest

from hydrotest_core.connector.docker_loss import Loss
from hydrotest_core.errors import EngineUnavailable


class Knocks:
    """An engine at whose door is knocked."""

    def __init__(self):
        self.count = 0
        self.is_back = False

    def __call__(self):
        self.count += 1
        if not self.is_back:
            message = "No Docker engine answers."
            raise EngineUnavailable(message)


@pytest.fixture
def knock():
    return Knocks()


def lost(knock, **more):
    loss = Loss(knock, **more)
    loss.remember(EngineUnavailable("It broke off.", image="x", hint="run it again"))
    return loss


def test_an_engine_that_was_never_lost_is_not_asked(knock):
    Loss(knock).refuse_while_gone()

    assert knock.count == 0


def test_each_run_fails_by_the_first_cause_and_one_asks(knock):
    loss = lost(knock)

    for _ in range(3):
        with pytest.raises(EngineUnavailable) as caught:
            loss.refuse_while_gone()
        assert str(caught.value) == "It broke off. (image=x) hint: run it again"
    assert knock.count == 1


def test_an_engine_that_is_back_is_used(knock):
    loss = lost(knock)
    knock.is_back = True

    loss.refuse_while_gone()
    loss.refuse_while_gone()

    assert knock.count == 1


def test_it_is_asked_again_after_a_while(knock):
    loss = lost(knock, ask_every_s=0.0)
    with pytest.raises(EngineUnavailable):
        loss.refuse_while_gone()
    knock.is_back = True

    loss.refuse_while_gone()

    assert knock.count == 2


def test_a_second_loss_is_another_cause(knock):
    loss = lost(knock)
    knock.is_back = True
    loss.refuse_while_gone()
    knock.is_back = False
    loss.remember(EngineUnavailable("It went silent."))

    with pytest.raises(EngineUnavailable, match="went silent"):
        loss.refuse_while_gone()
