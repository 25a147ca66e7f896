"""What an application says and hears beside the messages. See `Client.signals`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from whimbrel.client.lifetime import Lifetime
from whimbrel.client.signal_events import SignalEvent
from whimbrel.core.attributes import check_message_id
from whimbrel.core.errors import invalid
from whimbrel.core.names import check_name, direct_participants

MAX_WATCHED: Final = 200


class Signals:
    """Typing, receipts and presence: said and heard while a stream is there, never stored here.

    Nothing waits for the server. A read is said again until it is stored, on this stream or the
    next, as long as this client runs; the rest is lost when nobody is there.
    """

    def __init__(self, lifetime: Lifetime) -> None:
        self._lifetime = lifetime
        self._book = lifetime.dialogue.signals

    def typing(self, conversation_id: str, *, has_stopped: bool = False) -> None:
        """A human writes; call it with every key, it is said every 3 s at most. Raises
        UNKNOWN_CONVERSATION for an id that no conversation has."""
        direct_participants(conversation_id)
        self._book.type(conversation_id, has_stopped, self._now())
        self._lifetime.poke()

    def read(self, conversation_id: str, message_id: int) -> None:
        """A human has read the conversation up to this message, which this user has got. Raises
        UNKNOWN_CONVERSATION, or INVALID_ARGUMENT for what is no message_id."""
        direct_participants(conversation_id)
        if not check_message_id(message_id):
            raise invalid("0 is no message_id")
        self._book.read(conversation_id, message_id, self._now())
        self._lifetime.poke()

    def watch(self, user_ids: Sequence[str]) -> None:
        """See these users come and go from now on, instead of those before: at most 200, each
        once, else INVALID_ARGUMENT. How each stands now comes as an event first; those whom this
        user may not see never come."""
        for user_id in user_ids:
            check_name(user_id, "user_ids")
        if len(user_ids) > MAX_WATCHED or len(set(user_ids)) != len(user_ids):
            raise invalid(f"at most {MAX_WATCHED} users, each once")
        self._book.watch(user_ids)
        self._lifetime.poke()

    async def events(self) -> AsyncIterator[SignalEvent]:
        """What is heard, of each thing the newest. Ends when the client is left; raises
        ConnectionClosed when the server has ended it. Ask from one task at a time; what nobody
        asks for is dropped beyond 1,000."""
        while True:
            reason = self._lifetime.ended()
            if reason is not None:
                if reason.code is None and reason.__cause__ is None:
                    return
                raise reason
            event = self._book.take()
            if event is not None:
                yield event
                continue
            self._lifetime.keeper.signalled.clear()
            await self._lifetime.keeper.signalled.wait()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
