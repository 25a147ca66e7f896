"""Message ids grow, never repeat, and stay inside their lease, whatever the clocks do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.ids import (
    EPOCH_MS,
    MAX_WORKER,
    IdMinter,
    LeaseExpiredError,
    compose,
    unix_ms_of,
    worker_of,
)

START = EPOCH_MS + 86_400_000


def minter(worker: int = 1, *, until: int = START + 10_000, floor: int = 0) -> IdMinter:
    return IdMinter(worker, not_before_ms=START, until_ms=until, expires_at=10.0, floor=floor)


@given(
    worker=st.integers(0, MAX_WORKER),
    counter=st.integers(0, 4095),
    ms=st.integers(EPOCH_MS, EPOCH_MS + (1 << 41) - 1),
)
def test_an_id_says_when_and_by_whom_it_was_minted(worker: int, counter: int, ms: int) -> None:
    message_id = compose(ms, worker, counter)
    assert (unix_ms_of(message_id), worker_of(message_id)) == (ms, worker)
    assert message_id < 1 << 63


@given(steps=st.lists(st.integers(-2_000, 500), max_size=60), seen=st.integers(0, 500))
def test_ids_grow_whatever_the_wall_clock_does(steps: list[int], seen: int) -> None:
    one = minter()
    wall, last = START, 0
    for number, step in enumerate(steps):
        wall += step
        if number % 7 == 3:
            one.observe(compose(min(wall, START + 5_000) + seen, 9, 0))
        try:
            message_id = one.mint(wall_ms=wall, now=1.0)
        except LeaseExpiredError:
            continue
        assert message_id > last
        assert unix_ms_of(message_id) <= START + 10_000
        last = message_id


def test_a_full_counter_borrows_from_the_next_millisecond() -> None:
    one = minter()
    ids = [one.mint(wall_ms=START, now=1.0) for _ in range(10_000)]
    assert sorted(set(ids)) == ids
    assert unix_ms_of(ids[-1]) == START + 2


def test_nothing_is_issued_when_the_lease_has_run_out_on_the_monotonic_clock() -> None:
    one = minter()
    with pytest.raises(LeaseExpiredError):
        one.mint(wall_ms=START, now=10.0)
    one.renew(until_ms=START + 20_000, expires_at=20.0)
    assert one.mint(wall_ms=START, now=10.0) > 0


def test_nothing_is_issued_above_the_bound_however_fast_the_wall_clock_runs() -> None:
    one = minter(until=START + 5)
    with pytest.raises(LeaseExpiredError):
        one.mint(wall_ms=START + 6, now=1.0)
    assert unix_ms_of(one.mint(wall_ms=START + 5, now=1.0)) == START + 5


def test_a_successor_of_the_same_number_never_repeats_its_predecessor() -> None:
    first = minter(until=START + 100)
    issued = {first.mint(wall_ms=START + 90, now=1.0) for _ in range(5_000)}
    successor = IdMinter(1, not_before_ms=START + 101, until_ms=START + 9_000, expires_at=9.0)
    # Its wall clock is a minute behind.
    issued_later = {successor.mint(wall_ms=START - 60_000, now=1.0) for _ in range(5_000)}
    assert not issued & issued_later
    assert max(issued) < min(issued_later)


def test_a_reply_never_sorts_before_its_question() -> None:
    question = compose(START + 3_000, MAX_WORKER, 4095)  # by a pod whose clock runs ahead
    one = minter(worker=0)
    one.observe(question)
    assert one.mint(wall_ms=START, now=1.0) > question


def test_a_worker_number_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="worker"):
        minter(worker=MAX_WORKER + 1)
