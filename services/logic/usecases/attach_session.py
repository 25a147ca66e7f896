"""A session starts: where does it resume, and what has it missed?

The effective cursor is the higher of what the device says and what is stored, and it is stored
before the session hears of it, so a device that is new and starts at head misses nothing that
comes after, whatever dies (promise 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from services.logic.domain.model import DeviceCursor, TimelineEntry
from services.logic.ports import CursorStore, SendMemory, TimelineStore
from services.logic.usecases.patience import Clock, until_deadline
from services.logic.usecases.read_timeline import Page, ReadTimeline, Tail
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

LOOK_BACK: Final = 32
"""Entries that the device may have and answer to, though this pod, and the Access pod that it
has come to, have never seen them: what it sends is minted above them all the same (rule 7)."""
MORE_ROWS: Final = 1000
"""Entries that a batch may have missed and still be read with one query. Who comes back to
hundreds reads by itself, and does not hold up the others."""

Start = int | WhimbrelError


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


class Tails(NamedTuple):
    """The ends of timelines, by user: of everybody in a batch, or of nobody."""

    positions: Mapping[str, int]
    """From where on each was read."""
    entries: Mapping[str, Sequence[TimelineEntry]]

    def head(self, user: str) -> int | None:
        """The last seq; None when it was not seen."""
        seen = self.entries.get(user)
        if seen:
            return seen[-1].seq
        return 0 if seen is not None and self.positions[user] == 1 else None


class AttachSession:
    """Answers attaches in batches, with as many queries for all of them as for one: the cursors,
    the ends of the timelines, the messages that wait."""

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
        _, (starts, tails) = await asyncio.gather(
            self._raise_epochs(batch), self._starts(batch, deadline=deadline)
        )
        return await self._open(batch, starts, tails)

    async def _raise_epochs(self, batch: Sequence[Attach]) -> None:
        """From now on sends of an older attachment are refused (rule 13)."""
        epochs = {(one.user, one.device): one.epoch for one in batch}
        try:
            await self._memory.raise_epochs(epochs)
        except WhimbrelError as error:
            log.warning("epochs_not_raised", count=len(epochs), detail=error.detail)

    async def _starts(
        self, batch: Sequence[Attach], *, deadline: float
    ) -> tuple[Sequence[Start], Tails]:
        """The effective cursor of each, stored; and what was read of their timelines."""
        try:
            return await until_deadline(
                lambda: self._find_starts(batch), deadline=deadline, clock=self._clock
            )
        except WhimbrelError as error:
            return [error] * len(batch), Tails({}, {})

    async def _find_starts(self, batch: Sequence[Attach]) -> tuple[Sequence[Start], Tails]:
        stored, highest = await self._find_cursors(batch)
        tails = await self._read_tails(batch, stored, highest)
        unproven = {
            one.user
            for one in batch
            if _is_new(one, stored) or (one.cursor or 0) > stored.get((one.user, one.device), 0)
        }
        heads = await self._heads(unproven, tails) if unproven else {}
        starts: list[Start] = []
        raised, created = [], []
        for one in batch:
            known = stored.get((one.user, one.device))
            start = heads[one.user] if _is_new(one, stored) else max(known or 0, one.cursor or 0)
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
            if known is None:
                created.append(DeviceCursor(one.user, one.device, start))
            elif start > known:
                raised.append(DeviceCursor(one.user, one.device, start))
            starts.append(start)
        if created:
            await self._cursors.create(created)
        if raised:
            await self._cursors.raise_to(raised)
        return starts, tails

    async def _find_cursors(
        self, batch: Sequence[Attach]
    ) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
        """What is stored, by (user, device); and the highest of the devices of those users for
        whom that counts. Whoever is new starts at the head, which is not far above it."""
        users = {one.user for one in batch if one.cursor is None or one.account_scope}
        stored = await self._cursors.find_of_users(users) if users else {}
        highest: dict[str, int] = {}
        for (user, _), cursor in stored.items():
            highest[user] = max(cursor, highest.get(user, 0))
        others = [(one.user, one.device) for one in batch if one.user not in users]
        if others:
            stored |= await self._cursors.find(others)
        return stored, highest

    async def _read_tails(
        self,
        batch: Sequence[Attach],
        stored: Mapping[tuple[str, str], int],
        highest: Mapping[str, int],
    ) -> Tails:
        """What each may have missed, and a little before it: after the routes are registered, so
        what comes later is pushed. Nothing when it is too much for one query."""
        positions: dict[str, int] = {}
        for one in batch:
            base = max(stored.get((one.user, one.device), 0), one.cursor or 0)
            if one.account_scope or _is_new(one, stored):
                base = max(base, highest.get(one.user, 0))
            position = max(1, base + 1 - LOOK_BACK)
            positions[one.user] = min(position, positions.get(one.user, position))
        at_most = MORE_ROWS + LOOK_BACK * len(positions)
        return Tails(positions, await self._timelines.tails(positions, at_most=at_most) or {})

    async def _heads(self, users: Iterable[str], tails: Tails) -> dict[str, int]:
        """From what was read, where that tells them."""
        known = {user: tails.head(user) for user in users}
        unknown = [user for user, head in known.items() if head is None]
        asked = await self._timelines.heads(unknown) if unknown else {}
        return {user: asked[user] if head is None else head for user, head in known.items()}

    async def _open(
        self, batch: Sequence[Attach], starts: Sequence[Start], tails: Tails
    ) -> list[Attached | WhimbrelError]:
        placed = [
            (one, start)
            for one, start in zip(batch, starts, strict=True)
            if not isinstance(start, WhimbrelError)
        ]
        pages: Sequence[Page | WhimbrelError]
        if tails.entries:
            pages = await self._pages(
                [
                    Tail(one.user, start + 1, one.limit, tails.entries[one.user])
                    for one, start in placed
                ]
            )
        else:
            pages = await asyncio.gather(*(self._page(one, start) for one, start in placed))
        opened = iter(pages)
        outcomes: list[Attached | WhimbrelError] = []
        for start in starts:
            if isinstance(start, WhimbrelError):
                outcomes.append(start)
                continue
            page = next(opened)
            outcomes.append(page if isinstance(page, WhimbrelError) else Attached(start, page))
        return outcomes

    async def _pages(self, tails: Sequence[Tail]) -> Sequence[Page | WhimbrelError]:
        try:
            return await self._reader.first_pages(tails)
        except WhimbrelError as error:
            return [error] * len(tails)

    async def _page(self, one: Attach, start: int) -> Page | WhimbrelError:
        try:
            return await self._reader.read(
                one.user, start + 1, one.limit, look_back=LOOK_BACK, wants_head=True
            )
        except WhimbrelError as error:
            return error


def _is_new(one: Attach, stored: Mapping[tuple[str, str], int]) -> bool:
    """Neither the device nor anybody else knows where it stands."""
    return one.cursor is None and (one.user, one.device) not in stored
