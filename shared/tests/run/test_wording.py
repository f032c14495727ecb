from __future__ import annotations

import pytest

from hydrotest_core.run import wording


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(wording.grouped(0), "0", id="nothing"),
        pytest.param(wording.grouped(999), "999", id="no group"),
        pytest.param(wording.grouped(1_234_567), "1 234 567", id="groups of three"),
        pytest.param(wording.counted(1, "test"), "1 test", id="one"),
        pytest.param(wording.counted(0, "test"), "0 tests", id="none"),
        pytest.param(wording.counted(2000, "test"), "2 000 tests", id="many"),
        pytest.param(wording.seconds(0.04), "0.0 s", id="no time"),
        pytest.param(wording.seconds(59.9), "59.9 s", id="seconds"),
        pytest.param(wording.seconds(60), "1 min 00 s", id="a minute"),
        pytest.param(wording.seconds(200.4), "3 min 20 s", id="minutes"),
        pytest.param(wording.seconds(3599.9), "1 h 00 min", id="rounded up to an hour"),
        pytest.param(wording.seconds(7500), "2 h 05 min", id="hours"),
        pytest.param(wording.size(999), "999 B", id="bytes"),
        pytest.param(wording.size(211_600_000), "212 MB", id="megabytes"),
        pytest.param(wording.size(5_000_000_000_000), "5.0 TB", id="more than there is"),
        pytest.param(wording.rate(4310.4), "4 310 rec/s", id="a rate"),
        pytest.param(wording.when(0), "1970-01-01 00:00:00 UTC", id="a moment"),
        pytest.param(wording.digest("sha256:" + "a" * 64), "sha256:aaaaaaaaaaaa", id="an image"),
        pytest.param(wording.digest("env:0123"), "env:0123", id="an environment"),
        pytest.param(wording.digest(""), "", id="unknown"),
    ],
)
def test_a_quantity_is_put_into_words(text, expected):
    assert expected == text
