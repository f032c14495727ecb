from __future__ import annotations

import os

import pytest

from hydrotest_core.connector import sources
from hydrotest_core.connector.sources import copy_files, hash_files, read_text, source_files
from hydrotest_core.errors import ConnectorFolderError


def a_file(folder, name, content="x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def names(folder):
    return [file.name for file in source_files(folder)]


def test_what_makes_the_connector_takes_part_and_nothing_else(tmp_path):
    kept = ["main.py", "pyproject.toml", "source_x/build/step.py", "source_x/spec.json"]
    left_out = [
        ".env",
        ".git/config",
        ".venv-dev/bin/python",
        "acceptance-test-config.yml",
        "acceptance_tests_logs/a.txt",
        "build/lib/x.py",
        "hydrotest.yaml",
        "integration_tests/config.json",
        "secrets/config.json",
        "source_x/__pycache__/a.cpython-311.pyc",
        "source_x/secrets/key",
        "unit_tests/test_a.py",
        "x.egg-info/PKG-INFO",
    ]
    for name in kept + left_out:
        a_file(tmp_path, name)

    assert names(tmp_path) == kept


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path):
    a_file(tmp_path / "elsewhere", "shared.py")
    folder = tmp_path / "source-x"
    folder.mkdir()
    (folder / "shared.py").symlink_to(tmp_path / "elsewhere" / "shared.py")
    (folder / "loop").symlink_to(tmp_path)
    (folder / "broken").symlink_to(tmp_path / "missing")

    assert names(folder) == ["shared.py"]


@pytest.mark.parametrize("change", ["content", "name", "executable", "second file"])
def test_each_change_that_matters_changes_the_hash(tmp_path, change):
    first, second = a_file(tmp_path, "a.py"), a_file(tmp_path, "b.py")
    before = hash_files(source_files(tmp_path))
    if change == "content":
        first.write_text("y")
    elif change == "name":
        first.rename(tmp_path / "c.py")
    elif change == "executable":
        first.chmod(0o755)
    else:
        second.write_text("y")

    assert hash_files(source_files(tmp_path)) != before


def test_time_and_place_do_not_change_the_hash(tmp_path):
    first = a_file(tmp_path / "one", "a.py")
    a_file(tmp_path / "two", "a.py")
    os.utime(first, (1, 1))

    both = [hash_files(source_files(tmp_path / name)) for name in ("one", "two")]

    assert both[0] == both[1]


def test_a_copy_has_the_same_hash(tmp_path):
    a_file(tmp_path / "one", "pkg/a.py")
    a_file(tmp_path / "one", "run.sh").chmod(0o755)
    files = source_files(tmp_path / "one")

    copy_files(files, tmp_path / "two")

    assert hash_files(source_files(tmp_path / "two")) == hash_files(files)


def test_a_folder_with_a_dump_in_it_is_refused_with_the_dumps_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_MOST_BYTES", 100)
    a_file(tmp_path, "a.py", "x" * 10)
    a_file(tmp_path, "dump.sql", "x" * 90)

    with pytest.raises(ConnectorFolderError, match=r"largest=dump\.sql"):
        source_files(tmp_path)


def test_a_file_that_vanishes_is_named(tmp_path):
    path = a_file(tmp_path, "a.py")
    files = source_files(tmp_path)
    path.unlink()

    with pytest.raises(ConnectorFolderError, match=r"a\.py"):
        hash_files(files)


def test_text_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "constraints.txt"
    path.write_bytes(b"a==1\xff")

    with pytest.raises(ConnectorFolderError, match=r"constraints\.txt"):
        read_text(path)
