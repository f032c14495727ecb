"""Each flag of source-hostile changes what its row in the README says, and nothing is left out."""

from __future__ import annotations

import json
import os
import re
import runpy
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "hostile-key-7Jq2vX9mLdT4"
CONFIG: dict[str, Any] = {"api_key": KEY, "workspace": "main"}
PROC = Path("/proc")


def users_state(cursor: str) -> list[dict[str, Any]]:
    stream = {"stream_descriptor": {"name": "users"}, "stream_state": {"updated_at": cursor}}
    return [{"type": "STREAM", "stream": stream}]


LATE = users_state("2024-01-02T00:00:00Z")
FUTURE = users_state("2999-12-31T23:59:59Z")


class Effect(NamedTuple):
    """What shows a flag: in which command, and what differs from what is said without it."""

    shows: Callable[[Any, Any], bool]
    command: str = "read"
    state: list[Any] | None = None
    config: dict[str, Any] = CONFIG


def in_spec(shows: Callable[[Any], bool]) -> Effect:
    def differs(said: Any, plain: Any) -> bool:
        now, then = (one.of("SPEC")[0]["connectionSpecification"] for one in (said, plain))
        return shows(now) and not shows(then)

    return Effect(differs, "spec")


def in_catalog(shows: Callable[[Any], bool]) -> Effect:
    return Effect(lambda s, p: shows(s.streams) and not shows(p.streams), "discover")


def in_users(shows: Callable[[dict[str, Any]], bool], which: set[int]) -> Effect:
    """Exactly these users (from 1; empty for all) are changed so."""

    def differs(said: Any, plain: Any) -> bool:
        hit = {n for n, user in enumerate(said.records("users"), 1) if shows(user)}
        return hit == (which or set(range(1, 26))) and not any(map(shows, plain.records("users")))

    return Effect(differs)


def a_line_before_record(number: int, line: bytes) -> Effect:
    """Such a line stands right before the n-th record, and all else is as ever."""

    def differs(said: Any, plain: Any) -> bool:
        lines = said.stdout.splitlines()
        where = next(n for n, one in enumerate(lines) if re.search(line, one))
        good = [n for n, one in enumerate(lines) if b'"emitted_at"' in one and b'"data"' in one]
        return where + 1 == good[number - 1] and len(lines) == len(plain.messages) + 1

    return Effect(differs)


def doubled(kind: str, command: str) -> Effect:
    return Effect(lambda s, p: s.of(kind) == p.of(kind) * 2, command)


def silent(kind: str, command: str) -> Effect:
    return Effect(lambda s, p: p.of(kind) and not s.of(kind) and s.of("LOG"), command)


def unchanged(said: Any, plain: Any) -> bool:
    """The records, states and statuses are those that are said without the flag."""
    return all(
        said.states(name) == plain.states(name)
        and said.statuses(name) == plain.statuses(name)
        and len(said.records(name)) == len(plain.records(name))
        for name in ("users", "orders", "countries")
    )


def payload(raw: bytes) -> Effect:
    return Effect(lambda s, p: b'"payload": {"value": %s}' % raw in s.stdout and s.code == 0)


def count(stats: Any) -> list[float]:
    return [one["sourceStats"]["recordCount"] for one in stats]


def updated(said: Any) -> list[str]:
    return [one["stream"]["stream_state"]["updated_at"] for one in said.states("users")]


ALL: set[int] = set()
FROM_FOURTH = set(range(4, 26))

