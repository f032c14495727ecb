from __future__ import annotations

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "0"), ("-n", "2")], ids=["", "n0", "n2"])


@WORKERS
def test_a_good_connector_passes_on_any_number_of_workers(run, workers):
    result = run(*workers)

    assert result.exit_code == 0, result.text
    assert set(result.outcomes.values()) <= {"passed", "skipped"}
    assert "TestBasicRead::test_read[inputs0]" in result.outcomes
    assert result.report["connector"] == "source-tiny"
    assert (result.folder / "report.html").exists()
    assert (result.folder / "junit.xml").exists()


@WORKERS
def test_each_distinct_execution_happens_once(run, tiny, workers):
    result = run(*workers)

    runs = [
        json.loads(line) for line in (result.folder / "executions.jsonl").read_text().splitlines()
    ]
    made = Counter(one["key"] for one in runs if not one["reused"])
    assert set(made.values()) == {1}
    assert Counter(tiny.calls) == {"spec": 1, "check": 1, "discover": 1, "read": 2}


def test_the_tests_have_cats_ids(run):
    result = run("--collect-only", "-q")

    assert "source-tiny::TestSpec::test_enum_usage[inputs0]" in result.text
    assert "source-tiny::TestConnection::test_check[inputs0]" in result.text
    assert result.report is None


def test_a_connector_that_says_more_than_may_be_kept_is_found(run):
    result = run("--max-output", "60", "-k", "TestSpec")

    assert result.exit_code == 1, result.text
    assert "HT-RUN-009" in result.text
    assert "at most 60 bytes" in result.text


@pytest.mark.parametrize("size", ["much", "0", "5 apples", "-1"])
def test_a_limit_that_is_no_size_is_wrong_usage(run, size):
    result = run(f"--max-output={size}")

    assert result.exit_code == 4
    assert "is no size: write it as 500MB or 20GB" in result.text


