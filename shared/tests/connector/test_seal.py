from __future__ import annotations

import os
import shutil

import pytest

from hydrotest_core.connector.execution import Command, ConnectorUnderTest, ExecutionInputs
from hydrotest_core.connector.seal import (
    SEAL_FILE,
    fingerprint,
    is_as_sealed,
    read_manifest,
    seal,
)
from hydrotest_core.testing import Script, ScriptedRunner, a_record, a_state

KEY = "1f" * 32


@pytest.fixture
def entry(tmp_path):
    """A sealed folder with logs, two streams' records and a state."""
    folder = tmp_path / "entry"
    folder.mkdir()
    lines = [a_record("users", id=1), a_record("pets", id=1), a_state("users", {"id": 1})]
    connector = ConnectorUnderTest(name="source-x", version="dev", identity="script")
    inputs = ExecutionInputs(connector=connector, command=Command.SPEC, output_dir=folder)
    ScriptedRunner({Command.SPEC: Script(lines, stderr="fine\n")}).run(inputs)
    seal(folder, KEY)
    return folder


def is_whole(folder):
    return read_manifest(folder, KEY) is not None and is_as_sealed(folder)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_sealed_is_whole(entry):
    assert is_whole(entry)
    assert read_manifest(entry, KEY).message_counts == {"RECORD": 2, "STATE": 1}


def test_the_seal_is_private(entry):
    assert (entry / SEAL_FILE).stat().st_mode & 0o777 == 0o600


def test_another_ones_folder_is_not_whole(entry):
    assert read_manifest(entry, "2e" * 32) is None


def test_a_folder_that_moved_is_whole(entry, tmp_path):
    assert is_whole(entry.rename(tmp_path / "elsewhere"))


@pytest.mark.parametrize("change", ["flip", "cut"])
def test_no_byte_of_any_file_can_change(entry, change):
    found = []
    for path in files_of(entry):
        data = path.read_bytes()
        for place in range(len(data)):
            torn = bytearray(data)
            torn[place] ^= 1 << (place % 8)
            path.write_bytes(bytes(torn) if change == "flip" else data[:place])
            if is_whole(entry):
                found.append((path.name, place))
        path.write_bytes(data)

    assert found == []
    assert is_whole(entry)


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def make_folder(path):
    path.unlink()
    path.mkdir()


def make_link(path):
    copy = path.rename(path.parent.parent / "copy")
    path.symlink_to(copy)


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def grow(path):
    with path.open("ab") as file:
        file.write(b"\n")


@pytest.mark.parametrize("damage", [empty, remove, make_folder, make_link, make_pipe])
@pytest.mark.parametrize("name", [SEAL_FILE, "manifest.json", "stderr.log", "records/001.jsonl"])
def test_no_file_can_be_something_else(entry, name, damage):
    damage(entry / name)

    assert not is_whole(entry)


@pytest.mark.parametrize("name", ["manifest.json", "stderr.log", "records/001.jsonl"])
def test_no_file_can_grow(entry, name):
    grow(entry / name)

    assert not is_whole(entry)


def test_no_file_can_be_added(entry):
    (entry / "messages" / "controls.jsonl").write_text("{}\n")

    assert not is_whole(entry)


def test_an_empty_folder_says_nothing(entry):
    (entry / "spare").mkdir()

    assert is_whole(entry)


@pytest.mark.parametrize(
    "content",
    [
        b"null",
        b"[]",
        b"{}",
        b'{"key": 1, "files": {}}',
        b'{"key": "KEY", "files": {"manifest.json": [1]}}',
        b'{"key": "KEY", "files": {"../../x": [1, 2], "\\u0000": [1, 2]}}',
        b'{"x": ' + b"[" * 100_000 + b"}",
        b"\xff",
    ],
    ids=["null", "list", "empty", "key", "short pair", "paths", "deep", "no UTF-8"],
)
def test_a_seal_that_is_nonsense_is_no_seal(entry, content):
    (entry / SEAL_FILE).write_bytes(content.replace(b"KEY", KEY.encode()))

    assert read_manifest(entry, KEY) is None
    assert not is_as_sealed(entry)


def test_a_folder_that_is_gone_is_not_whole(entry):
    shutil.rmtree(entry)

    assert read_manifest(entry, KEY) is None
    assert not is_as_sealed(entry)


class TestFingerprint:
    def test_stays_while_nobody_writes(self, entry):
        before = fingerprint(entry)
        is_as_sealed(entry)

        assert fingerprint(entry) == before

    @pytest.mark.parametrize("damage", [empty, remove, make_folder, make_link, grow])
    @pytest.mark.parametrize("name", ["stderr.log", "records/001.jsonl"])
    def test_differs_after_somebody_wrote(self, entry, name, damage):
        before = fingerprint(entry)
        damage(entry / name)

        assert fingerprint(entry) != before

    def test_differs_after_a_write_of_the_same_size(self, entry):
        path = entry / "stderr.log"
        before = fingerprint(entry)
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(0, 1))

        assert fingerprint(entry) != before