EFFECTS: dict[str, Effect] = {
    "no-spec": silent("SPEC", "spec"),
    "two-specs": doubled("SPEC", "spec"),
    "spec-unmarked-secret": in_spec(lambda s: "access_token" in s["properties"]),
    "spec-unmarked-secret:api_key": in_spec(
        lambda s: "airbyte_secret" not in s["properties"]["api_key"]
    ),
    "spec-marked-object": in_spec(
        lambda s: s["properties"].get("credentials", {}).get("airbyte_secret") is True
    ),
    "spec-bad-oneof": in_spec(
        lambda s: "const" not in s["properties"]["dataset"]["oneOf"][1]["properties"]["size"]
    ),
    "spec-additional-properties-false": in_spec(lambda s: s["additionalProperties"] is False),
    "spec-ref": in_spec(lambda s: "$ref" in s["properties"]["workspace"]),
    "spec-type-array": in_spec(lambda s: isinstance(s["properties"]["workspace"]["type"], list)),
    "spec-duplicate-order": in_spec(
        lambda s: s["properties"]["workspace"]["order"] == s["properties"]["api_key"]["order"]
    ),
    "spec-duplicate-enum": in_spec(
        lambda s: s["properties"]["workspace"].get("enum", []).count("main") == 2
    ),
    "spec-empty-object": in_spec(lambda s: "options" in s["properties"]),
    "spec-untyped-items": in_spec(lambda s: "type" not in s["properties"]["flags"]["items"]),
    "spec-forbidden-keyword": in_spec(lambda s: "not" in s["properties"]["workspace"]),
    "spec-nested-group": in_spec(lambda s: '"group"' in json.dumps(s)),
    "spec-display-type": in_spec(lambda s: '"display_type"' in json.dumps(s)),
    "spec-unmet-requirement": in_spec(lambda s: "region" in s["required"]),
    "spec-backward-break": in_spec(lambda s: s["required"] == ["api_key", "workspace"]),
    "check-fails": Effect(
        lambda s, p: s.of("CONNECTION_STATUS")[0]["status"] == "FAILED" and s.code == 0, "check"
    ),
    "check-believes-anything": Effect(
        lambda s, p: s.of("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}],
        "check",
        config={"api_key": "wrong"},
    ),
    "check-silent": silent("CONNECTION_STATUS", "check"),
    "check-two": doubled("CONNECTION_STATUS", "check"),
    "no-catalog": silent("CATALOG", "discover"),
    "two-catalogs": doubled("CATALOG", "discover"),
    "empty-catalog": in_catalog(lambda s: not s),
    "duplicate-streams": Effect(
        lambda s, p: [x["name"] for x in s.of("CATALOG")[0]["streams"]].count("countries") == 2,
        "discover",
    ),
    "bad-schema": in_catalog(
        lambda s: s["countries"]["json_schema"]["properties"]["name"]["type"] == "txet"
    ),
    "no-sync-modes": in_catalog(lambda s: s["countries"]["supported_sync_modes"] == []),
    "cursor-not-in-schema": in_catalog(
        lambda s: (
            s["users"]["default_cursor_field"][0] not in s["users"]["json_schema"]["properties"]
        )
    ),
    "pk-not-in-schema": in_catalog(
        lambda s: s["users"]["source_defined_primary_key"] == [["uuid"]]
    ),
    "pk-is-object": in_catalog(lambda s: s["users"]["source_defined_primary_key"] == [["address"]]),
    "pk-not-declared": in_catalog(lambda s: "source_defined_primary_key" not in s["countries"]),
    "catalog-ref": in_catalog(lambda s: '"$ref"' in json.dumps(s)),
    "bomb:3": in_catalog(
        lambda s: (
            json.dumps(s["countries"]["json_schema"]).count('{"$ref": "#/definitions/level-0"}')
            == 2
            and "level-3" in s["countries"]["json_schema"]["definitions"]
        )
    ),
    "many-streams:70": in_catalog(lambda s: len(s) == 73),
    "catalog-forbidden-keyword": in_catalog(lambda s: '"allOf"' in json.dumps(s)),
    "catalog-additional-properties-false": in_catalog(
        lambda s: s["countries"]["json_schema"]["additionalProperties"] is False
    ),
    "catalog-unlike-records": in_catalog(
        lambda s: set(s["countries"]["json_schema"]["properties"]) == {"planet", "moons"}
    ),
    "catalog-backward-break": in_catalog(
        lambda s: "tags" not in s["users"]["json_schema"]["properties"]
    ),
    "catalog-changed-cursor": in_catalog(
        lambda s: s["orders"]["default_cursor_field"] == ["order_id"]
    ),
    "schema": in_users(lambda u: isinstance(u["age"], str), {1}),
    "schema:2": in_users(lambda u: isinstance(u["age"], str), {2}),
    "schema-nested:2": in_users(lambda u: u["address"]["zip"] == 12345, {2}),
    "schema-format:2": in_users(lambda u: "noon" in u["updated_at"], {2}),
    "extra-column:2": in_users(lambda u: "shoe_size" in u, {2}),
    "no-primary-key:2": in_users(lambda u: "id" not in u, {2}),
    "null-primary-key:2": in_users(lambda u: u["id"] is None, {2}),
    "field-never-filled": in_users(lambda u: "email" not in u, ALL),
    "secret-in-record": in_users(lambda u: KEY in u["name"], {4}),
    "nondeterministic": in_users(lambda u: "0." in u["name"], FROM_FOURTH),
    "no-records": Effect(lambda s, p: not s.of("RECORD") and s.statuses("users")),
    "empty-stream": Effect(lambda s, p: not s.records("countries") and s.records("users")),
    "empty-stream:users": Effect(lambda s, p: s.records("countries") and not s.records("users")),
    "missing-record-in-second-read": Effect(
        lambda s, p: (
            len(s.records("users")) < 25
            and s.records("users")[:3] == p.records("users")[:3]
            and sum(count(s.states("users"))) == len(s.records("users"))
        )
    ),
    "ignores-state": Effect(
        lambda s, p: len(s.records("users")) == 25 and len(p.records("users")) == 2, state=LATE
    ),
    "cursor-back": Effect(
        lambda s, p: [u["id"] for u in s.records("users")] == [24, 23, 25], state=LATE
    ),
    "future-state-records": Effect(
        lambda s, p: len(s.records("users")) == 1 and not p.records("users"),
        state=FUTURE,
    ),
    "lost-state": Effect(lambda s, p: not s.of("STATE")),
    "lost-state:orders": Effect(lambda s, p: not s.states("orders") and s.states("users")),
    "state-without-stats": Effect(
        lambda s, p: len(s.of("STATE")) == 9 and all("sourceStats" not in x for x in s.of("STATE"))
    ),
    "state-miscounts": Effect(lambda s, p: sum(count(s.states("users"))) == 30),
    "state-back": Effect(
        lambda s, p: updated(s)[:-1] == updated(p)[:-1] and updated(s)[-1] == updated(p)[0]
    ),
    "legacy-state": Effect(
        lambda s, p: (
            {x["type"] for x in s.of("STATE")} == {"LEGACY"}
            and set(s.of("STATE")[-1]["data"]) == {"users", "orders", "countries"}
        )
    ),
    "global-state": Effect(
        lambda s, p: (
            {x["type"] for x in s.of("STATE")} == {"GLOBAL"}
            and len(s.of("STATE")[-1]["global"]["stream_states"]) == 3
        )
    ),
    "status-out-of-order": Effect(
        lambda s, p: s.statuses("users") == ["RUNNING", "STARTED", "COMPLETE"]
    ),
    "status-missing": Effect(lambda s, p: not s.statuses("users") and s.statuses("orders")),
    "status-incomplete": Effect(
        lambda s, p: s.statuses("users") == ["STARTED", "RUNNING", "INCOMPLETE"] and s.code == 0
    ),
    "bad-line": a_line_before_record(1, rb'"id": 1$'),
    "bad-line:3": a_line_before_record(3, rb'"id": 1$'),
    "noise-line:2": a_line_before_record(2, rb"^Downloading"),
    "unknown-type:2": a_line_before_record(2, rb"METRIC"),
    "utf-16:2": a_line_before_record(2, rb"^\xff\xfe\{\x00"),
    "half-a-message:2": a_line_before_record(2, rb'"record": \{"data"'),
    "undeclared-stream": Effect(
        lambda s, p: len(s.records("ghosts")) == 1 and s.code == 0 and not s.statuses("ghosts")
    ),
    "two-on-a-line:2": Effect(
        lambda s, p: (
            len(s.messages) == len(p.messages) - 1
            and len(s.stdout.splitlines()) == len(p.messages)
            and b'} {"type": "LOG"' in s.stdout
        )
    ),
    "garbage:50": Effect(
        lambda s, p: (
            unchanged(s, p) and len(s.stdout.split(b"\n")) == len(p.stdout.split(b"\n")) + 50
        )
    ),
    "empty-lines": Effect(
        lambda s, p: unchanged(s, p) and s.stdout.count(b"\n  \n{") == len(p.messages)
    ),
    "bom": Effect(lambda s, p: s.stdout.startswith(b"\xef\xbb\xbf{")),
    "crlf": Effect(
        lambda s, p: s.stdout.count(b"}\r\n") == s.stdout.count(b"\n") == len(p.messages)
    ),
    "mixed-ends": Effect(
        lambda s, p: unchanged(s, p) and s.stdout.count(b"\r\n") == len(p.messages) // 2
    ),
    "no-newline": Effect(lambda s, p: s.stdout.endswith(b"}") and unchanged(s, p)),
    "bad-utf8": payload(b'"\xff\xfe\xc3\x28"'),
    "lone-surrogate": payload(b'"\\ud800"'),
    "nan": payload(b"[NaN, Infinity, 1e400]"),
    "huge-number": payload(b"1e400"),
    "digits:70": payload(b"9" * 70),
    "nul": payload(b'"a \x00 b"'),
    "separators": payload('"a \u2028 b \u2029 c \x85 d"'.encode()),
    "many-fields:2": payload(b'{"field-0": 0, "field-1": 1}'),
    "dup-keys": payload(b'{"twice": 1, "twice": 2}'),
    "dup-keys:state": Effect(
        lambda s, p: s.stdout.count(b'{"twice": 1, "twice": 2, "type": "STATE"') == 9
    ),
    "dup-keys@spec": Effect(
        lambda s, p: s.stdout.startswith(b'{"twice": 1, "twice": 2, "type": "SPEC"'), "spec"
    ),
    "dup-keys@discover": Effect(
        lambda s, p: s.stdout.startswith(b'{"twice": 1, "twice": 2, "type": "CATALOG"'),
        "discover",
    ),
    "bigint": payload(b"[18446744073709551616, 1234567890123456789012345678901234567890]"),
    "deep:2000": payload(b"[" * 2000 + b"]" * 2000),
    "long-line:200000": payload(b'"%s"' % (b"x" * 200_000)),
    "bytes:1000000": Effect(
        lambda s, p: (
            1_000_000 < len(s.stdout) < 1_600_000
            and len({u["id"] for u in s.records("users")}) == len(s.records("users"))
            and sum(count(s.states("users"))) == len(s.records("users"))
        )
    ),
    "ansi": Effect(lambda s, p: s.code == 0 and s.stdout.count(rb"\u001b[31m") == 23),
    "html": Effect(lambda s, p: s.code == 0 and s.stdout.count(b"<script>") == 23),
    "hostile-names": Effect(
        lambda s, p: len(s.streams) == 20 and "../../outside" in s.streams, "discover"
    ),
    "control-config": Effect(
        lambda s, p: (
            s.of("CONTROL")[0]["connectorConfig"]["config"]["api_key"] != KEY and unchanged(s, p)
        )
    ),
    "secret-in-log": Effect(lambda s, p: KEY in s.of("LOG")[0]["message"]),
    "secret-in-stderr": Effect(lambda s, p: KEY.encode() in s.stderr and unchanged(s, p)),
    "stderr-flood:300000": Effect(lambda s, p: len(s.stderr) == 300_000 and unchanged(s, p)),
    "after-close": Effect(lambda s, p: unchanged(s, p) and s.code == 0),
    "exit-1": Effect(lambda s, p: s.code == 1 and unchanged(s, p) and not s.errors),
    "exit-137": Effect(lambda s, p: s.code == 137 and unchanged(s, p)),
    "exit-0-with-error-trace": Effect(
        lambda s, p: s.code == 0 and len(s.errors) == 1 and unchanged(s, p)
    ),
    "crash": Effect(
        lambda s, p: (
            s.code == 1
            and b"Traceback" in s.stderr
            and len(s.records("users")) == 3
            and not s.errors
        )
    ),
    "sigkill": Effect(lambda s, p: s.code == -signal.SIGKILL and len(s.records("users")) == 3),
    "segv": Effect(lambda s, p: s.code == -signal.SIGSEGV and len(s.records("users")) == 3),
}
#: Shown by tests of their own, below.
PROCESS_FLAGS = {
    "never-exits",
    "never-exits-ignoring-term",
    "ignore-term",
    "fork",
    "setsid",
    "hang",
    "oom",
    "direct-connect",
    "pin-tls",
    "interleave",
    "slow-drip",
    "no-trace-on-failure",
}


@pytest.fixture(scope="session")
def plain_runs() -> dict[str, Any]:
    """What is said without flags: run once for all flags of this worker."""
    return {}


@pytest.fixture
def plain_read(hostile, hostile_catalog) -> Any:
    """A read without flags."""
    return hostile.run("read", config=CONFIG, catalog=hostile_catalog)


@pytest.mark.parametrize("flag", EFFECTS)
def test_a_flag_does_what_its_row_says(hostile, hostile_catalog, plain_runs, flag) -> None:
    effect = EFFECTS[flag]
    files: dict[str, Any] = {} if effect.command == "spec" else {"config": effect.config}
    if effect.command == "read":
        files["catalog"] = hostile_catalog
    if effect.state:
        files["state"] = effect.state
    key = json.dumps([effect.command, files])
    if key not in plain_runs:
        plain_runs[key] = hostile.run(effect.command, **files)
    said = hostile.run(effect.command, env={"HOSTILE_FLAGS": flag}, **files)

    assert effect.shows(said, plain_runs[key])


def test_hostile_names_are_all_it_has_against_us(hostile, configured, judge_read) -> None:
    config = {**CONFIG, "flags": ["hostile-names"]}
    discovered = hostile.run("discover", config=config)

    judge_read(hostile.run("read", config=config, catalog=configured(discovered)), discovered)


def test_without_its_trace_a_failure_is_only_an_exit_code(hostile) -> None:
    config = {**CONFIG, "flags": ["no-trace-on-failure"]}
    catalog = {"streams": [{"stream": {"name": "unicorns"}, "sync_mode": "full_refresh"}]}
    said = hostile.run("read", config=config, catalog=catalog)

    assert (said.code, said.stdout) == (1, b"")
    assert said.stderr


def test_where_memory_ends_it_crashes_with_what_it_said_so_far(hostile, hostile_catalog) -> None:
    config = {**CONFIG, "flags": ["oom"]}
    hostile.argv = ["sh", "-c", 'ulimit -v 200000; exec "$0" "$@"', *hostile.argv]
    said = hostile.run("read", config=config, catalog=hostile_catalog)

    assert said.code == 1
    assert len(said.records("users")) == 3
    assert b"MemoryError" in said.stderr


# As a process: these need to be looked at while they run.


class Started(NamedTuple):
    """A connector that has said everything, and may still be there."""

    process: subprocess.Popen[bytes]
    lines: list[bytes]


@pytest.fixture
def started(hostile, hostile_catalog) -> Iterator[Callable[[str], Started]]:
    """Start a read and take its output up to the last stream's end."""
    processes = []

    def start(flags: str) -> Started:
        process = subprocess.Popen(
            hostile.command("read", config=CONFIG, catalog=hostile_catalog),
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "HOSTILE_FLAGS": flags},
            start_new_session=True,
        )
        processes.append(process)
        assert process.stdout is not None
        lines: list[bytes] = []
        while lines[-1:] == [] or not (b"countries" in lines[-1] and b"COMPLETE" in lines[-1]):
            lines.append(process.stdout.readline())
            assert lines[-1]
        return Started(process, lines)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_it_hangs_in_the_middle_until_it_is_told(hostile, hostile_catalog) -> None:
    process = subprocess.Popen(
        hostile.command("read", config={**CONFIG, "flags": ["hang"]}, catalog=hostile_catalog),
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(6)]
        assert b'"id": 3' in lines[-1]
        assert is_open(process)
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate()

    assert process.returncode == -signal.SIGTERM


