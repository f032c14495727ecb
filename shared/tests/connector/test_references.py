from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import UsageError

_DIGEST = "sha256:" + "ab" * 32

_part = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
_path = st.lists(_part, min_size=1, max_size=3).map("/".join)
_host = st.sampled_from(["localhost", "registry.example", "a.b-c.example", "REGISTRY", "[::1]"])
_port = st.integers(1, 65535)
_registry = st.one_of(
    _host, st.tuples(_host, _port).map(lambda both: f"{both[0]}:{both[1]}"), st.just("reg:5000")
)
_tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True)
_digest = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(
    registry=st.none() | _registry,
    path=_path,
    tag=st.none() | _tag,
    digest=st.none() | _digest,
)
def test_a_reference_is_taken_apart_and_put_together_again(registry, path, tag, digest):
    # Without a registry, a first part with a dot would be one.
    if registry is None and "/" in path and ("." in path.split("/")[0] or path[:9] == "localhost"):
        registry = "registry.example"
    reference = ImageRef(registry=registry, path=path, tag=tag, digest=digest)

    parsed = ImageRef.parse(str(reference))

    if registry == "[::1]":  # Without a port, engines read no address in brackets either.
        assert str(parsed) == str(reference)
    else:
        assert parsed == reference


@given(registry=st.none() | _registry, path=_path, tag=st.none() | _tag, other=_tag)
def test_another_tag_keeps_registry_and_path(registry, path, tag, other):
    reference = ImageRef(registry=registry, path=path, tag=tag, digest=_DIGEST)

    changed = reference.with_tag(other)

    assert (changed.registry, changed.path) == (registry, path)
    assert str(changed).endswith(f"{path}:{other}")


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag", "digest"),
    [
        ("x", None, "x", None, None),
        ("airbyte/source-faker:dev", None, "airbyte/source-faker", "dev", None),
        ("localhost:5000/x:dev", "localhost:5000", "x", "dev", None),
        ("localhost:5000/x", "localhost:5000", "x", None, None),
        ("localhost/x", "localhost", "x", None, None),
        (f"x@{_DIGEST}", None, "x", None, _DIGEST),
        (f"a/b:1@{_DIGEST}", None, "a/b", "1", _DIGEST),
        ("registry.example/org/x:1.2.3", "registry.example", "org/x", "1.2.3", None),
        ("[::1]:5000/x:1", "[::1]:5000", "x", "1", None),
    ],
)
def test_parts_are_told_apart(text, registry, path, tag, digest):
    parsed = ImageRef.parse(text)

    assert parsed == ImageRef(registry=registry, path=path, tag=tag, digest=digest)
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x:",
        "x@",
        "x:a b",
        "Upper/x/Case",
        "x@sha256:short",
        "-x",
        "x/",
        "/x",
        "a//b",
        "x:1:2",
        "x\n",
        "x:" + "t" * 129,
        "p" * 256,
        "http://host/x",
    ],
)
def test_what_is_no_reference_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="no image reference") as caught:
        ImageRef.parse(text)

    assert "airbyte/source-faker:dev" in caught.value.hint


def test_a_digest_wins_where_an_engine_is_asked():
    assert ImageRef.parse(f"a/b:1@{_DIGEST}").engine_name == f"a/b@{_DIGEST}"
    assert ImageRef.parse("a/b:1").engine_name == "a/b:1"


def test_a_version_is_a_tag_or_a_digest():
    reference = ImageRef.parse(f"localhost:5000/x:dev@{_DIGEST}")

    assert str(reference.with_version("1.2.0")) == "localhost:5000/x:1.2.0"
    assert str(reference.with_version(_DIGEST)) == f"localhost:5000/x@{_DIGEST}"
    with pytest.raises(UsageError, match="neither an image tag nor a digest"):
        reference.with_version("not a tag")


def test_the_name_is_the_last_part():
    assert ImageRef.parse("localhost:5000/airbyte/source-faker:dev").name == "source-faker"
