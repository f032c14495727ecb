"""No secret, and nothing a short secret could be found by, in a key, a name or a file (C6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hydrotest_core.connector.cache import ExecutionCache
from hydrotest_core.connector.execution import Command, ConnectorUnderTest, ExecutionInputs
from hydrotest_core.redaction import Redactor, SecretDict
from hydrotest_core.testing import Script, ScriptedRunner, a_record, a_state

SMALL = [a_record("users", id=1), a_state("users", {"id": 1})]
INPUTS = ExecutionInputs(
    connector=ConnectorUnderTest(name="source-x", version="dev", identity="env:1"),
    command=Command.READ,
    configured_catalog={"streams": []},
    output_dir=Path(),
    timeout_s=10,
)


def cache_in(home, lines=SMALL, session="one"):
    runner = ScriptedRunner({Command.READ: Script(lines)})
    return ExecutionCache(home, runner, session=session, accept_since_ms=0)


PINS = [f"{n:04}" for n in range(10_000)]


class TestSecrets:
    """A dictionary of all PINs against every name and every byte below the home."""

    SECRET = "7391"
    PLANTED = "tr0ub4dor&3/+=é"

    @pytest.fixture
    def home(self, tmp_path):
        config = SecretDict(pin=self.SECRET, api_key=self.PLANTED, nested=[{"pin": self.SECRET}])
        redactor = Redactor({"pin": self.SECRET, "api_key": self.PLANTED})
        inputs = replace(INPUTS, config=config, redactor=redactor, environment={"PIN": self.SECRET})
        lines = [*SMALL, {"type": "LOG", "log": {"level": "INFO", "message": self.PLANTED}}]
        for session in ("one", "two"):
            cache_in(tmp_path / "home", lines, session=session).run(inputs)
        return tmp_path / "home"

    @staticmethod
    def everything_in(home):
        places = list(home.rglob("*"))
        names = "\n".join(str(path.relative_to(home)) for path in places).encode()
        # The installation's own key is the one thing that must be random bytes.
        files = [path for path in places if path.is_file() and path != home / "key"]
        return b"\n".join([names, *(path.read_bytes() for path in files)])

    def test_are_in_no_name_and_no_file(self, home):
        found = self.everything_in(home)
        forms = [
            self.PLANTED,
            json.dumps(self.PLANTED)[1:-1],
            self.PLANTED.encode().hex(),
            base64.b64encode(self.PLANTED.encode()).decode(),
        ]

        assert [form for form in forms if form.encode() in found] == []

    @pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "blake2b"])
    def test_that_are_short_are_found_by_no_dictionary(self, home, algorithm):
        found = self.everything_in(home)
        digests = {
            pin: digest
            for pin in PINS[7000:7999]
            for text in shapes_of(pin, self.PLANTED)
            for digest in digests_of(algorithm, text)
            if digest in found
        }

        assert digests == {}

    def test_that_are_short_are_found_by_nobody_who_guesses_the_key(self, home):
        found = self.everything_in(home)
        keys = [b"", b"hydrotest", bytes(32), b"one", b"two", b"pin", b"source-x", b"env:1"]
        digests = {
            pin
            for pin in PINS[7000:7999]
            for text in shapes_of(pin, self.PLANTED)
            for key in keys
            if hmac.new(key, text, hashlib.sha256).hexdigest().encode() in found
        }

        assert digests == set()

    def test_of_two_installations_have_nothing_in_common(self, home, tmp_path):
        other = tmp_path / "other"
        shutil.copytree(home, other)
        (other / "key").unlink()
        shutil.rmtree(other / "executions")
        keys = [
            cache_in(place).run(replace(INPUTS, config=SecretDict(pin=self.SECRET))).key
            for place in (home, other)
        ]

        assert keys[0] != keys[1]

    def test_are_kept_by_a_key_that_only_its_owner_reads(self, home):
        assert (home / "key").stat().st_mode & 0o777 == 0o600
        assert len((home / "key").read_bytes()) == 32


def shapes_of(pin, other):
    """Yield what a careless tool would hash: the value, the config in its usual spellings."""
    config = {"pin": pin, "api_key": other, "nested": [{"pin": pin}]}
    yield pin.encode()
    yield json.dumps(pin).encode()
    yield f"PIN={pin}".encode()
    for sort_keys, separators, ascii_ in itertools.product(
        (True, False), ((",", ":"), (", ", ": ")), (True, False)
    ):
        yield json.dumps(
            config, sort_keys=sort_keys, separators=separators, ensure_ascii=ascii_
        ).encode()


def digests_of(algorithm, text):
    digest = hashlib.new(algorithm, text).digest()
    yield digest.hex().encode()
    yield base64.b64encode(digest)


def test_the_dictionary_finds_a_secret_that_was_hashed(tmp_path):
    (tmp_path / hashlib.sha256(b'{"pin":"7391"}').hexdigest()).touch()
    found = TestSecrets.everything_in(tmp_path)

    assert hashlib.sha256(b'{"pin":"7391"}').hexdigest().encode() in found
