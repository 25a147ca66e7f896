"""Window: in flight = written - cursor, and never more than the bounds (rule 19)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.window import AckAheadError, Numbered, Window


def window(cursor: int = 0, messages: int = 4, size_bytes: int = 100) -> Window[str]:
    return Window(cursor, max_messages=messages, max_bytes=size_bytes)


def entry(seq: int, size: int = 10) -> Numbered[str]:
    return Numbered(seq, size, f"m{seq}")


def test_messages_in_flight_are_bounded_and_an_ack_makes_room() -> None:
    w = window()
    for seq in (1, 2, 3, 4):
        assert w.has_room(10)
        w.write(entry(seq), 0.0)
    assert not w.has_room(1)
    assert w.acknowledge(2)
    assert (w.cursor, w.in_flight, w.in_flight_bytes) == (2, 2, 20)
    assert w.has_room(80)
    assert not w.has_room(81)


def test_one_message_larger_than_the_window_still_passes_alone() -> None:
    w = window(size_bytes=10)
    assert w.has_room(500)
    w.write(entry(1, 500), 0.0)
    assert not w.has_room(1)
    w.acknowledge(1)
    assert w.has_room(500)


def test_acknowledging_beyond_what_was_written_raises_and_changes_nothing() -> None:
    w = window(7)
    w.write(entry(8), 0.0)
    before = w.statistics()
    with pytest.raises(AckAheadError, match="up to 9, sent only up to 8"):
        w.acknowledge(9)
    assert w.statistics() == before


def test_the_cursor_never_goes_back() -> None:
    w = window()
    w.write(entry(1), 0.0)
    w.write(entry(2), 0.0)
    assert w.acknowledge(2)
    assert not w.acknowledge(1)
    assert not w.acknowledge(2)
    assert w.cursor == 2


def test_what_arrived_by_another_way_may_be_acknowledged() -> None:
    w = window()
    w.pass_to(3)
    assert w.in_flight == 0
    assert w.acknowledge(3)


def test_a_repeat_below_the_cursor_is_not_counted() -> None:
    w = window(5)
    w.write(entry(3), 0.0)
    assert (w.in_flight, w.written) == (0, 5)


def test_after_a_rewind_an_ack_on_its_way_is_still_good() -> None:
    w = window()
    for seq in (1, 2, 3):
        w.write(entry(seq), 0.0)
    w.rewind(2)
    assert (w.in_flight, w.written) == (1, 3)
    assert w.acknowledge(3)
    assert w.in_flight == 0


def test_writing_the_same_seq_twice_is_refused() -> None:
    w = window()
    w.write(entry(1), 0.0)
    with pytest.raises(ValueError, match="in flight already"):
        w.write(entry(1), 0.0)
    assert w.in_flight_bytes == 10


@given(st.lists(st.tuples(st.sampled_from(["write", "ack", "rewind"]), st.integers(0, 60))))
def test_the_counts_are_those_of_a_plain_model(steps: list[tuple[str, int]]) -> None:
    w: Window[int] = Window(0, max_messages=5, max_bytes=120)
    model: dict[int, int] = {}
    position, cursor, written = 0, 0, 0
    for verb, number in steps:
        if verb == "write" and w.has_room(number):
            position += 1
            w.write(Numbered(position, number, 0), 0.0)
            written = max(written, position)
            if position > cursor:
                model[position] = number
        elif verb == "ack" and number <= written:
            assert w.acknowledge(number) == (number > cursor)
            cursor = max(cursor, number)
            position = max(position, cursor)
            model = {seq: size for seq, size in model.items() if seq > cursor}
        elif verb == "ack":
            with pytest.raises(AckAheadError):
                w.acknowledge(number)
        elif verb == "rewind" and 1 <= number <= position:
            w.rewind(number)
            position = number - 1
            model = {seq: size for seq, size in model.items() if seq < number}
        assert w.in_flight == len(model) <= 5
        assert w.in_flight_bytes == sum(model.values())
        assert w.in_flight_bytes <= 120 or w.in_flight == 1
        assert [flight.entry.seq for flight in w.flights()] == sorted(model)
        assert (w.cursor, w.written) == (cursor, written)
