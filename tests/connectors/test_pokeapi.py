"""The server that stands in for the PokéAPI behaves like it, and the plugin brings it up."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def folder(connectors: Path) -> Path:
    return connectors / "source-pokeapi"


@pytest.fixture(scope="module")
def server_class(folder) -> Any:
    path = folder / "integration_tests" / "pokeapi_server.py"
    spec = importlib.util.spec_from_file_location("pokeapi_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PokeApiServer


@pytest.fixture
def serve(server_class) -> Iterator[Callable[..., str]]:
    """Start a server and give its root."""
    servers = []

    def start(**options: Any) -> str:
        server = server_class(**options)
        servers.append(server)
        server.start()
        return f"{server.origin}/api/v2"

    yield start
    for server in servers:
        server.stop()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def refusal(url: str) -> tuple[int, str, str | None]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(url)
    with caught.value as answer:
        return answer.code, answer.read().decode(), answer.headers.get("Retry-After")


def test_the_next_links_lead_through_the_whole_list_once(serve) -> None:
    root = serve()
    pages = []
    url = f"{root}/pokemon?limit=4"
    while url:
        pages.append(get(url))
        url = pages[-1]["next"]

    assert [len(page["results"]) for page in pages] == [4, 4, 3]
    assert {page["count"] for page in pages} == {11}
    names = [entry["name"] for page in pages for entry in page["results"]]
    assert len(set(names)) == 11


def test_the_previous_links_lead_back(serve) -> None:
    root = serve()
    third = get(f"{root}/pokemon?offset=8&limit=4")
    second = get(third["previous"])
    first = get(second["previous"])

    assert second == get(f"{root}/pokemon?offset=4&limit=4")
    assert first == get(f"{root}/pokemon?limit=4")
    assert first["previous"] is None


def test_a_list_without_numbers_or_with_nonsense_has_twenty_at_most(serve) -> None:
    root = serve()

    assert get(f"{root}/pokemon") == get(f"{root}/pokemon/?limit=all&offset=-3")
    assert get(f"{root}/pokemon")["next"] is None


def test_an_entry_is_found_by_id_by_name_and_by_its_link(serve) -> None:
    root = serve()
    link = get(f"{root}/pokemon?limit=1")["results"][0]["url"]

    assert get(f"{root}/pokemon/1") == get(f"{root}/pokemon/mossling") == get(link)
    assert get(link)["types"] == [
        {"slot": 1, "type": {"name": "moss", "url": f"{root}/type/moss/"}}
    ]


@pytest.mark.parametrize(
    "path", ["/pokemon/404", "/pokemon/missingfox", "/pokemon/11", "/berry", "/../x", ""]
)
def test_what_is_not_there_is_a_404_in_plain_text(serve, path) -> None:
    assert refusal(serve() + path) == (404, "Not Found", None)


def test_a_busy_path_asks_to_wait_once_and_others_never(serve) -> None:
    root = serve(busy=["/api/v2/pokemon", "/api/v2/type/1"])

    assert len(get(f"{root}/type")["results"]) == 6
    for url in (f"{root}/pokemon?limit=2", f"{root}/type/1/"):
        assert refusal(url) == (429, "Slow down", "1")
        assert get(url)


def test_it_runs_as_a_program_too(folder) -> None:
    script = folder / "integration_tests" / "pokeapi_server.py"
    with subprocess.Popen([sys.executable, "-B", script], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            root = process.stdout.readline().decode().strip()

            assert get(f"{root}/type/2") == {"id": 2, "name": "stone"}
        finally:
            process.kill()


# The manifest, as far as it can be judged without the CDK


@pytest.fixture(scope="module")
def manifest(folder) -> Any:
    return yaml.safe_load((folder / "manifest.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["config.json", "invalid_config.json"])
def test_the_configs_match_the_specification(manifest, input_of, name) -> None:
    schema = manifest["spec"]["connection_specification"]

    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(input_of("source-pokeapi", name), schema)


def test_the_expected_records_match_their_schemas(manifest, folder) -> None:
    schemas = {"pokemon_details": manifest["schemas"]["pokemon_details"]}
    streams = {entry["$ref"].rpartition("/")[2] for entry in manifest["streams"]}
    path = folder / "integration_tests" / "expected_records.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    assert {record["stream"] for record in records} == streams
    for record in records:
        schema = schemas.get(record["stream"], manifest["schemas"]["list"])
        jsonschema.validate(record["data"], {**schema, "additionalProperties": False})


# The plugin


@pytest.fixture
def copy(folder: Path, pytester: pytest.Pytester) -> Path:
    """A copy of the folder with a test that looks at what the plugin made of it."""
    target = pytester.path / "integration_tests"
    target.mkdir()
    for name in (folder / "integration_tests").iterdir():
        if name.is_file():
            (target / name.name).write_bytes(name.read_bytes())
    pytester.makepyfile(
        """
        import json, urllib.request
        from pathlib import Path

        import pytest

        SECRETS = Path(__file__).parent / "secrets"

        @pytest.mark.parametrize("number", [1, 2])
        def test_the_api_is_up(number):
            config = json.loads((SECRETS / "config.json").read_text())
            url = f"{config['base_url']}/pokemon/{number}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                assert json.load(answer)["id"] == number

        def test_the_bad_config_leads_to_the_same_server():
            good, bad = (
                json.loads((SECRETS / name).read_text())["base_url"]
                for name in ("config.json", "invalid_config.json")
            )
            assert bad == good.replace("/api/v2", "/no-such-api")
        """
    )
    return pytester.path


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n1"]], ids=["one-process", "xdist"])
def test_the_plugin_serves_during_a_session_and_cleans_up(
    copy, pytester, monkeypatch, workers
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # A fourth of the time.
    result = pytester.runpytest_subprocess("-p", "integration_tests.acceptance", *workers)

    result.assert_outcomes(passed=3)
    assert list((copy / "secrets").iterdir()) == []


def test_the_plugin_does_nothing_in_a_worker(folder) -> None:
    path = folder / "integration_tests" / "acceptance.py"
    spec = importlib.util.spec_from_file_location("pokeapi_acceptance", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    worker = SimpleNamespace(workerinput={}, stash=pytest.Stash())
    module.pytest_configure(worker)

    assert module.SERVER not in worker.stash
    module.pytest_unconfigure(worker)
