"""The pytest plugin: `-p hydrotest_acceptance.plugin --acceptance-test-config DIR`.

Inert until the option is given: without it nothing is collected, imported or written.
The hooks are thin: `session` holds what is judged, `parametrize` makes the tests,
`judge` holds what was found, `controller` writes it down.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.workermanage import WorkerController

    from hydrotest_acceptance.config import AcceptanceConfig
    from hydrotest_acceptance.judge import Judge
    from hydrotest_acceptance.session import AcceptanceSession
    from hydrotest_core.connector.interrupts import Interrupts


__all__: list[str] = []

SUITES = Path(__file__).parent / "suites"
USERS_MODULE = "integration_tests/acceptance.py"
CATS_PLUGIN = "connector_acceptance_test.plugin"
HOST_FOR_CONNECTOR = "HYDROTEST_HOST_FOR_CONNECTOR"
# A test's own time is kept by stopping the connector; pytest-timeout comes after, for us.
GRACE_S = 60.0
CALLS_A_LEVEL = 8

CONFIG: pytest.StashKey[AcceptanceConfig] = pytest.StashKey()
SESSION: pytest.StashKey[AcceptanceSession] = pytest.StashKey()
JUDGE: pytest.StashKey[Judge] = pytest.StashKey()
TIMEOUT_S: pytest.StashKey[float] = pytest.StashKey()
SPENT_S: pytest.StashKey[float] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register our options, all under one heading."""
    group = parser.getgroup("hydrotest", "hydrotest: acceptance of Airbyte connectors")
    group.addoption(
        "--acceptance-test-config",
        metavar="DIR",
        default=None,
        help="Judge the connector whose acceptance-test-config.yml lies in DIR.",
    )
    group.addoption(
        "--runner",
        choices=("auto", "docker", "process"),
        default="auto",
        help="Where the connector runs; auto takes Docker when an engine answers.",
    )
    group.addoption(
        "--isolation",
        choices=("strict", "writable", "relaxed"),
        default="strict",
        help="What is kept from the connector in Docker; less than strict is a warning each.",
    )
    group.addoption(
        "--connector-version",
        metavar="VERSION",
        default=None,
        help="Which version: dev, latest, a released one. Default: the tag of connector_image.",
    )
    group.addoption(
        "--hydrotest-home",
        metavar="DIR",
        default=os.environ.get("HYDROTEST_HOME", ".hydrotest"),
        help="Where executions and reports are kept. Default: .hydrotest in this folder.",
    )
    group.addoption(
        "--max-age",
        metavar="SECONDS",
        type=float,
        default=0.0,
        help="Take kept executions up to this old. Default 0: only those of this session.",
    )
    group.addoption(
        "--max-output",
        metavar="SIZE",
        type=_size,
        default=None,
        help="Stop a connector that says more than this, as 500MB or 20GB. Default: 20GB.",
    )


_UNITS: Final = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _size(text: str) -> int:
    """Read a size, `20GB` or a number of bytes."""
    found = re.fullmatch(r"([0-9]+) ?(KB|MB|GB|TB|)", text.strip().upper())
    if found is None or not int(found[1]):
        message = f"{text!r} is no size: write it as 500MB or 20GB"
        raise argparse.ArgumentTypeError(message)
    return int(found[1]) * _UNITS[found[2]]


def _is_asked(config: pytest.Config) -> bool:
    return config.getoption("acceptance_test_config", None) is not None


