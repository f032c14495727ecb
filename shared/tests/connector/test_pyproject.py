from __future__ import annotations

import pytest

from hydrotest_core.connector.pyproject import (
    declared_dependencies,
    declared_scripts,
    declared_version,
)
from hydrotest_core.errors import ConnectorFolderError


def a_package(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    return tmp_path


def test_the_standard_tables_are_read(tmp_path):
    text = """
    [project]
    version = "1.0.0"
    dependencies = ["a>=1", "b[c]==2 ; python_version > '3'"]
    scripts = {source-x = "x:main", other = "x:other"}
    """
    folder = a_package(tmp_path, text)

    assert declared_version(folder) == "1.0.0"
    assert declared_scripts(folder) == ("source-x", "other")
    assert declared_dependencies(folder) == ("a>=1", "b[c]==2 ; python_version > '3'")


def test_poetrys_tables_are_read(tmp_path):
    text = """
    [tool.poetry]
    version = "0.1.0"
    scripts = {source-x = "x:run"}
    [tool.poetry.dependencies]
    python = "^3.10"
    a = "^6.61.6"
    b = {version = "~1.2", extras = ["c", "d"]}
    e = "*"
    """
    folder = a_package(tmp_path, text)

    assert declared_version(folder) == "0.1.0"
    assert declared_scripts(folder) == ("source-x",)
    assert declared_dependencies(folder) == ("a>=6.61.6,<7", "b[c,d]>=1.2,<1.3", "e")


@pytest.mark.parametrize(
    ("version", "specifier"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^1", ">=1,<2"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.3", "==1.2.3"),
        (">=1,<2", ">=1,<2"),
        (">= 1, < 2", ">= 1, < 2"),
        ("==1.*", "==1.*"),
        ("!=1.5", "!=1.5"),
        ("*", ""),
    ],
)
def test_poetrys_ranges_are_translated(tmp_path, version, specifier):
    text = f'[tool.poetry.dependencies]\na = "{version}"\n'

    assert declared_dependencies(a_package(tmp_path, text)) == (f"a{specifier}",)


@pytest.mark.parametrize(
    "text",
    [
        '[tool.poetry.dependencies]\na = "^1"\nb = {path = "../b"}\n',
        '[tool.poetry.dependencies]\na = "^1"\nb = "^1 || ^2"\n',
        '[tool.poetry.dependencies]\na = "1"\nb = ["1", "2"]\n',
        '[project]\ndynamic = ["dependencies"]\n',
        "[project]\nname = 'x'\n",
        "tool = 7\nproject = []\n",
        "",
    ],
    ids=["path", "alternatives", "list", "dynamic", "none", "of another kind", "empty"],
)
def test_what_can_not_be_told_is_left_to_the_installation(tmp_path, text):
    assert declared_dependencies(a_package(tmp_path, text)) == ()


def test_a_folder_without_pyproject_declares_nothing(tmp_path):
    assert declared_version(tmp_path) is None
    assert declared_scripts(tmp_path) == ()
    assert declared_dependencies(tmp_path) == ()


@pytest.mark.parametrize("content", [b"[project", b"\xff"], ids=["syntax", "encoding"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / "pyproject.toml").write_bytes(content)

    with pytest.raises(ConnectorFolderError, match=r"pyproject\.toml"):
        declared_version(tmp_path)
