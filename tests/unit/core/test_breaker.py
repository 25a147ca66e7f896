"""A dead backend costs its deadline a few times, and then nothing until a probe."""

from __future__ import annotations

from whimbrel.core.breaker import Breaker


def opened(at: float = 10.0) -> Breaker:
    breaker = Breaker(failures_to_open=3, open_seconds=5.0)
    for _ in range(3):
        assert breaker.may_ask(at)
        breaker.failed(at)
    return breaker


def test_a_few_failures_are_no_outage() -> None:
    breaker = Breaker(failures_to_open=3, open_seconds=5.0)
    breaker.failed(1.0)
    breaker.failed(1.0)
    assert breaker.may_ask(1.0)
    assert not breaker.is_open


def test_failures_that_an_answer_separates_do_not_add_up() -> None:
    breaker = Breaker(failures_to_open=3, open_seconds=5.0)
    for _ in range(10):
        breaker.failed(1.0)
        breaker.failed(1.0)
        breaker.succeeded()
    assert not breaker.is_open


def test_nobody_asks_while_it_is_open() -> None:
    breaker = opened(at=10.0)
    assert breaker.is_open
    assert not any(breaker.may_ask(now) for now in (10.0, 12.0, 14.99))


def test_one_probe_is_let_through_and_no_second() -> None:
    breaker = opened(at=10.0)
    assert breaker.may_ask(15.0)
    assert not breaker.may_ask(15.0)


def test_a_probe_that_is_answered_closes_it() -> None:
    breaker = opened(at=10.0)
    assert breaker.may_ask(15.0)
    breaker.succeeded()
    assert breaker.may_ask(15.0)
    assert breaker.may_ask(15.0)


def test_a_probe_that_fails_opens_it_again_at_once() -> None:
    breaker = opened(at=10.0)
    assert breaker.may_ask(15.0)
    breaker.failed(15.3)
    assert not breaker.may_ask(20.0)
    assert breaker.may_ask(20.3)


def test_a_probe_whose_asker_died_is_followed_by_another() -> None:
    breaker = opened(at=10.0)
    assert breaker.may_ask(15.0)
    assert breaker.may_ask(20.0)


def test_each_probe_that_fails_keeps_it_open_twice_as_long_up_to_the_limit() -> None:
    breaker = Breaker(failures_to_open=1, open_seconds=2.0, longest_open_seconds=7.0)
    breaker.failed(0.0)
    now = 0.0
    for seconds in (2.0, 4.0, 7.0, 7.0):
        assert breaker.room(now + seconds - 0.1) == 0
        now += seconds
        assert breaker.room(now) == 1
        assert breaker.may_ask(now)
        assert breaker.room(now) == 0, "one at a time"
        breaker.failed(now)
    breaker.may_ask(now + 7.0)
    breaker.succeeded()
    assert breaker.room(now) is None
    breaker.failed(now)
    assert breaker.room(now + 2.0) == 1, "from the beginning"


def test_answers_to_what_was_under_way_do_not_open_it_again() -> None:
    breaker = opened(at=10.0)
    for _ in range(20):
        breaker.failed(14.0)
        breaker.trip(14.0)
    assert breaker.times_opened == 1
    assert breaker.room(15.0) == 1


def test_it_waits_as_long_as_it_is_asked_within_the_limit() -> None:
    breaker = Breaker(failures_to_open=5, open_seconds=2.0, longest_open_seconds=60.0)
    breaker.trip(0.0, 17.0)
    assert (breaker.room(16.9), breaker.room(17.0)) == (0, 1)
    other = Breaker(failures_to_open=5, open_seconds=2.0, longest_open_seconds=60.0)
    other.trip(0.0, 10_000.0)
    assert other.room(60.0) == 1
