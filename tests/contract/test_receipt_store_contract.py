"""What every ReceiptStore promises, on memory and on MongoDB."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.logic.adapters.receipt_store_mongo import MongoReceiptStore
from services.logic.domain.model import ReadReceipt
from services.logic.reading_ports import ReceiptStore
from whimbrel.testing.memory_stores.receipt_store import MemoryReceiptStore

TEAM = "g:team"


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def receipts(request: pytest.FixtureRequest, open_database: Any) -> ReceiptStore:
    if request.param == "memory":
        return MemoryReceiptStore()
    store = MongoReceiptStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


async def test_there_is_one_cursor_per_member_of_a_conversation(receipts: ReceiptStore) -> None:
    await receipts.raise_all(
        [
            ReadReceipt("bob", TEAM, 2**62),
            ReadReceipt("carol", TEAM, 5),
            ReadReceipt("bob", "d:alice:bob", 7),
        ]
    )
    await receipts.raise_all([])
    assert await receipts.find(TEAM) == {"bob": 2**62, "carol": 5}
    assert await receipts.find("g:nobody") == {}


async def test_a_cursor_never_goes_back(receipts: ReceiptStore) -> None:
    for message_id in (5, 3, 6, 6):
        await receipts.raise_all([ReadReceipt("bob", TEAM, message_id)])
    assert await receipts.find(TEAM) == {"bob": 6}


async def test_first_receipts_at_once_end_at_the_highest(receipts: ReceiptStore) -> None:
    await asyncio.gather(
        *(receipts.raise_all([ReadReceipt("bob", TEAM, number)]) for number in range(1, 11))
    )
    assert await receipts.find(TEAM) == {"bob": 10}