def test_without_the_option_the_plugin_does_nothing(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import sys\n"
        "def test_mine():\n"
        "    assert not [m for m in sys.modules if m.startswith('hydrotest_core')]\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "hydrotest_acceptance.plugin", "-q"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert not (tmp_path / ".hydrotest").exists()


def test_a_failure_says_what_was_found_and_how_to_run_it_again(run, tiny):
    tiny.answers("check", {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED"}})

    result = run(HYDROTEST_RERUN="nox -s acceptance -- source-tiny")

    verdict = result.verdict("TestConnection::test_check[inputs0]")
    assert result.exit_code == 1
    assert verdict["findings"][0]["rule"]["code"] == "HT-CONN-001"
    assert verdict["rerun"] == (
        "nox -s acceptance -- source-tiny -k 'TestConnection and test_check and inputs0'"
    )
    assert verdict["rerun"] in result.text
    assert "expected" in result.text


def test_the_command_that_reruns_a_failure_runs_just_that(run, tiny):
    tiny.answers("check", {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED"}})

    again = run("-k", "TestConnection and test_check and inputs0")

    assert list(again.outcomes) == ["TestConnection::test_check[inputs0]"]


def test_a_section_that_is_missing_in_high_is_one_failed_test(run, tiny):
    text = (tiny.folder / "acceptance-test-config.yml").read_text()
    tiny.settings("test_strictness_level: high\n" + text)

    result = run("-k", "TestIncremental or TestConnection")

    failed = [test for test, outcome in result.outcomes.items() if outcome == "failed"]
    assert len(failed) == 1
    assert failed[0].startswith("TestIncremental")
    assert "add acceptance_tests.incremental" in result.verdict(failed[0])["reason"]
    assert result.outcomes["TestConnection::test_check[inputs0]"] == "passed"


def test_a_section_that_is_missing_in_low_is_skipped_with_its_reason(run):
    result = run("-k", "TestIncremental")

    (verdict,) = result.report["verdicts"]
    assert verdict["outcome"] == "skipped"
    assert "incremental is not in acceptance-test-config.yml" in verdict["reason"]


def test_a_section_without_tests_of_ours_is_a_warning(run, tiny):
    text = (tiny.folder / "acceptance-test-config.yml").read_text()
    tiny.settings(text + "  connector_attributes:\n    tests:\n      - config_path: config.json\n")

    result = run("-k", "TestConnection")

    assert "connector_attributes is configured" in " ".join(result.report["warnings"])


def test_fields_that_basic_read_ignores_are_not_compared(run, tiny):
    expected = {"stream": "users", "data": {"id": 1, "at": "another"}, "emitted_at": 1}
    (tiny.folder / "expected.jsonl").write_text(json.dumps(expected))
    text = (tiny.folder / "acceptance-test-config.yml").read_text()
    text = text.replace(
        "message_on_failure: false\n",
        "message_on_failure: false\n        expect_records: {path: expected.jsonl}\n",
    )
    tiny.settings(text)
    assert run("-k", "test_read").outcomes["TestBasicRead::test_read[inputs0]"] == "failed"
    tiny.settings(
        text.replace("jsonl}\n", "jsonl}\n        ignored_fields: {users: [{name: at}]}\n")
    )

    assert run("-k", "test_read").outcomes["TestBasicRead::test_read[inputs0]"] == "passed"


def test_help_runs_nothing(run, tiny):
    result = run("--help")

    assert result.exit_code == 0
    assert tiny.calls == []
    assert result.report is None


def test_a_section_that_is_bypassed_says_why(run, tiny):
    text = (tiny.folder / "acceptance-test-config.yml").read_text()
    tiny.settings(text + "  incremental:\n    bypass_reason: the service has no cursor\n")

    result = run("-k", "TestIncremental")

    assert "bypassed: the service has no cursor" in result.text


def test_a_run_that_judged_nothing_does_not_end_with_0(run):
    assert run("-k", "TestIncremental").exit_code == 10


def test_nothing_collected_keeps_pytests_exit_code(run):
    assert run("-k", "there_is_no_such_test").exit_code == 5


def test_all_mistakes_in_the_settings_are_reported_at_once(run, tiny):
    tiny.settings("""\
        connector_image: airbyte/source-tiny:dev
        acceptance_tests:
          basic_read:
            tests:
              - config_path: config.json
                fail_on_extra_column: true
                timeout_seconds: soon
          conection: {}
        """)

    result = run()

    assert result.exit_code == 4
    assert "acceptance-test-config.yml:6" in result.text
    assert "fail_on_extra_columns" in result.text
    assert "acceptance-test-config.yml:7" in result.text
    assert "acceptance-test-config.yml:8" in result.text
    assert "connection" in result.text
    assert "Traceback" not in result.text
    assert tiny.calls == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "acceptance-test-config.yml"),
        ("connector_image: x\n\tacceptance_tests: {}\n", "tab"),
        ("- a\n- b\n", "acceptance-test-config.yml"),
        ("", "acceptance-test-config.yml"),
    ],
    ids=["missing", "tab", "list", "empty"],
)
def test_a_file_that_is_no_settings_file_is_one_clear_message(run, tiny, text, said):
    path = tiny.folder / "acceptance-test-config.yml"
    path.unlink() if text is None else path.write_text(text)

    result = run()

    assert result.exit_code == 4
    assert said in result.text
    assert "Traceback" not in result.text


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "config.json"), ("{not json", "config.json"), ("[]", "object")],
    ids=["missing", "not JSON", "a list"],
)
def test_a_bad_config_file_fails_its_tests_with_one_clear_message(run, tiny, content, said):
    path = tiny.folder / "config.json"
    path.unlink() if content is None else path.write_text(content)

    result = run("-k", "TestConnection")

    verdict = result.verdict("TestConnection::test_check[inputs0]")
    assert verdict["outcome"] == "failed"
    assert said in verdict["reason"]
    assert "hint" in verdict["reason"]
    assert "Traceback" not in result.text


def test_a_connector_that_crashes_is_judged_by_what_it_said(run, tiny):
    tiny.does("read", 'head -n 3 "$here/read.jsonl"; echo "boom at line 3" >&2; exit 1')

    result = run("-k", "TestBasicRead")

    findings = result.verdict("TestBasicRead::test_read[inputs0]")["findings"]
    codes = [finding["rule"]["code"] for finding in findings]
    assert codes[0] == "HT-RUN-001"
    assert "exit code 1" in result.text
    assert "boom at line 3" in result.text
    assert "HT-READ-041" in codes


def test_a_connector_that_hangs_is_stopped_and_its_output_kept(run, tiny):
    tiny.does("read", 'cat "$here/read.jsonl"; sleep 600')
    text = (tiny.folder / "acceptance-test-config.yml").read_text()
    tiny.settings(
        text.replace(
            "message_on_failure: false", "message_on_failure: false\n        timeout_seconds: 3"
        )
    )

    result = run("-k", "TestBasicRead")

    findings = result.verdict("TestBasicRead::test_read[inputs0]")["findings"]
    assert [finding["rule"]["code"] for finding in findings] == ["HT-RUN-002"]
    (read,) = [one for one in result.report["executions"] if one["command"] == "read"]
    assert read["ending"] == "timed_out"
    assert [stream["records"] for stream in read["streams"]] == [2]


