"""A connector that writes to harm its judge: what the judge shows, writes and runs stays ours."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import stat
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from hydrotest_core.testing.payloads import PAYLOADS, raw_controls, runner_commands

if TYPE_CHECKING:
    from pathlib import Path

KEY = "s3cr3t-value-of-the-key"
# The names of files in an execution's folder, and of all else that a run leaves in its home.
OURS = re.compile(
    r"key(\.lock)?|runs(/[0-9]{8}-[0-9]{6}-[0-9a-f]{6}(/(running(/[0-9a-f]{64}\.\w+)?|(executions|warnings)\.jsonl|report\.json"
    r"|report\.html|junit\.xml))?)?|executions(/[0-9a-f]{64}(\.lock|/[0-9]{20}-[0-9a-z-]+"
    r"(/([a-z]+\.(?:log|jsonl?)|messages(/[a-z_]+\.jsonl)?"
    r"|records(/([0-9]{3,}\.jsonl|index\.json))?))?)?)?"
)


def inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*"))


def stream(name: str, namespace: str | None = None, **properties: object) -> dict:
    return {
        "name": name,
        "namespace": namespace,
        "json_schema": {"type": "object", "properties": properties},
        "supported_sync_modes": ["full_refresh"],
        "source_defined_primary_key": [[name]],
    }


def record(name: str, namespace: str | None = None) -> dict:
    data = {name: name, "id": {name: [name]}}
    body = {"stream": name, "namespace": namespace, "data": data, "emitted_at": 1}
    return {"type": "RECORD", "record": body}


def error(text: str) -> dict:
    body = {"message": text, "internal_message": text, "stack_trace": text}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": body}}


def log(text: str) -> dict:
    return {"type": "LOG", "log": {"level": "INFO", "message": text, "stack_trace": text}}


def raw(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@pytest.fixture
def hostile(tiny):
    """A connector that says every payload at every place where it can say something."""
    # JSON has no word for half a character: a line that holds one is no message.
    short = [text for text in PAYLOADS if len(text) < 1000 and "\ud800" not in text]
    key = {"type": "string", "airbyte_secret": True}
    properties = {"api_key": key, **{text: {"type": "nonsense", "$ref": text} for text in short}}
    schema = {"type": "object", "properties": properties, "title": "".join(short)}
    tiny.answers(
        "spec", {"type": "SPEC", "spec": {"connectionSpecification": schema}}, *map(log, short)
    )
    status = {"status": "FAILED", "message": " ".join(short)}
    tiny.answers(
        "check", {"type": "CONNECTION_STATUS", "connectionStatus": status}, *map(error, short)
    )
    streams = [stream(text, text, **{text: {"type": "integer"}}) for text in short]
    bad = [stream(text, f"bad {text}", **{text: {"type": text, "pattern": text}}) for text in short]
    tiny.answers("discover", {"type": "CATALOG", "catalog": {"streams": [*streams, *bad]}})
    tiny.answers(
        "read",
        *(record(text, text) for text in PAYLOADS),
        *(record(text) for text in PAYLOADS),
        *map(log, PAYLOADS),
        *map(error, PAYLOADS),
        *map(raw, PAYLOADS),
    )
    for command in ("check", "read"):
        (tiny.folder / f"{command}.err").write_bytes("\n".join(map(raw, PAYLOADS)).encode())
        tiny.does(command, f'cat "$here/{command}.err" >&2\n')
    return tiny


def test_no_payload_acts_on_a_terminal_a_file_or_a_path(run, hostile, tmp_path):
    result = run("-v", "-rA", "--junitxml", str(tmp_path / "pytest.xml"))

    assert result.exit_code == 1, result.text
    assert "TestBasicRead::test_read[inputs0]" in result.text
    shown = {
        "terminal": result.text,
        "pytest's own JUnit file": (tmp_path / "pytest.xml").read_text(),
        **{
            name: (result.folder / name).read_text()
            for name in ("report.html", "report.json", "junit.xml")
        },
    }
    assert {name: raw_controls(text) for name, text in shown.items()} == {
        name: [] for name in shown
    }
    assert runner_commands(result.text) == []

    told = json.loads(shown["report.json"])
    findings = [finding for verdict in told["verdicts"] for finding in verdict["findings"]]
    assert "\u202egnp.exe\u202c" in {finding["where"].get("stream") for finding in findings}

    strange = [str(path.relative_to(tmp_path / "home")) for path in inside(tmp_path / "home")]
    assert [path for path in strange if not OURS.fullmatch(path)] == []


@pytest.mark.parametrize(
    "settings",
    [
        "connector_image: airbyte/source-tiny:dev\nacceptance_tests: {}\n\x1b[31m: 1\n",
        'connector_image: airbyte/source-tiny:dev\nacceptance_tests:\n  "\\e[31m\\u202e::error::x": {}\n',
        'connector_image: "\\e]0;PWNED\\a::error::x"\nacceptance_tests: {}\n',
        "acceptance_tests: !!python/object/apply:os.system ['touch PWNED']\n",
    ],
    ids=["control", "escaped key", "image", "tag"],
)  # fmt: skip
def test_a_hostile_settings_file_is_refused_in_plain_words(run, tiny, tmp_path, settings):
    tiny.settings(settings)

    result = run()

    assert result.exit_code == 4, result.text
    assert (raw_controls(result.text), runner_commands(result.text)) == ([], [])
    assert not list(tmp_path.rglob("PWNED"))


def test_the_name_of_the_folder_is_shown_escaped_too(run, tiny, tmp_path):
    folder = tiny.folder.rename(tmp_path / "source-\x1b[31m\u202e")

    result = run("-v", "--acceptance-test-config", str(folder))

    assert result.exit_code == 0, result.text
    assert "source-\\x1b[31m\\u202e::TestConnection::test_check[inputs0]" in result.text
    assert raw_controls(result.text) == []


@pytest.fixture
def host():
    """A server on this machine, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "string"}')

        do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - the library's names

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def commands(canary: Path) -> list[str]:
    """Return texts that run `touch canary` where something takes them for more than text."""
    return [
        f"!!python/object/apply:os.system ['touch {canary}']",
        f"{{{{ cycler.__init__.__globals__.os.popen('touch {canary}').read() }}}}",
        f"{{% import 'os' as os %}}{{{{ os.system('touch {canary}') }}}}",
        "{0.__class__.__init__.__globals__}%(secret)s$HOME${HOME}",
        f"$(touch {canary})`touch {canary}`; touch {canary}\n| touch {canary} #",
        f"__import__('os').system('touch {canary}')",
        f"--config={canary}",
        f"../../../../../..{canary}",
    ]