def _only_looks(config: pytest.Config) -> bool:
    """Say whether pytest is asked to show something, and runs nothing."""
    looks = ("collectonly", "help", "version", "markers", "showfixtures", "show_fixtures_per_test")
    return any(config.getoption(look, None) for look in looks)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Add our suites to what is collected, only when asked to."""
    if getattr(early_config.known_args_namespace, "acceptance_test_config", None) is not None:
        args.append(str(SUITES))


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, then open the session (controller) or join it (worker)."""
    if not _is_asked(config):
        return
    from hydrotest_acceptance.config import load_config  # noqa: PLC0415 - inert until asked
    from hydrotest_acceptance.session import AcceptanceSession  # noqa: PLC0415
    from hydrotest_core.connector.interrupts import Interrupts  # noqa: PLC0415
    from hydrotest_core.errors import HydrotestError, UsageError  # noqa: PLC0415
    from hydrotest_core.protocol.lines import MAX_DEPTH  # noqa: PLC0415
    from hydrotest_core.run.tally import PYTEST_INCONCLUSIVE  # noqa: PLC0415
    from hydrotest_core.untrusted import for_terminal  # noqa: PLC0415

    for marker in ("default_timeout(seconds)", "backward_compatibility", "slow"):
        config.addinivalue_line("markers", f"{marker}: as in Airbyte's acceptance tests")
    # Rules walk values level by level, a few calls each; nothing deeper comes to them.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), CALLS_A_LEVEL * MAX_DEPTH + 1000))
    folder = Path(config.getoption("acceptance_test_config")).resolve()
    try:
        settings = config.stash[CONFIG] = load_config(folder)
        if _is_worker(config):
            _listen(config, Interrupts(is_patient=True))
            sent = config.workerinput  # type: ignore[attr-defined] # set by xdist
            session = AcceptanceSession.join(sent["hydrotest"], settings, sent["workerid"])
        elif _only_looks(config):
            return
        else:
            session = _open(config, folder, settings)
    except UsageError as exc:
        raise pytest.UsageError(for_terminal(str(exc), multiline=True)) from exc
    except HydrotestError as exc:
        pytest.exit(for_terminal(str(exc), multiline=True), returncode=PYTEST_INCONCLUSIVE)
    config.stash[SESSION] = session
    config.add_cleanup(session.close)
    _register_users_module(config, folder)


def _open(config: pytest.Config, folder: Path, settings: AcceptanceConfig) -> AcceptanceSession:
    """Open the session as the command line asks, and let the controller take part in the run."""
    from hydrotest_acceptance.controller import Controller  # noqa: PLC0415 - no worker's
    from hydrotest_acceptance.session import AcceptanceSession, Options  # noqa: PLC0415
    from hydrotest_core.connector.execution import MAX_OUTPUT_BYTES  # noqa: PLC0415
    from hydrotest_core.connector.interrupts import Interrupts  # noqa: PLC0415

    interrupts = _listen(config, Interrupts())
    options = Options(
        folder=str(folder),
        runner=config.getoption("runner"),
        isolation=config.getoption("isolation"),
        version=config.getoption("connector_version"),
        home=str(Path(config.getoption("hydrotest_home")).resolve()),
        max_age_s=config.getoption("max_age"),
        max_output_bytes=config.getoption("max_output") or MAX_OUTPUT_BYTES,
    )
    session = AcceptanceSession.open(options, settings)
    interrupts.on_first = session.announce_end
    os.environ[HOST_FOR_CONNECTOR] = session.host_for_connector
    controller = Controller(config, session, settings, interrupts)
    config.pluginmanager.register(controller, "hydrotest-controller")
    if config.getoption("tx", None):
        _prepare_for_workers(config, session, settings)
    return session


def _prepare_for_workers(
    config: pytest.Config, session: AcceptanceSession, settings: AcceptanceConfig
) -> None:
    """Use the seconds that workers take to start, and deal them few tests at a time."""
    if config.getoption("maxschedchunk", None) is None:
        config.option.maxschedchunk = 1
    # A connector's own fixtures may rewrite the settings before anything is run.
    if not (Path(session.options.folder) / USERS_MODULE).exists():
        session.run_ahead(settings)


def _listen(config: pytest.Config, interrupts: Interrupts) -> Interrupts:
    """Let SIGTERM and SIGHUP, which CI sends, end the run as Ctrl-C does: with all it has."""
    interrupts.listen()
    config.add_cleanup(interrupts.stop)
    return interrupts


