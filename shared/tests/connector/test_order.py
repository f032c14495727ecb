"""The order of lines, in words and back, wherever the words were cut off."""

from __future__ import annotations

import pytest

from hydrotest_core.connector.order import Cut, OrderEntry, OrderWriter, read_order


def _read(text: bytes) -> list[OrderEntry]:
    *whole, rest = text.split(b"\n")
    lines = [(line, True) for line in whole]
    return list(read_order([*lines, (rest, False)] if rest else lines))


def _spoken() -> bytes:
    order = OrderWriter()
    order.note_file("A", "records/000.jsonl")
    text = order.lines("AA", 3)
    order.note_file("丁", "messages/logs.jsonl")
    text += order.lines("丁A", 20)
    text += order.stderr(5, 30)
    text += order.stderr(6, 40)
    order.note_cut(Cut(99, "ab"))
    text += order.lines("A", 60)
    order.note_unended()
    text += order.lines("A", 70)
    return text + order.finish()


def test_the_order_is_a_byte_a_line_and_a_few_for_each_new_time():
    assert _spoken().decode() == (
        "+A records/000.jsonl\n3 AA\n+丁 messages/logs.jsonl\n3 丁A\n3 !11\n>99 ab\n60 A\n~\n60 A\n"
    )


def test_what_was_written_is_read():
    records, logs = "records/000.jsonl", "messages/logs.jsonl"

    assert _read(_spoken()) == [
        OrderEntry(3, [records, records]),
        OrderEntry(3, [logs, records]),
        OrderEntry(3, [], stderr_bytes=11),
        OrderEntry(60, [records], cut=Cut(99, "ab")),
        OrderEntry(60, [records], is_ended=False),
    ]


@pytest.mark.parametrize("size", range(len(_spoken())))
def test_cut_off_anywhere_it_tells_a_begin_of_what_it_told(size):
    def told(text: bytes) -> list[tuple[int, str, Cut | None, bool]]:
        return [
            (entry.at_ms, name, entry.cut if not at else None, entry.is_ended or bool(at))
            for entry in _read(text)
            for at, name in enumerate(entry.files)
        ]

    all_of_it, begin = told(_spoken()), told(_spoken()[:size])

    assert begin == all_of_it[: len(begin)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"hello\n", id="no entry"),
        pytest.param(b"0 A\n", id="a letter of no file"),
        pytest.param(b"+A a\n0 A\n0 AB\n", id="the second one of no file"),
        pytest.param(b"x0 A\n", id="no time"),
        pytest.param(b">many ab\n", id="no size"),
        pytest.param(b"\xff\n", id="no text"),
    ],
)
def test_what_is_no_order_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        _read(text)


def test_what_comes_within_a_window_stands_under_one_time():
    order = OrderWriter()
    order.note_file("A", "a")
    text = b"".join(order.lines("A", now) for now in (0, 10, 49, 50, 99, 100, 1000))

    assert text + order.finish() == b"+A a\n0 AAA\n50 AA\n100 A\n1000 A\n"


def test_a_writer_shows_how_far_it_is():
    order = OrderWriter()
    order.note_file("A", "a")

    assert repr(order) == "OrderWriter(1 files)"
