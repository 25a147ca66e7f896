"""A Logic pod on memory stores: every use case assembled as in a pod, every edge in reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

from services.logic.assemble import assemble
from services.logic.domain.model import ClientKey, Draft, Outcome
from services.logic.parts import LogicParts, Stores
from services.logic.settings import CheckSettings, WorkerSettings
from services.logic.signal_parts import SignalStores
from services.logic.telling_parts import TellingStores
from services.logic.webhook_ports import EventOutbox, HostOpinion
from tests.unit.logic.logic_edges import Clock, Locator, Outlet
from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.webhook_settings import WebhookSettings
from whimbrel.testing.memory_stores.batch_opening import MemoryBatchOpening
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore
from whimbrel.testing.memory_stores.history_stores import memory_history_stores
from whimbrel.testing.memory_stores.media_rights import MemoryMediaRights
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.paired_inserts import MemoryPairedInserts
from whimbrel.testing.memory_stores.people import memory_people
from whimbrel.testing.memory_stores.presence_stores import (
    MemoryLastSeenStore,
    MemoryWatchers,
    MemoryWhereabouts,
)
from whimbrel.testing.memory_stores.push_queue import MemoryPushQueue
from whimbrel.testing.memory_stores.read_store import MemoryReadStore
from whimbrel.testing.memory_stores.receipt_store import MemoryReceiptStore
from whimbrel.testing.memory_stores.send_memory import MemorySendMemory
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations
from whimbrel.testing.memory_stores.standings import MemoryStandings
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore
from whimbrel.testing.memory_stores.undelivered_index import MemoryUndeliveredIndex
from whimbrel.testing.memory_stores.unread_index import MemoryUnreadIndex
from whimbrel.testing.memory_stores.worker_leases import MemoryWorkerLeases


class World:
    """Shared stores, and as many Logic processes over them as a test wants."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.locator = Locator()
        self.outlet = Outlet()
        self.messages = MemoryMessageStore()
        self.timelines = MemoryTimelineStore()
        self.cursors = MemoryCursorStore()
        self.conversations = MemoryConversationStore()
        self.reads = MemoryReadStore()
        self.receipts = MemoryReceiptStore()
        self.whereabouts = MemoryWhereabouts()
        self.watchers = MemoryWatchers()
        self.last_seen = MemoryLastSeenStore()
        self.standings = MemoryStandings()
        self.leases = MemoryWorkerLeases()
        self.reservations = MemorySeqReservations()
        self.memory = MemorySendMemory()
        self.undelivered = MemoryUndeliveredIndex()
        self.push_queue = MemoryPushQueue()
        self.unread = MemoryUnreadIndex()
        self.history = memory_history_stores(self.timelines, self.messages, self.unread)
        self.people = memory_people()
        self.media = MemoryMediaRights(self.messages)

    @property
    def stores(self) -> Stores:
        return Stores(
            messages=self.messages,
            timelines=self.timelines,
            cursors=self.cursors,
            conversations=self.conversations,
            people=self.people,
            leases=self.leases,
            reservations=self.reservations,
            memory=self.memory,
            reads=self.reads,
            signals=SignalStores(
                receipts=self.receipts,
                whereabouts=self.whereabouts,
                watchers=self.watchers,
                last_seen=self.last_seen,
            ),
            undelivered=self.undelivered,
            push_queue=self.push_queue,
            locator=self.locator,
            history=self.history,
            media=self.media,
        )

    def logic(
        self,
        holder: str = "logic-0/a",
        *,
        checking: CheckSettings | None = None,
        opinion: HostOpinion | None = None,
        outbox: EventOutbox | None = None,
        asking: WebhookSettings | None = None,
        **changed: object,
    ) -> LogicParts:
        """Another process; `changed` puts other stores in the place of the shared ones."""
        stores = replace(self.stores, **changed)  # type: ignore[arg-type]
        opening = MemoryBatchOpening(stores.memory, stores.reservations)
        messages = cast(MemoryMessageStore, stores.messages)
        timelines = cast(MemoryTimelineStore, stores.timelines)
        pairs = stores.pairs or MemoryPairedInserts(messages, timelines)
        return assemble(
            replace(stores, opening=opening, pairs=pairs),
            self.outlet,
            holder=holder,
            clock=self.clock,
            wall_ms=self.clock.wall_ms,
            checking=checking,
            sleep=self.clock.sleep,
            opinion=opinion,
            telling_stores=TellingStores(outbox, self.standings) if outbox else None,
            asking=asking,
        )

    async def seqs(self, user: str) -> list[int]:
        """The seqs of a user's timeline, voids included."""
        return [entry.seq for entry in await self.timelines.read(user, 1, 10_000)]

    async def placed(self, user: str) -> list[tuple[int, int]]:
        """(seq, message_id) of a user's timeline, voids left out."""
        rows = await self.timelines.read(user, 1, 10_000)
        return [(row.seq, row.message_id) for row in rows if row.message_id is not None]


@asynccontextmanager
async def running(parts: LogicParts) -> AsyncIterator[LogicParts]:
    """Run the process's loops, but not those that only wait for time to pass."""
    loops = parts.loops(WorkerSettings())
    names = ("commit", "fan_out", "recent_sends", "offline", "cursors", "unread")
    lanes = tuple(name for name in loops if name.startswith(("before_send_", "events")))
    tasks = [asyncio.create_task(loops[name]()) for name in (*names, *lanes)]
    try:
        yield parts
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


def draft(
    text: str = "hello",
    *,
    sender: str = "alice",
    to: str = "d:alice:bob",
    client_id: str = "c1",
    device: str = "phone",
    attributes: Attributes = PLAIN,
) -> Draft:
    return Draft(ClientKey(sender, device, client_id), to, 1, text.encode(), attributes)


async def send(
    parts: LogicParts, one: Draft, *, resend: bool = False, epoch: int = 1, seconds: float = 10.0
) -> Outcome:
    """Submit and wait for the outcome; the process has to be running."""
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    parts.use_cases.submit.submit(
        one,
        epoch=epoch,
        resend=resend,
        deadline=parts.use_cases.clock() + seconds,
        answer=outcome.set_result,
    )
    async with asyncio.timeout(5):
        return await outcome


def code_of(outcome: Outcome) -> str:
    assert isinstance(outcome, WhimbrelError)
    return outcome.code.name
