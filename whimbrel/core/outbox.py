"""The messages that a device has sent or will send and that are not answered yet.

    held ──release──▶ due ──take_due──▶ unanswered ──accepted, final refusal──▶ gone
                       ▲                    │
                       └── stream lost, "try again", no answer in time ──┘   (resend from now on)

A message goes out with the same client_message_id as often as it takes; from the second time on
with the resend flag, so that the server looks for the first attempt before anything else
(promise 3). Messages to one target keep their order: while one waits to be sent again, those
that were never sent wait behind it. What was sent already may still overtake it; the server's
ids decide then, and the readers see the entry as late. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.core.outbox_queue import OutboxQueue, Slot
from whimbrel.core.outgoing import OutboxLimits, OutboxStatistics, Outgoing

_SHORTEST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 8.0


class Outbox:
    """Waiting messages of one (user, device), first in, first out.

    Invariants: a message is either queued or unanswered; at most `max_unanswered` are
    unanswered; at most the capacity is held. `owner` never changes once it is set (rule 9): an
    outbox that met another user would send one person's words under another's name.
    """

    def __init__(self, limits: OutboxLimits | None = None) -> None:
        self._limits = limits or OutboxLimits()
        self._owner: tuple[str, str] | None = None
        self._max_unanswered = 0  # nothing goes out before a stream is there
        self._queue = OutboxQueue()
        self._unanswered: OrderedDict[str, Slot] = OrderedDict()
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._bytes = 0
        self._numbers = 0
        self._resends = 0
        self._overdue = 0

    # --- what the driver may look at -------------------------------------------------

    @property
    def owner(self) -> tuple[str, str] | None:
        """(user, device), None until `bind`."""
        return self._owner

    @property
    def overdue(self) -> int:
        """How many answers did not come in time, on a stream that was there."""
        return self._overdue

    @property
    def ids(self) -> tuple[str, ...]:
        """The client_message_ids without an answer, in the order of sending."""
        return tuple(slot.message.client_message_id for slot in self._in_order())

    def knows(self, client_message_id: str) -> bool:
        """Whether this message waits for its answer, or got it not long ago.

        Then its own return on the timeline is not news for the application.
        """
        return self.holds(client_message_id) or client_message_id in self._answered

    def holds(self, client_message_id: str) -> bool:
        """Whether this message waits for its answer."""
        return client_message_id in self._queue.slots or client_message_id in self._unanswered

    def is_sent(self, client_message_id: str) -> bool:
        """Whether this message waits and was sent at least once, so that it may be stored."""
        slot = self._unanswered.get(client_message_id) or self._queue.slots.get(client_message_id)
        return slot is not None and slot.was_sent

    def statistics(self) -> OutboxStatistics:
        """The figures at this moment."""
        return OutboxStatistics(
            len(self._queue.slots), len(self._unanswered), self._bytes, self._resends
        )

    # --- inputs ----------------------------------------------------------------------

    def bind(self, user_id: str, device_id: str) -> None:
        """This outbox belongs to (user, device). PERMISSION_DENIED when it has another owner."""
        owner = (user_id, device_id)
        if self._owner not in (None, owner):
            raise WhimbrelError(
                ErrorCode.PERMISSION_DENIED, "the outbox belongs to another user or device"
            )
        self._owner = owner

    def add(self, message: Outgoing, *, was_sent: bool = False, held: bool = False) -> None:
        """Queue a message, OVERLOADED when there is no room.

        `was_sent` says that an earlier process may have sent it. A `held` message keeps its
        place in the order and goes out after `release`: when it is safely on disk.
        """
        identifier = message.client_message_id
        if self.holds(identifier):
            raise invalid(f"the message {identifier!r} waits already")
        limits, size = self._limits, message.size
        count = len(self._queue.slots) + len(self._unanswered)
        if count >= limits.capacity_messages or (
            count and self._bytes + size > limits.capacity_bytes
        ):
            raise WhimbrelError(
                ErrorCode.OVERLOADED,
                f"{count} messages wait for their acceptance already",
                retry_after_seconds=1.0,
            )
        self._numbers += 1
        due_at = math.inf if held else -math.inf
        target = message.target
        slot = Slot(message, target, size, self._numbers, due_at, was_sent)
        self._queue.slots[identifier] = slot
        self._bytes += size

    def release(self, client_message_id: str) -> None:
        """A held message may go out. Nothing happens when it is gone."""
        self._queue.release(client_message_id)

    def opened(self, max_unanswered: int) -> None:
        """A stream is attached; the server reads at most so many unanswered messages. What the
        one before refused as stale is due now."""
        self._max_unanswered = max(1, max_unanswered)
        self.renewed()

    def renewed(self) -> None:
        """The stream holds the session (again): what was refused as stale is due now."""
        self._queue.renewed()

    def lost(self) -> None:
        """The stream is gone: all that is unanswered is due again, in its old order."""
        self._max_unanswered = 0
        for slot in self._unanswered.values():
            slot.due_at = -math.inf
        self._queue.put_back(self._unanswered.values())
        self._unanswered.clear()

    def accepted(self, client_message_id: str) -> Outgoing | None:
        """The message is durable. None when nobody waits for this answer (any more)."""
        return self._remove(client_message_id, answered=True)

    def rejected(
        self,
        client_message_id: str,
        error: WhimbrelError,
        now: float,
    ) -> Outgoing | None:
        """The server refused. Return the message when that is final, else it goes out again.

        It is not final when the error says when to try again, when nobody knows the outcome,
        or when a newer attachment has taken over: that one will send it.
        """
        if self.is_final(error):
            return self._remove(client_message_id, answered=True)
        slot = self._unanswered.pop(client_message_id, None)
        if slot is not None:
            wait = min(_LONGEST_RETRY_SECONDS, _SHORTEST_RETRY_SECONDS * 2**slot.refusals)
            slot.refusals += 1
            slot.awaits_stream = error.code is ErrorCode.STALE_EPOCH
            slot.due_at = now + max(wait, error.retry_after_seconds or 0.0)
            self._queue.put_back([slot])
        return None

    @staticmethod
    def is_final(error: WhimbrelError) -> bool:
        """Whether a refusal ends the matter; see `rejected`."""
        return not (
            error.retry_after_seconds is not None
            or error.outcome_unknown
            or error.code is ErrorCode.STALE_EPOCH
        )

    def give_up(self, client_message_id: str) -> bool:
        """Forget a message. Return whether it may be stored all the same: it was sent."""
        was_sent = self.is_sent(client_message_id)
        if self.holds(client_message_id):
            self._remove(client_message_id, answered=was_sent)
        return was_sent

    # --- outputs ---------------------------------------------------------------------

    def take_due(self, now: float, max_bytes: int) -> list[tuple[Outgoing, bool]]:
        """What to send now, with the resend flag of each; at least one when one is due."""
        self._repeat_overdue(now)
        room = self._max_unanswered - len(self._unanswered)
        taken: list[tuple[Outgoing, bool]] = []
        for slot in self._queue.take_due(now, room, max_bytes):
            taken.append((slot.message, slot.was_sent))
            self._resends += slot.was_sent
            slot.was_sent = True
            slot.answer_by = now + self._limits.answer_timeout_seconds
            self._unanswered[slot.message.client_message_id] = slot
        return taken

    def next_deadline(self) -> float | None:
        """When `take_due` has something that it has not now; None when only an input helps."""
        if not self._max_unanswered:
            return None
        first = next(iter(self._unanswered.values()), None)  # sent first, so overdue first
        deadline = math.inf if first is None else first.answer_by
        if len(self._unanswered) < self._max_unanswered:
            deadline = min(deadline, self._queue.next_due())
        return None if deadline == math.inf else deadline

    # --- inside ----------------------------------------------------------------------

    def _repeat_overdue(self, now: float) -> None:
        overdue: list[Slot] = []
        for slot in self._unanswered.values():
            if slot.answer_by > now:
                break
            overdue.append(slot)
        for slot in overdue:
            del self._unanswered[slot.message.client_message_id]
            slot.due_at = -math.inf
        self._overdue += len(overdue)
        self._queue.put_back(overdue)

    def _remove(self, client_message_id: str, *, answered: bool) -> Outgoing | None:
        slot = self._unanswered.pop(client_message_id, None)
        slot = slot or self._queue.slots.pop(client_message_id, None)
        if answered:
            self._answered[client_message_id] = None
            self._answered.move_to_end(client_message_id)
            while len(self._answered) > self._limits.remembered_answers:
                self._answered.popitem(last=False)
        if slot is None:
            return None
        self._bytes -= slot.size
        return slot.message

    def _in_order(self) -> list[Slot]:
        slots = [*self._unanswered.values(), *self._queue.slots.values()]
        return sorted(slots, key=lambda slot: slot.number)
