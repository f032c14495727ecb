#!/usr/bin/env python3
"""A source that keeps every rule of the Airbyte protocol, until a flag makes it break one.

Flags come from `flags` in the config and from HOSTILE_FLAGS (separated by commas):

    bad-line              a flag, with its own default
    bad-line:3            with an argument
    never-exits@discover  in another command; flags that fit several commands hit `read` otherwise

README.md says what each does and which acceptance test must turn red. To add one, write a small
function below the line "Flags", decorate it with its stage and give it a row there. The order of
the stages: start, (spec | streams, catalog | streams, records), messages, output, end.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import random
import re
import signal
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Iterator, NamedTuple

STATE_EVERY = 5
EPOCH = datetime(2024, 1, 1, tzinfo=timezone.utc)
KEY_PREFIX = "hostile-key-"


class Refused(Exception):
    """What can't be done, in words for the person who configured it."""


class Stream(NamedTuple):
    """One stream: what the catalog says of it, and its records for a size of the data set."""

    name: str
    namespace: str | None
    primary_key: list[list[str]]
    cursor: str | None
    properties: dict[str, Any]
    records: Callable[[int], Iterator[dict[str, Any]]]

    @property
    def descriptor(self) -> dict[str, str]:
        """Name it as states and traces do."""
        return {"name": self.name} | ({"namespace": self.namespace} if self.namespace else {})

    @property
    def modes(self) -> list[str]:
        """The sync modes it supports."""
        return ["full_refresh", "incremental"] if self.cursor else ["full_refresh"]


# ---- The data: made up, the same every time ----------------------------------------------------