def test_nothing_that_a_connector_sends_changes_what_runs(run, tiny, tmp_path, host):
    """Its answers are full of commands, paths, hosts and templates; its config is replaced."""
    address, asked = host
    canary = tmp_path / "canary"
    planted = tmp_path / "planted.json"
    planted.write_text('{"type": "string", "secret": "of-the-planted-file"}')
    texts = [*commands(canary), f"{address}/x", planted.as_uri(), str(planted)]
    # Only what looks like a reference stands as one: another would make the schema unusable.
    references = {
        f"p{n}": {"pattern": text, "default": text, **({"$ref": text} if "://" in text else {})}
        for n, text in enumerate(texts)
    }
    schema = {
        "$schema": f"{address}/draft",
        "$id": f"{address}/base/",
        "$ref": f"{address}/whole",
        "type": "object",
        "properties": {**references, "api_key": {"type": "string", "airbyte_secret": True}},
    }
    spec = {
        "connectionSpecification": schema,
        "documentationUrl": f"{address}/docs",
        "changelogUrl": planted.as_uri(),
    }
    tiny.answers("spec", {"type": "SPEC", "spec": spec})
    config = {"api_key": "an-api-key-from-control", "command": texts, "config_path": str(planted)}
    body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": config}}
    update = {"type": "CONTROL", "control": body}
    status = {"status": "SUCCEEDED", "message": texts[0]}
    tiny.answers("check", update, {"type": "CONNECTION_STATUS", "connectionStatus": status})
    streams = [stream("users", id={"type": "integer"})]
    streams += [{**stream(text), "json_schema": schema} for text in texts]
    tiny.answers("discover", update, {"type": "CATALOG", "catalog": {"streams": streams}})
    tiny.answers("read", update, *(record(text) for text in texts))
    for command in ("spec", "check", "discover", "read"):
        tiny.does(
            command,
            'echo "$@" >>"$here/argv"; cat "$3" >>"$here/configs" 2>/dev/null; echo >>"$here/configs"\n',
        )
    before = {path: path.read_bytes() for path in tiny.folder.iterdir()}

    result = run()

    assert result.report is not None, result.text
    assert not canary.exists()
    assert asked == []
    argv = (tiny.folder / "argv").read_text().splitlines()
    assert {re.sub(r"/\S+/", "", line) for line in argv} <= {
        "spec", "check --config config.json", "discover --config config.json",
        "read --config config.json --catalog catalog.json",
    }  # fmt: skip
    # The old config each time: what CONTROL asks for is evidence, and told to nobody.
    given = [
        json.loads(line) for line in (tiny.folder / "configs").read_text().splitlines() if line
    ]
    assert given
    assert all(one == {"api_key": KEY} for one in given)
    changed = {path.name for path in tiny.folder.iterdir() if before.get(path) != path.read_bytes()}
    assert changed == {"argv", "configs", "calls"}
    kept = b"".join(path.read_bytes() for path in inside(tmp_path / "home") if path.is_file())
    assert b"of-the-planted-file" not in kept
    assert b"an-api-key-from-control" not in kept


