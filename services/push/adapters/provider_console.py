"""The provider that wakes nobody: one log line for each wake. Never a body, which push never has.

It stands where APNs, FCM and Web Push will, and it is what a laptop and the tests look at.
"""

from __future__ import annotations

from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.push_stream import StreamJob

_log = get_logger(__name__)


class ConsoleProvider:
    """The port Provider."""

    async def wake(self, job: StreamJob) -> None:
        _log.info(
            "user_woken",
            user=job.user,
            conversation=job.conversation,
            message_id=str(job.message_id),
        )
