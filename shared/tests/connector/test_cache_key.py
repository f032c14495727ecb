from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hydrotest_core.connector import cache_key
from hydrotest_core.connector.cache_key import execution_key, installation_key
from hydrotest_core.connector.execution import (
    Command,
    ConnectorUnderTest,
    ExecutionInputs,
    Network,
)
from hydrotest_core.redaction import Redactor, SecretDict

SECRET = bytes(range(32))
CONNECTOR = ConnectorUnderTest(name="source-x", version="dev", identity="env:1", argv=("a", "b"))
INPUTS = ExecutionInputs(
    connector=CONNECTOR,
    command=Command.READ,
    config=SecretDict(start=1, api_key="s3cr3t-value"),
    configured_catalog={"streams": [{"stream": {"name": "users"}}, {"stream": {"name": "pets"}}]},
    state=[{"type": "STREAM"}, {"type": "GLOBAL"}],
    environment={"A": "1"},
    output_dir=Path("out"),
)


def key(inputs=INPUTS, runner="process", secret=SECRET):
    return execution_key(inputs, runner, secret)


def other_connector(**changes):
    return replace(INPUTS, connector=replace(CONNECTOR, **changes))


DETERMINANTS = {
    "a value of the config": replace(INPUTS, config=SecretDict(start=2, api_key="s3cr3t-value")),
    "the secret of the config": replace(INPUTS, config=SecretDict(start=1, api_key="other")),
    "a number that is text": replace(INPUTS, config=SecretDict(start="1", api_key="s3cr3t-value")),
    "a number that is true": replace(INPUTS, config=SecretDict(start=True, api_key="s3cr3t-value")),
    "an empty config": replace(INPUTS, config=SecretDict()),
    "no config": replace(INPUTS, config=None),
    "another catalog": replace(INPUTS, configured_catalog={"streams": []}),
    "an empty catalog": replace(INPUTS, configured_catalog={}),
    "no catalog": replace(INPUTS, configured_catalog=None),
    "the order of streams": replace(
        INPUTS,
        configured_catalog={
            "streams": [{"stream": {"name": "pets"}}, {"stream": {"name": "users"}}]
        },
    ),
    "the second state": replace(INPUTS, state=[{"type": "STREAM"}, {"type": "LEGACY"}]),
    "an empty state": replace(INPUTS, state=[]),
    "no state": replace(INPUTS, state=None),
    "a variable": replace(INPUTS, environment={"A": "2"}),
    "another variable": replace(INPUTS, environment={"A": "1", "B": ""}),
    "no variable": replace(INPUTS, environment={}),
    "the network": replace(INPUTS, network=Network.NONE),
    "the isolation": replace(INPUTS, isolation="relaxed"),
    "the attempt": replace(INPUTS, attempt=2),
    "the command": replace(INPUTS, command=Command.CHECK),
    "the identity": other_connector(identity="env:2"),
    "the program": other_connector(argv=("a", "c")),
    "where words end": other_connector(argv=("a b",)),
    "the program's own variables": other_connector(environment={"A": "1"}),
    "where it runs": other_connector(working_directory=Path("/here")),
}


@pytest.mark.parametrize("inputs", DETERMINANTS.values(), ids=DETERMINANTS)
def test_what_determines_an_execution_changes_its_key(inputs):
    assert key(inputs) != key()


def test_no_two_of_them_have_one_key():
    keys = [key(inputs) for inputs in DETERMINANTS.values()]

    assert len(set(keys)) == len(keys)


def test_the_runner_changes_the_key():
    assert key(runner="docker") != key(runner="process")


@pytest.mark.parametrize(
    "inputs",
    [
        replace(INPUTS, timeout_s=1.0),
        replace(INPUTS, output_dir=Path("elsewhere")),
        replace(INPUTS, redactor=Redactor({"a": "value-to-hide"})),
        replace(INPUTS, config=SecretDict(api_key="s3cr3t-value", start=1)),
        replace(INPUTS, state=tuple(INPUTS.state or ())),
        other_connector(version="7.2.0"),
    ],
    ids=["timeout", "output", "redactor", "order of keys", "tuple", "what it was asked for as"],
)
def test_what_does_not_determine_it_leaves_the_key(inputs):
    assert key(inputs) == key()


