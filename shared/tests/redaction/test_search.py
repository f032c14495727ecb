from __future__ import annotations

from collections import Counter

import pytest

from hydrotest_core.redaction.search import Needle, Needles, replace


def a_needle(pattern: bytes, name: str = "key", *, is_number: bool = False) -> Needle:
    return Needle(pattern, name, f"<{name}>".encode(), is_number)


def replaced(data: bytes, *needles: Needle) -> bytes:
    clean, beyond = replace(Needles(needles), data, 0, len(data), covered=0, hits=Counter())
    assert beyond == 0
    return clean


def test_data_without_a_needle_comes_back_itself():
    data = b"nothing here"

    assert replaced(data, a_needle(b"secret-1")) is data


def test_every_occurrence_is_replaced():
    assert replaced(b"secret-1 a secret-1", a_needle(b"secret-1")) == b"<key> a <key>"


@pytest.mark.parametrize(
    ("data", "clean"),
    [
        (b"..abcdefghij..", b"..<one>.."),
        (b"..abcdef.efghij..", b"..<one>.<two>.."),
        (b"abcdefefghij", b"<one><two>"),
    ],
    ids=["overlapping", "apart", "touching"],
)
def test_needles_that_overlap_get_one_token(data, clean):
    assert replaced(data, a_needle(b"abcdef", "one"), a_needle(b"efghij", "two")) == clean


def test_the_longer_of_two_needles_that_start_together_gives_the_name():
    assert (
        replaced(b"abcdefgh", a_needle(b"abcdef", "one"), a_needle(b"abcdefgh", "two")) == b"<two>"
    )


def test_a_needle_that_overlaps_itself_leaves_no_rest():
    assert replaced(b"xabababax", a_needle(b"ababa")) == b"x<key>x"


def test_needles_that_share_a_run_are_found_each():
    needles = [a_needle(b"token/abcdef", "one"), a_needle(b"token%2Fabcdef", "two")]

    assert len(Needles(needles).groups) == 1
    assert replaced(b"token/abcdef token%2Fabcdef abcdef", *needles) == b"<one> <two> abcdef"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"123456", True),
        (b"pin=123456&", True),
        (b"123456.", True),
        (b'"123456"', True),
        (b"%22123456%22", True),
        (b"\\u0022123456\\u0022", True),
        (b"\\x22123456", True),
        (b"1763697123456", False),
        (b"1234567", False),
        (b"0.123456", False),
        (b"123456.5", False),
        (b"v.123456", True),
    ],
)
def test_a_number_is_found_only_as_a_whole_number(data, found):
    assert (replaced(data, a_needle(b"123456", is_number=True)) != data) == found


@pytest.mark.parametrize(
    ("data", "clean"),
    [
        (b'{"pin":123456}', b'{"pin":"<key>"}'),
        (b'{"pin": 123456, "a": 1}', b'{"pin": "<key>", "a": 1}'),
        (b"[123456,123456]", b'["<key>","<key>"]'),
        (b'{"pin":"123456"}', b'{"pin":"<key>"}'),
        (b"the pin is 123456, ok", b"the pin is <key>, ok"),
    ],
    ids=["object", "spaced", "array", "quoted", "text"],
)
def test_a_bare_number_is_replaced_so_that_json_stays_json(data, clean):
    assert replaced(data, a_needle(b"123456", is_number=True)) == clean


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"...", 0),
        (b"", 0),
        (b"...s", 1),
        (b"...se", 2),
        (b"...sec", 3),
        (b"...secr", 4),
        (b"...secret-", 7),
        (b"...secret-1", 0),
        (b"secret-", 7),
        (b"ret-", 0),
        (b"...secret-1sec", 3),
        (b"...secset", 0),
        (b"sesecr", 4),
    ],
)
def test_only_what_may_begin_a_needle_is_held_back(data, count):
    assert Needles([a_needle(b"secret-1")]).held_back(data) == count


@pytest.mark.parametrize(
    ("data", "count"), [(b"a123456", 6), (b"a123456.", 7), (b"a123456.1", 1), (b"a12345", 5)]
)
def test_a_number_at_the_end_waits_for_what_follows(data, count):
    assert Needles([a_needle(b"123456", is_number=True)]).held_back(data) == count


def test_a_periodic_needle_holds_back_its_longest_begin():
    assert Needles([a_needle(b"abababac")]).held_back(b"xabababab") == 6


def test_hits_are_counted_by_name():
    hits: Counter[str] = Counter({"one": 1})
    needles = Needles([a_needle(b"abcdef", "one"), a_needle(b"ghijkl", "two")])
    replace(needles, b"abcdef ghijkl abcdef", 0, 20, covered=0, hits=hits)

    assert hits == {"one": 3, "two": 1}
