from __future__ import annotations

import pytest

from hydrotest_core.connector.docker_memory import MemoryWatch, resident_bytes

V1 = {"memory_stats": {"usage": 900, "stats": {"total_rss": 500, "rss": 400}}}
V2 = {"memory_stats": {"usage": 900, "stats": {"anon": 300, "file": 600}}}


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        pytest.param(V1, 500, id="cgroup v1"),
        pytest.param(V2, 300, id="cgroup v2"),
        pytest.param({"memory_stats": {}}, None, id="ended"),
        pytest.param({}, None, id="empty"),
        pytest.param({"memory_stats": {"stats": None}}, None, id="no numbers"),
    ],
)
def test_resident_memory_is_what_is_anonymous(sample, expected):
    assert resident_bytes(sample) == expected


def test_peak_is_the_largest_sample():
    watch = MemoryWatch("unix:///nowhere/docker.sock", "x", 1)
    for sample in ({}, V2, V1, V2, {}):
        watch._take(sample)

    assert watch.peak_bytes == 500


def test_engine_that_is_gone_is_told():
    watch = MemoryWatch("unix:///nowhere/docker.sock", "x", 1)
    watch.start()
    watch._thread.join()

    assert "No Docker engine answers" in str(watch.lost)
    watch.stop()


def test_silence_after_the_end_is_no_loss():
    watch = MemoryWatch("unix:///nowhere/docker.sock", "x", 1)
    watch._is_over = True
    watch.start()
    watch.stop()

    assert watch.lost is None
