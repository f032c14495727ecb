"""What only the controller does: hear all verdicts, show progress, write the reports."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from hydrotest_acceptance.crash import obituary
from hydrotest_acceptance.parametrize import SUITES_IN_ORDER
from hydrotest_acceptance.rules.isolation import is_as_strict
from hydrotest_acceptance.session import version
from hydrotest_acceptance.verdicts import carried
from hydrotest_core.disk import disk_errors
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.run.report import RunReport
from hydrotest_core.run.report_json import write_report
from hydrotest_core.run.report_junit import write_junit
from hydrotest_core.run.report_terminal import render
from hydrotest_core.run.tally import PYTEST_INCONCLUSIVE, pytest_exit_code
from hydrotest_core.untrusted import for_terminal

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Generator

    from hydrotest_acceptance.config import AcceptanceConfig
    from hydrotest_acceptance.session import AcceptanceSession, Options
    from hydrotest_core.connector.interrupts import Interrupts
    from hydrotest_core.run.findings import Verdict

__all__ = ["Controller"]

# Nothing may be silent for longer than ten seconds (target U3).
_HEARTBEAT_S = 8.0


class Controller:
    """A pytest plugin object, registered where the verdicts of all workers arrive."""

    def __init__(
        self,
        config: pytest.Config,
        session: AcceptanceSession,
        settings: AcceptanceConfig,
        interrupts: Interrupts,
    ) -> None:
        self._config = config
        self._session = session
        self._settings = settings
        self._interrupts = interrupts
        self._cut_short = ""
        self._began: dict[str, float] = {}
        self._ended: set[str] = set()
        self._verdicts: dict[str, Verdict] = {}
        self._started_ms = time.time_ns() // 1_000_000
        self._started = self._last_sign = time.monotonic()
        self._report: RunReport | None = None
        self._unwritten: dict[str, InfrastructureError] = {}
        self._over = threading.Event()
        self._heartbeat: threading.Thread | None = None

    def pytest_sessionstart(self) -> None:
        """Start to tell what is being waited for."""
        self._heartbeat = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heartbeat.start()

    def _beat(self) -> None:
        """Say what runs whenever no test has come to its end for a while."""
        _load_page()
        while not self._over.wait(1.0):
            self._session.keep_guarded()
            self.tell_what_runs()

    def tell_what_runs(self) -> None:
        """Print each execution that runs, unless something was printed in the last 8 s."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        now = time.monotonic()
        if reporter is None or now - self._last_sign < _HEARTBEAT_S:
            return
        self._last_sign = now
        # Without workers a test's output is captured, and this would be taken for it.
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        seen = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
        with seen:
            reporter.ensure_newline()
            for one in self._session.run.running():
                waited = int(max(0.0, now - one.since_s))
                reporter.write_line(f"  … {for_terminal(one.what)}: {waited} s")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        """Remove what a worker that died left running."""
        if error:
            self._session.clear_orphans()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Say of a test whose worker died what it ran, and where that is kept."""
        worker = report.node.gateway.id
        told = obituary(self._session.run, worker, self._began.get(crashitem, 0.0))
        report.longrepr = f"{report.longrepr}\n{told}"

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note when a test began."""
        self._began[nodeid] = time.monotonic()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note what cuts the run short."""
        first = self._interrupts.first
        by = "Ctrl-C" if first is signal.SIGINT else first.name if first else ""
        self._cut_short = by or str(excinfo.value) or "an interrupt"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a test's verdict; a failed tear-down outweighs what the test itself came to."""
        self._last_sign = time.monotonic()
        # A test whose worker died has one report only, of no phase at all.
        if report.when not in {"setup", "call"}:
            self._ended.add(report.nodeid)
        verdict = carried(report, self._session.options)
        if verdict is not None:
            self._verdicts[report.nodeid] = verdict

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports, and let what could not be judged show in the exit code."""
        self._over.set()
        if self._heartbeat is not None:
            self._heartbeat.join()
        self._cut_short = self._cut_short or str(session.shouldfail or "")
        if not self._verdicts and not self._cut_short:
            return
        self._report = report = self._make_report(session.testscollected)
        self._write("report.json", functools.partial(write_report, report))
        self._write("report.html", functools.partial(_load_page().write_html, report))
        self._write("junit.xml", functools.partial(write_junit, report))
        code = pytest_exit_code(report, exitstatus)
        session.exitstatus = PYTEST_INCONCLUSIVE if self._unwritten and not code else code

    def _write(self, name: str, write: Callable[[Path], None]) -> None:
        """Write a report; a full disk costs this one, neither the next nor the verdicts."""
        path = self._session.run.path / name
        elsewhere = "choose another folder with HYDROTEST_HOME"
        try:
            with disk_errors("A report can't be written.", path, elsewhere=elsewhere):
                write(path)
        except InfrastructureError as exc:
            self._unwritten[name] = exc

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, None, None]:
        """Say at the very end what was judged and what came of it."""
        yield
        if self._cut_short or self._report is None:
            kept = os.path.relpath(Path(self._session.options.home) / "executions")
            which = "not every" if self._verdicts else "no"
            terminalreporter.write_line(
                f"hydrotest: {which} test came to its end; "
                f"what the connector said so far is in {kept}"
            )
        if self._report is None:
            return
        terminalreporter.section("hydrotest")
        is_there = "report.html" not in self._unwritten
        page = os.path.relpath(self._session.run.path / "report.html") if is_there else ""
        width = terminalreporter._tw.fullwidth  # noqa: SLF001 - there is no public door to it
        color = terminalreporter.hasmarkup
        terminalreporter.write(render(self._report, width=width, color=color, report_path=page))
        for error in self._unwritten.values():
            terminalreporter.write_line(f"hydrotest: {for_terminal(str(error))}", red=True)

    def _make_report(self, collected: int) -> RunReport:
        subject = self._session.subject
        manifests = self._session.run.executions()
        duration_s = time.monotonic() - self._started
        return RunReport(
            hydrotest=version(),
            run_id=self._session.run.run_id,
            started_at_ms=self._started_ms,
            # Not from the clock: it may have been set meanwhile.
            ended_at_ms=self._started_ms + round(duration_s * 1000),
            duration_s=duration_s,
            connector=subject.connector.name,
            version=subject.connector.version,
            image=subject.connector.image,
            identity=subject.connector.identity,
            runner=subject.options.runner,
            runner_why=subject.runner_why,
            isolation=self._session.isolation(),
            settings_file=str(self._settings.path),
            warnings=[
                *map(str, self._settings.warnings),
                *self._session.run.warnings(),
                *(
                    f"{section.name} is configured, and no test for it exists yet"
                    for section in self._settings.sections
                    if section.tests and section.name not in SUITES_IN_ORDER
                ),
            ],
            plugins=_third_party(self._config),
            interrupted=self._cut_short,
            not_run=max(0, collected - len(self._ended)) if self._cut_short else 0,
            verdicts=_told_once(
                sorted(self._verdicts.values(), key=_suites_place), subject.options
            ),
            executions=manifests,
        )


def _load_page() -> types.ModuleType:
    """Return what writes the page; loading it takes longer than writing."""
    from hydrotest_core.run import report_html  # noqa: PLC0415 - see above

    report_html.load()
    return report_html


def _suites_place(verdict: Verdict) -> int:
    """Return where a verdict's suite stands: several workers begin with the last one."""
    known = verdict.suite in SUITES_IN_ORDER
    return SUITES_IN_ORDER.index(verdict.suite) if known else len(SUITES_IN_ORDER)


def _told_once(verdicts: list[Verdict], options: Options) -> list[Verdict]:
    """Add what holds for the whole run to the first test that looked at the connector."""
    if options.runner != "docker":
        return verdicts
    judgement = is_as_strict(options.isolation)
    first = next((place for place, one in enumerate(verdicts) if one.executions), None)
    if first is not None:
        verdicts[first] = msgspec.structs.replace(
            verdicts[first],
            findings=(*verdicts[first].findings, *judgement.findings),
            rules=(*verdicts[first].rules, judgement.rule.code),
        )
    return verdicts


def _third_party(config: pytest.Config) -> list[str]:
    """Return the installed plugins that are active, as `name version`."""
    found = {
        f"{dist.project_name} {dist.version}"
        for _, dist in config.pluginmanager.list_plugin_distinfo()
        if not dist.project_name.startswith("hydrotest")
    }
    return sorted(found)
