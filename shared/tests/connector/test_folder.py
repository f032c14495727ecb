from __future__ import annotations

import pytest

from hydrotest_core.connector.folder import ConnectorFolder, ConnectorKind, find_connector
from hydrotest_core.errors import ConnectorFolderError, SettingsError


def a_folder(root, name="source-x", **files):
    folder = root / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file.replace("__", ".").replace("_", "-")).write_text(text)
    return folder


def settings(folder, text):
    (folder / "hydrotest.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"pyproject__toml": ""}, ConnectorKind.PYTHON),
        ({"setup__py": ""}, ConnectorKind.PYTHON),
        ({"manifest__yaml": "version: 1.0.0"}, ConnectorKind.MANIFEST),
        ({"manifest__yaml": "", "pyproject__toml": ""}, ConnectorKind.MANIFEST),
        ({"Dockerfile": "FROM scratch"}, ConnectorKind.IMAGE),
        ({"Dockerfile": "FROM scratch", "pyproject__toml": ""}, ConnectorKind.PYTHON),
        ({"hydrotest__yaml": "requirement: x==1"}, ConnectorKind.PYTHON),
        ({"hydrotest__yaml": "image: a/b:1"}, ConnectorKind.IMAGE),
        ({"hydrotest__yaml": "command: [sh, x.sh]"}, ConnectorKind.IMAGE),
        ({"hydrotest__yaml": "kind: image", "pyproject__toml": ""}, ConnectorKind.IMAGE),
        ({"acceptance_test_config__yml": "connector_image: a/b:dev"}, ConnectorKind.IMAGE),
        (
            {"metadata__yaml": "data: {dockerRepository: a/b, dockerImageTag: 1.0.0}"},
            ConnectorKind.IMAGE,
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else str(value),
)
def test_the_kind_is_told_from_the_files(tmp_path, files, kind):
    assert ConnectorFolder.load(a_folder(tmp_path, **files)).kind is kind


@pytest.mark.parametrize(
    ("files", "name", "image"),
    [
        ({}, "source-x", "airbyte/source-x"),
        ({"metadata__yaml": "data: {dockerRepository: org/source-y}"}, "source-y", "org/source-y"),
        (
            {"acceptance_test_config__yml": "connector_image: localhost:5000/source-z:dev"},
            "source-z",
            "localhost:5000/source-z:dev",
        ),
        (
            {
                "acceptance_test_config__yml": "connector_image: airbyte/other:dev",
                "metadata__yaml": "data: {dockerRepository: org/source-y}",
            },
            "source-y",
            "org/source-y",
        ),
        ({"hydrotest__yaml": "image: mine/source-w"}, "source-w", "mine/source-w"),
    ],
    ids=["folder", "metadata", "acceptance settings", "metadata first", "settings first"],
)
def test_the_name_and_the_image_come_from_the_nearest_source(tmp_path, files, name, image):
    found = ConnectorFolder.load(a_folder(tmp_path, pyproject__toml="", **files))

    assert (found.name, str(found.image)) == (name, image)


def test_a_folder_with_an_odd_name_has_an_image_name_all_the_same(tmp_path):
    found = ConnectorFolder.load(a_folder(tmp_path, "My Source (2)", pyproject__toml=""))

    assert (found.name, str(found.image)) == ("My Source (2)", "airbyte/my-source-2")


def test_all_mistakes_in_the_settings_are_told_at_once(tmp_path):
    folder = settings(a_folder(tmp_path), "requirment: x==1\npython: 3.10\n")

    with pytest.raises(SettingsError) as caught:
        ConnectorFolder.load(folder)

    text = str(caught.value)
    assert "hydrotest.yaml:1" in text
    assert "requirement" in text
    assert "hydrotest.yaml:2" in text


@pytest.mark.parametrize(
    "requirement", ["x", "x>=1", "x==1.*", "x==1,<2", "-r other.txt", "--index-url=http://h x==1"]
)
def test_a_requirement_that_is_not_pinned_is_refused(tmp_path, requirement):
    folder = settings(a_folder(tmp_path), f"requirement: {requirement!r}")

    with pytest.raises(ConnectorFolderError, match="isn't pinned") as caught:
        ConnectorFolder.load(folder)

    assert "name==1.2.3" in caught.value.hint


@pytest.mark.parametrize("requirement", ["x==1", "a.b-c[d,e] == 1.0.0rc1", "x @ file:///w/x.whl"])
def test_a_pinned_requirement_is_taken(tmp_path, requirement):
    folder = settings(a_folder(tmp_path), f"requirement: {requirement!r}")

    assert ConnectorFolder.load(folder).settings.requirement == requirement


def test_a_folder_that_says_nothing_is_refused_with_what_it_needs(tmp_path):
    folder = a_folder(tmp_path, README__md="# x")

    with pytest.raises(ConnectorFolderError, match="Nothing in this folder") as caught:
        ConnectorFolder.load(folder)

    assert "pyproject.toml" in caught.value.hint
    assert "Dockerfile" in caught.value.hint


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConnectorFolderError, match="no such connector folder"):
        ConnectorFolder.load(tmp_path / "missing")