class Listener:
    """A port of this machine that counts who connects, and says nothing."""

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(30)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return self

    def _listen(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            self.heard.append(connection.recv(65_536))

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._socket.close()


def test_a_direct_connection_passes_the_proxy_by(hostile, hostile_catalog, plain_read) -> None:
    with Listener() as there:
        config = {**CONFIG, "flags": [f"direct-connect:{there.address}"]}
        nobody = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        said = hostile.run("read", env=nobody, config=config, catalog=hostile_catalog)

    assert said.of("LOG")[0]["message"] == f"Direct connection to {there.address}: made"
    assert there.heard == [b""]
    assert unchanged(said, plain_read)


@pytest.mark.parametrize("has_proxy", [False, True], ids=["straight", "by the proxy"])
def test_who_pins_certificates_begins_tls_and_fails(
    hostile, hostile_catalog, plain_read, has_proxy
) -> None:
    with Listener() as there:
        host = "api.example:443" if has_proxy else there.address
        env = {"HTTPS_PROXY": f"http://{there.address}" if has_proxy else ""}
        config = {**CONFIG, "flags": [f"pin-tls:{host}"]}
        said = hostile.run("read", env=env, config=config, catalog=hostile_catalog)

    assert said.of("LOG")[0]["message"].startswith(f"TLS to {host}: failed")
    first = b"CONNECT api.example:443" if has_proxy else b"\x16\x03"
    assert there.heard[0].startswith(first)
    assert unchanged(said, plain_read)


def test_names_can_come_from_a_file(hostile, tmp_path) -> None:
    path = tmp_path / "names.json"
    path.write_text(json.dumps(["one", "\x00"]))
    said = hostile.run("discover", config={**CONFIG, "flags": [f"hostile-names:{path}"]})

    assert {*said.streams} == {"users", "orders", "countries", "one", "\x00"}


def is_open(process: subprocess.Popen[bytes]) -> bool:
    """Nothing to read and no end: somebody still holds the other side of the pipe."""
    assert process.stdout is not None
    return not select.select([process.stdout], [], [], 0)[0]


def ignored_signals(pid: int) -> set[int]:
    text = (PROC / str(pid) / "status").read_text()
    mask = int(text.partition("SigIgn:")[2].split()[0], 16)
    return {number for number in range(1, 32) if mask >> (number - 1) & 1}


def test_it_never_exits_until_it_is_told(started) -> None:
    process, _ = started("never-exits")

    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=30) == -signal.SIGTERM


