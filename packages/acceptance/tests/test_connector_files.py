from __future__ import annotations

import json
import os
import time

import msgspec
import pytest

from hydrotest_acceptance.connector_files import ConnectorFiles, configured, in_sync_mode
from hydrotest_core.errors import UsageError
from hydrotest_core.protocol import AirbyteCatalog, ConfiguredAirbyteCatalog
from hydrotest_core.redaction import SecretDict
from hydrotest_core.testing import a_stream


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file below the base folder; what is no text, as JSON."""

    def make(path, content):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return make


@pytest.fixture
def files(tmp_path):
    return ConnectorFiles(tmp_path)


def discovered(*streams):
    return msgspec.convert({"streams": list(streams)}, AirbyteCatalog)


def entry(name, **more):
    stream = {"name": name, "json_schema": {}}
    if "namespace" in more:
        stream["namespace"] = more.pop("namespace")
    return {
        "stream": stream,
        "sync_mode": "full_refresh",
        "destination_sync_mode": "append",
        **more,
    }


def test_its_text_names_the_folder(files, tmp_path):
    assert str(tmp_path) in repr(files)


READS = {
    "config": lambda files, path: files.config(path),
    "expected spec": lambda files, path: files.expected_spec(path),
    "state": lambda files, path: files.state(path),
    "configured catalog": lambda files, path: files.configured_catalog(path, discovered()),
}


class TestEveryFile:
    @pytest.mark.parametrize("what", ["config", "state", "configured catalog"])
    def test_that_is_missing_is_named(self, files, what):
        with pytest.raises(UsageError) as caught:
            READS[what](files, "no/such.json")

        assert f"The {what} file isn't there" in str(caught.value)
        assert "no/such.json" in str(caught.value)
        assert caught.value.hint

    @pytest.mark.parametrize("what", READS)
    @pytest.mark.parametrize("content", ["{not json", "", "\x00"], ids=["no JSON", "empty", "NUL"])
    def test_that_is_no_json_says_where(self, files, write, what, content):
        write("a.json", content)

        with pytest.raises(UsageError, match=r"a\.json:1:"):
            READS[what](files, "a.json")

    @pytest.mark.parametrize("what", READS)
    @pytest.mark.parametrize("content", ["5", '"text"', "null", "true"])
    def test_that_holds_something_else_says_so(self, files, write, what, content):
        write("a.json", content)

        with pytest.raises(UsageError, match="something else than an object") as caught:
            READS[what](files, "a.json")

        assert "a.json" in str(caught.value.facts["file"])
        assert caught.value.hint

    @pytest.mark.parametrize("what", READS)
    def test_that_is_a_folder_is_an_error(self, files, tmp_path, what):
        (tmp_path / "a.json").mkdir()

        with pytest.raises(UsageError, match=r"a\.json"):
            READS[what](files, "a.json")


class TestConfig:
    def test_is_read_and_hidden(self, files, write):
        write("secrets/config.json", {"api_key": "s3cr3t-value"})

        config = files.config("secrets/config.json")

        assert isinstance(config, SecretDict)
        assert config == {"api_key": "s3cr3t-value"}
        assert "s3cr3t-value" not in repr(config)

    def test_may_be_empty(self, files, write):
        write("config.json", {})

        assert files.config("config.json") == {}

    def test_that_is_a_list_is_refused(self, files, write):
        write("config.json", [])

        with pytest.raises(UsageError, match="something else than an object"):
            files.config("config.json")

    def test_that_is_broken_shows_nothing_of_its_content(self, files, write):
        write("config.json", '{"api_key": "s3cr3t-value",}')

        with pytest.raises(UsageError) as caught:
            files.config("config.json")

        assert "s3cr3t" not in str(caught.value)

    def update(self, write, path, n, seconds=0.0):
        """Write an update; its time of change is when it was written, whatever its name says."""
        time.sleep(seconds)
        return write(path, {"n": n})

    def test_the_newest_update_is_taken(self, files, write):
        write("secrets/config.json", {"n": 0})
        self.update(write, "secrets/updated_configurations/config|9.json", 1)
        self.update(write, "secrets/updated_configurations/config|1.json", 2, 0.02)

        assert files.config("secrets/config.json") == {"n": 2}

    def test_the_newest_is_the_one_that_changed_last(self, files, write):
        write("config.json", {"n": 0})
        first = self.update(write, "updated_configurations/config|1.json", 1)
        self.update(write, "updated_configurations/config|2.json", 2, 0.02)
        time.sleep(0.02)
        os.utime(first, (1, 1))

        assert files.config("config.json") == {"n": 1}

    @pytest.mark.parametrize(
        "name",
        ["config.json", "config2|1.json", "other|1.json", "config|1.yaml", "config|1.json.part"],
    )
    def test_what_is_no_update_of_it_is_left_alone(self, files, write, name):
        write("config.json", {"n": 0})
        write(f"updated_configurations/{name}", {"n": 1})

        assert files.config("config.json") == {"n": 0}

    @pytest.mark.parametrize("name", ["config[1]", "con*fig", "c?"])
    def test_a_name_with_wildcards_means_itself(self, files, write, name):
        write(f"{name}.json", {"n": 0})
        write("updated_configurations/config1|1.json", {"n": 1})
        assert files.config(f"{name}.json") == {"n": 0}

        write(f"updated_configurations/{name}|1.json", {"n": 2})

        assert files.config(f"{name}.json") == {"n": 2}

    def test_links_and_folders_are_no_updates(self, files, write, tmp_path):
        write("config.json", {"n": 0})
        write("elsewhere", {"n": 1})
        (tmp_path / "updated_configurations" / "config|2.json").mkdir(parents=True)
        (tmp_path / "updated_configurations" / "config|1.json").symlink_to(tmp_path / "elsewhere")

        assert files.config("config.json") == {"n": 0}

    def test_a_link_in_the_place_of_their_folder_leads_to_none(self, files, write, tmp_path):
        write("config.json", {"n": 0})
        write("elsewhere/config|1.json", {"n": 1})
        (tmp_path / "updated_configurations").symlink_to(tmp_path / "elsewhere")

        assert files.config("config.json") == {"n": 0}

    def test_an_update_that_is_broken_is_named(self, files, write):
        write("config.json", {})
        write("updated_configurations/config|1.json", "{")

        with pytest.raises(UsageError, match=r"config\|1\.json"):
            files.config("config.json")

    def test_an_update_is_enough(self, files, write):
        write("updated_configurations/config|1.json", {"n": 1})

        assert files.config("config.json") == {"n": 1}


SPEC = {"connectionSpecification": {"type": "object"}}


class TestExpectedSpec:
    def test_that_is_missing_is_none(self, files):
        assert files.expected_spec("spec.json") is None

    def test_is_read_as_json(self, files, write):
        write("spec.json", SPEC)

        assert files.expected_spec("spec.json") == SPEC

    @pytest.mark.parametrize("name", ["spec.yaml", "spec.yml"])
    def test_is_read_as_yaml(self, files, write, name):
        write(name, "connectionSpecification:\n  type: object\n")

        assert files.expected_spec(name) == SPEC

    def test_that_is_broken_yaml_says_where(self, files, write):
        write("spec.yaml", "a: 1\n\tb: 2\n")

        with pytest.raises(UsageError, match=r"spec\.yaml:2"):
            files.expected_spec("spec.yaml")

    @pytest.mark.parametrize("name", ["manifest.yaml", "manifest.yml"])
    def test_of_a_manifest_stands_under_spec(self, files, write, name):
        text = (
            "version: 1.0.0\nspec:\n  type: Spec\n  connection_specification:\n    type: object\n"
        )
        write(f"source/{name}", text + "  documentation_url: https://x\n")

        assert files.expected_spec(f"source/{name}") == {**SPEC, "documentationUrl": "https://x"}

    @pytest.mark.parametrize("text", ["version: 1.0.0\n", "spec:\n", "spec: {}\n"])
    def test_of_a_manifest_without_one_is_empty(self, files, write, text):
        write("manifest.yaml", text)

        assert files.expected_spec("manifest.yaml") == {}

    def test_of_a_manifest_that_is_a_list_is_refused(self, files, write):
        write("manifest.yaml", "spec: [1]\n")

        with pytest.raises(UsageError, match="something else than an object"):
            files.expected_spec("manifest.yaml")


class TestState:
    def test_is_a_list(self, files, write):
        write("state.json", [{"type": "STREAM"}, {"type": "GLOBAL"}])

        assert files.state("state.json") == [{"type": "STREAM"}, {"type": "GLOBAL"}]

    def test_may_be_empty(self, files, write):
        write("state.json", [])

        assert files.state("state.json") == []

    def test_that_is_one_message_is_a_list_of_it(self, files, write):
        write("state.json", {"users": {"id": 1}})

        assert files.state("state.json") == [{"users": {"id": 1}}]


USERS = a_stream(
    "users",
    {"id": {"type": "integer"}},
    sync_modes=("incremental", "full_refresh"),
    default_cursor_field=["at"],
    source_defined_primary_key=[["id"]],
)
PETS = a_stream("pets")


class TestConfiguredCatalog:
    def test_without_a_file_is_all_that_was_discovered(self, files):
        streams = files.configured_catalog(None, discovered(USERS, PETS))

        assert [one["stream"]["name"] for one in streams] == ["users", "pets"]
        assert len(msgspec.convert({"streams": streams}, ConfiguredAirbyteCatalog).streams) == 2

    def test_without_a_file_some_may_be_left_out(self, files):
        streams = files.configured_catalog(None, discovered(USERS, PETS), without=["users", "x"])

        assert [one["stream"]["name"] for one in streams] == ["pets"]

    def test_of_a_file_has_what_the_file_chose_and_what_was_discovered(self, files, write):
        chosen = {"sync_mode": "incremental", "cursor_field": ["id"], "primary_key": [["at"]]}
        write("catalog.json", {"streams": [entry("users", **chosen), entry("pets")]})

        users, pets = files.configured_catalog("catalog.json", discovered(PETS, USERS))

        assert {key: users[key] for key in chosen} == chosen
        assert users["stream"] == configured(discovered(USERS).streams[0])["stream"]
        assert pets["stream"]["json_schema"] == PETS["json_schema"]

    def test_of_a_file_takes_the_discovered_keys_where_it_has_none(self, files, write):
        write("catalog.json", {"streams": [entry("users", cursor_field=None)]})

        (users,) = files.configured_catalog("catalog.json", discovered(USERS))

        assert users["cursor_field"] == ["at"]
        assert users["primary_key"] == [["id"]]
        assert users["sync_mode"] == "full_refresh"

    def test_of_a_file_may_leave_some_out(self, files, write):
        write("catalog.json", {"streams": [entry("users"), entry("pets")]})

        streams = files.configured_catalog(
            "catalog.json", discovered(USERS, PETS), without={"users"}
        )

        assert [one["stream"]["name"] for one in streams] == ["pets"]

    @pytest.mark.parametrize(
        ("names", "hint"),
        [
            (["user"], "did you mean users?"),
            (["users", "petz"], "did you mean pets?"),
            (["user", "petz"], "did you mean pets, users?"),
            (["zzzzz"], "correct it, or mend discover"),
        ],
        ids=["first", "second", "both", "far"],
    )
    def test_of_a_file_names_what_was_not_discovered(self, files, write, names, hint):
        write("catalog.json", {"streams": [entry(name) for name in names]})

        with pytest.raises(UsageError, match="was not discovered") as caught:
            files.configured_catalog("catalog.json", discovered(USERS, PETS))

        unknown = [name for name in names if name != "users"]
        assert caught.value.facts["streams"] == ", ".join(unknown)
        assert caught.value.hint == hint

    def test_of_a_file_tells_streams_of_one_name_apart_by_namespace(self, files, write):
        one = {**a_stream("users", {"a": {}}), "namespace": "one"}
        two = {**a_stream("users", {"b": {}}), "namespace": "two"}
        write("catalog.json", {"streams": [entry("users", namespace="two")]})

        (found,) = files.configured_catalog("catalog.json", discovered(two, one))

        assert found["stream"]["namespace"] == "two"
        assert "b" in found["stream"]["json_schema"]["properties"]

    def test_of_a_file_without_a_namespace_means_the_one_of_that_name(self, files, write):
        public = {**USERS, "namespace": "public"}
        write("catalog.json", {"streams": [entry("users")]})

        (found,) = files.configured_catalog("catalog.json", discovered(PETS, public))

        assert found["stream"]["namespace"] == "public"

    def test_of_a_file_without_a_namespace_means_none_of_two(self, files, write):
        two = [{**USERS, "namespace": name} for name in ("one", "two")]
        write("catalog.json", {"streams": [entry("users")]})

        with pytest.raises(UsageError, match="was not discovered"):
            files.configured_catalog("catalog.json", discovered(*two))

    def test_of_a_file_with_another_namespace_is_not_taken(self, files, write):
        write("catalog.json", {"streams": [entry("users", namespace="other")]})

        with pytest.raises(UsageError, match="was not discovered"):
            files.configured_catalog("catalog.json", discovered({**USERS, "namespace": "public"}))

    @pytest.mark.parametrize(
        "catalog", [{}, {"streams": None}, {"streams": {}}, {"streams": "users"}]
    )
    def test_of_a_file_without_a_list_of_streams_is_refused(self, files, write, catalog):
        write("catalog.json", catalog)

        with pytest.raises(UsageError, match="no list of streams"):
            files.configured_catalog("catalog.json", discovered(USERS))

    @pytest.mark.parametrize(
        "bad",
        [None, "users", {}, {"stream": None}, {"stream": {}}, {"stream": {"name": 1}}],
        ids=str,
    )
    def test_of_a_file_whose_second_stream_is_none_says_which(self, files, write, bad):
        write("catalog.json", {"streams": [entry("users"), bad]})

        with pytest.raises(UsageError, match="has no name") as caught:
            files.configured_catalog("catalog.json", discovered(USERS))

        assert caught.value.facts["entry"] == "streams[1]"

    def test_of_a_file_may_be_empty(self, files, write):
        write("catalog.json", {"streams": []})

        assert files.configured_catalog("catalog.json", discovered(USERS)) == []


class TestConfigured:
    def test_a_stream_has_its_own_defaults(self):
        (stream,) = discovered(USERS).streams

        assert configured(stream) == {
            "stream": USERS,
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
            "cursor_field": ["at"],
            "primary_key": [["id"]],
        }

    def test_what_it_does_not_say_is_left_out(self):
        (stream,) = discovered(PETS).streams

        assert configured(stream) == {
            "stream": PETS,
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }

    def test_without_sync_modes_it_is_read_in_full(self):
        (stream,) = discovered({**PETS, "supported_sync_modes": []}).streams

        assert configured(stream)["sync_mode"] == "full_refresh"


class TestInSyncMode:
    STREAMS = tuple(configured(stream) for stream in discovered(USERS, PETS).streams)

    @pytest.mark.parametrize(
        ("mode", "names"), [("full_refresh", ["users", "pets"]), ("incremental", ["users"])]
    )
    def test_those_that_support_it_are_set_to_it(self, mode, names):
        found = in_sync_mode(self.STREAMS, mode)

        assert [one["stream"]["name"] for one in found] == names
        assert {one["sync_mode"] for one in found} == {mode}

    def test_what_is_given_is_not_changed(self):
        in_sync_mode(self.STREAMS, "full_refresh")

        assert self.STREAMS[0]["sync_mode"] == "incremental"

    @pytest.mark.parametrize(
        ("given", "cursor"), [({}, ["at"]), ({"cursor_field": ["id"]}, ["id"])]
    )
    def test_the_cursor_is_the_configured_or_the_default_one(self, given, cursor):
        one = {"stream": USERS, "sync_mode": "full_refresh", **given}

        assert in_sync_mode([one], "incremental")[0]["cursor_field"] == cursor

    def test_without_any_cursor_there_is_none(self):
        one = {"stream": {**USERS, "default_cursor_field": None}, "sync_mode": "full_refresh"}

        assert "cursor_field" not in in_sync_mode([one], "incremental")[0]

    @pytest.mark.parametrize("modes", [None, []], ids=["absent", "empty"])
    def test_a_stream_that_supports_nothing_is_left_out(self, modes):
        one = {"stream": {"name": "users", "supported_sync_modes": modes}}

        assert in_sync_mode([one, self.STREAMS[1]], "full_refresh") == [self.STREAMS[1]]
