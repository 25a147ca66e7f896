"""Functions of the services with a bug each; a test patches one in for as long as it runs."""

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
from whimbrel.core.errors import ErrorCode, WhimbrelError

Patch = Callable[[pytest.MonkeyPatch], None]


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


def reverse_the_frame(patch: pytest.MonkeyPatch) -> None:
    """Entries of one frame in the wrong order."""
    sound = frames.deliver
    patch.setattr(frames, "deliver", lambda items: sound(list(items)[::-1]))


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
