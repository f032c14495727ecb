from __future__ import annotations

import tomllib
from pathlib import Path

import hydrotest_mock


def test_the_package_knows_its_version_and_promises_no_more():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

    assert hydrotest_mock.__version__ == project["version"]
    assert hydrotest_mock.__all__ == ["__version__"]
