from __future__ import annotations

import pytest

from hydrotest_core.connector.memory_kills import memory_kills

V1 = "9:name=systemd:/\n4:cpu,cpuacct:/a\n2:memory,hugetlb:/a\n"
CONTROL = "sys/fs/cgroup/memory/a/memory.oom_control"
EVENTS = "sys/fs/cgroup/b/c/memory.events"


@pytest.fixture
def kills_of(tmp_path):
    """Return a function that makes files below a root of its own and reads the count."""

    def read(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return memory_kills(tmp_path)

    return read


@pytest.mark.parametrize(
    ("files", "count"),
    [
        pytest.param({}, None, id="no Linux"),
        pytest.param({"proc/vmstat": "nr_free 7\noom_kill 3\n"}, 3, id="the machine"),
        pytest.param({"proc/vmstat": "nr_free 7\n"}, None, id="an old kernel"),
        pytest.param({"proc/vmstat": b"\xff"}, None, id="no text"),
        pytest.param(
            {"proc/self/cgroup": V1, CONTROL: "under_oom 0\noom_kill 5\n", "proc/vmstat": "oom_kill 9"},
            5,
            id="cgroup v1",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/b/c\n", EVENTS: "oom 1\noom_kill 2\noom_group_kill 0\n"},
            2,
            id="cgroup v2",
        ),
        pytest.param(
            {"proc/self/cgroup": V1, CONTROL: "under_oom 0\n", "proc/vmstat": "oom_kill 9"},
            9,
            id="a group that does not count",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/\n", "proc/vmstat": "oom_kill 4\n"}, 4, id="the root group"
        ),
    ],
)  # fmt: skip
def test_the_nearest_count_is_taken(kills_of, files, count):
    assert kills_of(files) == count


def test_this_machine_is_asked_without_an_error():
    found = memory_kills()

    assert found is None or found >= 0
