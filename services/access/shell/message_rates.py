"""How many messages a user may send, and a conversation take, on this pod. Pure: `now` is
monotonic seconds."""

from __future__ import annotations

from typing import Final

from services.access.shell_settings import ShellSettings
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.token_bucket import Rate, TokenBuckets

_LEAST_SECONDS: Final = 0.01
"""In milliseconds, as it travels, a shorter wait could become 0, which is "never"."""


class MessageRates:
    """One per pod."""

    def __init__(self, settings: ShellSettings) -> None:
        self._users = _buckets(settings.user_messages_per_second, settings.user_messages_burst)
        self._conversations = _buckets(
            settings.conversation_messages_per_second, settings.conversation_messages_burst
        )
        self.refused_users = 0
        """Messages that were refused since the start, because of their user."""
        self.refused_conversations = 0
        """The same, because of their conversation."""

    def take(self, user_id: str, conversation_id: str, now: float) -> None:
        """One message. RATE_LIMITED, with the seconds after which it may be sent again, when
        there are too many. Resends count too: they cost as much."""
        if self._users is not None and (wait := self._users.take(user_id, now)):
            self.refused_users += 1
            raise _refusal("this user sends more messages than the rate permits", wait)
        if self._conversations is None:
            return
        if wait := self._conversations.take(conversation_id, now):
            self.refused_conversations += 1
            raise _refusal("the conversation gets more messages than the rate permits", wait)


def _buckets(per_second: float, burst: int) -> TokenBuckets | None:
    return TokenBuckets(Rate(burst, burst / per_second)) if per_second else None


def _refusal(detail: str, wait: float) -> WhimbrelError:
    return WhimbrelError(
        ErrorCode.RATE_LIMITED, detail, retry_after_seconds=max(wait, _LEAST_SECONDS)
    )
