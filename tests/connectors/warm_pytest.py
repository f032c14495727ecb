"""A pytest that is warm: all is imported once, and each session is a fork of this process.

`test_hostile_verdicts.py` starts a hundred sessions, of which nearly all the time went into
imports. A session still starts from nothing: what it does to its process ends with the fork.

Reads lines like `{"argv": [...], "folder": "...", "output": "..."}`, and answers each with
the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import sys
from typing import Any

import pytest

import hydrotest_acceptance
import hydrotest_core

NOT_NEEDED = {"docker", "testing", "cli", "suites"}


def warm_up() -> None:
    """Import what sessions import."""
    for package in (hydrotest_core, hydrotest_acceptance):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not NOT_NEEDED & set(re.split(r"[._]", module.name)):
                importlib.import_module(module.name)


def session(request: dict[str, Any]) -> int:
    """Run pytest in a fork, and return its exit code."""
    child = os.fork()
    if child == 0:
        os.chdir(request["folder"])
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        code = 70
        try:
            code = int(pytest.main(request["argv"]))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Serve until nobody asks any more."""
    warm_up()
    for line in sys.stdin:
        sys.stdout.write(f"{session(json.loads(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
