"""What only the controller does: hear all verdicts, show progress, write the reports."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hydrotest_acceptance.parametrize import SUITES_IN_ORDER
from hydrotest_acceptance.session import version
from hydrotest_acceptance.verdicts import carried
from hydrotest_core.run.report import RunReport
from hydrotest_core.run.report_json import write_report
from hydrotest_core.run.report_junit import write_junit
from hydrotest_core.run.report_terminal import render
from hydrotest_core.run.tally import pytest_exit_code

if TYPE_CHECKING:
    import types
    from collections.abc import Generator

    from hydrotest_acceptance.config import AcceptanceConfig
    from hydrotest_acceptance.session import AcceptanceSession
    from hydrotest_core.run.findings import Verdict

__all__ = ["Controller"]

# Nothing may be silent for longer than ten seconds (target U3).
_HEARTBEAT_S = 8.0


class Controller:
    """A pytest plugin object, registered where the verdicts of all workers arrive."""

    def __init__(
        self, config: pytest.Config, session: AcceptanceSession, settings: AcceptanceConfig
    ) -> None:
        self._config = config
        self._session = session
        self._settings = settings
        self._verdicts: dict[str, Verdict] = {}
        self._started_ms = time.time_ns() // 1_000_000
        self._started = self._last_sign = time.monotonic()
        self._report: RunReport | None = None
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
                waited = max(0, time.time_ns() // 1_000_000 - one.since_ms) // 1000
                reporter.write_line(f"  … {one.what}: {waited} s")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        """Remove what a worker that died left running."""
        if error:
            self._session.clear_orphans()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a test's verdict; a failed tear-down outweighs what the test itself came to."""
        self._last_sign = time.monotonic()
        verdict = carried(report, self._session.options)
        if verdict is not None:
            self._verdicts[report.nodeid] = verdict

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports, and let what could not be judged show in the exit code."""
        self._over.set()
        if self._heartbeat is not None:
            self._heartbeat.join()
        if not self._verdicts:
            return
        self._report = self._make_report()
        folder = self._session.run.path
        write_report(self._report, folder / "report.json")
        _load_page().write_html(self._report, folder / "report.html")
        write_junit(self._report, folder / "junit.xml")
        session.exitstatus = pytest_exit_code(self._report, exitstatus)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, None, None]:
        """Say at the very end what was judged and what came of it."""
        yield
        if self._report is None:
            kept = os.path.relpath(Path(self._session.options.home) / "executions")
            terminalreporter.write_line(
                f"hydrotest: no test came to its end; what the connector said so far is in {kept}"
            )
            return
        terminalreporter.section("hydrotest")
        page = os.path.relpath(self._session.run.path / "report.html")
        width = terminalreporter._tw.fullwidth  # noqa: SLF001 - there is no public door to it
        color = terminalreporter.hasmarkup
        terminalreporter.write(render(self._report, width=width, color=color, report_path=page))

    def _make_report(self) -> RunReport:
        subject = self._session.subject
        manifests = self._session.run.executions()
        return RunReport(
            hydrotest=version(),
            run_id=self._session.run.run_id,
            started_at_ms=self._started_ms,
            ended_at_ms=time.time_ns() // 1_000_000,
            duration_s=time.monotonic() - self._started,
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
                *(
                    f"{section.name} is configured, and no test for it exists yet"
                    for section in self._settings.sections
                    if section.tests and section.name not in SUITES_IN_ORDER
                ),
            ],
            plugins=_third_party(self._config),
            verdicts=sorted(self._verdicts.values(), key=_suites_place),
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


def _third_party(config: pytest.Config) -> list[str]:
    """Return the installed plugins that are active, as `name version`."""
    found = {
        f"{dist.project_name} {dist.version}"
        for _, dist in config.pluginmanager.list_plugin_distinfo()
        if not dist.project_name.startswith("hydrotest")
    }
    return sorted(found)