@pytest.mark.skipif(not (PROC / "self").exists(), reason="needs a /proc")
@pytest.mark.parametrize("flags", ["never-exits-ignoring-term", "ignore-term,never-exits"])
def test_it_ignores_being_told(started, flags) -> None:
    process, _ = started(flags)

    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} <= ignored_signals(process.pid)


def test_ignoring_signals_alone_does_not_keep_it_from_ending(started) -> None:
    process, _ = started("ignore-term")

    assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("flag", ["fork", "setsid"])
def test_it_leaves_a_child_that_holds_the_pipe(started, flag) -> None:
    process, lines = started(flag)
    child = int(json.loads(lines[0])["log"]["message"].split()[-1])
    try:
        assert process.wait(timeout=30) == 0
        assert is_open(process)
        deadline = time.monotonic() + 30
        group = child if flag == "setsid" else process.pid
        while os.getpgid(child) != group and time.monotonic() < deadline:
            time.sleep(0.01)
        assert os.getpgid(child) == group
    finally:
        os.kill(child, signal.SIGKILL)

    assert process.stdout.read() == b""


@pytest.fixture
def written(hostile, hostile_catalog) -> Callable[[str], list[bytes]]:
    """Give each single write of a read, on stdout or stderr: a packet socket keeps them apart."""

    def run(flag: str) -> list[bytes]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                process = subprocess.Popen(
                    hostile.command("read", config=CONFIG, catalog=hostile_catalog),
                    stdout=theirs.fileno(),
                    stderr=theirs.fileno(),
                    env={**os.environ, "HOSTILE_FLAGS": flag},
                )
            packets = list(iter(lambda: ours.recv(65_536), b""))
            assert process.wait(timeout=30) == 0
        return packets

    return run


