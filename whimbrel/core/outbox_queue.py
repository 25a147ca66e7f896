"""What an outbox has still to send, in its order, and what of it is due.

Messages to one target keep their order: while one waits to be sent again, those that were never
sent wait behind it. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from whimbrel.core.outgoing import Outgoing


@dataclass(slots=True)
class Slot:
    """One message of an outbox, from `add` to its answer."""

    message: Outgoing
    target: str  # as the size: computed once, looked at again and again
    size: int
    number: int
    due_at: float
    was_sent: bool
    refusals: int = 0
    awaits_stream: bool = False  # refused because another stream of ours has the session
    answer_by: float = math.inf


class OutboxQueue:
    """The slots that are to go out.

    Invariant: `slots` is in the order of their numbers, which is that of the calls.
    """

    __slots__ = ("slots",)

    def __init__(self) -> None:
        self.slots: OrderedDict[str, Slot] = OrderedDict()
        """By client_message_id."""

    def release(self, client_message_id: str) -> None:
        """A held message may go out. Nothing happens when it is gone."""
        slot = self.slots.get(client_message_id)
        if slot is not None:
            slot.due_at = -math.inf

    def renewed(self) -> None:
        """A stream holds the session: what was refused as stale is due now."""
        for slot in self.slots.values():
            if slot.awaits_stream:
                slot.awaits_stream = False
                slot.due_at = -math.inf

    def put_back(self, slots: Iterable[Slot]) -> None:
        """These go out again, each in its old place."""
        slots = list(slots)
        if slots:
            ordered = sorted([*slots, *self.slots.values()], key=lambda slot: slot.number)
            self.slots = OrderedDict((slot.message.client_message_id, slot) for slot in ordered)

    def take_due(self, now: float, room: int, max_bytes: int) -> list[Slot]:
        """Take out what is due now, at most `room`; at least one when one is due."""
        taken: list[Slot] = []
        if room <= 0 or not self.slots:
            return taken
        blocked: set[str] = set()
        for slot in self.slots.values():
            if slot.due_at > now:
                blocked.add(slot.target)
                continue
            if slot.target in blocked and not slot.was_sent:
                continue
            if taken and (slot.size > max_bytes or len(taken) >= room):
                break
            max_bytes -= slot.size
            taken.append(slot)
        for slot in taken:
            del self.slots[slot.message.client_message_id]
        return taken

    def next_due(self) -> float:
        """When `take_due` has something that it has not now; infinity when never."""
        return min(self._waits(), default=math.inf)

    def _waits(self) -> Iterator[float]:
        blocked: set[str] = set()
        for slot in self.slots.values():
            if slot.was_sent or slot.target not in blocked:
                yield slot.due_at
                if slot.due_at == -math.inf:
                    return
            blocked.add(slot.target)