def nested(levels: int, leaf: object, *, is_schema: bool = False) -> dict:
    value: object = leaf
    for _ in range(levels):
        value = {"type": "object", "properties": {"a": value}} if is_schema else {"a": value}
    assert isinstance(value, dict)
    return value


def test_bombs_are_judged_or_refused_and_crash_nothing(run, tiny):
    """Schemas and records as deep as may be, a schema that doubles, one that contains itself."""
    deep = nested(240, {"type": "string"}, is_schema=True)
    key = {"api_key": {"type": "string", "airbyte_secret": True}}
    specification = {**deep, "properties": {**deep["properties"], **key}}
    tiny.answers("spec", {"type": "SPEC", "spec": {"connectionSpecification": specification}})
    twice = {f"a{n}": {"allOf": [{"$ref": f"#/definitions/a{n + 1}"}] * 2} for n in range(40)}
    bomb = {"$ref": "#/definitions/a0", "definitions": {**twice, "a40": {"type": "object"}}}
    either = {"anyOf": [{"$ref": "#/definitions/a"}, {"properties": {"x": {"$ref": "#"}}}]}
    loop = {
        "$ref": "#/definitions/a",
        "definitions": {"a": {"$ref": "#/definitions/b"}, "b": either},
    }
    schemas = {"deep": deep, "bomb": bomb, "loop": loop}
    streams = [{**stream(name), "json_schema": schema} for name, schema in schemas.items()]
    tiny.answers("discover", {"type": "CATALOG", "catalog": {"streams": streams}})
    records = [
        {"type": "RECORD", "record": {"stream": name, "data": nested(500, 1), "emitted_at": 1}}
        for name in schemas
    ]
    tiny.answers("read", *map(json.dumps, [*records, *records]), '{"a":' * 5000 + "1" + "}" * 5000)
    (tiny.folder / "spec.json").write_text(json.dumps({"connectionSpecification": specification}))
    settings = (tiny.folder / "acceptance-test-config.yml").read_text()
    by_file = "spec:\n    tests:\n      - spec_path: spec.json\n        config_path: "
    tiny.settings(settings.replace("spec:\n    tests:\n      - config_path: ", by_file))

    result = run()

    assert result.exit_code == 1, result.text
    failed = [one for one in result.report["verdicts"] if one["outcome"] == "failed"]
    assert {one["reason"] for one in failed} == {""}, "what failed has findings that say why"
    assert "unfolds to more than" in result.text
    assert "nested more than 512 levels deep" in result.text


