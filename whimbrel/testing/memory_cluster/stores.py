"""The stores of a world: shared by all its Logic processes, slow by chance, and able to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from services.logic.domain.model import StoredMessage
from services.logic.history_parts import HistoryStores
from services.logic.parts import Stores
from services.logic.people_parts import PeopleStores
from services.logic.ports import Locator, MediaRights
from services.logic.signal_parts import SignalStores
from whimbrel.core.errors import unavailable
from whimbrel.testing.memory_directory import MemoryDirectory
from whimbrel.testing.memory_stores.batch_opening import MemoryBatchOpening
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore
from whimbrel.testing.memory_stores.history_stores import memory_history_stores
from whimbrel.testing.memory_stores.media_rights import MemoryMediaRights
from whimbrel.testing.memory_stores.message_cache import MemoryMessageCache
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
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore
from whimbrel.testing.memory_stores.undelivered_index import MemoryUndeliveredIndex
from whimbrel.testing.memory_stores.unread_index import MemoryUnreadIndex
from whimbrel.testing.memory_stores.worker_leases import MemoryWorkerLeases


@dataclass
class WorldStores:
    """What MongoDB and Redis hold. A test puts a faulty one in the place of any."""

    directory: MemoryDirectory
    """The Router's own part of Redis."""
    messages: MemoryMessageStore = field(default_factory=MemoryMessageStore)
    timelines: MemoryTimelineStore = field(default_factory=MemoryTimelineStore)
    cursors: MemoryCursorStore = field(default_factory=MemoryCursorStore)
    conversations: MemoryConversationStore = field(default_factory=MemoryConversationStore)
    leases: MemoryWorkerLeases = field(default_factory=MemoryWorkerLeases)
    reservations: MemorySeqReservations = field(default_factory=MemorySeqReservations)
    memory: MemorySendMemory = field(default_factory=MemorySendMemory)
    reads: MemoryReadStore = field(default_factory=MemoryReadStore)
    receipts: MemoryReceiptStore = field(default_factory=MemoryReceiptStore)
    whereabouts: MemoryWhereabouts = field(default_factory=MemoryWhereabouts)
    watchers: MemoryWatchers = field(default_factory=MemoryWatchers)
    last_seen: MemoryLastSeenStore = field(default_factory=MemoryLastSeenStore)
    undelivered: MemoryUndeliveredIndex = field(default_factory=MemoryUndeliveredIndex)
    push_queue: MemoryPushQueue = field(default_factory=MemoryPushQueue)
    unread: MemoryUnreadIndex = field(default_factory=MemoryUnreadIndex)
    message_cache: MemoryMessageCache = field(default_factory=MemoryMessageCache)
    history: HistoryStores = field(init=False)
    people: PeopleStores = field(default_factory=memory_people)
    media: MediaRights = field(init=False)
    locator_of: Callable[[Locator], Locator] = lambda locator: locator
    """Wraps the locator of each Logic process."""

    def __post_init__(self) -> None:
        self.media = MemoryMediaRights(self.messages)
        self.history = memory_history_stores(
            self.timelines, self.messages, self.unread, self.message_cache
        )

    def ports(self, locator: Locator) -> Stores:
        """For one Logic process."""
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
            locator=self.locator_of(locator),
            history=self.history,
            media=self.media,
            opening=MemoryBatchOpening(self.memory, self.reservations),
            pairs=MemoryPairedInserts(self.messages, self.timelines),
        )

    def slow_down(self, wait: Callable[[], float], halves: HalfWrites, random: Random) -> None:
        """Operations take `wait` seconds before they are done, some again before they answer."""

        async def pause(point: str) -> None:
            if point.endswith(".before") or (point.endswith(".after") and random.random() < 0.3):
                await asyncio.sleep(wait())
            elif point.endswith(".each") and halves.breaks(point):
                raise unavailable("the store died", retry_after_seconds=0.2, outcome_unknown=True)

        for store in (*self.of_mongo, self.reservations, self.memory):
            store.faults.pause = pause

    @property
    def of_mongo(
        self,
    ) -> tuple[
        MemoryMessageStore,
        MemoryTimelineStore,
        MemoryCursorStore,
        MemoryConversationStore,
        MemoryWorkerLeases,
    ]:
        """The stores that go away together."""
        return self.messages, self.timelines, self.cursors, self.conversations, self.leases

    def is_placed(self, message: StoredMessage) -> bool:
        """Whether it stands in the timelines of all its participants."""
        return all(
            any(entry.message_id == message.message_id for entry in self.timelines.timeline(user))
            for user in message.participants
        )

    def flush_redis(self) -> None:
        """What FLUSHALL does."""
        self.directory.flush()
        self.reservations.lose_everything()
        self.memory.lose_everything()
        self.undelivered.lose_everything()
        self.unread.lose_everything()
        self.message_cache.lose_everything()
        self.push_queue.jobs.clear()


class HalfWrites:
    """Breaks bulk writes off in the middle: so many, each at a random item."""

    def __init__(self, random: Random) -> None:
        self.pending = 0
        self._random = random

    def breaks(self, point: str) -> bool:
        """Whether the write that has come to `point` ends here."""
        if not self.pending or self._random.random() < 0.5:
            return False
        self.pending -= 1
        return True


def sound_stores(wall_ms: Callable[[], int]) -> WorldStores:
    """Stores without a bug; `wall_ms` is what Redis TIME says."""
    return WorldStores(MemoryDirectory(wall_ms))
