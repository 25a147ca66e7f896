"""Every kind of MessageStore for the contract suites, and the messages that they store."""

from __future__ import annotations

from typing import Any

import pytest

from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.domain.model import ClientKey, StoredMessage
from services.logic.ports import MessageStore
from whimbrel.core.ids import compose
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore

MS = 1_800_000_000_000


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def messages(request: pytest.FixtureRequest, open_database: Any) -> MessageStore:
    if request.param == "memory":
        return MemoryMessageStore()
    store = MongoMessageStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


def message(
    number: int, *, sender: str = "alice", worker: int = 1, ms: int = MS, body: bytes = b"\x00hi"
) -> StoredMessage:
    return StoredMessage(
        message_id=compose(ms + number, worker, number % 4096),
        key=ClientKey(sender, "phone", f"id-{number}"),
        conversation="d:alice:bob",
        participants=("alice", "bob"),
        body_kind=1,
        body=body,
        sent_at_ms=ms + number,
        digest=bytes(range(16)),
    )