def users(count: int) -> Iterator[dict[str, Any]]:
    """People, one an hour."""
    for n in range(1, count + 1):
        yield {
            "id": n,
            "name": f"Zoë {n}",
            "age": 20 + n % 50,
            "email": f"zoe{n}@example.com" if n % 4 else None,
            "address": {"city": ("Bern", "Turku", "Porto")[n % 3], "zip": f"{n:05d}"},
            "tags": ["new", "old"][: n % 3],
            "payload": {"source": "made up"},
            "updated_at": (EPOCH + timedelta(hours=n)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def orders(count: int) -> Iterator[dict[str, Any]]:
    """Orders of two lines each; half as many lines as there are users."""
    for n in range(1, count // 2 + 1):
        yield {
            "order_id": (n + 1) // 2,
            "line": 2 - n % 2,
            "amount": n * 2.5,
            "paid": n % 2 == 0,
            "sequence": 1000 + n,
        }


def countries(_count: int) -> Iterator[dict[str, Any]]:
    """Five countries, whatever the size."""
    names = {"CH": "Switzerland", "FI": "Finland", "PT": "Portugal", "JP": "Japan", "PE": "Peru"}
    for code, name in names.items():
        yield {"code": code, "name": name, "currency": {"code": f"{code}X", "digits": 2}}


def a(*types: str, **more: Any) -> dict[str, Any]:
    """Write the schema of a nullable property."""
    return {"type": ["null", *types], **more}


def an_object(properties: dict[str, Any]) -> dict[str, Any]:
    """Write the schema of a nullable object."""
    return a("object", properties=properties, additionalProperties=True)


STREAMS = [
    Stream(
        "users",
        None,
        [["id"]],
        "updated_at",
        {
            "id": a("integer"),
            "name": a("string"),
            "age": a("integer"),
            "email": a("string"),
            "address": an_object({"city": a("string"), "zip": a("string")}),
            "tags": a("array", items=a("string")),
            "payload": a("object"),
            "updated_at": a("string", format="date-time", airbyte_type="timestamp_with_timezone"),
        },
        users,
    ),
    Stream(
        "orders",
        "shop",
        [["order_id"], ["line"]],
        "sequence",
        {
            "order_id": a("integer"),
            "line": a("integer"),
            "amount": a("number"),
            "paid": a("boolean"),
            "sequence": a("integer"),
        },
        orders,
    ),
    Stream(
        "countries",
        None,
        [["code"]],
        None,
        {
            "code": a("string"),
            "name": a("string"),
            "currency": an_object({"code": a("string"), "digits": a("integer")}),
        },
        countries,
    ),
]


def specification() -> dict[str, Any]:
    """Say what a config holds."""
    small = {"size": {"type": "string", "const": "small"}}
    custom = {
        "size": {"type": "string", "const": "custom"},
        "count": {"type": "integer", "title": "Users", "minimum": 1, "examples": [100]},
    }
    return {
        "documentationUrl": "https://example.com/source-hostile",
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Hostile source",
            "type": "object",
            "required": ["api_key"],
            "additionalProperties": True,
            "properties": {
                "api_key": {
                    "type": "string",
                    "title": "API key",
                    "description": f"Any text that starts with {KEY_PREFIX}",
                    "airbyte_secret": True,
                    "order": 0,
                },
                "workspace": {"type": "string", "title": "Workspace", "order": 1},
                "dataset": {
                    "type": "object",
                    "title": "Data set",
                    "order": 2,
                    "oneOf": [
                        {"title": "Small", "required": ["size"], "properties": small},
                        {"title": "Custom", "required": ["size", "count"], "properties": custom},
                    ],
                },
                "flags": {
                    "type": "array",
                    "title": "Rules to break",
                    "items": {"type": "string"},
                    "order": 3,
                },
            },
        },
    }


# ---- One run: its inputs and the flags that are set --------------------------------------------


class Flag(NamedTuple):
    """A flag as it was written."""

    name: str
    argument: str | None
    command: str | None


class Run:
    """One command: what was given, and where the flags hook in."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.config: dict[str, Any] = {}
        self.configured: list[dict[str, Any]] = []
        self.state: dict[tuple[str, str | None], dict[str, Any]] = {}
        self.flags: list[Flag] = []
        self.refused: Refused | None = None
        self.exit_code = 0

    def load(self, options: argparse.Namespace) -> None:
        """Read the environment and the files that were named on the command line."""
        self.flags += parsed_flags(os.environ.get("HOSTILE_FLAGS", "").split(","))
        if config := getattr(options, "config", None):
            self.config = loaded(config, dict)
            self.flags += parsed_flags(self.config.get("flags") or [])
        if catalog := getattr(options, "catalog", None):
            self.configured = loaded(catalog, dict).get("streams", [])
        if state := getattr(options, "state", None):
            self.state = stream_states(loaded(state, (list, dict)))

    def apply(self, stage: str, thing: Any, *more: Any) -> Any:
        """Pass a thing through the stage's hooks of the flags that are set, in their order."""
        for flag in self.flags:
            if flag.name not in HOOKS[stage]:
                continue
            hook, command = HOOKS[stage][flag.name]
            if (flag.command or command or self.command) == self.command:
                thing = hook(thing, self, flag.argument, *more)
        return thing

    def streams(self) -> list[Stream]:
        """All streams there are."""
        return self.apply("streams", list(STREAMS))

    @property
    def count(self) -> int:
        """How many users there are; what else there is depends on it."""
        dataset = self.config.get("dataset", {"size": "small"})
        return dataset["count"] if dataset["size"] == "custom" else 25

    @property
    def secret(self) -> str:
        """What must not be told."""
        return str(self.config.get("api_key", "no key was given"))

    def since(self, stream: Stream) -> Any:
        """The cursor's value in the given state, or None."""
        return self.state.get((stream.name, stream.namespace), {}).get(stream.cursor)


def loaded(path: str, kind: type | tuple[type, ...]) -> Any:
    """Read a JSON file."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError) as problem:
        raise Refused(f"{path} can't be read as JSON: {problem}") from problem
    if not isinstance(value, kind):
        raise Refused(f"{path} holds JSON of the wrong kind")
    return value


def stream_states(states: Any) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Take the blobs out of a list of STREAM, GLOBAL or LEGACY states, or a bare legacy one."""
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    if isinstance(states, dict):
        states = [{"type": "LEGACY", "data": states}]
    try:
        for state in states:
            for name, blob in state.get("data", {}).items():
                found[name, None] = blob
            shared = state.get("global", {}).get("stream_states", [])
            for one in [*shared, *([state["stream"]] if "stream" in state else [])]:
                descriptor = one["stream_descriptor"]
                key = (descriptor["name"], descriptor.get("namespace"))
                found[key] = dict(one.get("stream_state") or {})
    except (KeyError, TypeError, AttributeError) as problem:
        raise Refused("The state isn't a list of Airbyte state messages") from problem
    return found


def parsed_flags(texts: list[Any]) -> list[Flag]:
    """Read flags, and refuse those that don't exist."""
    flags = []
    for text in filter(None, (str(text).strip() for text in texts)):
        match = re.fullmatch(r"([^:@]+)(?::([^@]*))?(?:@([a-z]+))?", text)
        name, argument, command = match.groups() if match else (text, None, None)
        if code := re.fullmatch(r"exit-(\d+)", name):
            name, argument = "exit-N", code[1]
        if not any(name in hooks for hooks in HOOKS.values()):
            near = difflib.get_close_matches(name, {n for hooks in HOOKS.values() for n in hooks})
            raise Refused(f"There is no flag {name!r}; near it: {', '.join(near) or 'none'}")
        flags.append(Flag(name, argument, command))
    return flags


# ---- Messages and commands ---------------------------------------------------------------------


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def log(text: str, level: str = "INFO") -> dict[str, Any]:
    """Build a LOG message."""
    return {"type": "LOG", "log": {"level": level, "message": text}}


def trace(kind: str, **content: Any) -> dict[str, Any]:
    """Build a TRACE message."""
    return {"type": "TRACE", "trace": {"type": kind, "emitted_at": now(), **content}}


def error(text: str) -> dict[str, Any]:
    """Build the TRACE that tells why a run failed."""
    return trace("ERROR", error={"message": text, "failure_type": "config_error"})


def status(stream: Stream, value: str) -> dict[str, Any]:
    """Build the TRACE that tells how far a stream is."""
    content = {"stream_descriptor": stream.descriptor, "status": value}
    return trace("STREAM_STATUS", stream_status=content)


def record(stream: Stream, data: dict[str, Any]) -> dict[str, Any]:
    """Build a RECORD message."""
    where = {"stream": stream.name} | ({"namespace": stream.namespace} if stream.namespace else {})
    return {"type": "RECORD", "record": {**where, "data": data, "emitted_at": now()}}


def state(stream: Stream, cursor: Any, count: int) -> dict[str, Any]:
    """Build the STATE that lets a later read go on from here."""
    blob = {"__ab_no_cursor_state_message": True}
    if stream.cursor:
        blob = {} if cursor is None else {stream.cursor: cursor}
    content = {"stream_descriptor": stream.descriptor, "stream_state": blob}
    stats = {"recordCount": float(count)}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": content, "sourceStats": stats}}


def connection(ok: bool, text: str | None = None) -> dict[str, Any]:
    """Build a CONNECTION_STATUS message."""
    content = {"status": "SUCCEEDED" if ok else "FAILED"} | ({"message": text} if text else {})
    return {"type": "CONNECTION_STATUS", "connectionStatus": content}


def problem_of(config: dict[str, Any]) -> str | None:
    """Say what is wrong with a config, if anything."""
    if not str(config.get("api_key", "")).startswith(KEY_PREFIX):
        return "The API key is not valid"
    dataset = config.get("dataset", {"size": "small"})
    if not isinstance(dataset, dict) or dataset.get("size") not in {"small", "custom"}:
        return "The data set's size is neither small nor custom"
    if dataset["size"] == "custom" and not isinstance(dataset.get("count"), int):
        return "A custom data set needs a count of users"
    return None


def spec(run: Run) -> Iterator[dict[str, Any]]:
    """Answer the command `spec`."""
    yield {"type": "SPEC", "spec": run.apply("spec", specification())}


def check(run: Run) -> Iterator[dict[str, Any]]:
    """Answer the command `check`."""
    problem = problem_of(run.config)
    yield connection(problem is None, problem)


def discover(run: Run) -> Iterator[dict[str, Any]]:
    """Answer the command `discover`."""
    demand_valid(run.config)
    streams = []
    for stream in run.streams():
        entry: dict[str, Any] = {
            "name": stream.name,
            "json_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "additionalProperties": True,
                # A copy, so that flags can't change what the reader knows.
                "properties": json.loads(json.dumps(stream.properties)),
            },
            "supported_sync_modes": stream.modes,
            "source_defined_primary_key": [list(path) for path in stream.primary_key],
        }
        if stream.namespace:
            entry["namespace"] = stream.namespace
        if stream.cursor:
            entry |= {"source_defined_cursor": True, "default_cursor_field": [stream.cursor]}
            entry["is_resumable"] = True
        streams.append(entry)
    yield {"type": "CATALOG", "catalog": {"streams": run.apply("catalog", streams)}}


def read(run: Run) -> Iterator[dict[str, Any]]:
    """Answer the command `read`."""
    demand_valid(run.config)
    wanted = selected(run)
    yield log(f"Reading {len(wanted)} streams")
    for stream, mode in wanted:
        yield from read_stream(stream, mode == "incremental", run)


def selected(run: Run) -> list[tuple[Stream, str]]:
    """Look up the streams of the configured catalog and their sync modes, each stream once."""
    known = {(stream.name, stream.namespace): stream for stream in run.streams()}
    wanted = {}
    try:
        for entry in run.configured:
            key = (entry["stream"]["name"], entry["stream"].get("namespace"))
            if key not in known:
                raise Refused(f"There is no stream {key[0]!r}")
            if entry["sync_mode"] not in known[key].modes:
                raise Refused(f"Stream {key[0]!r} has no sync mode {entry['sync_mode']!r}")
            wanted[key] = (known[key], entry["sync_mode"])
    except (KeyError, TypeError, AttributeError) as problem:
        raise Refused("The catalog isn't a configured Airbyte catalog") from problem
    return list(wanted.values())


def read_stream(stream: Stream, incremental: bool, run: Run) -> Iterator[dict[str, Any]]:
    """Read one stream: its statuses around its records, a state after every few."""
    yield status(stream, "STARTED")
    yield status(stream, "RUNNING")
    cursor = run.since(stream) if incremental else None
    records = iter(remaining(stream, cursor, run.count))
    since_state = states = 0
    for data in run.apply("records", records, stream):
        yield record(stream, data)
        since_state += 1
        if stream.cursor:
            cursor = data[stream.cursor] if cursor is None else max(cursor, data[stream.cursor])
        if since_state == STATE_EVERY:
            yield state(stream, cursor, since_state)
            since_state, states = 0, states + 1
    if since_state or not states:
        yield state(stream, cursor, since_state)
    yield status(stream, "COMPLETE")


def remaining(stream: Stream, cursor: Any, count: int) -> Iterator[dict[str, Any]]:
    """All records from a cursor on; those equal to it as well, since they may be new."""
    try:
        for data in stream.records(count):
            if cursor is None or data[stream.cursor] >= cursor:
                yield data
    except TypeError as problem:
        raise Refused(f"The state of {stream.name!r} has a cursor of the wrong type") from problem


def demand_valid(config: dict[str, Any]) -> None:
    """Refuse a config that `check` would find fault with."""
    if problem := problem_of(config):
        raise Refused(problem)


def guarded(run: Run) -> Iterator[dict[str, Any]]:
    """Answer the command; where that can't be done, say so and fail."""
    try:
        if run.refused:
            raise run.refused
        yield from {"spec": spec, "check": check, "discover": discover, "read": read}[run.command](
            run
        )
    except Refused as refused:
        run.exit_code = 1
        yield error(str(refused))


def encoded(messages: Iterator[Any]) -> Iterator[bytes]:
    """Turn messages into lines; bytes are on their way out as they are."""
    for message in messages:
        yield message if isinstance(message, bytes) else line(message)


def line(message: dict[str, Any]) -> bytes:
    """Write one message."""
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


# ---- Flags: where they hook in -----------------------------------------------------------------

#: Which command a flag hits that doesn't say: None where the stage belongs to some command anyway.
STAGES = {
    "start": "read",  # thing: None. Before anything is said.
    "spec": None,  # thing: the ConnectorSpecification.
    "streams": None,  # thing: list of Stream, for discover and read.
    "catalog": None,  # thing: list of streams as the catalog has them.
    "records": None,  # thing: the records of one stream; and that stream.
    "messages": "read",  # thing: messages; a hook may put bytes between them.
    "output": "read",  # thing: chunks of bytes.
    "end": "read",  # thing: the exit code.
}
HOOKS: dict[str, dict[str, tuple[Callable[..., Any], str | None]]] = {s: {} for s in STAGES}


def at(stage: str, *, command: str | None = None, name: str | None = None) -> Callable[..., Any]:
    """Register `function(thing, run, argument, ...) -> thing` for the flag of its name."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        flag = name or function.__name__.replace("_", "-")
        HOOKS[stage][flag] = (function, command or STAGES[stage])
        return function

    return register


def number(argument: str | None, default: int) -> int:
    """Read a flag's argument as a number."""
    if argument is None:
        return default
    if not argument.isdigit():
        raise Refused(f"A flag's argument must be a number: {argument!r}")
    return int(argument)


ANSWERS = {"RECORD", "SPEC", "CATALOG", "CONNECTION_STATUS"}


def watched(messages: Iterator[Any], which: int, of: str = "") -> Iterator[tuple[Any, bool]]:
    """Give each message, and whether it is the one (from 1) of the answers, or of one stream's."""
    seen = 0
    for message in messages:
        counts = not isinstance(message, bytes) and message["type"] in ANSWERS
        if counts and of:
            counts = message.get("record", {}).get("stream") == of
        seen += counts
        yield message, counts and seen == which


def edits_spec(function: Callable[..., None]) -> Callable[..., None]:
    """Register a function that changes the specification: (schema, its properties, argument)."""

    def hook(specification: dict[str, Any], run: Run, argument: str | None) -> dict[str, Any]:
        schema = specification["connectionSpecification"]
        function(schema, schema["properties"], argument)
        return specification

    at("spec", name=function.__name__.replace("_", "-"))(hook)
    return function


def edits_catalog(function: Callable[..., None]) -> Callable[..., None]:
    """Register a function that changes the catalog: ({name: stream}, the list of streams)."""

    def hook(streams: list[dict[str, Any]], run: Run, argument: str | None) -> Any:
        function({stream["name"]: stream for stream in streams}, streams)
        return streams

    at("catalog", name=function.__name__.replace("_", "-"))(hook)
    return function


def edits_catalog_by(function: Callable[..., None]) -> Callable[..., None]:
    """Register a function that takes the flag's argument as well."""

    def hook(streams: list[dict[str, Any]], run: Run, argument: str | None) -> Any:
        function({stream["name"]: stream for stream in streams}, streams, argument)
        return streams

    at("catalog", name=function.__name__.replace("_", "-"))(hook)
    return function


def edits_user(first: int = 1, *, and_all_after: bool = False, name: str | None = None) -> Any:
    """Register a function that changes one user's data: (data, run). The argument says which."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def hook(records: Iterator[Any], run: Run, argument: str | None, stream: Stream) -> Any:
            which = number(argument, first)
            for position, data in enumerate(records, 1):
                hit = position >= which if and_all_after else position == which
                if stream.name == "users" and hit:
                    function(data, run)
                yield data

        at("records", name=name or function.__name__.replace("_", "-"))(hook)
        return function

    return register


# ---- Flags: specification ----------------------------------------------------------------------


@at("messages", command="spec")
def no_spec(messages, run, argument):
    for _ in messages:
        yield log("There is nothing to say")


@at("messages", command="spec")
def two_specs(messages, run, argument):
    for message in messages:
        yield message
        yield message


@edits_spec
def spec_unmarked_secret(schema, properties, argument):
    secret = properties.setdefault(argument or "access_token", {"type": "string", "order": 9})
    secret.pop("airbyte_secret", None)


@edits_spec
def spec_marked_object(schema, properties, argument):
    properties["credentials"] = {
        "type": "object",
        "airbyte_secret": True,
        "order": 9,
        "properties": {"note": {"type": "string"}},
    }


@edits_spec
def spec_bad_oneof(schema, properties, argument):
    del properties["dataset"]["oneOf"][1]["properties"]["size"]["const"]


@edits_spec
def spec_additional_properties_false(schema, properties, argument):
    schema["additionalProperties"] = False


@edits_spec
def spec_ref(schema, properties, argument):
    schema["definitions"] = {"text": {"type": "string"}}
    properties["workspace"] = {"$ref": "#/definitions/text", "order": 1}


@edits_spec
def spec_type_array(schema, properties, argument):
    properties["workspace"]["type"] = ["string", "integer"]


@edits_spec
def spec_duplicate_order(schema, properties, argument):
    properties["workspace"]["order"] = 0


@edits_spec
def spec_duplicate_enum(schema, properties, argument):
    properties["workspace"]["enum"] = ["main", "test", "main"]


@edits_spec
def spec_empty_object(schema, properties, argument):
    properties["options"] = {"type": "object", "order": 9}


@edits_spec
def spec_untyped_items(schema, properties, argument):
    properties["flags"]["items"] = {"title": "Anything"}


@edits_spec
def spec_forbidden_keyword(schema, properties, argument):
    properties["workspace"]["not"] = {"const": "forbidden"}


@edits_spec
def spec_nested_group(schema, properties, argument):
    properties["dataset"]["oneOf"][1]["properties"]["count"]["group"] = "size"


@edits_spec
def spec_display_type(schema, properties, argument):
    properties["workspace"]["display_type"] = "radio"


@edits_spec
def spec_unmet_requirement(schema, properties, argument):
    schema["required"].append("region")
    properties["region"] = {"type": "string", "order": 9}


@edits_spec
def spec_backward_break(schema, properties, argument):
    schema["required"].append("workspace")


# ---- Flags: connection check -------------------------------------------------------------------


@at("messages", command="check")
def check_fails(messages, run, argument):
    for _ in messages:
        yield connection(False, "The service is closed today")


@at("messages", command="check")
def check_silent(messages, run, argument):
    for _ in messages:
        yield log("The connection was checked")


@at("messages", command="check")
def check_two(messages, run, argument):
    for message in messages:
        yield message
        yield message


@at("messages", command="check")
def check_believes_anything(messages, run, argument):
    for _ in messages:
        yield connection(True)


# ---- Flags: catalog ----------------------------------------------------------------------------


@at("messages", command="discover")
def no_catalog(messages, run, argument):
    for _ in messages:
        yield log("There is nothing to find")


@at("messages", command="discover")
def two_catalogs(messages, run, argument):
    for message in messages:
        yield message
        yield message


@edits_catalog
def empty_catalog(named, streams):
    streams.clear()


@edits_catalog
def duplicate_streams(named, streams):
    streams.append(named["countries"])


@edits_catalog
def bad_schema(named, streams):
    named["countries"]["json_schema"]["properties"]["name"]["type"] = "txet"


@edits_catalog
def no_sync_modes(named, streams):
    named["countries"]["supported_sync_modes"] = []


@edits_catalog
def cursor_not_in_schema(named, streams):
    named["users"]["default_cursor_field"] = ["changed_at"]


@edits_catalog
def pk_not_in_schema(named, streams):
    named["users"]["source_defined_primary_key"] = [["uuid"]]


@edits_catalog
def pk_is_object(named, streams):
    named["users"]["source_defined_primary_key"] = [["address"]]


@edits_catalog
def pk_not_declared(named, streams):
    del named["countries"]["source_defined_primary_key"]


@edits_catalog
def catalog_ref(named, streams):
    schema = named["countries"]["json_schema"]
    schema["definitions"] = {"text": a("string")}
    schema["properties"]["name"] = {"$ref": "#/definitions/text"}


@edits_catalog_by
def bomb(named, streams, argument):
    """References that lead to two each, so that following all of them takes 2^N steps."""
    schema = named["countries"]["json_schema"]
    schema["definitions"] = {"level-0": a("string")}
    for level in range(1, number(argument, 40) + 1):
        below = {"$ref": f"#/definitions/level-{level - 1}"}
        schema["definitions"][f"level-{level}"] = an_object({"left": below, "right": below})
    schema["properties"]["tree"] = {"$ref": f"#/definitions/level-{level}"}


@edits_catalog
def catalog_forbidden_keyword(named, streams):
    name = named["countries"]["json_schema"]["properties"]["name"]
    name["allOf"] = [{"maxLength": 100}]


@edits_catalog
def catalog_additional_properties_false(named, streams):
    named["countries"]["json_schema"]["additionalProperties"] = False


@edits_catalog
def catalog_unlike_records(named, streams):
    countries = named["countries"]
    countries["json_schema"]["properties"] = {"planet": a("string"), "moons": a("integer")}
    del countries["source_defined_primary_key"]


@edits_catalog
def catalog_backward_break(named, streams):
    del named["users"]["json_schema"]["properties"]["tags"]


@edits_user(and_all_after=True, name="catalog-backward-break")
def forget_tags(user, run):
    del user["tags"]


@edits_catalog
def catalog_changed_cursor(named, streams):
    named["orders"]["default_cursor_field"] = ["order_id"]


# ---- Flags: records ----------------------------------------------------------------------------


@edits_user()
def schema(user, run):
    user["age"] = "a good age"


@edits_user()
def schema_nested(user, run):
    user["address"]["zip"] = 12345


@edits_user()
def schema_format(user, run):
    user["updated_at"] = user["updated_at"][:10] + " around noon"


@edits_user()
def extra_column(user, run):
    user["shoe_size"] = 42


@edits_user()
def no_primary_key(user, run):
    del user["id"]


@edits_user()
def null_primary_key(user, run):
    user["id"] = None


@edits_user(first=4)
def secret_in_record(user, run):
    user["name"] = f"Zoë with {run.secret}"


@edits_user(first=4, and_all_after=True)
def nondeterministic(user, run):
    user["name"] = f"Zoë {random.random()}"


@edits_user(and_all_after=True)
def field_never_filled(user, run):
    del user["email"]


@at("records")
def no_records(records, run, argument, stream):
    return iter(())


@at("records")
def empty_stream(records, run, argument, stream):
    return iter(()) if stream.name == (argument or "countries") else records


@at("records")
def missing_record_in_second_read(records, run, argument, stream):
    """Of each two neighbours from the fourth on, chance drops one: no two reads are alike."""
    kept = False
    for position, data in enumerate(records, 1):
        if position > 3:
            kept = random.random() < 0.5 if position % 2 == 0 else not kept
        if position <= 3 or kept:
            yield data


@at("records")
def ignores_state(records, run, argument, stream):
    return stream.records(run.count)


@at("records")
def cursor_back(records, run, argument, stream):
    since = run.since(stream)
    for position, data in enumerate(records, 1):
        yield data
        if position == 1 and since is not None:
            older = [one for one in stream.records(run.count) if one[stream.cursor] < since]
            yield from older[-1:]


@at("records")
def future_state_records(records, run, argument, stream):
    yield from list(records) or list(stream.records(run.count))[-1:]


# ---- Flags: states and statuses ----------------------------------------------------------------


@at("messages")
def lost_state(messages, run, argument):
    for message in messages:
        if not (is_state(message) and argument in {None, stream_of(message)}):
            yield message


@at("messages")
def state_without_stats(messages, run, argument):
    for message in messages:
        if is_state(message):
            del message["state"]["sourceStats"]
        yield message


@at("messages")
def state_miscounts(messages, run, argument):
    for message in messages:
        if is_state(message) and stream_of(message) == "users":
            message["state"]["sourceStats"]["recordCount"] += 1
        yield message


@at("messages")
def state_back(messages, run, argument):
    first = held = None
    for message in messages:
        if held and status_of(message) == "COMPLETE":
            held["state"]["stream"]["stream_state"] = first
        if held:
            yield held
        held = message if is_state(message) and stream_of(message) == "users" else None
        if held:
            first = first or held["state"]["stream"]["stream_state"]
        else:
            yield message


@at("messages")
def legacy_state(messages, run, argument):
    data = {}
    for message in messages:
        if is_state(message):
            data[stream_of(message)] = message["state"]["stream"]["stream_state"]
            stats = message["state"]["sourceStats"]
            message["state"] = {"type": "LEGACY", "data": dict(data), "sourceStats": stats}
        yield message


@at("messages")
def global_state(messages, run, argument):
    streams = {}
    for message in messages:
        if is_state(message):
            name = stream_of(message)
            streams[name] = message["state"].pop("stream")
            shared = {"shared_state": {}, "stream_states": list(streams.values())}
            message["state"] |= {"type": "GLOBAL", "global": shared}
        yield message


@at("messages")
def status_out_of_order(messages, run, argument):
    turned = {"STARTED": "RUNNING", "RUNNING": "STARTED"}
    for message in messages:
        if status_of(message) in turned and stream_of(message) == "users":
            message["trace"]["stream_status"]["status"] = turned[status_of(message)]
        yield message


@at("messages")
def status_missing(messages, run, argument):
    for message in messages:
        if not (status_of(message) and stream_of(message) == (argument or "users")):
            yield message


@at("messages")
def status_incomplete(messages, run, argument):
    for message in messages:
        if status_of(message) == "COMPLETE" and stream_of(message) == (argument or "users"):
            message["trace"]["stream_status"]["status"] = "INCOMPLETE"
        yield message


def is_state(message: Any) -> bool:
    """Tell a STATE of one stream from all else."""
    return not isinstance(message, bytes) and "stream" in message.get("state", {})


def status_of(message: Any) -> str | None:
    """Give a stream status, or None for all else."""
    if isinstance(message, bytes):
        return None
    return message.get("trace", {}).get("stream_status", {}).get("status")


def stream_of(message: Any) -> str:
    """Name the stream of a STATE or a stream status."""
    holder = message.get("state", {}).get("stream") or message["trace"]["stream_status"]
    return holder["stream_descriptor"]["name"]


# ---- Flags: lines that are no messages, or not the right ones ----------------------------------


@at("messages")
def bad_line(messages, run, argument):
    for message, hit in watched(messages, number(argument, 1)):
        if hit:
            yield b'{"type": "RECORD", "record": {"stream": "users", "data": {"id": 1\n'
        yield message


@at("messages")
def noise_line(messages, run, argument):
    for message, hit in watched(messages, number(argument, 1)):
        if hit:
            yield b"Downloading page 3 of 7 ...\n"
        yield message


@at("messages")
def unknown_type(messages, run, argument):
    for message, hit in watched(messages, number(argument, 1)):
        if hit:
            yield {"type": "METRIC", "metric": {"name": "pages", "value": 7}}
        yield message


@at("messages")
def utf_16(messages, run, argument):
    for message, hit in watched(messages, number(argument, 1)):
        if hit:
            yield json.dumps(message).encode("utf-16") + b"\n"
        yield message


@at("messages")
def half_a_message(messages, run, argument):
    for message, hit in watched(messages, number(argument, 1)):
        if hit:
            yield {"type": "RECORD", "record": {"data": {"id": 1}}}
        yield message


@at("messages")
def undeclared_stream(messages, run, argument):
    ghosts = Stream("ghosts", None, [], None, {}, users)
    for message, hit in watched(messages, number(argument, 1)):
        if hit:
            yield record(ghosts, {"id": 1, "name": "Boo"})
        yield message


@at("messages")
def garbage(messages, run, argument):
    for message, hit in watched(messages, 1):
        if hit:
            for n in range(number(argument, 1000)):
                yield b"%d )]}' garbage \x00\x07 {\n" % n
        yield message


@at("messages")
def empty_lines(messages, run, argument):
    for message in messages:
        yield b"\n  \n"
        yield message


@at("messages")
def two_on_a_line(messages, run, argument):
    for message, hit in watched(messages, number(argument, 1)):
        yield line(message).strip() + b" " + line(log("A second message")) if hit else message


@at("messages")
def control_config(messages, run, argument):
    changed = {**run.config, "api_key": f"{KEY_PREFIX}rotated", "flags": ["crash"]}
    content = {"type": "CONNECTOR_CONFIG", "emitted_at": now(), "connectorConfig": {}}
    content["connectorConfig"]["config"] = changed
    yield {"type": "CONTROL", "control": content}
    yield from messages


@at("messages")
def secret_in_log(messages, run, argument):
    yield log(f"GET https://example.com/users?api_key={run.secret}", "DEBUG")
    yield from messages


# ---- Flags: JSON that parsers disagree about, in a user's free-form payload --------------------


def in_payload(chunks: Callable[[str | None], Iterator[bytes]]) -> Callable[..., Iterator[Any]]:
    """Make a hook that writes raw bytes where the fourth user's payload has its value.

    The first three are the expected records, which another rule is about.
    """

    def hook(messages: Iterator[Any], run: Run, argument: str | None) -> Iterator[Any]:
        for message, hit in watched(messages, 4, of="users"):
            if not hit:
                yield message
                continue
            message["record"]["data"]["payload"] = {"value": "@HERE@"}
            before, after = line(message).split(b'"@HERE@"')
            yield before
            yield from chunks(argument)
            yield after

    return hook


def long_text(argument: str | None) -> Iterator[bytes]:
    """A JSON text of so many bytes, never whole in memory."""
    left = number(argument, 20_000_000)
    yield b'"'
    while left > 0:
        yield b"x" * min(left, 65_536)
        left -= 65_536
    yield b'"'


def nested(argument: str | None) -> Iterator[bytes]:
    """Lists in lists, so deep."""
    depth = number(argument, 100_000)
    yield b"[" * depth
    yield b"]" * depth


def many_fields(argument: str | None) -> Iterator[bytes]:
    """An object of so many fields."""
    fields = (b'"field-%d": %d' % (n, n) for n in range(number(argument, 100_000)))
    yield b"{%s}" % b", ".join(fields)


def digits(argument: str | None) -> Iterator[bytes]:
    """A whole number of so many digits."""
    yield b"9" * number(argument, 5000)


for flag_name, raw in {
    "nan": b"[NaN, Infinity, 1e400]",
    "huge-number": b"1e400",
    "nul": b'"a \x00 b"',
    "separators": '"a \u2028 b \u2029 c \x85 d"'.encode(),
    "bigint": b"[18446744073709551616, 1234567890123456789012345678901234567890]",
    "bad-utf8": b'"\xff\xfe\xc3\x28"',
    "lone-surrogate": b'"\\ud800"',
}.items():
    at("messages", name=flag_name)(in_payload(lambda argument, raw=raw: iter([raw])))
for flag_name, raw_of in {
    "long-line": long_text,
    "deep": nested,
    "many-fields": many_fields,
    "digits": digits,
}.items():
    at("messages", name=flag_name)(in_payload(raw_of))


@at("messages")
def dup_keys(messages, run, argument):
    """A key twice: in a user's payload, or in the answer, or in the type that the argument names."""
    kind = argument or {"spec": "spec", "discover": "catalog"}.get(run.command)
    if kind is None:
        twice = b'{"twice": 1, "twice": 2}'
        yield from in_payload(lambda _: iter([twice]))(messages, run, None)
        return
    for message in messages:
        is_it = not isinstance(message, bytes) and message["type"] == kind.upper()
        yield line(message).replace(b"{", b'{"twice": 1, "twice": 2, ', 1) if is_it else message


@at("messages", name="bytes")
def many_bytes(messages, run, argument):
    """Good users, about so many bytes of them, written a thousand at a time."""
    left, extra, user = number(argument, 1_000_000), 0, 1_000_000_000
    for message, hit in watched(messages, 1, of="users"):
        if is_state(message) and stream_of(message) == "users":
            message["state"]["sourceStats"]["recordCount"] += extra
            extra = 0
        yield message
        if not hit:
            continue
        before, after = line(message).split(b'"id": %d' % message["record"]["data"]["id"])
        while left > 0:
            lines = [b'%s"id": %d%s' % (before, user + n, after) for n in range(1000)]
            block = b"".join(lines)
            yield block
            left, extra, user = left - len(block), extra + 1000, user + 1000


# ---- Flags: text that is dangerous to show or to use as a name ---------------------------------

ANSI = "\x1b[31mred\x1b[0m \x1b]8;;https://example.com\x07link\x1b]8;;\x07 \x1b[2J \x9b1m \u202egnp"
HTML = "</script><script>window.PWNED=1</script><img src=x onerror='window.PWNED=1'> \u2028 {{7*7}}"
NAMES = [
    "../../outside",
    "/absolute/path",
    "back\\slash",
    "CON",
    "Twins",
    "twins",
    "caf\u00e9",
    "cafe\u0301",
    "long" * 2500,
    "'; DROP TABLE users; --",
    HTML,
    ANSI,
    "::error::annotated%0A",
    "=1+1",
    "a|b `c`",
    "nul\x00nul",
    " ",
]


@at("streams")
def many_streams(streams, run, argument):
    for n in range(number(argument, 5000)):
        name = f"stream-{n}"
        streams.append(Stream(name, None, [["id"]], None, {"id": a("integer")}, one_record))
    return streams


def one_record(_count: int) -> Iterator[dict[str, Any]]:
    """All that a small stream has."""
    yield {"id": 1}


@at("streams")
def hostile_names(streams, run, argument):
    def records(_count: int, name: str) -> Iterator[dict[str, Any]]:
        yield from ({"id": n, name: "harmless"} for n in (1, 2))

    for name in loaded(argument, list) if argument else NAMES:
        properties = {"id": a("integer"), name: a("string")}
        streams.append(
            Stream(name, name, [["id"]], None, properties, lambda count, n=name: records(count, n))
        )
    return streams


def dangerous_text(name: str, text: str) -> None:
    """Register a flag that puts a text into a log message and into users' names."""

    @at("messages", name=name)
    def in_log(messages: Iterator[Any], run: Run, argument: str | None) -> Iterator[Any]:
        yield log(text, "WARN")
        yield from messages

    @edits_user(first=4, and_all_after=True, name=name)
    def in_records(user: dict[str, Any], run: Run) -> None:
        user["name"] = text


dangerous_text("ansi", ANSI)
dangerous_text("html", HTML)


# ---- Flags: how it writes ----------------------------------------------------------------------


@at("output")
def bom(chunks, run, argument):
    yield b"\xef\xbb\xbf"
    yield from chunks


@at("output")
def crlf(chunks, run, argument):
    return (chunk.replace(b"\n", b"\r\n") for chunk in chunks)


@at("output")
def mixed_ends(chunks, run, argument):
    return (chunk.replace(b"\n", (b"\n", b"\r\n")[n % 2]) for n, chunk in enumerate(chunks))


@at("output")
def no_newline(chunks, run, argument):
    held = b""
    for chunk in chunks:
        yield held
        held = chunk
    yield held.removesuffix(b"\n")


@at("output")
def interleave(chunks, run, argument):
    for chunk in chunks:
        middle = len(chunk) // 2
        yield chunk[:middle]
        os.write(2, b"a line on stderr in the middle of one on stdout\n")
        yield chunk[middle:]


@at("output")
def slow_drip(chunks, run, argument):
    pause_s = number(argument, 1) / 1000
    for chunk in chunks:
        for start in range(0, len(chunk), 7):
            time.sleep(pause_s)
            yield chunk[start : start + 7]


@at("start")
def stderr_flood(thing, run, argument):
    left = number(argument, 1_000_000)
    while left > 0:
        block = (b"something went by on stderr\n" * 2000)[:left]
        left -= os.write(2, block)


@at("start")
def secret_in_stderr(thing, run, argument):
    os.write(2, f"Authorization: Bearer {run.secret}\n".encode())


@at("start")
def after_close(thing, run, argument):
    os.close(2)


# ---- Flags: what it does on the network --------------------------------------------------------

NOBODY = "192.0.2.1:443"  # Kept free for documents, RFC 5737.
PATIENCE_S = 2


def attempt(what: str, connect: Callable[[], None]) -> dict[str, Any]:
    """Try to reach somebody, and tell in a log message what came of it."""
    try:
        connect()
    except OSError as problem:
        return log(f"{what}: failed, {problem}")
    return log(f"{what}: made")


def address(argument: str | None) -> tuple[str, int]:
    """Read `host:port`."""
    host, _, port = (argument or NOBODY).rpartition(":")
    return host, number(port, 443)


@at("messages")
def direct_connect(messages, run, argument):
    """Go to a host straight, whatever proxy the variables name."""
    import socket  # Here, as below: two hundred starts in a test would pay for it.

    host = address(argument)

    def connect() -> None:
        socket.create_connection(host, PATIENCE_S).close()

    yield attempt(f"Direct connection to {host[0]}:{host[1]}", connect)
    yield from messages


@at("messages")
def pin_tls(messages, run, argument):
    """Trust no certificate, as who has pinned another one does; by the proxy where there is one."""
    import http.client
    import ssl
    import urllib.parse

    host, port = address(argument)
    proxy = urllib.parse.urlsplit(os.environ.get("HTTPS_PROXY", ""))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def connect() -> None:
        first = (proxy.hostname, proxy.port or 80) if proxy.hostname else (host, port)
        client = http.client.HTTPSConnection(*first, timeout=PATIENCE_S, context=context)
        if proxy.hostname:
            client.set_tunnel(host, port)
        client.connect()
        client.close()

    yield attempt(f"TLS to {host}:{port}", connect)
    yield from messages


# ---- Flags: how it behaves as a process, and how it ends ---------------------------------------


@at("start")
def ignore_term(thing, run, argument):
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)


