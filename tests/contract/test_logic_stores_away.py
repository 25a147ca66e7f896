"""Every port of Logic's stores raises UNAVAILABLE when its store is away; a write says that its
outcome is unknown. On memory, on an unreachable MongoDB with both drivers, on no Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from services.logic.adapters.conversation_store_mongo import MongoConversationStore
from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.receipt_store_mongo import MongoReceiptStore
from services.logic.adapters.send_memory_redis import RedisSendMemory
from services.logic.adapters.seq_reservations_redis import RedisSeqReservations
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.adapters.worker_leases_mongo import MongoWorkerLeases
from services.logic.domain.model import (
    Answer,
    Change,
    ClientKey,
    DeadWorker,
    DeviceCursor,
    Placement,
    ReadReceipt,
    RecentSend,
    StoredMessage,
    TimelineEntry,
    WorkerLease,
)
from services.logic.ports import (
    ConversationStore,
    CursorStore,
    MessageStore,
    SendMemory,
    SeqReservations,
    TimelineStore,
    WorkerLeases,
)
from services.logic.reading_ports import ReceiptStore
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import MongoSettings, RedisSettings
from whimbrel.runtime.stores import open_mongo
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.receipt_store import MemoryReceiptStore
from whimbrel.testing.memory_stores.send_memory import MemorySendMemory
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore
from whimbrel.testing.memory_stores.worker_leases import MemoryWorkerLeases

KEY = ClientKey("alice", "phone", "id-1")
MESSAGE = StoredMessage(7, KEY, "d:alice:bob", ("alice", "bob"), 1, b"hi", 1, b"\x00" * 16)
LEASE = WorkerLease(1, "logic-0/a", 0, 1)


class Stores(NamedTuple):
    messages: MessageStore
    timelines: TimelineStore
    cursors: CursorStore
    conversations: ConversationStore
    receipts: ReceiptStore
    leases: WorkerLeases
    seqs: SeqReservations
    memory: SendMemory


async def _scan(messages: MessageStore) -> None:
    async for _ in messages.scan_worker(1, 0):
        raise AssertionError("a store that is away gives no page")


READS: dict[str, Callable[[Stores], Awaitable[object]]] = {
    "messages.find_by_client_keys": lambda at: at.messages.find_by_client_keys([KEY]),
    "messages.find": lambda at: at.messages.find({7: "alice"}),
    "messages.scan_worker": lambda at: _scan(at.messages),
    "receipts.find": lambda at: at.receipts.find("g:1"),
    "timelines.find_placed": lambda at: at.timelines.find_placed([Placement("bob", "d:b:b", 7)]),
    "timelines.heads of one": lambda at: at.timelines.heads(["bob"]),
    "timelines.heads of many": lambda at: at.timelines.heads([f"user-{n}" for n in range(40)]),
    "timelines.ahead": lambda at: at.timelines.ahead({"bob": 1}),
    "timelines.tails": lambda at: at.timelines.tails({"bob": 1}, at_most=9),
    "timelines.read": lambda at: at.timelines.read("bob", 1, 10),
    "timelines.read_seqs": lambda at: at.timelines.read_seqs("bob", 1, 10),
    "cursors.find": lambda at: at.cursors.find([("bob", "phone")]),
    "conversations.participants": lambda at: at.conversations.participants(["g:team"]),
    "seqs.read": lambda at: at.seqs.read(["bob"]),
    "memory.look_up": lambda at: at.memory.look_up([KEY], [("alice", "phone")]),
}
WRITES: dict[str, Callable[[Stores], Awaitable[object]]] = {
    "messages.insert": lambda at: at.messages.insert([MESSAGE]),
    "messages.change": lambda at: at.messages.change([Change(7, "alice", 8, is_recall=True)]),
    "receipts.raise_all": lambda at: at.receipts.raise_all([ReadReceipt("bob", "g:1", 7)]),
    "timelines.insert": lambda at: at.timelines.insert([TimelineEntry("bob", 1)]),
    "cursors.raise_to": lambda at: at.cursors.raise_to([DeviceCursor("bob", "phone", 1)]),
    "leases.acquire": lambda at: at.leases.acquire("logic-0/a", now_ms=1, lease_ms=1),
    "leases.renew": lambda at: at.leases.renew(LEASE, until_ms=2, now_ms=1),
    "leases.release": lambda at: at.leases.release(LEASE, last_issued_ms=1),
    "leases.claim_dead": lambda at: at.leases.claim_dead("logic-1/b", now_ms=9, claim_ms=1),
    "leases.finish_dead": lambda at: at.leases.finish_dead(DeadWorker(1, "logic-0/a", 0, 1)),
    "seqs.reserve": lambda at: at.seqs.reserve({"bob": 1}),
    "seqs.raise_to": lambda at: at.seqs.raise_to({"bob": 1}),
    "memory.remember": lambda at: at.memory.remember([RecentSend(KEY, b"", Answer(7, 1))]),
    "memory.raise_epochs": lambda at: at.memory.raise_epochs({("bob", "phone"): 1}),
}
# Looks first whether the group exists, so it fails before anything can have been written.
CREATE: dict[str, Callable[[Stores], Awaitable[object]]] = {
    "conversations.create_group": lambda at: at.conversations.create_group(
        "g:team", "alice", ["bob"], "Team", 1
    )
}


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def away(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        memories: list[Any] = [
            MemoryMessageStore(),
            MemoryTimelineStore(),
            MemoryCursorStore(),
            MemoryConversationStore(),
            MemoryReceiptStore(),
            MemoryWorkerLeases(),
            MemorySeqReservations(),
            MemorySendMemory(),
        ]
        for memory in memories:
            memory.faults.away = True
        yield Stores(*memories)
        return
    mongo = MongoSettings(
        url="mongodb://127.0.0.1:1/?replicaSet=rs", timeout_seconds=0.05, driver=request.param
    )
    nowhere = RedisSettings(url="redis://127.0.0.1:1", timeout_seconds=0.5)
    async with open_mongo(mongo) as database, open_redis(nowhere) as redis:
        yield Stores(
            MongoMessageStore(database),
            MongoTimelineStore(database),
            MongoCursorStore(database),
            MongoConversationStore(database),
            MongoReceiptStore(database),
            MongoWorkerLeases(database),
            RedisSeqReservations(redis),
            RedisSendMemory(redis),
        )


async def test_stores_that_are_away_are_unavailable(away: Stores) -> None:
    operations = {**READS, **CREATE, **WRITES}
    # All at once: the driver takes half a second to give up, however short its deadline is.
    results = await asyncio.gather(
        *(operation(away) for operation in operations.values()), return_exceptions=True
    )
    for name, error in zip(operations, results, strict=True):
        assert isinstance(error, WhimbrelError), name
        assert error.code is ErrorCode.UNAVAILABLE, name
        assert error.retry_after_seconds, name
        assert error.outcome_unknown or name not in WRITES, name
