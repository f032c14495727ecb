from __future__ import annotations

import contextlib
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from hydrotest_acceptance import controller as controller_module
from hydrotest_acceptance.controller import Controller
from hydrotest_acceptance.session import Options
from hydrotest_core.connector.interrupts import Interrupts
from hydrotest_core.run.findings import Outcome, Verdict
from hydrotest_core.run.report import RunReport
from hydrotest_core.run.report_json import read_report
from hydrotest_core.testing.fault_plan import FaultPlan, files_below

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        SimpleNamespace(what="read of source-x", since_s=START_S),
        SimpleNamespace(what="check of source-x", since_s=START_S + 3),
    ]
    session: Any = SimpleNamespace(run=SimpleNamespace(running=lambda: running), options=None)
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=plugins.get))
    settings: Any = None
    return Controller(config, session, settings, Interrupts())


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
        report = SimpleNamespace(nodeid="t", when="call", user_properties=[], failed=False)
        controller.pytest_runtest_logreport(report)
        controller.tell_what_runs()

    assert screen.lines == []


def test_without_a_terminal_nothing_is_told(controller, clock, screen, monkeypatch):
    monkeypatch.setattr(controller._config.pluginmanager, "get_plugin", {}.get)
    clock.now += 100

    controller.tell_what_runs()

    assert screen.lines == []


REPORT = RunReport(
    hydrotest="1",
    run_id="r",
    started_at_ms=0,
    ended_at_ms=1,
    duration_s=0.001,
    connector="source-x",
    version="dev",
    identity="env:1",
    runner="scripted",
    verdicts=[Verdict(test="test_it", suite="spec", outcome=Outcome.PASSED)],
)


class Summary(Screen):
    """Stands for pytest's terminal reporter at the end of a run."""

    _tw = SimpleNamespace(fullwidth=100)
    hasmarkup = False

    def section(self, title):
        self.lines.append(title)

    def write(self, text):
        self.lines.append(text)

    def write_line(self, line, **_):
        self.lines.append(line)


class TestReports:
    @pytest.fixture
    def finish(self, clock, screen, tmp_path):
        """Return a function that ends a run in a folder: the exit code, and what is printed."""

        def end(folder, report=REPORT, exit_code=0):
            folder.mkdir(exist_ok=True)
            session: Any = SimpleNamespace(
                run=SimpleNamespace(path=folder), options=SimpleNamespace(home=str(tmp_path))
            )
            config: Any = SimpleNamespace()
            settings: Any = None
            controller = Controller(config, session, settings, Interrupts())
            controller._verdicts = {"a": report.verdicts[0]}
            controller._make_report = lambda *_: report  # type: ignore[method-assign] # a test
            ended: Any = SimpleNamespace(exitstatus=None, shouldfail="", testscollected=1)
            controller.pytest_sessionfinish(ended, exit_code)
            summary: Any = Summary()
            told = controller.pytest_terminal_summary(summary)
            next(told)
            with contextlib.suppress(StopIteration):
                next(told)
            return ended.exitstatus, "\n".join(summary.lines)

        return end

    def test_that_are_written_are_the_end_of_it(self, finish, tmp_path):
        code, said = finish(tmp_path / "run")

        assert code == 0
        assert "can't be written" not in said
        assert "report.html" in said
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
            "junit.xml",
            "report.html",
            "report.json",
        ]

    def test_that_a_full_disk_refuses_are_told_and_cost_no_other(self, finish, tmp_path):
        refused = []
        for plan in FaultPlan.each_call():
            folder = tmp_path / plan.token
            folder.mkdir()
            with plan, plan.attached(files_below(folder)):
                code, said = finish(folder)
            if not plan.faults:
                continue
            there = {path.name for path in folder.iterdir()}
            missing = {"junit.xml", "report.html", "report.json"} - there
            assert not any(name.startswith(".") for name in there)
            for name, parse in PARSERS.items():
                if name in there:
                    parse(folder / name)
            if "can't be written" in said:
                refused.append(plan.token)
                assert code == 10
                assert "free_bytes=" in said
                assert "needed_bytes=" in said
                assert str(folder) in said
                assert "passed" in said
            else:
                assert not missing
                assert code == 0
        assert len(refused) > 8

    def test_that_are_refused_hide_no_failure(self, finish, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        failed = msgspec.structs.replace(REPORT.verdicts[0], outcome=Outcome.FAILED)
        monkeypatch.setattr(os, "fsync", full)

        code, said = finish(
            tmp_path / "run", msgspec.structs.replace(REPORT, verdicts=[failed]), exit_code=1
        )

        assert code == 1
        assert said.count("can't be written") == 3
        assert "report.html" not in said.partition("hydrotest: A report")[0]


PARSERS: dict[str, Callable[[Path], object]] = {
    "report.json": read_report,
    "junit.xml": ET.parse,
    "report.html": lambda path: path.read_text().rstrip().index("</html>"),
}


def test_a_clock_that_jumps_makes_no_run_longer(clock, screen, monkeypatch):
    wall = [START_S]
    monkeypatch.setattr(clock, "time_ns", lambda: int(wall[0] * 1e9))
    for jump_s in (-3600, 3600):
        wall[0] = START_S
        session: Any = SimpleNamespace(
            run=SimpleNamespace(executions=list, run_id="r", warnings=lambda: ["damaged"]),
            subject=SimpleNamespace(
                connector=SimpleNamespace(name="x", version="dev", image=None, identity="env:1"),
                options=SimpleNamespace(runner="scripted"),
                runner_why="",
            ),
            isolation=str,
        )
        config: Any = SimpleNamespace(
            pluginmanager=SimpleNamespace(list_plugin_distinfo=list, get_plugin={}.get)
        )
        settings: Any = SimpleNamespace(path="x", warnings=[], sections=[])
        controller = Controller(config, session, settings, Interrupts())
        clock.now += 5
        wall[0] += jump_s

        report = controller._make_report(0)

        assert report.warnings == ["damaged"]
        assert report.duration_s == 5
        assert report.ended_at_ms - report.started_at_ms == 5000


@pytest.mark.parametrize(
    ("runner", "isolation", "warned"),
    [
        ("docker", "strict", []),
        ("docker", "writable", ["root file system"]),
        ("docker", "relaxed", ["root file system", "user", "capabilities"]),
        ("process", "relaxed", []),
    ],
)
def test_each_relaxation_is_a_finding_of_the_first_test_that_ran_anything(
    runner, isolation, warned
):
    options = Options(folder="x", runner=runner, version=None, home="h", isolation=isolation)
    verdicts = [
        Verdict(test="A::a", suite="spec", outcome=Outcome.SKIPPED),
        Verdict(test="B::b", suite="spec", outcome=Outcome.PASSED, executions=("1",)),
        Verdict(test="C::c", suite="spec", outcome=Outcome.PASSED, executions=("1",)),
    ]

    told = controller_module._told_once(verdicts, options)

    assert [finding.where.path for finding in told[1].findings] == warned
    assert ("HT-ISO-002" in told[1].rules) is (runner == "docker")
    assert (told[0].findings, told[2].findings) == ((), ())
    assert [one.outcome for one in told] == [one.outcome for one in verdicts]


def test_where_nothing_ran_nothing_is_told():
    options = Options(folder="x", runner="docker", version=None, home="h", isolation="relaxed")
    verdicts = [Verdict(test="A::a", suite="spec", outcome=Outcome.SKIPPED)]

    assert controller_module._told_once(verdicts, options)[0].findings == ()