def test_a_key_is_64_hex_digits():
    assert len(bytes.fromhex(key())) == 32


def test_keys_of_two_installations_differ(tmp_path):
    one, two = installation_key(tmp_path / "one"), installation_key(tmp_path / "two")

    assert key(secret=one) != key(secret=two)


def test_a_short_secret_cannot_be_found_by_trying(tmp_path):
    pin = replace(INPUTS, config=SecretDict(pin="4711"))
    kept = key(pin, secret=installation_key(tmp_path))

    tried = {
        key(replace(INPUTS, config=SecretDict(pin=f"{n:04}")), secret=b"") for n in range(4800)
    }

    assert kept not in tried


def test_characters_that_are_no_text_have_a_key():
    assert key(replace(INPUTS, config=SecretDict(a="\ud800\x00é"))) != key()


class TestInstallationKey:
    def test_is_made_once(self, tmp_path):
        assert installation_key(tmp_path / "home") == installation_key(tmp_path / "home")
        assert len(installation_key(tmp_path / "home")) == 32

    def test_is_private(self, tmp_path):
        installation_key(tmp_path / "home")

        assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "home" / "key").stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("content", [b"", b"x", bytes(31), bytes(33)], ids=len)
    def test_that_cannot_be_one_is_put_aside(self, tmp_path, content, caplog):
        tmp_path.joinpath("key").write_bytes(content)

        found = installation_key(tmp_path)

        assert len(found) == 32
        assert found == installation_key(tmp_path)
        assert [path.read_bytes() for path in tmp_path.glob("key.damaged-*")] == [content]
        assert caplog.text.count("cache.key_replaced") == 1

    def test_that_is_a_folder_is_put_aside(self, tmp_path, caplog):
        tmp_path.joinpath("key").mkdir()

        assert installation_key(tmp_path) == installation_key(tmp_path)
        assert "cache.key_replaced" in caplog.text

    def test_that_is_a_dangling_link_is_put_aside(self, tmp_path):
        tmp_path.joinpath("key").symlink_to(tmp_path / "nowhere")

        assert installation_key(tmp_path) == installation_key(tmp_path)
        assert not tmp_path.joinpath("nowhere").exists()

    def test_that_a_full_disk_denies_is_an_error_and_leaves_nothing(self, tmp_path, monkeypatch):
        def full(path, data):
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr("hydrotest_core.connector.cache_key.atomic_write", full)
        with pytest.raises(OSError, match="No space left"):
            installation_key(tmp_path)
        monkeypatch.undo()

        assert len(installation_key(tmp_path)) == 32

    def test_that_somebody_made_meanwhile_is_taken(self, tmp_path, monkeypatch):
        theirs = installation_key(tmp_path)
        looks = []

        def read(path):
            looks.append(path)
            return theirs if len(looks) > 1 else None

        monkeypatch.setattr(cache_key, "_read_key", read)

        assert installation_key(tmp_path) == theirs
        assert list(tmp_path.glob("key.damaged-*")) == []

    def test_that_somebody_is_making_is_waited_for(self, tmp_path):
        theirs = bytes(32)
        found = []
        with (tmp_path / "key.lock").open("wb") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            waiter = threading.Thread(target=lambda: found.append(installation_key(tmp_path)))
            waiter.start()
            waiter.join(0.1)
            assert waiter.is_alive()
            (tmp_path / "key").write_bytes(theirs)
        waiter.join(30)

        assert found == [theirs]

    @pytest.mark.parametrize("content", [None, b"damaged"], ids=["missing", "damaged"])
    def test_is_the_same_for_processes_that_ask_at_once(self, tmp_path, content):
        if content is not None:
            tmp_path.joinpath("key").write_bytes(content)
        script = (
            "import sys, pathlib\n"
            "from hydrotest_core.connector.cache_key import installation_key\n"
            "sys.stdin.readline()\n"
            "print(installation_key(pathlib.Path(sys.argv[1])).hex())\n"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(tmp_path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = {process.communicate(timeout=60)[0] for process in processes}

        assert said == {f"{installation_key(tmp_path).hex()}\n"}


def test_the_key_holds_no_part_of_a_secret():
    secret = "s3cr3t-value"

    assert secret not in json.dumps(key())
    assert secret.encode().hex() not in key()
