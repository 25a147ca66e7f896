"""What follows from a provider's answer, and when a provider is left alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.push.domain.apns_answers import DEAD, MISCONFIGURED, apns_outcome
from services.push.domain.outcomes import (
    DELIVERED,
    LAST_RETRY_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    MAX_TRIES,
    Follow,
    Outcome,
    Result,
    follow,
)
from services.push.domain.quiet_hours import QuietHours
from services.push.domain.retry_after import retry_after_seconds
from services.push.domain.wakes import Wake, decode_wake, encode_key, encode_wake
from whimbrel.core.traceparent import TraceContext


def test_what_is_delivered_or_dead_is_done_with() -> None:
    assert follow(DELIVERED, 0, 0.5) == Follow()
    assert follow(Outcome(Result.DEAD_TOKEN), 0, 0.5) == Follow(forgets_token=True)
    assert follow(Outcome(Result.REFUSED), 0, 0.5) == Follow(is_buried=True)


def test_waits_grow_and_are_spread_and_end_at_last() -> None:
    retry = Outcome(Result.RETRY)
    waits = [follow(retry, tries, 0.5).again_in_seconds or 0.0 for tries in range(MAX_TRIES - 1)]
    assert waits[:4] == [1.5, 3.0, 6.0, 12.0]
    assert max(waits) <= LAST_RETRY_SECONDS
    assert follow(retry, 3, 0.0).again_in_seconds != follow(retry, 3, 0.9).again_in_seconds
    assert follow(retry, MAX_TRIES - 1, 0.5) == Follow(is_buried=True)


def test_a_wake_never_comes_again_before_the_provider_asked_and_not_for_ever_after() -> None:
    for dice in (0.0, 0.5, 0.99):
        wait = follow(Outcome(Result.RETRY, "", 100.0), 0, dice).again_in_seconds
        assert wait is not None
        assert 100.0 <= wait <= 110.0
    wait = follow(Outcome(Result.RETRY, "", 1e9), 0, 0.0).again_in_seconds
    assert wait == MAX_RETRY_AFTER_SECONDS


def test_a_provider_that_is_down_uses_up_no_tries() -> None:
    then = follow(Outcome(Result.UNAVAILABLE), MAX_TRIES + 5, 0.5)
    assert not then.is_buried
    assert not then.counts_as_try


def test_every_known_reason_of_apns_has_its_result() -> None:
    assert {apns_outcome(400, reason).result for reason in DEAD} == {Result.DEAD_TOKEN}
    assert {apns_outcome(403, reason).result for reason in MISCONFIGURED} == {Result.UNAVAILABLE}


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.DELIVERED),
        (410, Result.DEAD_TOKEN),
        (403, Result.UNAVAILABLE),
        (429, Result.RETRY),
        (418, Result.REFUSED),
        (599, Result.RETRY),
        (0, Result.RETRY),
    ],
)
def test_a_reason_that_nobody_knows_is_judged_by_its_status(status: int, result: Result) -> None:
    assert apns_outcome(status, "BrandNew").result is result


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_a_number_a_date_or_nothing(
    value: str | None, seconds: float | None
) -> None:
    now = datetime(2015, 10, 21, 7, 27, tzinfo=UTC).timestamp()
    assert retry_after_seconds(value, now) == seconds


@pytest.mark.parametrize(
    ("hour", "holds"), [(21, False), (22, True), (23, True), (2, True), (6, True), (7, False)]
)
def test_quiet_hours_go_over_midnight_on_the_users_own_clock(hour: int, holds: bool) -> None:
    hours = QuietHours(22 * 60, 7 * 60, "Europe/Berlin")
    berlin_is_ahead = datetime(2026, 1, 15, hour, tzinfo=UTC).timestamp() - 3600
    assert hours.hold(berlin_is_ahead) is holds


def test_quiet_hours_follow_a_clock_that_is_turned() -> None:
    hours = QuietHours(22 * 60, 7 * 60, "Europe/Berlin")
    winter = datetime(2026, 1, 15, 6, 30, tzinfo=UTC).timestamp()
    summer = datetime(2026, 7, 15, 5, 30, tzinfo=UTC).timestamp()
    assert not hours.hold(winter)
    assert not hours.hold(summer)
    assert hours.hold(summer - 3600)


def test_no_hours_and_a_zone_that_nobody_knows_are_never_quiet() -> None:
    for hours in (QuietHours(60, 60, "UTC"), QuietHours(0, 1439, "Nowhere/At_All")):
        assert not any(hours.hold(3600.0 * hour) for hour in range(24))


def test_a_wake_is_read_as_it_was_kept() -> None:
    for device in ("phone", ""):
        wake = Wake("bob", device, "d:alice:bob", "alice", (1 << 62) + 1, 7, 1_700_000_000_000, 3)
        traced = wake._replace(traceparent=TraceContext(17, 4).traceparent)
        for one in (wake, traced):
            assert decode_wake(encode_key(one.key), encode_wake(one)) == one
        assert len(encode_wake(traced).split(" ")) == 5, "a pod of before takes it apart like this"
    with pytest.raises(ValueError):
        decode_wake("bob phone", "1 2 3")
