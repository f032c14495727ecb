"""The files that go to an engine with a build: chosen by `.dockerignore`, packed as a tar."""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING

import docker.utils

from hydrotest_core.connector.dockerfile import BuildContext
from hydrotest_core.connector.sources import NEVER_SENT, SourceFile, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["folder_context", "packed"]

_SPOOL_BYTES = 16 * 1024 * 1024


def folder_context(folder: Path) -> BuildContext:
    """Return the context of a folder with a Dockerfile of its own.

    Its `.dockerignore` holds; credentials and caches are left out besides.
    """
    ignore = folder / ".dockerignore"
    lines = read_text(ignore).splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    patterns += [pattern for name in NEVER_SENT for pattern in (name, f"**/{name}")]
    names = sorted(docker.utils.exclude_paths(str(folder), patterns))
    files = (folder / name for name in names)
    return BuildContext(
        dockerfile=read_text(folder / "Dockerfile"),
        sources=tuple(
            SourceFile(
                name=path.relative_to(folder).as_posix(),
                path=path,
                is_executable=bool(path.stat().st_mode & 0o111),
            )
            for path in files
            if path.is_file()
        ),
    )


@contextlib.contextmanager
def packed(context: BuildContext) -> Iterator[IO[bytes]]:
    """Pack the context as a tar whose bytes depend on contents alone, so layers are found again."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        with tarfile.open(fileobj=spool, mode="w") as tar:
            generated = {**context.generated, "Dockerfile": context.dockerfile.encode()}
            for file in context.sources:
                name = f"{context.sources_at}/{file.name}" if context.sources_at else file.name
                if name in generated:
                    continue
                with file.path.open("rb") as stream:
                    size = file.path.stat().st_size
                    tar.addfile(_entry(name, size, is_executable=file.is_executable), stream)
            for name, content in generated.items():
                tar.addfile(_entry(name, len(content), is_executable=False), io.BytesIO(content))
        spool.seek(0)
        yield spool


def _entry(name: str, size: int, *, is_executable: bool) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o755 if is_executable else 0o644
    return entry
