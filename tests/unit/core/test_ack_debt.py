"""When an ack is due: company, half a window, own messages, and who hurries."""

from __future__ import annotations

import pytest

from whimbrel.core.ack_debt import AckDebt
from whimbrel.core.inbox_types import InboxLimits

LIMITS = InboxLimits(ack_delay_seconds=1.0, own_ack_delay_seconds=5.0, receipt_delay_seconds=0.2)


def debt(first_seq: int = 1, window: int = 8, window_bytes: int = 1_000) -> AckDebt:
    one = AckDebt(LIMITS)
    one.attached(first_seq, window, window_bytes)
    return one


def test_nothing_is_owed_for_what_was_acknowledged() -> None:
    one = debt(first_seq=5)
    one.note(4, 0.0)
    assert not one.owes(4)
    assert one.due_at(4) is None
    assert not one.take(4, 9.0, flush=False)


def test_one_ack_stands_for_all_that_came_in_its_delay() -> None:
    one = debt()
    for seq in (1, 2, 3):
        one.came(seq)
        one.note(seq, seq / 10)
    assert one.due_at(3) == pytest.approx(1.1), "the first has waited longest"
    assert not one.take(3, 1.0, flush=False)
    assert one.take(3, 1.1, flush=False)
    assert one.acked == 3
    assert one.awaits_confirmation
    assert one.due_at(3) is None


@pytest.mark.parametrize(("window", "half"), [(8, 4), (7, 4), (1, 1)])
def test_half_a_window_of_messages_waits_for_nobody(window: int, half: int) -> None:
    one = debt(window=window)
    for seq in range(1, half + 1):
        assert not one.take(seq - 1, 0.0, flush=False)
        one.came(seq)
        one.note(seq, 0.0)
    assert one.take(half, 0.0, flush=False)


def test_half_a_window_of_bytes_waits_for_nobody() -> None:
    one = debt(window_bytes=1_000)
    one.came(1)
    one.note(1, 0.0)
    one.finished(499)
    assert not one.take(1, 0.0, flush=False)
    one.finished(1)
    assert one.take(1, 0.0, flush=False)
    one.came(2)
    one.note(2, 0.0)
    assert not one.take(2, 0.0, flush=False), "bytes are counted from the last ack on"


def test_own_messages_alone_wait_longer() -> None:
    one = debt()
    one.note(1, 0.0)
    assert one.due_at(1) == 5.0
    one.came(2)
    one.note(2, 3.0)
    assert one.due_at(2) == 1.0, "somebody else's came: the debt has stood since 0"


def test_what_the_server_has_not_heard_is_owed_again() -> None:
    one = debt()
    one.came(1)
    one.note(1, 0.0)
    assert one.take(1, 1.0, flush=False)
    one.unheard()
    one.note(1, 2.0)
    assert one.take(1, 3.0, flush=False)
    assert not one.owes(1)


def test_an_attachment_forgets_what_the_last_stream_owed() -> None:
    one = debt()
    one.came(1)
    one.note(1, 0.0)
    one.detached()
    assert one.due_at(1) is None
    one.attached(2, 8, 1_000)
    assert (one.acked, one.confirmed) == (1, 1)
    assert not one.awaits_confirmation


def test_a_device_whose_acks_somebody_waits_for_hurries() -> None:
    assert LIMITS.hurried().ack_delay_seconds == 0.2
    assert InboxLimits(ack_delay_seconds=0.1).hurried().ack_delay_seconds == 0.1
