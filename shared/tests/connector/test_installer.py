from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hydrotest_core.connector import installer
from hydrotest_core.connector.heartbeat import Heartbeat
from hydrotest_core.connector.installer import Installer, find_interpreter, find_uv
from hydrotest_core.errors import BuildFailed


def test_the_running_python_is_taken_unless_another_is_wanted():
    running = f"{sys.version_info.major}.{sys.version_info.minor}"

    assert find_interpreter(None).executable == Path(sys.executable)
    assert find_interpreter(running) == find_interpreter(None)
    assert find_interpreter(None).tag.startswith(f"{sys.implementation.name}-{running}.")


def test_another_python_is_looked_for_by_its_name(tmp_path, monkeypatch):
    other = tmp_path / "python3.77"
    other.write_text("#!/bin/sh\necho cpython 3.77.1 linux-x86_64\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    found = find_interpreter("3.77")

    assert (found.executable, found.tag) == (other, "cpython-3.77.1-linux-x86_64")


def test_a_python_that_is_not_there_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr(installer, "find_uv", lambda: None)

    with pytest.raises(BuildFailed, match=r"wanted=3\.99") as caught:
        find_interpreter("3.99")

    assert "python` in hydrotest.yaml" in caught.value.hint


def test_uv_is_found_on_the_path_first(tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_uv() == str(uv)


@pytest.mark.parametrize("uv", [None, "uv"], ids=["pip", "uv"])
def test_the_name_says_what_installs(uv):
    assert Installer(uv).name == (uv or "pip")


def a_tool(tmp_path, body):
    """Return a program that stands in for uv."""
    tool = tmp_path / "uv"
    tool.write_text(f"#!/bin/sh\n{body}\n")
    tool.chmod(0o755)
    return str(tool)


def test_a_failing_tools_last_words_are_in_the_error(tmp_path):
    tool = a_tool(tmp_path, "for n in $(seq 30); do echo line $n >&2; done; exit 7")

    with pytest.raises(BuildFailed) as caught:
        Installer(tool).install(tmp_path / "env", ["x==1"], None, what="source-x", cwd=tmp_path)

    text = str(caught.value)
    assert "exit_code=7" in text
    assert "line 11\n" in text
    assert "line 30\n" in text
    assert "line 10\n" not in text


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("x requires a different Python: 3.13", "python:"),
        ("The virtual environment was not created as ensurepip is not available", "python3-venv"),
        ("error: Failed to fetch: dns error", "network"),
        ("No solution found", "UV_"),
    ],
    ids=["python", "ensurepip", "network", "other"],
)
def test_the_hint_fits_what_the_tool_said(tmp_path, said, hint):
    tool = a_tool(tmp_path, f"echo '{said}'; exit 1")

    with pytest.raises(BuildFailed) as caught:
        Installer(tool).make(tmp_path / "env", find_interpreter(None), what="source-x")

    assert hint in caught.value.hint


def test_what_leads_tools_astray_is_kept_from_them(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("UV_INDEX_URL", "https://index.example")
    tool = a_tool(tmp_path, 'echo "Installed [$VIRTUAL_ENV$PYTHONPATH] $UV_INDEX_URL"')
    told: list[str] = []

    Installer(tool, told.append).install(
        tmp_path / "env", ["x==1"], None, what="source-x", cwd=tmp_path
    )

    assert told == ["installing source-x: Installed [] https://index.example"]


def test_constraints_and_requirements_reach_the_tool(tmp_path):
    tool = a_tool(tmp_path, 'echo "Installed $*"')
    told: list[str] = []

    Installer(tool, told.append).install(
        tmp_path / "env", ["a==1", "b==2"], tmp_path / "c.txt", what="x", cwd=tmp_path
    )

    assert told[0].endswith(f"--constraint {tmp_path}/c.txt -- a==1 b==2")


def test_an_interrupted_tool_is_ended():
    heartbeat = Heartbeat("x", None)

    def interrupted(_text: str, *, is_milestone: bool) -> None:
        raise KeyboardInterrupt

    heartbeat.line = interrupted  # type: ignore[method-assign,assignment] # stands in for Ctrl-C
    sleeper = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]

    # It would hang here for ten minutes if the tool were waited for.
    with pytest.raises(KeyboardInterrupt):
        installer._follow(sleeper, heartbeat, Path.cwd())
