"""A connector that says what it was told."""

from __future__ import annotations

import os
import sys


def main():
    print("tiny says", *sys.argv[1:], "as", os.getuid())  # noqa: T201 - all it does
