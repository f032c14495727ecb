from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_acceptance.rules.formats import FORMATS
from hydrotest_acceptance.rules.validator import (
    UnusableSchemaError,
    compile_any_draft,
    compile_schema,
)

COMPILERS = pytest.mark.parametrize("compiled", [compile_schema, compile_any_draft])


@pytest.mark.parametrize(
    ("declared", "value", "fits"),
    [
        ("integer", 1, True),
        ("integer", 2**70, True),
        ("integer", 1.0, False),
        ("integer", 1e20, False),
        ("integer", 1.5, False),
        ("integer", True, False),
        ("integer", "1", False),
        ("number", 1, True),
        ("number", 1.0, True),
        ("number", True, False),
        ("boolean", True, True),
        ("boolean", 1, False),
        (["null", "integer"], None, True),
        (["null", "integer"], 1.0, False),
        (["integer", "number"], 1.0, True),
        (["integer", "string"], 1.0, False),
    ],
    ids=str,
)
def test_integers_booleans_and_whole_floats_are_told_apart(declared, value, fits):
    validator = compile_schema({"properties": {"a": {"type": declared}}})

    assert validator.is_valid({"a": value}) is fits


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"items": {"type": "integer"}}}},
        {"properties": {"a": {"items": [{"type": "integer"}]}}},
        {"properties": {"a": {"anyOf": [{"type": "null"}, {"items": {"type": "integer"}}]}}},
        {"properties": {"a": {"$ref": "#/definitions/d"}},
         "definitions": {"d": {"items": {"type": "integer"}}}},
        {"additionalProperties": {"items": {"type": "integer"}}},
        {"patternProperties": {"^a": {"items": {"type": "integer"}}}},
        {"allOf": [{"properties": {"a": {"items": {"type": "integer"}}}}]},
    ],
    ids=["items", "tuple", "variant", "reference", "additional", "pattern", "allOf"],
)  # fmt: skip
def test_a_whole_float_is_no_integer_wherever_it_stands(schema):
    validator = compile_schema(schema)

    assert validator.is_valid({"a": [1]})
    assert not validator.is_valid({"a": [1.0]})


def test_a_whole_float_takes_the_variant_for_numbers():
    validator = compile_schema(
        {"properties": {"a": {"oneOf": [{"type": "integer"}, {"type": "number"}]}}}
    )

    assert validator.is_valid({"a": 1.0})
    assert not validator.is_valid({"a": 1})


def test_the_given_schema_is_not_changed():
    schema = {"properties": {"a": {"type": "integer"}}, "$schema": "x"}
    compile_schema(schema)

    assert schema == {"properties": {"a": {"type": "integer"}}, "$schema": "x"}


def test_properties_called_like_keywords_are_properties():
    schema = {
        "properties": {
            "type": {"type": "integer"},
            "properties": {"type": "string"},
            "items": {"type": "integer"},
            "enum": {"type": "integer"},
        }
    }
    validator = compile_schema(schema)

    assert validator.is_valid({"type": 1, "properties": "x", "items": 2, "enum": 3})
    assert not validator.is_valid({"type": 1.0})


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2021-01-02", "2021-1-2"),
        ("date-time", "2021-1-2 3:4:5", "2021-01-02"),
        ("time", "12:00:22", "12:00"),
        ("email", "a@b.org", "a"),
        ("idn-email", "ä@b.org", "a"),
        ("hostname", "a.example", "a_b"),
        ("idn-hostname", "ü.example", "-"),
        ("ipv4", "1.2.3.4", "1.2.3"),
        ("ipv6", "::1", "1.2.3.4"),
        ("uri", "http://a.example", "a b"),
        ("uri-reference", "/a", "a b"),
        ("iri", "http://ü.example", "a b"),
        ("iri-reference", "ü", "a b"),
        ("uri-template", "{a}", "{a"),
        ("json-pointer", "/a", "a"),
        ("relative-json-pointer", "1", "a"),
        ("regex", "^a", "("),
        ("uuid", "3e4666bf-d5e5-4aa7-b8ce-cefe41c7568a", "x"),
    ],
)
def test_a_format_of_draft_7_is_judged(name, good, bad):
    validator = compile_schema({"properties": {"a": {"format": name}}})

    assert validator.is_valid({"a": good})
    assert not validator.is_valid({"a": bad})


@pytest.mark.parametrize("value", [None, 1, [], {}], ids=str)
def test_a_format_says_nothing_of_what_is_no_text(value):
    assert compile_schema({"properties": {"a": {"format": "date-time"}}}).is_valid({"a": value})


def test_a_format_nobody_knows_is_ignored():
    assert compile_schema({"properties": {"a": {"format": "int64"}}}).is_valid({"a": "x"})


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"a": {"type": "bogus"}}}, "properties.a.type"),
        ({"properties": []}, "properties"),
        ({"properties": {"a": {"minimum": "1"}}}, "properties.a.minimum"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern"),
        ({"properties": {"a": {"$ref": "#/definitions/nowhere"}}}, ""),
        ({"properties": {"a": {"$ref": "http://example.com/a.json"}}}, ""),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, ""),
        ({"required": "a"}, "required"),
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_used_says_where_and_why(schema, path):
    with pytest.raises(UnusableSchemaError) as raised:
        compile_schema(schema)

    assert raised.value.path == path
    assert raised.value.reason


