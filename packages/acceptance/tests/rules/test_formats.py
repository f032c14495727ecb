from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrotest_acceptance.rules.formats import (
    _is_common,
    _is_lenient,
    is_date_time,
    is_time,
    is_uuid,
)

# The verdicts of CAT 3.9.8 that its reference lists, and their neighbours.
ACCEPTED = [
    "2021-01-02T03:04:05Z",
    "2021-1-2T3:4:5",
    "2021-01-02 03:04:05",
    "2021-01-02T03:04:05",
    "2021-01-02T03:04:05+0530",
    "2021-01-02T03:04:05+05:30",
    "2021-01-02T03:04:05-05",
    "2021-01-02T03:04:05 +05:30",
    "2021-01-02T03:04:05PST",
    "2021-01-02T03:04:05 PST",
    "2021-01-02T03:04:05ZZZ",
    "2021-01-02T03:04:05 UTC",
    "2021-01-02T03:04:05GMT+3",
    "2021-01-02T03:04:05z",
    "2021-01-02T03:04:05.5",
    "2021-01-02T03:04:05,5",
    "2021-01-02T03:04:05.123456789Z",
    "2021-01-02T03:04:05.000+0000",
    "2021-01-02T03:04:05.",
    "2021-01-02 03:04:05 PM",
    "2021-01-02\t03:04:05",
    "2021-01-02T03:04:05  ",
    "2020-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
]
REJECTED = [
    "",
    "2021-01-02",
    "2021-01-02T03:04",
    "2021-01-02t03:04:05",
    "2021-21-02T03:04:05",
    "2021-13-01T00:00:00",
    "2021-02-30T03:04:05",
    "2021-02-29T00:00:00",
    "1900-02-29T00:00:00",
    "2021-04-31T00:00:00",
    "2021-00-01T00:00:00",
    "2021-01-00T00:00:00",
    "2021-01-02T24:00:00",
    "2021-01-02T23:60:00",
    "2021-01-02T23:59:60",
    "0000-00-00 00:00:00",
    "0000-01-01T00:00:00",
    "10000-01-01T00:00:00",
    "21-01-02T03:04:05",
    "2021-01-02T03:04:05foo",
    "2021-01-02T03:04:05 foo",
    "2021-01-02T03:04:05PSTPST",
    "2021-01-02T03:04:05+",
    "2021-01-02T03:04:05+053",
    "2021-01-02T03:04:05+05:30:15",
    "2021-01-02T03:04:05 (UTC)",
    "2021-01-02T03:04:05Z junk",
    "2021-01-02  03:04:05",
    " 2021-01-02T03:04:05",
    "٢٠٢١-01-02T03:04:05",
    "2021-W01-1T03:04:05",
    "2021-W01-1T03:04:05Z",
    "20210102T030405",
    "2021-01-02T03:04:05+05:30:00+00:00",
    "2021-01-02T03:04:05+00:00:00+00:00",
    "2021-01-02_03:04:05",
    "2021-01-02T24:00:00Z",
    "now",
]
# Where CAT's parser let more through: a value no warehouse takes for a timestamp.
STRICTER = ["2021-01-02T03:04:05+99:99", "2021-01-02T03:04:05 Monday", "2021-01-02T03:04:05am"]


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_timestamp_is_accepted(text):
    assert is_date_time(text)


@pytest.mark.parametrize("text", REJECTED)
def test_what_is_no_timestamp_is_rejected(text):
    assert not is_date_time(text)


@given(
    st.from_regex(
        r"[0-9]{4}-(0?[0-9]|1[0-9])-[0-3]?[0-9][T t_][0-2]?[0-9]:[0-6]?[0-9]:[0-6]?[0-9]"
        r"([.,][0-9]{0,7})?(Z|z|\+00:00|[+-][0-2][0-9]:?[0-5][0-9]| PST)?",
        fullmatch=True,
    )
)
@settings(max_examples=300, deadline=None)
def test_the_short_cut_accepts_nothing_that_the_rule_does_not(text):
    assert _is_lenient(text) or not _is_common(text)


@pytest.mark.parametrize("text", STRICTER)
def test_a_known_difference_from_cat_is_kept(text):
    assert not is_date_time(text)


@pytest.mark.parametrize(
    "tail", [" " * 200_000, "Z" + " " * 200_000, "." + "1" * 200_000, "\n" * 200_000], ids=len
)
def test_a_hostile_tail_costs_one_pass(tail):
    assert not is_date_time(f"2021-01-02T03:04:05{tail}!")


@pytest.mark.parametrize(
    "text",
    ["12:00:22", "00:00:00", "23:59:59", "12:00:22Z", "12:00:22.5", "12:00:22.123456+05:30",
     "12:00:22-0800"],
)  # fmt: skip
def test_a_time_is_accepted_with_and_without_zone(text):
    assert is_time(text)


@pytest.mark.parametrize(
    "text", ["", "12:00", "24:00:00", "12:60:00", "23:59:60", "1:2:3", "12:00:22 PM", "12:00:22+5"]
)
def test_what_is_no_time_is_rejected(text):
    assert not is_time(text)


def test_a_uuid_is_accepted_in_upper_and_lower_case():
    text = str(uuid.UUID(int=2**127 + 1))

    assert is_uuid(text)
    assert is_uuid(text.upper())


@pytest.mark.parametrize("text", ["", "x", "0" * 32, "0" * 36, str(uuid.UUID(int=1)) + "0"])
def test_what_is_no_uuid_is_rejected(text):
    assert not is_uuid(text)
