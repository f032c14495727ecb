"""A small server that speaks like the public PokéAPI, with creatures of our own.

It knows lists with `limit` and `offset`, entries by id or name, 404 with a plain text, and, for
the paths it is asked to be busy on, 429 with `Retry-After` at the first request of each.

    python3 pokeapi_server.py --port 8099 --busy /api/v2/pokemon
"""

from __future__ import annotations

import argparse
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, Iterable
from urllib.parse import parse_qs, urlsplit

ROOT = "/api/v2"
DATA = Path(__file__).with_name("pokeapi_data.json")


class PokeApiServer(ThreadingTCPServer):
    """The API at a host and a port; port 0 takes a free one.

    No `HTTPServer`: that one asks the DNS for its own name, and may wait long for an answer.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str = "127.0.0.1", port: int = 0, busy: Iterable[str] = ()) -> None:
        super().__init__((host, port), Handler)
        self.data: dict[str, list[dict[str, Any]]] = json.loads(DATA.read_text(encoding="utf-8"))
        self._busy = set(busy)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host, port = self.server_address[:2]
        return f"http://{host}:{port}"

    def is_busy(self, path: str) -> bool:
        """Tell whether this path is busy, which it is no more from then on."""
        with self._lock:
            busy = path in self._busy
            self._busy.discard(path)
            return busy

    def start(self) -> None:
        """Serve from a thread."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more and give the port back."""
        if self._thread:
            self.shutdown()
            self._thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: PokeApiServer

    def do_GET(self) -> None:
        """Answer with a page of a list, an entry, or why not."""
        url = urlsplit(self.path)
        path = url.path.rstrip("/")
        if self.server.is_busy(path):
            self.answer(HTTPStatus.TOO_MANY_REQUESTS, "Slow down", {"Retry-After": "1"})
            return
        base = f"http://{self.headers.get('Host')}{ROOT}"
        content = self.content(path, parse_qs(url.query), base)
        if content is None:
            self.answer(HTTPStatus.NOT_FOUND, "Not Found")
        else:
            self.answer(HTTPStatus.OK, content)

    def content(self, path: str, query: dict[str, list[str]], base: str) -> Any:
        """Look up what lies at a path; None where nothing does."""
        resource, _, key = path.removeprefix(f"{ROOT}/").partition("/")
        if not path.startswith(f"{ROOT}/") or resource not in self.server.data:
            return None
        entries = self.server.data[resource]
        if not key:
            return page(entries, f"{base}/{resource}", query)
        for entry in entries:
            if key in {str(entry["id"]), entry["name"]} and is_known(resource, entry):
                return details(entry, base) if resource == "pokemon" else entry
        return None

    def answer(
        self, status: HTTPStatus, content: Any, headers: dict[str, str] | None = None
    ) -> None:
        """Send a text as it is, and all else as JSON."""
        text = isinstance(content, str)
        body = content.encode() if text else json.dumps(content).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "text/plain" if text else "application/json; charset=utf-8"
        )
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the tests."""


def page(entries: list[Any], url: str, query: dict[str, list[str]]) -> dict[str, Any]:
    """Cut a page out of a list, with links to its neighbours."""
    limit, offset = number(query, "limit") or 20, number(query, "offset")

    def link(start: int, size: int) -> str:
        return f"{url}?offset={start}&limit={size}"

    return {
        "count": len(entries),
        "next": link(offset + limit, limit) if offset + limit < len(entries) else None,
        "previous": link(max(offset - limit, 0), min(limit, offset)) if offset else None,
        "results": [
            {"name": entry["name"], "url": f"{url}/{entry['id']}/"}
            for entry in entries[offset : offset + limit]
        ],
    }


def number(query: dict[str, list[str]], name: str) -> int:
    """Read a parameter; what is no number counts as absent, as in the public API."""
    value = query.get(name, ["0"])[-1]
    return int(value) if value.isdigit() else 0


def is_known(resource: str, entry: dict[str, Any]) -> bool:
    """Tell an entry with details from one that is only listed."""
    return resource != "pokemon" or "types" in entry


def details(entry: dict[str, Any], base: str) -> dict[str, Any]:
    """Write a creature as the API does: lists of named resources around what matters."""

    def named(resource: str, name: str) -> dict[str, str]:
        return {"name": name, "url": f"{base}/{resource}/{name}/"}

    return {
        **entry,
        "abilities": [
            {"ability": named("ability", name), "is_hidden": slot > 1, "slot": slot}
            for slot, name in enumerate(entry["abilities"], 1)
        ],
        "forms": [named("pokemon-form", entry["name"])],
        "game_indices": [],
        "held_items": [],
        "location_area_encounters": f"{base}/pokemon/{entry['id']}/encounters",
        "moves": [],
        "species": named("pokemon-species", entry["name"]),
        "sprites": {"front_default": None},
        "stats": [{"base_stat": 40, "effort": 0, "stat": named("stat", "speed")}],
        "types": [
            {"slot": slot, "type": named("type", name)}
            for slot, name in enumerate(entry["types"], 1)
        ],
    }


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A small PokéAPI of our own.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--busy", action="append", default=[], metavar="PATH")
    options = parser.parse_args()
    server = PokeApiServer(options.host, options.port, options.busy)
    print(f"{server.origin}{ROOT}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
