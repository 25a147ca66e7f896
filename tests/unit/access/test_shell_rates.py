"""What the shell lets pass of messages and frames."""

from __future__ import annotations

import pytest

from services.access.shell.frame_pace import FramePace
from services.access.shell.message_rates import MessageRates
from services.access.shell.shell import Shell
from services.access.shell_settings import ShellSettings
from whimbrel.core.errors import ErrorCode, WhimbrelError


def wait_of(rates: MessageRates, user: str, conversation: str, now: float) -> float:
    """Seconds that the refusal names, 0 when the message passes."""
    try:
        rates.take(user, conversation, now)
    except WhimbrelError as error:
        if error.code is ErrorCode.RATE_LIMITED:
            return error.retry_after_seconds or -1.0
        raise
    return 0.0


def test_one_user_who_floods_costs_no_other_user_anything() -> None:
    rates = MessageRates(ShellSettings(user_messages_per_second=10, user_messages_burst=5))
    waits = [wait_of(rates, "mallory", f"c{n}", 0.0) for n in range(50)]
    assert waits.count(0.0) == 5
    assert waits[-1] == pytest.approx(0.1)
    assert wait_of(rates, "alice", "c1", 0.0) == 0.0
    assert rates.refused_users == 45
    assert wait_of(rates, "mallory", "c1", waits[-1] + 1e-9) == 0.0


def test_many_users_together_cannot_flood_a_conversation() -> None:
    rates = MessageRates(
        ShellSettings(conversation_messages_per_second=10, conversation_messages_burst=5)
    )
    waits = [wait_of(rates, f"user{n}", "c", 0.0) for n in range(20)]
    assert waits.count(0.0) == 5
    assert rates.refused_conversations == 15
    assert wait_of(rates, "user1", "another", 0.0) == 0.0


def test_a_refusal_is_never_so_short_that_it_would_mean_never_again() -> None:
    rates = MessageRates(ShellSettings(user_messages_per_second=1e6, user_messages_burst=1))
    assert wait_of(rates, "a", "c", 0.0) == 0.0
    assert round(wait_of(rates, "a", "c", 0.0) * 1000) > 0


def test_a_limit_of_zero_is_none() -> None:
    settings = ShellSettings(
        user_messages_per_second=0,
        conversation_messages_per_second=0,
        frames_per_second=0,
        bytes_per_second=0,
    )
    rates = MessageRates(settings)
    assert not any(wait_of(rates, "a", "c", 0.0) for _ in range(5_000))
    assert Shell(settings, clock=lambda: 0.0).pace() is None


@pytest.mark.parametrize(("size", "count"), [(10, 500), (64 * 1024, 64)])
def test_a_stream_is_read_at_once_up_to_its_burst_and_then_at_its_rate(
    size: int, count: int
) -> None:
    pace = FramePace(ShellSettings())
    assert not any(pace.read(1, size, 0.0) for _ in range(count))
    assert pace.read(1, size, 0.0) > 0
    now = 0.0
    for _ in range(count):
        now += pace.read(1, size, now)
    assert now == pytest.approx((count + 1) * max(1 / 100, size / 1024**2), rel=0.01)
