"""Fixtures of the suites. They are seen by our suites only, never by a user's own tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hydrotest_acceptance.config import load_config
from hydrotest_acceptance.connector_files import ConnectorFiles
from hydrotest_acceptance.judge import Judge
from hydrotest_acceptance.parametrize import MissingSection
from hydrotest_acceptance.plugin import JUDGE, SESSION, TIMEOUT_S
from hydrotest_acceptance.rules.execution import judge_execution, one_message
from hydrotest_core.protocol import MessageType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hydrotest_acceptance.config import AcceptanceConfig
    from hydrotest_acceptance.executor import Execution, Executor
    from hydrotest_core.protocol import AirbyteCatalog
    from hydrotest_core.redaction import SecretDict


@pytest.fixture(scope="session")
def acceptance_test_config(pytestconfig: pytest.Config) -> AcceptanceConfig:
    """The settings, read again: a user's session fixture may have rewritten the file."""
    return load_config(Path(pytestconfig.getoption("acceptance_test_config")).resolve())


@pytest.fixture(scope="session")
def files(acceptance_test_config: AcceptanceConfig) -> ConnectorFiles:
    """The files that the settings name: configs, catalogs, states, expected records."""
    return ConnectorFiles(acceptance_test_config.base_path)


@pytest.fixture
def inputs(request: pytest.FixtureRequest) -> Any:
    """One entry of the suite's section; a section that must be there and isn't fails here."""
    entry = request.param
    if isinstance(entry, MissingSection):
        pytest.fail(
            f"{entry.name} is not in acceptance-test-config.yml, and high strictness asks for it. "
            f"hint: add acceptance_tests.{entry.name} with tests, or with a bypass_reason",
            pytrace=False,
        )
    return entry


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Takes what the rules found; the verdict is made from it."""
    session = request.config.stash.get(SESSION, None)
    judge = Judge(session.executor.second_look if session is not None else None)
    request.node.stash[JUDGE] = judge
    return judge


@pytest.fixture
def connector(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    acceptance_test_config: AcceptanceConfig,
) -> Executor:
    """Runs the connector's commands, within this test's time."""
    session = pytestconfig.stash.get(SESSION, None)
    if session is None:
        pytest.skip("nothing is run while tests are only collected")
    executor = session.executor
    executor.environment = acceptance_test_config.environment
    executor.begin_test(request.node.stash[TIMEOUT_S])
    return executor


@pytest.fixture
def connector_config(files: ConnectorFiles, inputs: Any) -> SecretDict:
    """The connector's config, the newest that the connector itself has updated."""
    return files.config(inputs.config_path)


@pytest.fixture
def spec_execution(connector: Executor, inputs: Any) -> Execution:
    """An execution of `spec`."""
    return connector.spec(getattr(inputs, "deployment_mode", None))


@pytest.fixture
def actual_connector_spec(judge: Judge, spec_execution: Execution) -> Mapping[str, Any]:
    """The connector's specification as it was said; without one, what is wrong is the verdict."""
    lines = list(spec_execution.evidence.lines(MessageType.SPEC))
    if len(lines) != 1:
        judge(*spec_execution.seen([one_message(spec_execution.evidence, MessageType.SPEC)]))
    spec: Mapping[str, Any] = msgspec.json.decode(lines[0].raw)["spec"]
    return spec


@pytest.fixture
def connection_specification(actual_connector_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON schema of the connector's config."""
    schema: Mapping[str, Any] = actual_connector_spec["connectionSpecification"]
    return schema


@pytest.fixture
def discover_execution(connector: Executor, connector_config: SecretDict, inputs: Any) -> Execution:
    """An execution of `discover`."""
    return connector.discover(connector_config, getattr(inputs, "deployment_mode", None))


@pytest.fixture
def discovered_catalog(judge: Judge, discover_execution: Execution) -> AirbyteCatalog:
    """The discovered catalog; without one, what is wrong is the verdict."""
    catalogs = [message.catalog for message in discover_execution.messages(MessageType.CATALOG)]
    if len(catalogs) != 1 or catalogs[0] is None:
        evidence = discover_execution.evidence
        judge.note(*discover_execution.seen(judge_execution(evidence)))
        judge(*discover_execution.seen([one_message(evidence, MessageType.CATALOG)]))
        pytest.fail("discover gave no catalog", pytrace=False)
    return catalogs[0]