def test_all_that_a_run_writes_is_for_its_owner_alone_whatever_the_umask(command, tmp_path):
    subprocess.run(command(), cwd=tmp_path, check=True, umask=0, capture_output=True)

    home = tmp_path / "home"
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [home, *inside(home)]}
    assert len(modes) > 30
    wide = [path for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)]
    assert wide == []


def forms(value: str) -> list[bytes]:
    """Return the value as it may stand in a file."""
    core = base64.b64encode(value.encode())
    return [
        value.encode(),
        core,
        quote(value, safe="").encode(),
        value.encode().hex().encode(),
        json.dumps(value)[1:-1].encode(),
    ]


def test_a_judge_that_is_killed_leaves_no_secret_on_the_disk(command, tiny, tmp_path):
    """Killed by SIGKILL while the connector says its secrets: nobody could clean up after."""
    secret = 'S3cr3t/+="k&y%9-of-the-key'
    (tiny.folder / "config.json").write_text(json.dumps({"api_key": secret}))
    new = "new-secret-of-the-update"
    body = {
        "type": "CONNECTOR_CONFIG",
        "emitted_at": 1,
        "connectorConfig": {"config": {"api_key": new}},
    }
    said = [log(f"key={secret}"), log(base64.b64encode(f"user:{secret}".encode()).decode())]
    said += [
        log(quote(secret, safe="")),
        {"type": "CONTROL", "control": body},
        log(new),
        log(secret.encode().hex()),
    ]
    (tiny.folder / "said.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said))
    tiny.does(
        "read",
        'for i in 1 2 3; do cat "$here/said.jsonl" "$3"; cat "$3" >&2; done; touch "$here/said"; sleep 600\n',
    )
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    judge = subprocess.Popen(
        command("-k", "TestBasicRead"),
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    home = tmp_path / "home"
    wait_for(
        lambda: (
            (tiny.folder / "said").exists()
            and any(path.stat().st_size for path in home.rglob("draft-*/stderr.log"))
        )
    )

    judge.send_signal(signal.SIGKILL)
    judge.wait()

    # The reaper removes the connector's inputs, which hold the config as they must.
    wait_for(lambda: not [path for path in inside(scratch) if path.name == "config.json"])
    files = [path for path in (*inside(home), *inside(scratch)) if path.is_file()]
    assert any(b"secret:api_key#" in path.read_bytes() for path in files)
    leaks = {
        path
        for path in files
        for form in (*forms(secret), *forms(new))
        if form in path.read_bytes()
    }
    assert leaks == set()


def wait_for(is_so, limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_tokens_are_the_same_in_one_session_and_others_in_the_next(run, tiny, tmp_path):
    secrets = {f"k{n}_password": f"secret-number-{n}" for n in range(16)}
    (tiny.folder / "config.json").write_text(json.dumps(secrets))
    tiny.does("check", 'cat "$3" >&2\n')
    tiny.does("discover", 'cat "$3" >&2\n')
    seen: list[dict[str, str]] = []
    for workers in ("2", "0"):
        result = run("-k", "test_check or test_discover", "-n", workers)
        directories = [result.folder / one["directory"] for one in result.report["executions"]]
        texts = [(one / "stderr.log").read_text() for one in directories]
        tokens = [dict(re.findall(r"«secret:(\w+)#(\w+)»", text)) for text in texts if text]
        assert len(tokens) == 2
        assert tokens[0] == tokens[1]
        assert set(tokens[0]) == set(secrets)
        seen.append(tokens[0])

    assert seen[0] != seen[1]
