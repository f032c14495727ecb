from __future__ import annotations

import tarfile

import pytest

from hydrotest_core.connector.dockerfile import BuildContext
from hydrotest_core.connector.sources import SourceFile
from hydrotest_core.errors import ConnectorFolderError

docker_context = pytest.importorskip("hydrotest_core.connector.docker_context")


def a_folder(tmp_path, *names, ignore=None):
    for name in ("Dockerfile", *names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")
    if ignore is not None:
        (tmp_path / ".dockerignore").write_text(ignore)
    return tmp_path


def names(context):
    return [file.name for file in context.sources]


def test_all_of_the_folder_goes_along_but_credentials_and_caches(tmp_path):
    folder = a_folder(
        tmp_path,
        "src/main.c",
        "integration_tests/data.csv",
        "secrets/config.json",
        "src/secrets/key",
        ".git/config",
        "src/__pycache__/x.pyc",
        ".venv/bin/python",
    )

    context = docker_context.folder_context(folder)

    assert names(context) == ["Dockerfile", "integration_tests/data.csv", "src/main.c"]
    assert context.dockerfile == "# Dockerfile"


def test_dockerignore_holds(tmp_path):
    folder = a_folder(
        tmp_path, "a.txt", "b.txt", "c/d.log", "secrets/x", ignore="# no\n*.txt\n!b.txt\n**/*.log\n"
    )

    assert names(docker_context.folder_context(folder)) == [".dockerignore", "Dockerfile", "b.txt"]


def test_dockerignore_can_not_bring_credentials_back(tmp_path):
    folder = a_folder(tmp_path, "secrets/config.json", ignore="!secrets\n!secrets/config.json\n")

    assert "secrets/config.json" not in names(docker_context.folder_context(folder))


def test_a_dockerfile_that_is_no_text_is_named(tmp_path):
    (tmp_path / "Dockerfile").write_bytes(b"\xff")

    with pytest.raises(ConnectorFolderError, match="Dockerfile"):
        docker_context.folder_context(tmp_path)


def test_the_packed_files_depend_on_contents_alone(tmp_path):
    script = tmp_path / "run.sh"
    script.write_text("echo")
    context = BuildContext(
        dockerfile="FROM scratch",
        generated={"constraints.txt": b"a==1"},
        sources=(SourceFile(name="run.sh", path=script, is_executable=True),),
        sources_at="code",
    )

    with docker_context.packed(context) as spool, tarfile.open(fileobj=spool) as tar:
        entries = {entry.name: (entry.mode, entry.mtime, entry.uid) for entry in tar}
        dockerfile = tar.extractfile("Dockerfile")
        assert dockerfile is not None
        text = dockerfile.read()

    assert entries == {
        "Dockerfile": (0o644, 0, 0),
        "constraints.txt": (0o644, 0, 0),
        "code/run.sh": (0o755, 0, 0),
    }
    assert text == b"FROM scratch"


def test_a_folders_own_dockerfile_is_packed_once(tmp_path):
    context = docker_context.folder_context(a_folder(tmp_path, "a.txt"))

    with docker_context.packed(context) as spool, tarfile.open(fileobj=spool) as tar:
        found = sorted(tar.getnames())

    assert found == ["Dockerfile", "a.txt"]
