"""Functions of core and wire with a bug each; a test patches one in for as long as it runs."""

from __future__ import annotations

from typing import Any

import pytest

from whimbrel import wire
from whimbrel.core.inbox import Inbox
from whimbrel.core.outbox import Outbox
from whimbrel.core.sequence import Sequence
from whimbrel.core.session import ServerSession


def skip_the_replay(patch: pytest.MonkeyPatch) -> None:
    """A session begins at the head, whatever lies between it and the cursor."""
    sound = ServerSession.attach

    def attach(self: Any, cursor: int, head: int, page: Any, now: float) -> None:
        sound(self, max(cursor, head), head, [], now)

    patch.setattr(ServerSession, "attach", attach)


def lose_the_resend_flag(patch: pytest.MonkeyPatch) -> None:
    """The client does not say that it has sent this before."""
    sound = wire.outgoing_message
    patch.setattr(wire, "outgoing_message", lambda message, *, resend: sound(message, resend=False))


def deliver_without_order(patch: pytest.MonkeyPatch) -> None:
    """What comes early is let through at once."""

    def offer(self: Any, seq: int, item: Any) -> list[Any]:
        if not self.accepts(seq):
            return []
        if self._next == 0:
            self._held[seq] = item
            return []
        if seq > self._next:
            self._skipped.add(seq)
            return [item]
        self._next = seq + 1
        return [item, *self._release()]

    patch.setattr(Sequence, "offer", offer)


def forget_the_hole(patch: pytest.MonkeyPatch) -> None:
    """What comes early is let through, and what is missing below it is not waited for."""
    sound = Sequence.offer

    def offer(self: Any, seq: int, item: Any) -> list[Any]:
        if self._next and seq > self._next:
            self._next = seq
        return sound(self, seq, item)

    patch.setattr(Sequence, "offer", offer)


def deliver_the_seam_twice(patch: pytest.MonkeyPatch) -> None:
    """A new stream makes the client forget what has come and is not handled yet."""
    sound = Inbox.attached

    def attached(self: Any, first_seq: int, *window: Any, overlap: bool) -> None:
        if self._order.sequence.next_seq > first_seq:
            self._order.sequence.restart(first_seq)
        sound(self, first_seq, *window, overlap=overlap)

    patch.setattr(Inbox, "attached", attached)


def give_the_newest_first(patch: pytest.MonkeyPatch) -> None:
    """An application that is behind gets what came last."""
    sound = Inbox.take

    def take(self: Any, now: float) -> Any:
        self._reading.waiting.rotate(1)
        return sound(self, now)

    patch.setattr(Inbox, "take", take)


def drop_the_late_entry(patch: pytest.MonkeyPatch) -> None:
    """What is marked late is taken for a void."""
    sound = Inbox.deliver

    def deliver(self: Any, seq: int, message: Any, *, hint: bool, **rest: Any) -> None:
        sound(self, seq, None if hint else message, hint=hint, **rest)

    patch.setattr(Inbox, "deliver", deliver)


def acknowledge_what_waits(patch: pytest.MonkeyPatch) -> None:
    """What has come counts as handled, before the application has seen it."""
    patch.setattr(Inbox, "handled", property(lambda self: self._order.sequence.next_seq - 1))


def forget_the_unanswered(patch: pytest.MonkeyPatch) -> None:
    """A stream that breaks takes the client's unanswered messages with it."""

    def lost(self: Any) -> None:
        self._max_unanswered = 0
        self._unanswered.clear()

    patch.setattr(Outbox, "lost", lost)
