"""Which files of a folder make a connector, and the hash that tells one state from another."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydrotest_core.errors import ConnectorFolderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["NEVER_SENT", "SourceFile", "copy_files", "hash_files", "read_text", "source_files"]

# Never in an image or an environment: credentials, other tools' state, what we wrote.
NEVER_SENT = (
    ".env",
    ".git",
    ".hydrotest",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".venv*",
    "__pycache__",
    "*.pyc",
    "acceptance_tests_logs",
    "secrets",
)
# Beside a connector, but no part of it: a change here changes nothing that runs.
_BESIDE = (
    "*.egg-info",
    "acceptance-test-config.yml",
    "build",
    "dist",
    "hydrotest.yaml",
    "icon.svg",
    "integration_tests",
    "metadata.yaml",
    "unit_tests",
)
_MOST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that takes part: where it is, and what it is called inside the connector."""

    name: str
    path: Path
    is_executable: bool


def source_files(folder: Path) -> list[SourceFile]:
    """List the files that make the connector in `folder`, in the order of their names.

    Credentials, caches and what only tests it take no part, nor do linked folders.

    Raises:
        ConnectorFolderError: There is half a gigabyte or more, which no connector's
            sources have; a dump or an environment lies in the folder.
    """
    found = sorted(_walk(folder, folder), key=lambda file: file.name)
    if sum(file.path.stat().st_size for file in found) >= _MOST_BYTES:
        message = "The connector's folder holds too much to be its sources."
        largest = max(found, key=lambda file: file.path.stat().st_size)
        hint = "move data and environments out of the folder, or use a Dockerfile and .dockerignore"
        raise ConnectorFolderError(message, folder=folder, largest=largest.name, hint=hint)
    return found


def hash_files(files: Iterable[SourceFile]) -> str:
    """Return the SHA-256 of names, executable bits and contents, as hexadecimal digits.

    Raises:
        ConnectorFolderError: A file can't be read.
    """
    total = hashlib.sha256()
    for file in files:
        try:
            with file.path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as exc:
            raise _unreadable(file.path, exc) from exc
        total.update(f"{file.name}\0{int(file.is_executable)}\0{content}\n".encode())
    return total.hexdigest()


def copy_files(files: Iterable[SourceFile], target: Path) -> None:
    """Copy `files` under `target`, so that a build tool leaves nothing in the user's folder."""
    for file in files:
        copy = target / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, copy)
        copy.chmod(0o755 if file.is_executable else 0o644)


def read_text(path: Path) -> str:
    """Return the text of a file of the connector.

    Raises:
        ConnectorFolderError: It can't be read, or isn't UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: Path, exc: Exception) -> ConnectorFolderError:
    message = "A file of the connector can't be read."
    hint = "make it readable, and save text as UTF-8"
    return ConnectorFolderError(message, file=path, reason=exc, hint=hint)


def _walk(folder: Path, root: Path) -> Iterator[SourceFile]:
    # A package inside may well be called `build`; only at the top is it known to be none.
    patterns = (*NEVER_SENT, *_BESIDE) if folder == root else NEVER_SENT
    with os.scandir(folder) as entries:
        for entry in entries:
            if any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in patterns):
                continue
            path = Path(entry.path)
            # A linked folder may lead anywhere, also round in a circle.
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path, root)
            elif entry.is_file():
                yield SourceFile(
                    name=path.relative_to(root).as_posix(),
                    path=path,
                    is_executable=os.access(path, os.X_OK),
                )
