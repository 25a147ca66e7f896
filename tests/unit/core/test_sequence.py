"""Sequence: everything comes out once and in order, whatever order it came in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.sequence import Hole, Sequence


def sequence(next_seq: int = 1, capacity: int = 100) -> Sequence[str]:
    return Sequence(next_seq, capacity=capacity)


def test_in_order_items_come_out_at_once() -> None:
    s = sequence()
    assert s.offer(1, "a") == ["a"]
    assert s.offer(2, "b") == ["b"]
    assert s.next_seq == 3
    assert s.hole is None


def test_an_early_item_is_held_and_the_hole_is_named() -> None:
    s = sequence()
    assert s.offer(4, "d") == []
    assert s.hole == Hole(1, 3)
    assert s.offer(1, "a") == ["a"]
    assert s.hole == Hole(2, 3)
    assert s.offer(3, "c") == []
    assert s.offer(2, "b") == ["b", "c", "d"]
    assert s.hole is None


def test_repeats_are_dropped() -> None:
    s = sequence()
    assert s.offer(1, "a") == ["a"]
    assert s.offer(1, "again") == []
    assert s.offer(3, "c") == []
    assert s.offer(3, "again") == []
    assert s.offer(2, "b") == ["b", "c"]


def test_the_hold_is_bounded_and_the_next_always_passes() -> None:
    s = sequence(capacity=2)
    assert s.offer(3, "c") == []
    assert s.offer(4, "d") == []
    assert not s.accepts(5)
    assert s.offer(5, "e") == []
    assert s.held == 2
    assert s.offer(1, "a") == ["a"]
    assert s.offer(2, "b") == ["b", "c", "d"]
    assert s.offer(5, "e") == ["e"]


def test_a_skipped_seq_lets_through_what_waits_behind_it() -> None:
    s = sequence()
    assert s.offer(2, "b") == []
    assert s.skip(1) == ["b"]
    assert s.skip(4) == []
    assert s.hole == Hole(3, 3)
    assert s.offer(3, "c") == ["c"]
    assert s.next_seq == 5


def test_an_unknown_start_holds_everything() -> None:
    s = sequence(0)
    assert s.offer(7, "g") == []
    assert s.offer(6, "f") == []
    assert s.offer(3, "c") == []
    assert s.start(6) == ["f", "g"]
    assert s.next_seq == 8


def test_start_never_goes_back_but_restart_does() -> None:
    s = sequence(5)
    with pytest.raises(ValueError, match="cannot go back"):
        s.start(4)
    assert s.next_seq == 5
    s.offer(7, "g")
    s.restart(2)
    assert (s.next_seq, s.held) == (2, 0)
    with pytest.raises(ValueError, match="begin at 1"):
        s.restart(0)


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.permutations(range(1, n + 1)),
            st.lists(st.tuples(st.integers(0, n), st.integers(1, n)), max_size=20),
            st.sets(st.integers(1, n)),
        )
    )
)
def test_any_arrival_comes_out_once_in_order_without_the_skipped(
    case: tuple[int, list[int], list[tuple[int, int]], set[int]],
) -> None:
    n, order, repeats, skipped = case
    arrivals = list(order)
    for position, seq in repeats:
        arrivals.insert(position, seq)
    s: Sequence[int] = Sequence(1, capacity=n)
    out: list[int] = []
    for seq in arrivals:
        out += s.skip(seq) if seq in skipped else s.offer(seq, seq)
        assert s.held == 0 or s.hole == Hole(s.next_seq, s.hole.last)  # type: ignore[union-attr]
    assert out == [seq for seq in range(1, n + 1) if seq not in skipped]
    assert s.statistics().held == 0


@given(st.lists(st.integers(1, 30), max_size=80), st.integers(0, 5))
def test_a_small_hold_loses_nothing_that_is_offered_again(seqs: list[int], capacity: int) -> None:
    s: Sequence[int] = Sequence(1, capacity=capacity)
    out: list[int] = []
    for seq in seqs:
        out += s.offer(seq, seq)
        assert s.held <= capacity
    for seq in range(1, 31):
        out += s.offer(seq, seq)
    assert out == list(range(1, 31))
