from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_acceptance.rules.seen_hashes import SeenHashes


def test_a_key_is_new_once():
    seen = SeenHashes()

    assert [seen.add(b"a"), seen.add(b"b"), seen.add(b"a"), seen.add(b"b")] == [
        False,
        False,
        True,
        True,
    ]
    assert len(seen) == 2


def test_it_grows_past_its_first_size():
    seen = SeenHashes()
    keys = [str(n).encode() for n in range(5000)]

    assert not any(seen.add(key) for key in keys)
    assert all(seen.add(key) for key in keys)
    assert len(seen) == 5000


def test_at_its_limit_it_remembers_no_more_and_still_compares():
    seen = SeenHashes(limit=2)
    assert not any(seen.add(key) for key in (b"a", b"b"))

    assert seen.is_full
    assert not seen.add(b"c")
    assert not seen.add(b"c")
    assert seen.add(b"a")


@given(st.lists(st.integers(0, 300), max_size=2000))
@settings(max_examples=25, deadline=None)
def test_it_answers_as_a_set_would(numbers):
    seen, known = SeenHashes(), set()
    for number in numbers:
        key = str(number).encode()
        assert seen.add(key) == (number in known)
        known.add(number)
