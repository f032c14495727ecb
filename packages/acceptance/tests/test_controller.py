from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hydrotest_acceptance import controller as controller_module
from hydrotest_acceptance.controller import Controller

START_S = 1000.0


class Clock:
    """Stands for the module `time`: it moves when it is told to."""

    def __init__(self):
        self.now = START_S

    def monotonic(self):
        return self.now

    def time_ns(self):
        return int(self.now * 1e9)


class Screen:
    """Stands for pytest's terminal reporter."""

    def __init__(self):
        self.lines = []

    def ensure_newline(self):
        pass

    def write_line(self, line):
        self.lines.append(line)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(controller_module, "time", clock)
    return clock


@pytest.fixture
def screen():
    return Screen()


@pytest.fixture
def controller(clock, screen):
    plugins = {"terminalreporter": screen}
    running = [
        SimpleNamespace(what="read of source-x", since_ms=int(START_S * 1000)),
        SimpleNamespace(what="check of source-x", since_ms=int(START_S * 1000) + 3000),
    ]
    session: Any = SimpleNamespace(run=SimpleNamespace(running=lambda: running), options=None)
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=plugins.get))
    settings: Any = None
    return Controller(config, session, settings)


def test_nobody_waits_ten_seconds_without_a_line(controller, clock, screen):
    silent_s = []
    for _ in range(60):
        clock.now += 1
        before = len(screen.lines)
        controller.tell_what_runs()
        silent_s.append(0 if len(screen.lines) > before else 1 + (silent_s or [0])[-1])

    assert 0 < max(silent_s) < 10
    assert screen.lines[:2] == ["  … read of source-x: 8 s", "  … check of source-x: 5 s"]


def test_a_test_that_ended_is_a_sign_of_life_too(controller, clock, screen):
    for _ in range(30):
        clock.now += 1
        report = SimpleNamespace(user_properties=[], failed=False)
        controller.pytest_runtest_logreport(report)
        controller.tell_what_runs()

    assert screen.lines == []


def test_without_a_terminal_nothing_is_told(controller, clock, screen, monkeypatch):
    monkeypatch.setattr(controller._config.pluginmanager, "get_plugin", {}.get)
    clock.now += 100

    controller.tell_what_runs()

    assert screen.lines == []
