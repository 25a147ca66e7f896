"""What one stream has to do with signals: those that wait for it, what it may see, what it has.

Only streams whose Hello says that the client knows signals have one. No I/O, no waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from services.access.frames import Item
from services.access.signal_queue import SignalQueue
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import signals_pb2

_BURST: Final = 10.0
_PER_SECOND: Final = 5.0
"""Typing signals of one stream. A person types in one place at a time, and a client says so every
3 s."""


class Written(NamedTuple):
    """A message of somebody else in a direct conversation that was written to the stream."""

    seq: int
    conversation_id: str
    message_id: int


class StreamSignals:
    """The signals of one stream."""

    __slots__ = (
        "_filled_at",
        "_seen",
        "_tokens",
        "_user_id",
        "_wants_delivered",
        "_written",
        "queue",
        "watched",
    )

    def __init__(
        self, user_id: str, wishes: access_pb2.SignalWishes, *, window: int, now: float
    ) -> None:
        self.queue = SignalQueue()
        self.watched: tuple[str, ...] = ()
        """Whose presence the device wants to see."""
        self._user_id = user_id
        self._wants_delivered = wishes.delivered
        # What is in flight, so the session's window bounds it; a redelivery adds nothing new.
        self._written: deque[Written] = deque(maxlen=window)
        self._seen: dict[str, signals_pb2.Presence] = {}
        self._tokens = _BURST
        self._filled_at = now

    def may_type(self, now: float) -> bool:
        """Whether one more typing signal is within what a person does; counts it."""
        grown = (now - self._filled_at) * _PER_SECOND
        self._tokens, self._filled_at = min(_BURST, self._tokens + grown), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def put(self, signal: signals_pb2.Signal) -> bool:
        """To be written to the stream; False when it is not for this device."""
        if signal.HasField("delivered") and not self._wants_delivered:
            return False
        self.queue.put(signal)
        return True

    # --- delivered receipts ------------------------------------------------------------------

    def written(self, items: Iterable[Item]) -> None:
        """These entries go to the device."""
        if not self._wants_delivered:
            return
        last = self._written[-1].seq if self._written else 0
        self._written.extend(
            Written(seq, message.conversation_id, message.message_id)
            for seq, message, *_ in items
            if seq > last
            and message is not None
            and message.sender_id != self._user_id
            and message.conversation_id.startswith("d:")
        )

    def acknowledged(self, cursor: int) -> dict[str, int]:
        """The device has everything up to here: the highest message_id of each conversation that
        is news for its sender."""
        highest: dict[str, int] = {}
        while self._written and self._written[0].seq <= cursor:
            one = self._written.popleft()
            known = highest.get(one.conversation_id, 0)
            highest[one.conversation_id] = max(one.message_id, known)
        return highest

    # --- presence ------------------------------------------------------------------------------

    def watch(self, user_ids: Sequence[str]) -> None:
        """From now on these, and what is known of others is forgotten."""
        self.watched = tuple(user_ids)
        kept = set(user_ids)
        self._seen = {user: seen for user, seen in self._seen.items() if user in kept}

    def shown(self, presences: Iterable[signals_pb2.Presence]) -> None:
        """Logic's answer to the whole of what is watched: whoever is missing may not be seen."""
        answered = {one.user_id: one for one in presences}
        for user in self.watched:
            presence = answered.get(user)
            if presence is not None:
                self._see(presence)
            elif self._seen.pop(user, None) is not None:
                self.queue.put(_presence_signal(signals_pb2.Presence(user_id=user)))

    def changed(self, presence: signals_pb2.Presence) -> bool:
        """Somebody has come or gone; False when this device may not see them, or knows."""
        return presence.user_id in self._seen and self._see(presence)

    def _see(self, presence: signals_pb2.Presence) -> bool:
        if self._seen.get(presence.user_id) == presence:
            return False
        self._seen[presence.user_id] = presence
        self.queue.put(_presence_signal(presence))
        return True


def _presence_signal(presence: signals_pb2.Presence) -> signals_pb2.Signal:
    return signals_pb2.Signal(presence=presence)
