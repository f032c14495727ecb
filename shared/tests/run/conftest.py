"""A realistic run to render: source-faker, six suites, and three rules that it breaks."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import msgspec
import pytest

from hydrotest_core.connector.execution import Command, Ending, StreamCount
from hydrotest_core.run.findings import Example, Finding, Outcome, Rule, Severity, Verdict, Where
from hydrotest_core.run.report import ExecutionSummary, RunReport
from hydrotest_core.testing.payloads import PAYLOADS

STARTED_AT_MS = 1_795_230_720_000  # 2026-11-21 03:12:00 UTC
RERUN = "./run nox -s acceptance -- source-faker -k "

TYPES = Rule(
    code="HT-READ-012",
    title="Every value keeps the type that its schema declares",
    why="A destination makes its columns from the schema; a value of another type is cut to null, or stops the sync.",
    source="Airbyte protocol, AirbyteRecordMessage; CAT test_read",
)
STATES = Rule(
    code="HT-INC-004",
    title="A stream's last state comes after its last record",
    why="Records that follow the last state are read again by the next sync, and counted twice.",
    source="Airbyte protocol, state and checkpointing",
)
SECRETS = Rule(
    code="HT-SPEC-009",
    title="A field that holds a secret is marked airbyte_secret",
    why="The platform shows and logs what isn't marked.",
    source="CAT test_secret_is_properly_marked",
)
TITLES = Rule(
    code="HT-SPEC-021",
    title="A date field says its pattern and its format",
    why="Without both, the platform offers a plain text box.",
    source="CAT test_date_pattern",
)

BAD_ZIP = Finding(
    rule=TYPES,
    where=Where(stream="users", path="address.postal_code", command="read"),
    expected='["null", "string"]',
    got="integer",
    hint="declare the type that is sent, or cast the value before it is emitted",
    examples=(
        Example(artifact="records/000.jsonl", line=214, text='{"postal_code": 12345}'),
        Example(artifact="records/000.jsonl", line=398, text='{"postal_code": 77002}'),
        Example(artifact="records/000.jsonl", line=401, text='{"postal_code": 10115}'),
    ),
    total=37,
    checked=1000,
    waive="- {code: HT-READ-012, stream: users, path: address.postal_code,\n   until: 2027-01-31, reason: ...}",
    execution="read-4f1c90aa",
)
BAD_PRICE = Finding(
    rule=TYPES,
    where=Where(stream="products", path="price", command="read"),
    expected='["null", "number"]',
    got='string "19.99 EUR"',
    hint="send the number, and the currency in a field of its own",
    examples=(Example(artifact="records/001.jsonl", line=3, text='{"price": "19.99 EUR"}'),),
    total=100,
    checked=100,
    waive="- {code: HT-READ-012, stream: products, path: price, until: 2027-01-31, reason: ...}",
    execution="read-4f1c90aa",
)
LATE_RECORDS = Finding(
    rule=STATES,
    where=Where(stream="purchases", command="read"),
    expected="no record after the stream's last state",
    got="14 records after the state on line 1 302",
    hint="emit a state when the stream is complete",
    examples=(Example(artifact="stdout", line=1303, text='{"type": "RECORD", "record": ...'),),
    total=14,
    checked=200,
    execution="read-91be03d2",
)
DATE_PATTERN = Finding(
    rule=TITLES,
    where=Where(path="start_date", command="spec"),
    expected='"pattern" beside "format": "date"',
    got="no pattern",
    severity=Severity.WARNING,
    total=1,
    checked=6,
)


def execution(command, key, at_s, duration_s, streams=(), **more):
    counts = [
        each
        if isinstance(each, StreamCount)
        else StreamCount(stream=each[0], records=each[1], path=f"records/{index:03}.jsonl")
        for index, each in enumerate(streams)
    ]
    records = sum(count.records for count in counts)
    values = {
        "key": key,
        "command": command,
        "ending": Ending.EXITED,
        "exit_code": 0,
        "duration_s": duration_s,
        "started_at_ms": STARTED_AT_MS + int(at_s * 1000),
        "peak_rss_bytes": 118_000_000 + 9_000 * records,
        "line_count": records + 12,
        "message_counts": {"LOG": 9, "STATE": 3, "RECORD": records},
        "streams": counts,
        "directory": f"executions/{key}",
    }
    return ExecutionSummary(**values | more)


def executions():
    full = (("users", 1000), ("purchases", 200), ("products", 100))
    crash = [
        "Traceback (most recent call last):",
        '  File "main.py", line 8, in run',
        "KeyError: 'seed'",
    ]
    return [
        execution(Command.SPEC, "spec-0aa17c3e", -7402.0, 2.1, reused=True),
        execution(Command.CHECK, "check-77d20b11", 0.4, 2.6),
        execution(Command.CHECK, "check-e2f09a54", 0.5, 2.4, ending=Ending.EXITED, exit_code=1, stderr_tail=crash, problem_count=3),
        execution(Command.DISCOVER, "discover-5c8e1f02", 3.1, 2.9),
        execution(Command.READ, "read-4f1c90aa", 6.2, 9.8, full, problem_count=2),
        execution(Command.READ, "read-6612c0d7", 6.4, 10.4, full, attempt=2),
        execution(Command.READ, "read-91be03d2", 17.1, 8.2, (("purchases", 200), ("users", 1000))),
        execution(Command.READ, "read-c05511ee", 25.5, 5.0, (("users", 41),), ending=Ending.TIMED_OUT, exit_code=None, signal=9),
    ]  # fmt: skip


def verdict(suite, test, outcome=Outcome.PASSED, /, **more):
    words = "".join(word.capitalize() for word in suite.split("_"))
    keywords = test.partition("[")[0]
    values = {
        "test": f"Test{words}::{test}",
        "suite": suite,
        "outcome": outcome,
        "rules": (f"HT-{suite[:4].upper()}-{len(test):03}",),
        "duration_s": len(test) / 50,
        "rerun": f"{RERUN}{keywords}",
    }
    return Verdict(**values | more)


def verdicts():
    spec, reads = ("spec-0aa17c3e",), ("read-4f1c90aa",)
    plain = [
        "test_config_match_spec", "test_match_expected", "test_enum_usage", "test_oneof_usage",
        "test_secret_is_properly_marked", "test_property_type_is_not_array", "test_object_not_empty",
        "test_array_type", "test_image_labels",
    ]  # fmt: skip
    return [
        *(verdict("spec", f"{name}[inputs0]", executions=spec) for name in plain),
        verdict("spec", "test_date_pattern[inputs0]", executions=spec, findings=(DATE_PATTERN,)),
        verdict("spec", "test_backward_compatibility[inputs0]", Outcome.SKIPPED, executions=spec, reason="no previous version was asked for", rules=()),
        verdict("connection", "test_check[inputs0]", executions=("check-77d20b11",), duration_s=2.7),
        verdict("connection", "test_check[inputs1]", executions=("check-e2f09a54",), duration_s=2.5),
        verdict("discovery", "test_discover[inputs0]", executions=("discover-5c8e1f02",), duration_s=3.0),
        verdict("discovery", "test_primary_keys_exist_in_schema[inputs0]"),
        verdict("discovery", "test_streams_have_valid_json_schemas[inputs0]"),
        verdict("discovery", "test_additional_properties_is_true[inputs0]"),
        verdict("discovery", "test_backward_compatibility[inputs0]", Outcome.SKIPPED, reason="no previous version was asked for", rules=()),
        verdict("basic_read", "test_read[inputs0]", Outcome.FAILED, findings=(BAD_ZIP, BAD_PRICE), executions=reads, duration_s=10.1,
                rules=("HT-READ-001", "HT-READ-012", "HT-READ-014", "HT-READ-020")),
        verdict("basic_read", "test_airbyte_trace_message_on_failure[inputs0]", executions=reads),
        verdict("basic_read", "test_all_supported_file_types_present[inputs0]", Outcome.SKIPPED, reason="the connector reads no files", rules=()),
        verdict("full_refresh", "test_sequential_reads[inputs0]", executions=("read-4f1c90aa", "read-6612c0d7"), duration_s=10.9),
        verdict("incremental", "test_two_sequential_reads[inputs0]", Outcome.FAILED, findings=(LATE_RECORDS,), executions=("read-91be03d2",), duration_s=8.6),
        verdict("incremental", "test_read_sequential_slices[inputs0]", Outcome.INCONCLUSIVE, reason="no records were read after the first state, so nothing could be compared", executions=("read-c05511ee",), duration_s=5.2),
        verdict("incremental", "test_state_with_abnormally_large_values[inputs0]", Outcome.INCONCLUSIVE, reason="the connector was stopped after 5 s, before its first state", executions=("read-c05511ee",)),
    ]  # fmt: skip


def report(**changes):
    values = {
        "hydrotest": "0.1.0",
        "run_id": "20261121-0312-k3f",
        "started_at_ms": STARTED_AT_MS,
        "ended_at_ms": STARTED_AT_MS + 34_100,
        "duration_s": 34.1,
        "connector": "source-faker",
        "version": "dev",
        "image": "airbyte/source-faker:dev",
        "identity": "sha256:b967c0de1234a9a8b7c6d5e4f30123456789abcdef0123456789abcdef012345",
        "runner": "docker",
        "runner_why": "a Docker engine answers, and no runner was asked for by name",
        "isolation": "read-only root, no capabilities, no new privileges, 2 GB memory, 256 pids; bridge network for check, discover and read",
        "settings_file": "connectors/source-faker/acceptance-test-config.yml",
        "warnings": ["products: no records in the second read, so 4 rules had less to judge"],
        "plugins": ["pytest-xdist 3.8.0", "pytest-timeout 2.4.0"],
        "verdicts": verdicts(),
        "executions": executions(),
    }
    return RunReport(**values | changes)


@pytest.fixture
def a_report():
    """A builder: `a_report(verdicts=[...])` changes what is named of the sample."""
    return report


@pytest.fixture
def a_verdict():
    """A builder: `a_verdict("spec", "test_enum_usage", Outcome.FAILED, findings=(...))`."""
    return verdict


@pytest.fixture
def a_finding():
    """A finding that has everything a finding can have."""
    return BAD_ZIP


@pytest.fixture
def an_execution():
    """A builder: `an_execution(Command.READ, "read-1", 0.0, 2.0, [("users", 10)])`."""
    return execution


@pytest.fixture(scope="session")
def failing_report():
    return report()


@pytest.fixture(scope="session")
def passing_report():
    passed = [
        msgspec.structs.replace(each, outcome=Outcome.PASSED, findings=(), reason="")
        for each in verdicts()
        if each.outcome is not Outcome.SKIPPED
    ]
    skipped = [each for each in verdicts() if each.outcome is Outcome.SKIPPED]
    ok = [each for each in executions() if each.ending is Ending.EXITED]
    return report(verdicts=[*passed, *skipped], executions=ok, warnings=[], plugins=[])


def hostile(payloads=PAYLOADS):
    """Every text a connector can reach, in every field, holds a payload."""
    every = []
    for index, payload in enumerate(payloads):
        finding = Finding(
            rule=Rule(code=f"HT-X-{index:03}", title=payload, why=payload, source=payload),
            where=Where(stream=payload, namespace=payload, path=payload, command="read"),
            expected=payload,
            got=payload,
            hint=payload,
            severity=(Severity.ERROR, Severity.WARNING)[index % 2],
            examples=(Example(artifact=payload, line=1, text=payload), Example(artifact="x", text=payload)),
            total=2,
            checked=3,
            waive=payload,
            execution=payload,
        )  # fmt: skip
        every += [
            verdict("read", payload, Outcome.FAILED, findings=(finding,), rerun=payload),
            verdict("read", f"[{payload}]", Outcome.FAILED, reason=payload, rerun=payload),
            verdict("spec", payload, Outcome.SKIPPED, reason=payload, test=payload, suite=payload),
            verdict("read", payload, Outcome.INCONCLUSIVE, reason=payload, rules=(payload,)),
        ]
    ran = [
        execution(Command.READ, payload, index, 1.0, ((payload, index),), directory=payload, stderr_tail=[payload] * 2, message_counts={payload: 1})
        for index, payload in enumerate(payloads)
    ]  # fmt: skip
    short = [payload for payload in payloads if len(payload) < 1000]
    words = " ".join(short)
    return report(
        hydrotest=words, run_id=words, kind=words, connector=words, version=words, image=words,
        identity=words, runner=words, runner_why=words, isolation=words, settings_file=words,
        warnings=[*payloads], plugins=short, verdicts=every, executions=ran,
    )  # fmt: skip


@pytest.fixture(scope="session")
def payloads():
    return PAYLOADS


@pytest.fixture(scope="session")
def hostile_report():
    return hostile()


@pytest.fixture(scope="session")
def hostile_reports():
    """A report for each payload: a report shows the first few of what is alike."""
    return [hostile([payload]) for payload in PAYLOADS]


@pytest.fixture
def golden():
    """Compare a text with a file of `golden/`; `HYDROTEST_UPDATE_GOLDEN=1` writes it instead."""

    def compare(name, text):
        path = Path(__file__).parent / "golden" / name
        if os.environ.get("HYDROTEST_UPDATE_GOLDEN") == "1":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.read_text() == text

    return compare


def long(count):
    """A run of many tests: 200 failed with a finding each, some in doubt, some skipped."""
    outcomes = {0: Outcome.INCONCLUSIVE, 1: Outcome.SKIPPED}
    every = [
        verdict(
            ("spec", "discovery", "basic_read", "full_refresh")[index % 4],
            f"test_read[stream_{index * 7919 % count:05}]",
            Outcome.FAILED if index < 200 else outcomes.get(index % 50, Outcome.PASSED),
            findings=(msgspec.structs.replace(BAD_ZIP, got=f"integer {index}"),) if index < 200 else (),
            reason="" if index < 200 or index % 50 > 1 else f"nothing to judge in part {index % 7}",
            duration_s=index % 977 / 100,
        )
        for index in range(count)
    ]  # fmt: skip
    return report(verdicts=every)


@pytest.fixture(scope="session")
def long_report():
    return long(20_000)


@pytest.fixture
def is_printable():
    """Say whether a text has nothing in it that a terminal or a reader could be misled by."""
    return lambda text: (
        not any(
            unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") and each not in "\n\t"
            for each in text
        )
    )
