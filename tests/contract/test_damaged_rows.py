"""Rows that something else wrote, or that have lost a part, in a real MongoDB, with both drivers:
they cost their readers no more than themselves."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Int64

from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.domain.model import ClientKey, StoredMessage, TimelineEntry
from whimbrel.core.ids import compose
from whimbrel.runtime.stores import Database

CHAT = "d:alice:bob"
MS = 1_800_000_000_000


@pytest.fixture(params=["pymongo", "motor"])
async def database(request: pytest.FixtureRequest, open_database: Any) -> Database:
    opened: Database = await open_database(request.param)
    return opened


def entry(seq: int) -> TimelineEntry:
    return TimelineEntry("bob", seq, compose(MS, 1, seq), CHAT, "alice")


def message(number: int) -> StoredMessage:
    key = ClientKey("alice", "phone", f"id-{number}")
    people = ("alice", "bob")
    return StoredMessage(compose(MS, 1, number), key, CHAT, people, 1, b"hi", MS, bytes(16))


@pytest.mark.parametrize(
    "damage",
    [
        {"$unset": {"conversation": 1}},
        {"$unset": {"sender": 1}},
        {"$unset": {"message_id": 1}},
        {"$set": {"conversation": 7}},
        {"$set": {"message_id": "many"}},
        {"$set": {"kind": "other"}, "$unset": {"message_id": 1}},
    ],
)
async def test_a_damaged_entry_is_told_from_its_neighbours_and_from_a_void(
    damage: dict[str, Any], database: Database
) -> None:
    timelines = MongoTimelineStore(database)
    await timelines.prepare()
    await timelines.insert([entry(1), entry(2), TimelineEntry("bob", 3), entry(4)])
    await database.timelines.update_one({"user": "bob", "seq": 2}, damage)
    seen = [entry(1), TimelineEntry("bob", 2, is_damaged=True), TimelineEntry("bob", 3), entry(4)]
    assert await timelines.read("bob", 1, 10) == seen
    assert await timelines.tails({"bob": 2}, at_most=10) == {"bob": seen[1:]}


@pytest.mark.parametrize(
    "damage",
    [
        {"$unset": {"conversation": 1}},
        {"$unset": {"body": 1}},
        {"$set": {"body": "a text"}},
        {"$set": {"sent_at_ms": "yesterday"}},
        {"$set": {"attributes": 7}},
    ],
)
async def test_a_damaged_message_counts_as_absent(
    damage: dict[str, Any], database: Database
) -> None:
    messages = MongoMessageStore(database)
    await messages.prepare()
    sent = [message(number) for number in (1, 2, 3)]
    await messages.insert(sent)
    await database.messages.update_one({"_id": Int64(sent[1].message_id)}, damage)
    ids = {one.message_id: "alice" for one in sent}
    whole = {one.message_id: one for one in (sent[0], sent[2])}
    assert await messages.find(ids) == whole
    assert (await messages.show(ids)).keys() == whole.keys()
    assert [page async for page in messages.scan_worker(1, MS)] == [[sent[0], sent[2]]]


async def test_a_message_without_participants_is_shown_and_not_completed(
    database: Database,
) -> None:
    messages = MongoMessageStore(database)
    await messages.prepare()
    one = message(1)
    await messages.insert([one])
    await database.messages.update_one({}, {"$unset": {"participants": 1}})
    assert (await messages.show({one.message_id: "alice"})).keys() == {one.message_id}
    assert await messages.find({one.message_id: "alice"}) == {}
