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