def test_slow_drip_writes_seven_bytes_at_a_time(written) -> None:
    packets = written("slow-drip:0")

    assert max(map(len, packets)) == 7
    assert all(json.loads(line) for line in b"".join(packets).splitlines())


def test_interleave_puts_stderr_between_the_halves_of_a_line(written) -> None:
    packets = written("interleave")

    assert all(packet.startswith(b"a line on stderr") for packet in packets[1::3])
    for first, second in zip(packets[0::3], packets[2::3], strict=True):
        assert json.loads(first + second)


# The list of flags


@pytest.fixture(scope="session")
def flags_of_the_program(connectors) -> set[str]:
    path = connectors / "source-hostile" / "source_hostile.py"
    hooks_of_stages = runpy.run_path(str(path), run_name="source_hostile")["HOOKS"]
    return {flag for hooks in hooks_of_stages.values() for flag in hooks}


def test_the_readme_has_a_row_for_each_flag_and_no_other(connectors, flags_of_the_program) -> None:
    text = (connectors / "source-hostile" / "README.md").read_text()
    tables = text[text.index("## Flags") :]
    rows = re.findall(r"^\| `([\w-]+)`(?: \(N\))? \|[^|]+\|[^|]+\|$", tables, re.MULTILINE)

    assert sorted(rows) == sorted(flags_of_the_program)


def test_each_flag_is_shown(flags_of_the_program) -> None:
    shown = {re.sub(r"^exit-\d+$", "exit-N", re.split("[:@]", flag)[0]) for flag in EFFECTS}

    assert shown | PROCESS_FLAGS == flags_of_the_program
