"""Notifications for the tests of providers."""

from __future__ import annotations

import time

from services.push.domain.notification import Notification
from services.push.domain.wakes import Wake


def notification(
    token: str,
    *,
    seq: int = 7,
    conversation: str = "d:alice:bob",
    badge: int | None = 3,
    is_silent: bool = False,
    title: str = "Alice Ä",
) -> Notification:
    """What Bob's phone is told about a message of Alice's."""
    now = int(time.time())
    wake = Wake("bob", "phone", conversation, "alice", (1 << 60) + seq, seq, now * 1000)
    return Notification(
        wake, "ios", token, title, "New message (2)", badge, 2, is_silent, now + 86_400
    )
