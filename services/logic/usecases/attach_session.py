"""A session starts: where does it resume, and what has it missed?

The effective cursor is the higher of what the device says and what is stored, and it is stored
before the session hears of it, so a device that is new and starts at head misses nothing that
comes after, whatever dies (promise 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.logic.domain.model import DeviceCursor
from services.logic.ports import CursorStore, SendMemory, TimelineStore
from services.logic.usecases.patience import Clock, until_deadline
from services.logic.usecases.read_timeline import Page, ReadTimeline
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

LOOK_BACK: Final = 32
"""Entries that the device may have and answer to, though this pod, and the Access pod that it
has come to, have never seen them: what it sends is minted above them all the same (rule 7)."""


class Attach(NamedTuple):
    """A device that attaches; `cursor` is None when the client knows nothing."""

    user: str
    device: str
    epoch: int
    cursor: int | None
    limit: int
    account_scope: bool = False
    """What any device of the user has acknowledged is not delivered again (rule 15)."""


class Attached(NamedTuple):
    """Where the session resumes, and the first page after it."""

    cursor: int
    page: Page


class AttachSession:
    """Answers attaches in batches: two queries for all, one read for each."""

    def __init__(
        self,
        cursors: CursorStore,
        timelines: TimelineStore,
        reader: ReadTimeline,
        memory: SendMemory,
        *,
        clock: Clock,
        deadline_seconds: float = 5.0,
    ) -> None:
        self._cursors = cursors
        self._timelines = timelines
        self._reader = reader
        self._memory = memory
        self._clock = clock
        self._deadline_seconds = deadline_seconds

    async def attach(self, batch: Sequence[Attach]) -> list[Attached | WhimbrelError]:
        """The outcome of each, in order: SEQ_AHEAD for a cursor beyond the head, UNAVAILABLE
        when MongoDB does not answer within the deadline."""
        deadline = self._clock() + self._deadline_seconds
        # Both at once: what comes for a session that moves waits for this.
        _, starts = await asyncio.gather(
            self._raise_epochs(batch), self._starts(batch, deadline=deadline)
        )
        return list(
            await asyncio.gather(
                *(self._open(one, start) for one, start in zip(batch, starts, strict=True))
            )
        )

    async def _raise_epochs(self, batch: Sequence[Attach]) -> None:
        """From now on sends of an older attachment are refused (rule 13)."""
        epochs = {(one.user, one.device): one.epoch for one in batch}
        try:
            await self._memory.raise_epochs(epochs)
        except WhimbrelError as error:
            log.warning("epochs_not_raised", count=len(epochs), detail=error.detail)

    async def _starts(
        self, batch: Sequence[Attach], *, deadline: float
    ) -> Sequence[int | WhimbrelError]:
        """The effective cursor of each, stored."""
        try:
            return await until_deadline(
                lambda: self._find_starts(batch), deadline=deadline, clock=self._clock
            )
        except WhimbrelError as error:
            return [error] * len(batch)

    async def _find_starts(self, batch: Sequence[Attach]) -> list[int | WhimbrelError]:
        stored = await self._cursors.find((one.user, one.device) for one in batch)
        accounts = {one.user for one in batch if one.account_scope}
        highest = await self._cursors.highest(accounts) if accounts else {}
        unproven = {
            one.user
            for one in batch
            if (one.cursor or 0) > stored.get((one.user, one.device), 0)
            or ((one.user, one.device) not in stored and one.cursor is None)
        }
        heads = await self._timelines.heads(unproven) if unproven else {}
        starts: list[int | WhimbrelError] = []
        raised = []
        for one in batch:
            known = stored.get((one.user, one.device))
            if known is None and one.cursor is None:
                start = heads[one.user]
            else:
                start = max(known or 0, one.cursor or 0)
            if one.account_scope:
                start = max(start, highest.get(one.user, 0))
            # Stored cursors were at or below the head once, and the head never falls.
            if one.user in heads and start > heads[one.user]:
                starts.append(
                    WhimbrelError(
                        ErrorCode.SEQ_AHEAD,
                        f"the cursor {start} lies beyond the head {heads[one.user]}",
                    )
                )
                continue
            if known is None or start > known:
                raised.append(DeviceCursor(one.user, one.device, start))
            starts.append(start)
        if raised:
            await self._cursors.raise_to(raised)
        return starts

    async def _open(self, one: Attach, start: int | WhimbrelError) -> Attached | WhimbrelError:
        if isinstance(start, WhimbrelError):
            return start
        try:
            page = await self._reader.read(one.user, start + 1, one.limit, look_back=LOOK_BACK)
            return Attached(start, page)
        except WhimbrelError as error:
            return error
