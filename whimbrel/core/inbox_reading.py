"""What waits for the application, in order, what it has in hand, and what of it is late.

A message's lateness is decided when its turn comes: by the server's order, not by that of arrival.
Pure, without time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Generic

from whimbrel.core.ack_debt import AckDebt
from whimbrel.core.inbox_types import M, Place, Received
from whimbrel.core.lateness import Lateness


class InboxReading(Generic[M]):
    """The application's end of one Inbox.

    Invariant: the seq of what is in hand is below that of all that waits, which rises.
    """

    __slots__ = ("_capacity", "_lateness", "current", "waiting")

    def __init__(self, capacity: int, highest: Mapping[str, int] | None) -> None:
        """`capacity` and `highest` are those of Lateness."""
        self._capacity = capacity
        self._lateness = Lateness(capacity, highest)
        self.waiting: deque[Received[M]] = deque()
        self.current: Received[M] | None = None
        """In hand."""

    def let_in(self, places: Iterable[Place[M]], debt: AckDebt) -> None:
        """These are in order now."""
        for seq, message, own, hint, size in places:
            if own is None:
                debt.came(seq)
            if message is not None:
                late = self._lateness.see(
                    seq, message.conversation_id, message.message_id, hint=hint
                )
                self.waiting.append(Received(seq, message, late, size))
            elif own is not None:
                self._lateness.see(seq, own[0], own[1], hint=False)

    def forget(self) -> None:
        """Nothing of it counts any more."""
        self.waiting.clear()
        self.current = None
        self._lateness = Lateness(self._capacity)

    def passed(self, cursor: int) -> dict[str, int]:
        """What is to be stored together with a cursor that was acknowledged: see Lateness."""
        return self._lateness.passed(cursor)

    def settle(self, cursor: int) -> None:
        """This cursor is stored, with what `passed` gave for it."""
        self._lateness.settle(cursor)
