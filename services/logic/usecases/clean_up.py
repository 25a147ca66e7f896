"""Finishes what was left half done: by a Logic that died, or by ourselves when a store was away.

When a worker's lease ends without a goodbye, one survivor scans that worker's messages from 60 s
before its last renewal and treats each as a resend: completes its entries, voids what stayed
open for its participants, fans out (rule 6). 16 kills of a build without this left 140 messages
in nobody's or only some timelines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.logic.domain.holes import VOID_AFTER_SECONDS
from services.logic.domain.model import Committed, StoredMessage, TimelineEntry
from services.logic.ports import MessageStore, SeqReservations, TimelineStore, WorkerLeases
from services.logic.usecases.change_messages import ChangeMessages
from services.logic.usecases.commit_messages import Unfinished
from services.logic.usecases.complete_messages import CompleteMessages
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.patience import Clock
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.ids import unix_ms_of
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

LOOK_BACK_MS = 60_000
CLAIM_MS = 60_000
PAGE_DEADLINE_SECONDS = 20.0
OPEN_SPAN = 5000
"""A process has at most one commit open, so its holes lie within so many seqs of the end."""


class CleanUp:
    """Looks for dead workers and for our own unfinished commits."""

    def __init__(
        self,
        leases: WorkerLeases,
        messages: MessageStore,
        timelines: TimelineStore,
        reservations: SeqReservations,
        completer: CompleteMessages,
        changes: ChangeMessages,
        ids: MintIds,
        *,
        holder: str,
        on_committed: Callable[[Sequence[Committed]], None],
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._leases = leases
        self._messages = messages
        self._timelines = timelines
        self._reservations = reservations
        self._completer = completer
        self._changes = changes
        self._ids = ids
        self._holder = holder
        self._on_committed = on_committed
        self._clock = clock
        self._sleep = sleep
        self._unfinished: Unfinished | None = None

    def note_unfinished(self, span: Unfinished) -> None:
        """A commit of our own failed: messages minted in this span may be half done."""
        if self._unfinished is None:
            self._unfinished = span
        else:
            self._unfinished.from_ms = min(self._unfinished.from_ms, span.from_ms)
            self._unfinished.to_ms = max(self._unfinished.to_ms, span.to_ms)

    async def run(self, every_seconds: float) -> None:
        """Look again and again; a store that does not answer is logged and tried again."""
        while True:
            await self._sleep(every_seconds)
            try:
                await self.finish_own()
                while await self.finish_dead():
                    pass
            except WhimbrelError as error:
                log.warning("clean_up_interrupted", detail=error.detail)

    async def finish_own(self) -> int:
        """Complete what our own failed commits left; how many messages were looked at."""
        span, worker = self._unfinished, self._ids.worker
        if span is None or worker is None:
            return 0
        count = await self._finish(worker, span.from_ms, span.to_ms)
        if self._unfinished is span:
            self._unfinished = None
        log.info("own_commits_finished", worker=worker, messages=count)
        return count

    async def finish_dead(self) -> bool:
        """Claim one dead worker and finish its messages; False when there is none."""
        dead = await self._leases.claim_dead(
            self._holder, now_ms=self._ids.wall_ms(), claim_ms=CLAIM_MS
        )
        if dead is None:
            return False
        log.warning("worker_found_dead", worker=dead.worker, holder=dead.holder)
        count = await self._finish(dead.worker, dead.renewed_ms - LOOK_BACK_MS, None)
        await self._leases.finish_dead(dead)
        log.info("dead_worker_finished", worker=dead.worker, messages=count)
        return True

    async def _finish(self, worker: int, from_ms: int, to_ms: int | None) -> int:
        seen = 0
        participants: set[str] = set()
        async for page in self._messages.scan_worker(worker, from_ms):
            mine = [one for one in page if to_ms is None or unix_ms_of(one.message_id) <= to_ms]
            seen += len(mine)
            participants.update(user for one in mine for user in one.participants)
            await self._complete(mine)
            if len(mine) < len(page):
                break
        await self._void_open(participants)
        return seen

    async def _complete(self, messages: Sequence[StoredMessage]) -> None:
        deadline = self._clock() + PAGE_DEADLINE_SECONDS
        completed = await self._completer.complete(messages, deadline=deadline)
        await self._changes.apply(completed, deadline=deadline)
        self._on_committed(completed)

    async def _void_open(self, users: set[str]) -> None:
        """Fill what was reserved before now, and is still not written when readers may void."""
        if not users:
            return
        reserved = await self._ends(users)
        await self._sleep(VOID_AFTER_SECONDS)
        voids: list[TimelineEntry] = []
        for user, end in reserved.items():
            start = max(1, end - OPEN_SPAN)
            existing = set(await self._timelines.read_seqs(user, start, end))
            voids += [
                TimelineEntry(user, seq) for seq in range(start, end + 1) if seq not in existing
            ]
        for first in range(0, len(voids), OPEN_SPAN):
            await self._timelines.insert(voids[first : first + OPEN_SPAN])
        if voids:
            log.info("open_seqs_voided", count=len(voids))

    async def _ends(self, users: set[str]) -> dict[str, int]:
        """The last seq that may be in use: what Redis reserved, or MongoDB's head without it."""
        try:
            reserved = await self._reservations.read(users)
        except WhimbrelError:
            reserved = {}
        heads = await self._timelines.heads(users)
        return {user: max(reserved.get(user, 0), heads[user]) for user in users}
