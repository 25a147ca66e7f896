"""What is late, also over a restart of the client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.lateness import Lateness

Entry = tuple[str, int, bool]
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["g:1", "g:2", "g:3"]), st.integers(1, 20), st.booleans()),
    max_size=40,
)


def see_all(lateness: Lateness, entries: list[Entry], after: int = 0) -> list[bool]:
    return [
        lateness.see(seq, conversation_id, message_id, hint=hint)
        for seq, (conversation_id, message_id, hint) in enumerate(entries, start=1)
        if seq > after
    ]


@given(ENTRIES, st.data())
def test_a_client_that_is_killed_marks_the_same_messages_late(
    entries: list[Entry], data: st.DataObject
) -> None:
    never_killed = see_all(Lateness(8), entries)
    killed, stored, cursor = Lateness(8), dict[str, int](), 0
    came = data.draw(st.integers(0, len(entries)))
    see_all(killed, entries[:came])
    while cursor < came and data.draw(st.booleans()):
        cursor = data.draw(st.integers(cursor, came))
        stored |= killed.passed(cursor)
        killed.settle(cursor)
    # What was seen above the stored cursor comes again, and is judged as it was.
    assert see_all(Lateness(8, stored), entries, after=cursor) == never_killed[cursor:]


def test_what_a_change_of_the_writer_made_late_is_late_after_a_restart() -> None:
    first = Lateness(8)
    first.see(1, "g:1", 20, hint=False)
    again = Lateness(8, first.passed(1))
    assert again.see(2, "g:1", 10, hint=False)
    assert again.passed(2) == {"g:1": 20}, "a late message does not lower what is kept"


def test_nothing_beyond_the_cursor_is_kept() -> None:
    lateness = Lateness(8)
    lateness.see(1, "g:1", 10, hint=False)
    lateness.see(2, "g:1", 20, hint=False)
    assert lateness.passed(0) == {}
    assert lateness.passed(1) == {"g:1": 10}


def test_what_was_not_stored_is_told_again() -> None:
    lateness = Lateness(8)
    lateness.see(1, "g:1", 10, hint=False)
    lateness.see(2, "g:2", 20, hint=False)
    assert lateness.passed(1) == {"g:1": 10}
    assert lateness.passed(2) == {"g:1": 10, "g:2": 20}
    lateness.settle(2)
    assert lateness.passed(2) == {}


def test_memory_is_bounded_and_the_conversation_silent_longest_is_forgotten() -> None:
    lateness = Lateness(2, {"g:0": 5, "g:1": 10, "g:2": 10})
    assert len(lateness) == 2
    assert not lateness.see(1, "g:0", 1, hint=False), "one too many was kept"
    assert lateness.see(2, "g:2", 9, hint=False)
    assert not lateness.see(3, "g:1", 9, hint=False), "g:0 and g:2 are newer"
    with pytest.raises(ValueError):
        Lateness(0)