def test_a_program_that_is_not_there_is_inconclusive(run, tiny):
    (tiny.folder / "hydrotest.yaml").write_text("kind: image\ncommand: [no-such-program-here]\n")

    result = run()

    assert result.exit_code in {4, 10}
    assert "no-such-program-here" in result.text
    assert "hint" in result.text


def test_secrets_of_the_config_are_nowhere(run, tiny, tmp_path):
    tiny.does("read", 'cat "$3" >&2; echo "starting with $(cat "$3")"')

    result = run("-k", "TestBasicRead")

    secret = b"s3cr3t-value-of-the-key"
    assert secret.decode() not in result.text
    leaks = [
        path
        for path in (tmp_path / "home").rglob("*")
        if path.is_file() and secret in path.read_bytes()
    ]
    assert leaks == []
    codes = [
        finding["rule"]["code"]
        for finding in result.verdict("TestBasicRead::test_read[inputs0]")["findings"]
    ]
    assert "HT-RUN-004" in codes


def test_workers_begin_with_the_long_chains_and_the_report_keeps_the_suites_order(run):
    result = run("-n", "2", "-v")

    began = [line for line in result.text.splitlines() if "::test_" in line and "[gw" not in line]
    assert not [line for line in began[:2] if "TestSpec" in line], result.text
    suites = [one["suite"] for one in result.report["verdicts"]]
    assert list(dict.fromkeys(suites)) == [
        *("spec", "connection", "discovery", "basic_read", "full_refresh", "incremental"),
    ]


SLOW_IMPORT = """\
import pathlib, time
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        calls = pathlib.Path("source-tiny/calls")
        until = time.monotonic() + 20
        while not calls.exists() and time.monotonic() < until:
            time.sleep(0.01)
        pathlib.Path("before-" + config.workerinput["workerid"]).write_text(
            calls.read_text() if calls.exists() else ""
        )
"""


def test_spec_runs_while_the_workers_start(run, tmp_path):
    (tmp_path / "slow_import.py").write_text(SLOW_IMPORT)

    result = run("-n", "2", "-p", "slow_import", PYTHONPATH=str(tmp_path))

    assert result.exit_code == 0, result.text
    assert [(tmp_path / f"before-gw{n}").read_text().split() for n in (0, 1)] == [["spec"]] * 2


def test_spec_does_not_run_before_the_users_own_fixtures(run, tiny, tmp_path):
    (tiny.folder / "integration_tests").mkdir()
    (tiny.folder / "integration_tests" / "acceptance.py").write_text("")
    (tmp_path / "slow_import.py").write_text(SLOW_IMPORT.replace("+ 20", "+ 0.5"))

    result = run("-n", "2", "-p", "slow_import", PYTHONPATH=str(tmp_path))

    assert result.exit_code == 0, result.text
    assert [(tmp_path / f"before-gw{n}").read_text() for n in (0, 1)] == ["", ""]


def test_users_fixtures_run_before_the_settings_are_read(run, tiny):
    folder = tiny.folder / "integration_tests"
    folder.mkdir()
    (folder / "acceptance.py").write_text(
        "import pathlib, pytest\n"
        "pytest_plugins = ('connector_acceptance_test.plugin',)\n"
        "HERE = pathlib.Path(__file__).parent.parent\n"
        "@pytest.fixture(scope='session', autouse=True)\n"
        "def connector_setup():\n"
        "    with (HERE / 'acceptance-test-config.yml').open('a') as file:\n"
        "        file.write('custom_environment_variables:\\n  GREETING: hello\\n')\n"
        "    yield\n"
        "    (HERE / 'torn_down').touch()\n"
    )
    tiny.does("check", 'echo "greeting $GREETING" >&2')

    result = run("-k", "TestConnection")

    assert result.exit_code == 0, result.text
    (check,) = [one for one in result.report["executions"] if one["command"] == "check"]
    assert check["stderr_tail"] == ["greeting hello"]
    assert (tiny.folder / "torn_down").exists()