@pytest.mark.parametrize("text", ["{}\n", "", "# Only a comment.\n"])
def test_empty_settings_say_nothing(tmp_path, text):
    folder = settings(a_folder(tmp_path, pyproject__toml=""), text)

    assert ConnectorFolder.load(folder).settings.versions == {}


class TestFindConnector:
    def test_a_name_is_looked_for_in_the_roots_in_their_order(self, tmp_path):
        a_folder(tmp_path / "one", "source-a", pyproject__toml="")
        a_folder(tmp_path / "two", "source-a", pyproject__toml="")
        a_folder(tmp_path / "two", "source-b", pyproject__toml="")
        roots = [tmp_path / "one", tmp_path / "two"]

        assert find_connector("source-a", roots).path == tmp_path / "one" / "source-a"
        assert find_connector("source-b", roots).path == tmp_path / "two" / "source-b"

    def test_by_default_connectors_and_the_working_directory_are_roots(self, tmp_path, monkeypatch):
        a_folder(tmp_path / "connectors", "source-a", pyproject__toml="")
        a_folder(tmp_path, "source-b", pyproject__toml="")
        monkeypatch.chdir(tmp_path)

        assert find_connector("source-a").path == tmp_path / "connectors" / "source-a"
        assert find_connector("source-b").path == tmp_path / "source-b"

    @pytest.mark.parametrize("way", ["absolute", "relative", "dot", "path object"])
    def test_a_path_is_taken_as_it_is(self, tmp_path, monkeypatch, way):
        folder = a_folder(tmp_path, "source-a", pyproject__toml="")
        monkeypatch.chdir(folder if way == "dot" else tmp_path)
        given = {
            "absolute": str(folder),
            "relative": "./source-a/",
            "dot": ".",
            "path object": folder,
        }[way]

        assert find_connector(given, []).path == folder

    def test_a_folder_that_is_no_connector_does_not_hide_one(self, tmp_path):
        (tmp_path / "one" / "source-a").mkdir(parents=True)
        a_folder(tmp_path / "two", "source-a", pyproject__toml="")

        found = find_connector("source-a", [tmp_path / "one", tmp_path / "two"])

        assert found.path == tmp_path / "two" / "source-a"

    def test_an_unknown_name_brings_the_nearest(self, tmp_path):
        for name in ("source-faker", "source-pokeapi", "destination-x"):
            a_folder(tmp_path, name, pyproject__toml="")
        (tmp_path / "source-fake").mkdir()

        with pytest.raises(ConnectorFolderError, match="No connector of that name") as caught:
            find_connector("source-fakr", [tmp_path, tmp_path / "missing"])

        assert caught.value.hint.startswith("did you mean source-faker")
        assert "source-fake," not in caught.value.hint

    def test_an_unknown_name_where_none_is_asks_for_a_path(self, tmp_path):
        with pytest.raises(ConnectorFolderError) as caught:
            find_connector("source-x", [tmp_path])

        assert "path" in caught.value.hint
