"""A declarative manifest, laid out so that the CDK's `source-declarative-manifest` runs it.

The CDK looks for `manifest.yaml` at one fixed place on the machine, or in the
Python package that its source class lives in. The layout below gives it that
package, in an image and on a developer's machine alike:

```
main.py                                      hands over to the CDK
source_declarative_manifest/__init__.py
source_declarative_manifest/manifest.yaml
source_declarative_manifest/components.py    where the connector has custom components
```
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING

from hydrotest_core.errors import ConnectorFolderError
from hydrotest_core.sealed import make_private_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["files_hash", "keep_manifest", "manifest_files"]

_PACKAGE = "source_declarative_manifest"
# The platform's own image copies the CDK's module into that package instead;
# saying where the class lives has the same effect with any version of the CDK.
_MAIN = f'''\
"""Run the manifest beside this file with the CDK's source-declarative-manifest."""

import sys

from airbyte_cdk.cli.{_PACKAGE} import _run

_run.SourceLocalYaml.__module__ = "{_PACKAGE}"

if __name__ == "__main__":
    _run.handle_local_manifest_command(sys.argv[1:])
'''


def manifest_files(sources: Path) -> Mapping[str, bytes]:
    """Lay out the manifest in `sources`: relative path -> content.

    Raises:
        ConnectorFolderError: There is no `manifest.yaml`.
    """
    manifest = sources / "manifest.yaml"
    if not manifest.is_file():
        message = "The connector's manifest isn't there."
        raise ConnectorFolderError(message, file=manifest, hint="add it, or mend `kind`")
    files = {
        "main.py": _MAIN.encode(),
        f"{_PACKAGE}/__init__.py": b"",
        f"{_PACKAGE}/manifest.yaml": manifest.read_bytes(),
    }
    components = sources / "components.py"
    if components.is_file():
        files[f"{_PACKAGE}/components.py"] = components.read_bytes()
    return files


def files_hash(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of names and contents, as hexadecimal digits."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return total.hexdigest()


def keep_manifest(files: Mapping[str, bytes], home: Path) -> Path:
    """Write the layout to `<home>/manifests/<hash>`, once, and return that folder.

    What runs is this copy, so editing the manifest never changes a run half-way.
    """
    target = make_private_dir(make_private_dir(home) / "manifests") / files_hash(files)[:32]
    if target.is_dir():
        return target
    draft = target.with_name(f".{target.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        for name, content in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            draft.rename(target)
        except OSError:
            # Another process was first; its copy has the same content.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target