def test_a_schema_deeper_than_can_be_read_is_unusable():
    schema: dict[str, object] = {}
    for _ in range(5000):
        schema = {"properties": {"a": schema}}

    with pytest.raises(UnusableSchemaError):
        compile_schema(schema)


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}]}, {"properties": {"a": {"$ref": "#"}}}]
)
def test_a_schema_that_contains_itself_is_no_trap(schema):
    assert compile_schema(schema).is_valid({"a": {"a": {}}})


def test_a_pattern_that_backtracks_is_no_trap():
    validator = compile_schema({"properties": {"a": {"pattern": "^(a+)+$"}}})

    assert not validator.is_valid({"a": "a" * 5000 + "b"})


# The referee: jsonschema in pure Python, taught the two documented differences.

ORACLE = jsonschema.validators.extend(
    jsonschema.Draft7Validator,
    type_checker=jsonschema.Draft7Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
CHECKER = jsonschema.FormatChecker(formats=())
for name, judge in FORMATS.items():
    CHECKER.checkers[name] = (
        lambda value, judge=judge: not isinstance(value, str) or judge(value),
        (),
    )

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, 1.0, 1.5, -2.0, 1e20])
    | st.sampled_from(["", "a", "ab", "2021-01-02T03:04:05Z", "2021-01-02", "12:00:00"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
RECORDS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])


@st.composite
def leaf_schemas(draw):
    schema = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
                "enum": st.lists(SCALARS, min_size=1, max_size=3, unique_by=repr),
                "const": SCALARS,
                "minimum": st.integers(-2, 2),
                "exclusiveMaximum": st.integers(-2, 2),
                "minLength": st.integers(0, 2),
                "maxItems": st.integers(0, 2),
                "uniqueItems": st.booleans(),
                "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
                "format": st.sampled_from(["date-time", "time", "uuid", "int64"]),
                "pattern": st.sampled_from(["^a", "b$", "^[0-9]+"]),
            },
        )
    )
    return dict(list(schema.items())[:3])


SCHEMAS = st.recursive(
    leaf_schemas(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "additionalProperties": st.booleans() | inner,
            "items": inner | st.lists(inner, min_size=1, max_size=2),
            "contains": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    ),
    max_leaves=5,
)


@given(schema=SCHEMAS, record=RECORDS)
@settings(max_examples=300, deadline=None)
def test_the_verdict_is_that_of_the_reference_implementation(schema, record):
    expected = ORACLE(schema, format_checker=CHECKER).is_valid(record)

    assert compile_schema(schema).is_valid(record) is expected


@pytest.fixture(scope="module")
def host():
    """A server on this machine that would answer with a schema, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "string"}')

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@COMPILERS
@pytest.mark.parametrize(
    "schema",
    [
        lambda host, file: {"$ref": f"{host}/whole"},
        lambda host, file: {"properties": {"a": {"anyOf": [{"$ref": f"{host}/part#/a"}]}}},
        lambda host, file: {"$id": f"{host}/base/", "$ref": "relative"},
        lambda host, file: {"$ref": file.as_uri()},
        lambda host, file: {"$id": file.parent.as_uri() + "/", "$ref": file.name},
    ],
    ids=["a host", "a host, further down", "a host by $id", "a file", "a file by $id"],
)
def test_nothing_is_fetched_for_a_schema(compiled, schema, host, tmp_path):
    (tmp_path / "schema.json").write_text('{"type": "string"}')
    address, asked = host

    with pytest.raises(UnusableSchemaError):
        compiled(schema(address, tmp_path / "schema.json"))

    assert asked == []


def test_no_draft_is_fetched_either(host):
    address, asked = host

    with pytest.raises(UnusableSchemaError):
        compile_any_draft({"$schema": f"{address}/draft", "type": "string"})
    assert compile_schema({"$schema": f"{address}/draft", "type": "string"}).is_valid("a")

    assert asked == []


@COMPILERS
def test_a_schema_that_unfolds_without_end_is_refused_at_once(compiled):
    twice = {f"a{n}": {"allOf": [{"$ref": f"#/definitions/a{n + 1}"}] * 2} for n in range(40)}
    bomb = {"$ref": "#/definitions/a0", "definitions": {**twice, "a40": {"type": "object"}}}

    with pytest.raises(UnusableSchemaError, match="unfolds to more than"):
        compiled(bomb)


@COMPILERS
def test_a_schema_that_contains_itself_judges_as_any_other(compiled):
    tree = {"properties": {"name": {"type": "string"}, "child": {"$ref": "#"}}}

    assert compiled(tree).is_valid({"child": {"child": {"name": "x"}}})
    assert not compiled(tree).is_valid({"child": {"child": {"name": 1}}})