def _register_users_module(config: pytest.Config, folder: Path) -> None:
    """Register the connector's own fixtures, `integration_tests/acceptance.py`, where it has any."""
    path = folder / USERS_MODULE
    if not path.exists():
        return
    name = "integration_tests.acceptance"
    if config.pluginmanager.has_plugin(name):
        return
    spec = importlib.util.spec_from_file_location("hydrotest_users_acceptance", path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Files written for CAT ask for CAT's plugin, whose place is ours.
    asked = getattr(module, "pytest_plugins", ())
    asked = (asked,) if isinstance(asked, str) else tuple(asked)
    module.pytest_plugins = [one for one in asked if one != CATS_PLUGIN]  # type: ignore[attr-defined] # pytest's own protocol
    config.pluginmanager.register(module, name)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a worker, before it starts, what the controller found out."""
    if SESSION in node.config.stash:
        node.workerinput["hydrotest"] = node.config.stash[SESSION].for_worker()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Name our suites' tests by the connector, not by where the package is installed."""
    if module_path.parent != SUITES or not _is_asked(parent.config):
        return None
    from hydrotest_core.untrusted import for_terminal  # noqa: PLC0415 - inert until asked

    connector = for_terminal(Path(parent.config.getoption("acceptance_test_config")).resolve().name)
    module = pytest.Module.from_parent(parent, path=module_path, nodeid=connector)
    return module  # noqa: RET504 - from_parent returns Any


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each suite's tests the entries of its section."""
    if metafunc.cls is None or metafunc.definition.path.parent != SUITES:
        return
    if not _is_asked(metafunc.config) or "inputs" not in metafunc.fixturenames:
        return
    from hydrotest_acceptance.parametrize import parameters, section_of  # noqa: PLC0415

    section = section_of(metafunc.cls)
    entries = parameters(metafunc.config.stash[CONFIG], section)
    metafunc.parametrize("inputs", entries, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say once what isn't configured, and give each test its time."""
    if not _is_asked(config):
        return
    from hydrotest_acceptance.parametrize import (  # noqa: PLC0415
        keep_one_per_missing_section,
        longest_first,
    )

    ours = [item for item in items if item.path.parent == SUITES]
    surplus = keep_one_per_missing_section(ours)
    if surplus:
        dropped = set(map(id, surplus))
        items[:] = [item for item in items if id(item) not in dropped]
        config.hook.pytest_deselected(items=surplus)
    if _is_worker(config):
        items[:] = longest_first(items)
    for item in ours:
        seconds = _timeout_s(item)
        item.stash[TIMEOUT_S] = seconds
        item.add_marker(pytest.mark.timeout(seconds + GRACE_S, method="signal"))


def _timeout_s(item: pytest.Item) -> float:
    """Return a test's time: the entry's `timeout_seconds`, else what its suite gives."""
    from hydrotest_acceptance.parametrize import section_of  # noqa: PLC0415

    callspec = getattr(item, "callspec", None)
    inputs = callspec.params.get("inputs") if callspec else None
    section = section_of(item.cls) if isinstance(item, pytest.Function) and item.cls else ""
    return float(item.config.stash[CONFIG].timeout_s(section, inputs))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget the executions of the test before."""
    if SESSION in item.config.stash:
        item.config.stash[SESSION].executor.seen = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that had nothing to judge doesn't pass: it is inconclusive, and fails in `high`."""
    yield
    judge = item.stash.get(JUDGE, None)
    if judge is None:
        return
    from hydrotest_core.run.findings import Outcome  # noqa: PLC0415

    if judge.outcome is Outcome.INCONCLUSIVE and item.config.stash[CONFIG].is_strict:
        reason = f"nothing was judged, which fails in high strictness: {judge.reason}"
        pytest.fail(reason, pytrace=False)
    if judge.outcome in {Outcome.INCONCLUSIVE, Outcome.SKIPPED}:
        pytest.skip(judge.reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the verdict; a failed machine makes a test inconclusive, not failed."""
    report = yield
    # Fixtures run the connector: their time is the test's.
    item.stash[SPENT_S] = item.stash.get(SPENT_S, 0.0) + call.duration
    if item.path.parent != SUITES or SESSION not in item.config.stash:
        return report
    if call.when == "call" or (call.when == "setup" and not report.passed):
        from hydrotest_acceptance import verdicts  # noqa: PLC0415

        judge, session = item.stash.get(JUDGE, None), item.config.stash[SESSION]
        verdicts.attach(item, call, report, judge, session, duration_s=item.stash[SPENT_S])
    return report
