"""Functions of the product with a bug each; a test patches one in for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.access import fencing, frames, responses
from services.access.acks import AckKeeper
from services.access.handshake import Handshake
from services.access.head_checks import HeadChecks
from services.access.pending import PendingTable
from services.logic.domain.holes import HoleLedger
from services.logic.usecases.attach_session import AttachSession
from services.logic.usecases.check_sends import CheckSends
from services.logic.usecases.clean_up import CleanUp
from services.logic.usecases.commit_messages import CommitMessages
from services.logic.usecases.mint_ids import MintIds
from whimbrel import wire
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.inbox import Inbox
from whimbrel.core.outbox import Outbox
from whimbrel.core.sequence import Sequence
from whimbrel.core.session import ServerSession

Patch = Callable[[pytest.MonkeyPatch], None]


def skip_the_replay(patch: pytest.MonkeyPatch) -> None:
    """A session begins at the head, whatever lies between it and the cursor."""
    sound = ServerSession.attach

    def attach(self: Any, cursor: int, head: int, page: Any, now: float) -> None:
        sound(self, max(cursor, head), head, [], now)

    patch.setattr(ServerSession, "attach", attach)


def resume_above_the_cursor(patch: pytest.MonkeyPatch) -> None:
    """Off by one."""
    sound = AttachSession._find_starts

    async def starts(self: Any, batch: Any) -> Any:
        found, tails = await sound(self, batch)
        return [one + 1 if isinstance(one, int) and one else one for one in found], tails

    patch.setattr(AttachSession, "_find_starts", starts)


def answer_what_a_lost_primary_had(patch: pytest.MonkeyPatch) -> None:
    """A commit whose primary was lost goes on with the entries alone."""
    sound = CommitMessages._write

    async def write(self: Any, minted: Any, *more: Any, tried: Any = (), **pair: Any) -> Any:
        if not tried:
            return await sound(self, minted, *more, **pair)
        self._store = lambda *_: asyncio.sleep(0, ([message for _, message in minted], [], {}))
        try:
            return await sound(self, minted, *more, tried=tried)
        finally:
            del self._store

    patch.setattr(CommitMessages, "_write", write)


def forget_the_resend_check(patch: pytest.MonkeyPatch) -> None:
    """A resend is checked like something new."""
    sound = CheckSends._remembered

    async def remembered(self: Any, sends: Any) -> Any:
        _, epochs = await sound(self, sends)
        return {}, epochs

    async def stored(self: Any, keys: Any, deadline: float) -> Any:
        return {}

    patch.setattr(CheckSends, "_remembered", remembered)
    patch.setattr(CheckSends, "_stored", stored)


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


def reverse_the_frame(patch: pytest.MonkeyPatch) -> None:
    """Entries of one frame in the wrong order."""
    sound = frames.deliver
    patch.setattr(frames, "deliver", lambda items: sound(list(items)[::-1]))


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


def answer_anothers_send(patch: pytest.MonkeyPatch) -> None:
    """Results go to whoever asked last."""
    sound = PendingTable.pop

    def pop(self: Any, ref: int) -> Any:
        return sound(self, next(reversed(self._waiting), ref))

    patch.setattr(PendingTable, "pop", pop)


def call_unknown_refused(patch: pytest.MonkeyPatch) -> None:
    """A link that broke is a refusal."""
    patch.setattr(
        responses, "link_broke", lambda: WhimbrelError(ErrorCode.UNAVAILABLE, "the link broke")
    )


def confirm_before_stored(patch: pytest.MonkeyPatch) -> None:
    """An ack is confirmed when it comes, and stored at the next flush."""
    sound = AckKeeper.keep

    def keep(self: Any, user_id: str, device_id: str, cursor: int) -> None:
        sound(self, user_id, device_id, cursor)
        self._on_stored(user_id, device_id, cursor)

    patch.setattr(AckKeeper, "keep", keep)


def read_the_backlog_first(patch: pytest.MonkeyPatch) -> None:
    """The route is registered after the backlog was read."""
    route, timeline = Handshake._attach_route, Handshake._attach_timeline

    async def nothing(self: Any, stream: Any, epoch: int, ticket_epoch: int) -> str:
        return ""

    async def both(self: Any, stream: Any, hello: Any) -> Any:
        result = await timeline(self, stream, hello)
        self._tell(stream, await route(self, stream, hello.epoch, 0))
        return result

    patch.setattr(Handshake, "_attach_route", nothing)
    patch.setattr(Handshake, "_attach_timeline", both)


def never_look_at_heads(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks what was missed."""
    patch.setattr(HeadChecks, "request", lambda self, after_seconds=0.0: None)


def leave_the_dead_alone(patch: pytest.MonkeyPatch) -> None:
    """Nobody completes what a dead Logic, or a failed commit, left half done."""

    async def finish_dead(self: Any) -> bool:
        return False

    async def finish_own(self: Any) -> int:
        return 0

    patch.setattr(CleanUp, "finish_dead", finish_dead)
    patch.setattr(CleanUp, "finish_own", finish_own)


def mint_below_what_was_seen(patch: pytest.MonkeyPatch) -> None:
    """Ids of other pods do not count."""
    patch.setattr(MintIds, "observe", lambda self, message_id: None)


def void_one_too_many(patch: pytest.MonkeyPatch) -> None:
    """Voids what is missing at once, and off by one: the entry behind the hole too."""

    def ripe(self: Any, user: str, seqs: Any, now: float) -> list[int]:
        return [*seqs, seqs[-1] + 1] if seqs else []

    patch.setattr(HoleLedger, "ripe", ripe)


def supersede_nobody(patch: pytest.MonkeyPatch) -> None:
    """An older stream takes no notice of a newer epoch."""
    patch.setattr(fencing, "supersede", lambda stream, epoch, instance_id: None)
