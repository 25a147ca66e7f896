"""The provider that wakes nobody: one log line for each notification, without its words.

For development: it takes whom no other provider can wake, and it is what a laptop looks at.
"""

from __future__ import annotations

from services.push.domain.notification import Notification
from services.push.domain.outcomes import DELIVERED, Outcome
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)


class ConsoleProvider:
    """The port Provider."""

    async def send(self, notification: Notification) -> Outcome:
        wake = notification.wake
        _log.info(
            "user_woken",
            user=wake.user,
            device=wake.device,
            conversation=wake.conversation,
            message_id=str(wake.message_id),
            badge=notification.badge,
            is_silent=notification.is_silent,
        )
        return DELIVERED
