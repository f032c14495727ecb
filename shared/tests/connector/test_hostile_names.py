"""Names that connectors choose, and links that others planted: nothing is written elsewhere."""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.evidence import Evidence
from hydrotest_core.connector.execution import Command, ConnectorUnderTest, ExecutionInputs
from hydrotest_core.connector.recorder import OutputRecorder
from hydrotest_core.errors import InfrastructureError
from hydrotest_core.redaction import SecretDict
from hydrotest_core.run.directory import RunDirectory
from hydrotest_core.run.report import RunReport
from hydrotest_core.run.report_html import write_html
from hydrotest_core.run.report_json import write_report
from hydrotest_core.run.report_junit import write_junit
from hydrotest_core.testing import Script, ScriptedRunner, a_connection_status, a_record
from hydrotest_core.testing.payloads import PAYLOADS

FOLDER = re.compile(
    r"[a-z]+\.(log|jsonl?)|messages(/[a-z_]+\.jsonl)?|records(/([0-9]{3,}\.jsonl|index\.json))?"
)
NAMES = list(dict.fromkeys([
    *("..", ".", "/", "a/b", "../../../etc/passwd", "\x00", "a\x00b", "CON", "con", "aux.json", "~", "-rf"),
    *("Users", "users", "USERS", "users ", "users.", " users", "index", "index.json", "000", "000.jsonl"),
    *(unicodedata.normalize(form, "caf\u00e9 \u212b \uac00") for form in ("NFC", "NFD", "NFKC")),
    *("n" * 10_000, "n" * 9_999 + "N", "\u00df", "ss", "\u0130", "i\u0307", "stra\u00dfe", "STRASSE"),
]))  # fmt: skip


def record(name: str, namespace: str | None, n: int) -> bytes:
    return json.dumps(a_record(name, {"n": n}, namespace_=namespace)).encode() + b"\n"


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def is_text(name: str) -> bool:
    return not re.search("[\ud800-\udfff]", name)


ANY_NAME = st.sampled_from([*NAMES, *filter(is_text, PAYLOADS)]) | st.text(
    st.characters(exclude_categories=["Cs"])
)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(ANY_NAME, st.none() | ANY_NAME), min_size=1, max_size=12, unique=True))
def test_no_name_meets_another_or_leaves_the_folder(tmp_path_factory, streams):
    outside = tmp_path_factory.mktemp("around")
    folder = outside / "execution"
    folder.mkdir()

    with OutputRecorder(folder) as recorder:
        for n, (name, namespace) in enumerate([*streams, *streams]):
            recorder.stdout(record(name, namespace, n))

    assert [path for path in files_of(folder) if not FOLDER.fullmatch(path)] == []
    assert [path.name for path in outside.iterdir()] == ["execution"]
    evidence = Evidence(folder)
    for n, (name, namespace) in enumerate(streams):
        found = [json.loads(bytes(one.data))["n"] for one in evidence.records(name, namespace)]
        assert found == [n, n + len(streams)]


def test_all_names_that_look_alike_have_files_of_their_own(tmp_path):
    with OutputRecorder(tmp_path) as recorder:
        for n, name in enumerate(NAMES):
            recorder.stdout(record(name, None, n))

    files = [stream.path for stream in Evidence(tmp_path).streams]
    assert files == [f"records/{n:03}.jsonl" for n in range(len(NAMES))]


INPUTS = ExecutionInputs(
    connector=ConnectorUnderTest(name="source-x", version="dev", identity="env:1"),
    command=Command.CHECK,
    config=SecretDict(),
    output_dir=Path(),
)
REPORT = RunReport(
    hydrotest="0", run_id="r", started_at_ms=0, ended_at_ms=1, duration_s=0.1,
    connector="x", version="dev", identity="env:1", runner="scripted",
)  # fmt: skip


def judge(home: Path, run: RunDirectory | None = None, session: str = "first") -> None:
    """Do what a run does with its home: run something, log it, write the reports."""
    run = run or RunDirectory.create(home)
    runner = ScriptedRunner({Command.CHECK: Script([a_connection_status()])})
    cache = ExecutionCache(
        home, runner, session=session, accept_since_ms=2**60, on_start=run.started, on_end=run.ended
    )
    run.log(cache.run(INPUTS))
    write_report(REPORT, run.path / "report.json")
    write_html(REPORT, run.path / "report.html")
    write_junit(REPORT, run.path / "junit.xml")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.fixture
def places(tmp_path):
    """A home in which a run was judged, and what in it another run would write again."""
    home = tmp_path / "home"
    run = RunDirectory.create(home)
    judge(home, run)
    (key,) = [path for path in (home / "executions").iterdir() if path.is_dir()]
    (running,) = [path for path in run.path.iterdir() if path.is_dir()]
    return {
        "home": home, "runs": home / "runs", "executions": home / "executions", "key": home / "key",
        "entry": key, "lock": key.with_suffix(".lock"), "log": run.path / "executions.jsonl",
        "running": running, "what runs": running / f"{key.name}.only", "report": run.path / "report.json",
        "page": run.path / "report.html", "JUnit": run.path / "junit.xml",
    }  # fmt: skip


@pytest.mark.parametrize("target", ["a file", "a folder", "nothing"])
@pytest.mark.parametrize(
    "place",
    ["home", "runs", "executions", "key", "entry", "lock", "log", "running", "what runs", "report", "page", "JUnit"],
)  # fmt: skip
def test_a_planted_link_is_refused_or_replaced_and_never_followed(tmp_path, places, place, target):
    home, run = places["home"], RunDirectory(places["running"].parent)
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_bytes(b"precious" * 4)
    (outside / "folder" / "file").write_bytes(b"precious")
    before = contents(outside)
    path = places[place]
    if path.exists():
        path.rename(tmp_path / "aside")
    if place == "home":
        home.mkdir()
        path.rmdir()
    path.symlink_to(outside / {"a file": "file", "a folder": "folder", "nothing": "new"}[target])

    said = None
    try:
        judge(home, None if place in {"home", "runs"} else run, "second")
    except (InfrastructureError, IsADirectoryError) as exc:
        said = exc

    assert contents(outside) == before
    assert said is not None or not path.is_symlink() or place == "key"


@pytest.mark.parametrize("name", ["order.log", "stderr.log", "records", "messages", "records/000.jsonl", "messages/logs.jsonl", "manifest.json"])  # fmt: skip
@pytest.mark.parametrize("target", ["file", "folder", "new"])
def test_a_link_in_the_folder_of_an_execution_is_refused_or_replaced(tmp_path, name, target):
    outside, folder = tmp_path / "outside", tmp_path / "execution"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_bytes(b"precious")
    before = contents(outside)
    path = folder / name
    path.parent.mkdir(parents=True)
    path.symlink_to(outside / target)
    messages = [a_record("users", id=1), {"type": "LOG", "log": {"level": "INFO", "message": "x"}}]
    runner = ScriptedRunner({Command.CHECK: Script(messages)})

    with contextlib.suppress(InfrastructureError):
        runner.run(ExecutionInputs(connector=INPUTS.connector, command=Command.CHECK, config=SecretDict(), output_dir=folder))  # fmt: skip

    assert contents(outside) == before