def leave_child(seconds: int, escape: bool) -> Iterator[dict[str, Any]]:
    """Start a child that keeps our pipes open for so long, and name it in a log message."""
    child = os.fork()
    if child == 0:
        if escape:
            os.setsid()
        time.sleep(seconds)
        os._exit(0)
    yield log(f"left child {child}")


@at("messages")
def fork(messages, run, argument):
    yield from leave_child(number(argument, 600), escape=False)
    yield from messages


@at("messages")
def setsid(messages, run, argument):
    yield from leave_child(number(argument, 600), escape=True)
    yield from messages


@at("messages")
def oom(messages, run, argument):
    """Hold so many MiB, each page touched, while the rest is read."""
    held = []
    for message, hit in watched(messages, 3):
        yield message
        if hit:
            for _ in range(number(argument, 4096)):
                held.append(bytearray(b"\x01") * 1_048_576)
    del held


@at("messages")
def crash(messages, run, argument):
    for message, hit in watched(messages, number(argument, 3)):
        yield message
        if hit:
            raise RuntimeError("nobody thought of this")


@at("messages")
def sigkill(messages, run, argument):
    for message, hit in watched(messages, number(argument, 3)):
        yield message
        if hit:
            os.kill(os.getpid(), signal.SIGKILL)


@at("messages")
def hang(messages, run, argument):
    for message, hit in watched(messages, number(argument, 3)):
        yield message
        while hit:
            signal.pause()


