from __future__ import annotations

import resource
import subprocess
import sys
import time

import pytest

from hydrotest_core.connector.rusage import PeakWatch, peak_rss

OURS = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    ("reported_kib", "seen_bytes", "expected"),
    [
        pytest.param(OURS * 1000, 5, OURS * 1000 * 1024, id="more than we ever took"),
        pytest.param(1, 5, 5, id="maybe ours"),
        pytest.param(1, None, None, id="maybe ours and never seen"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_peak_is_what_the_kernel_says_unless_it_may_be_ours(reported_kib, seen_bytes, expected):
    usage = resource.struct_rusage((0.0, 0.0, reported_kib, *[0] * 13))

    assert peak_rss(usage, seen_bytes) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_watch_sees_the_mark_of_a_running_process():
    code = "x = bytearray(64 << 20); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        watch = PeakWatch()
        watch.start(child.pid)
        deadline = time.monotonic() + 5
        while watch.peak_bytes is None and time.monotonic() < deadline:
            time.sleep(0.01)
        child.stdin.close()
        child.wait()
        watch.stop()

    assert watch.peak_bytes is not None
    assert watch.peak_bytes > 64 << 20
    assert repr(watch) == f"PeakWatch(peak_bytes={watch.peak_bytes})"


def test_watch_of_a_process_that_is_gone_sees_nothing():
    watch = PeakWatch()
    watch.start(2**22 + 1)
    watch.stop()

    assert watch.peak_bytes is None
