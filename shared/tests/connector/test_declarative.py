from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hydrotest_core.connector.declarative import files_hash, keep_manifest, manifest_files
from hydrotest_core.errors import ConnectorFolderError

# What the CDK's module does with the manifest, in a few lines.
_CDK = """
import pkgutil, sys

class SourceLocalYaml:
    pass

def handle_local_manifest_command(args):
    package = SourceLocalYaml.__module__.split(".")[0]
    print(args, pkgutil.get_data(package, "manifest.yaml").decode())
"""


def a_manifest(folder, text="version: 1.0.0", components=None):
    folder.mkdir(exist_ok=True)
    (folder / "manifest.yaml").write_text(text)
    if components is not None:
        (folder / "components.py").write_text(components)
    return folder


def test_the_layout_has_the_manifest_in_the_package_the_cdk_looks_into(tmp_path):
    files = manifest_files(a_manifest(tmp_path, "version: 2.0.0"))

    assert sorted(files) == [
        "main.py",
        "source_declarative_manifest/__init__.py",
        "source_declarative_manifest/manifest.yaml",
    ]
    assert files["source_declarative_manifest/manifest.yaml"] == b"version: 2.0.0"


def test_custom_components_come_along(tmp_path):
    files = manifest_files(a_manifest(tmp_path, components="class A: ..."))

    assert files["source_declarative_manifest/components.py"] == b"class A: ..."


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(ConnectorFolderError, match="manifest isn't there"):
        manifest_files(tmp_path)


def test_the_program_hands_its_arguments_and_the_manifest_to_the_cdk(tmp_path):
    package = tmp_path / "site" / "airbyte_cdk" / "cli" / "source_declarative_manifest"
    package.mkdir(parents=True)
    (package / "_run.py").write_text(_CDK)
    code = keep_manifest(manifest_files(a_manifest(tmp_path / "x")), tmp_path / "home")

    said = subprocess.run(
        [sys.executable, str(code / "main.py"), "spec"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == "['spec'] version: 1.0.0\n"


def test_a_manifest_is_kept_once_by_what_it_says(tmp_path):
    home = tmp_path / "home"
    first = keep_manifest(manifest_files(a_manifest(tmp_path / "x")), home)
    same = keep_manifest(manifest_files(a_manifest(tmp_path / "y")), home)
    other = keep_manifest(manifest_files(a_manifest(tmp_path / "x", "version: 2.0.0")), home)

    assert first == same
    assert first != other
    assert sorted(path.name for path in (home / "manifests").iterdir()) == sorted(
        [first.name, other.name]
    )


def test_names_and_contents_both_count():
    hashes = {
        files_hash({"a": b"1", "b": b"2"}),
        files_hash({"a": b"2", "b": b"1"}),
        files_hash({"a": b"1", "c": b"2"}),
        files_hash({"a": b"1"}),
    }

    assert len(hashes) == 4
    assert files_hash({"b": b"2", "a": b"1"}) in hashes
