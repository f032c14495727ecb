from __future__ import annotations

import pytest

from hydrotest_core.connector.session_record import RECORD_FILE, read_record, session_folders


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: (folder / RECORD_FILE).unlink(), id="no record"),
        pytest.param(lambda folder: (folder / RECORD_FILE).write_text("{"), id="no JSON"),
        pytest.param(lambda folder: (folder / RECORD_FILE).write_bytes(b"\xff"), id="no UTF-8"),
        pytest.param(
            lambda folder: folder.rename(folder.with_name("hydrotest-bbbbbbbbbbbb")),
            id="somebody else's record",
        ),
    ],
)
def test_folder_that_only_looks_like_a_session_is_left_alone(leave_behind, spoil):
    folder = leave_behind("aaaaaaaaaaaa", "1/2/3/4/5")
    assert read_record(folder) is not None

    spoil(folder)

    assert [read_record(one) for one in session_folders()] == [None]


def test_link_to_a_session_is_no_session(leave_behind, tmp_path):
    folder = leave_behind("aaaaaaaaaaaa", "1/2/3/4/5")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")

    assert read_record(folder) is None


def test_folder_of_another_user_is_no_session(leave_behind, monkeypatch):
    folder = leave_behind("aaaaaaaaaaaa", "1/2/3/4/5")
    assert read_record(folder) is not None

    monkeypatch.setattr("os.getuid", lambda: 4711)

    assert read_record(folder) is None