@at("messages")
def segv(messages, run, argument):
    import ctypes
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for message, hit in watched(messages, number(argument, 3)):
        yield message
        if hit:
            ctypes.string_at(0)


@at("messages")
def no_trace_on_failure(messages, run, argument):
    for message in messages:
        if not isinstance(message, bytes) and "error" in message.get("trace", {}):
            os.write(2, b"Something went wrong.\n")
        else:
            yield message


@at("messages")
def exit_0_with_error_trace(messages, run, argument):
    yield from messages
    yield error("Half of the data could not be read")


@at("end", name="exit-N")
def exit_n(code, run, argument):
    return number(argument, 1)


@at("end")
def never_exits(code, run, argument):
    while True:
        signal.pause()


@at("start", name="never-exits-ignoring-term")
def first_ignore_term(thing, run, argument):
    ignore_term(thing, run, argument)


@at("end")
def never_exits_ignoring_term(code, run, argument):
    never_exits(code, run, argument)


# ---- The program -------------------------------------------------------------------------------


def parsed_arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line as the Airbyte protocol writes it."""
    parser = argparse.ArgumentParser(prog="source-hostile", description="Breaks rules on demand.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("spec")
    for name in ("check", "discover", "read"):
        command = commands.add_parser(name)
        command.add_argument("--config", required=True)
        if name == "read":
            command.add_argument("--catalog", required=True)
            command.add_argument("--state")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Answer one command and return the exit code."""
    options = parsed_arguments(argv)
    run = Run(options.command)
    try:
        run.load(options)
    except Refused as refused:
        run.refused = refused
    run.apply("start", None)
    messages = run.apply("messages", guarded(run))
    for chunk in run.apply("output", encoded(messages)):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    return run.apply("end", run.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