def _alive(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def _outputs(tmp_path: Path) -> list[int]:
    found = (tmp_path / "home" / "executions").rglob("records/000.jsonl")
    counts = [path.read_text().count("\n") for path in found]
    return [count for count in counts if count]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_a_spec_that_hangs_ahead_of_the_workers_is_left_to_nobody(tiny, tmp_path, command):
    mark = f"sleep 6{time.time_ns() % 10**9}"
    tiny.does("spec", f'touch "$here/hangs"; {mark}')
    with subprocess.Popen(
        command("-n", "2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        start_new_session=True,
    ) as running:
        try:
            give_up = time.monotonic() + 60
            while not (tiny.folder / "hangs").exists() and time.monotonic() < give_up:
                time.sleep(0.01)
            os.kill(running.pid, signal.SIGINT)
            running.wait(timeout=30)

            assert _alive(mark.replace(" ", "\0")) == []
            assert tiny.calls == ["spec"]
        finally:
            running.kill()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["", "n2"])
def test_whatever_ends_us_nothing_of_the_connector_is_left(
    tiny, tmp_path, command, workers, number
):
    mark = f"sleep 6{time.time_ns() % 10**9}"
    tiny.does("read", f'cat "$here/read.jsonl"; touch "$here/hangs"; {mark}')
    running = subprocess.Popen(
        command("-k", "TestBasicRead", *workers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        give_up = time.monotonic() + 60
        while not (tiny.folder / "hangs").exists() and time.monotonic() < give_up:
            time.sleep(0.05)
        assert (tiny.folder / "hangs").exists()
        # What a connector says is on disk within a second, whatever happens to us then.
        while not _outputs(tmp_path) and time.monotonic() < give_up:
            time.sleep(0.05)
        os.kill(running.pid, number)
        running.wait(timeout=30)
        until = time.monotonic() + 10
        needle = mark.replace(" ", "\0")
        while _alive(needle) and time.monotonic() < until:
            time.sleep(0.1)

        assert _alive(needle) == []
        assert _outputs(tmp_path) == [2]
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()


LOOK_AROUND = """\
import pathlib, sys
def test_mine(request):
    config = request.config
    print("SEEN", sorted(name for name in sys.modules if name.split(".")[0] in
        {"hydrotest_core", "msgspec", "docker", "yaml", "jinja2", "filelock"}))
    print("SEEN", [item.nodeid for item in request.session.items])
    print("SEEN", config.getini("markers"))
    print("SEEN", sorted(p.name for p in pathlib.Path().rglob("*") if "__pycache__" not in str(p)))
    print("SEEN", sorted(name for name, _ in config.pluginmanager.list_name_plugin()
        if "hydrotest" in name and name != "hydrotest_acceptance.plugin"))
"""


@pytest.mark.parametrize(
    "options",
    [(), ("--collect-only",), ("--markers",), ("--fixtures",), ("-n", "1")],
    ids=["", "collect", "markers", "fixtures", "n1"],
)
def test_whoever_has_the_plugin_and_asks_for_nothing_sees_nothing_of_it(tmp_path, options):
    (tmp_path / "test_mine.py").write_text(LOOK_AROUND)

    def seen(*more):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-rP", "-c", os.devnull),
                *("--rootdir", ".", "-p", "no:cacheprovider", *more, *options, "test_mine.py"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        # How long it took is all that may differ.
        lines = [re.sub(r" in [0-9.]+s", "", line) for line in done.stdout.splitlines()]
        return done.returncode, lines, sorted(path.name for path in tmp_path.iterdir())

    with_it, without_it = seen("-p", "hydrotest_acceptance.plugin"), seen()
    assert with_it == without_it
    assert with_it[0] == 0


def test_plugins_of_others_are_listed_in_the_report(run):
    result = run("-k", "TestConnection")

    version = importlib.metadata.version
    assert f"pytest-timeout {version('pytest-timeout')}" in result.report["plugins"]
    assert f"pytest-xdist {version('pytest-xdist')}" in result.report["plugins"]
    assert not [name for name in result.report["plugins"] if name.startswith("hydrotest")]
    assert f"pytest-timeout {version('pytest-timeout')}" in result.text


def test_a_local_program_is_said_once_to_be_kept_from_nothing(run):
    result = run("-k", "TestConnection or TestSpec")

    assert result.report["isolation"].startswith("process: ")
    assert (
        "the network and this user's files are not out of its reach" in (result.report["isolation"])
    )
    assert " ".join(result.text.split()).count("are not out of its reach") == 1
