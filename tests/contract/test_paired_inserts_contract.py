"""What every PairedInserts promises, on memory and on MongoDB; and where MongoDB has no pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.paired_inserts_mongo import MongoPairedInserts
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.batch_ports import PairedInserts
from services.logic.domain.model import ClientKey, StoredMessage, TimelineEntry
from services.logic.ports import MessageStore, TimelineStore
from tests.waiting import until
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.ids import compose
from whimbrel.local.mongod import running_mongod
from whimbrel.runtime import mongo_held
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import Database, open_mongo
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.paired_inserts import MemoryPairedInserts
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore

MS = 1_800_000_000_000


class Given(NamedTuple):
    pairs: PairedInserts
    messages: MessageStore
    timelines: TimelineStore


@pytest.fixture(params=["memory", "pymongo"])
async def given(request: pytest.FixtureRequest, open_database: Any) -> Given:
    if request.param == "memory":
        memory = MemoryMessageStore(), MemoryTimelineStore()
        return Given(MemoryPairedInserts(*memory), *memory)
    return await on_mongo(await open_database(request.param))


async def on_mongo(database: Database) -> Given:
    messages, timelines = MongoMessageStore(database), MongoTimelineStore(database)
    for store in (messages, timelines):
        await store.prepare()
    return Given(MongoPairedInserts(database), messages, timelines)


def message(number: int, *, body: bytes = b"hi") -> StoredMessage:
    return StoredMessage(
        message_id=compose(MS + number, 1, 0),
        key=ClientKey("alice", "phone", f"id-{number}"),
        conversation="d:alice:bob",
        participants=("alice", "bob"),
        body_kind=1,
        body=body,
        sent_at_ms=MS + number,
        digest=bytes(16),
    )


def entries_of(*messages: StoredMessage) -> list[TimelineEntry]:
    return [
        TimelineEntry(user, seq, one.message_id, one.conversation, "alice")
        for seq, one in enumerate(messages, 1)
        for user in one.participants
    ]


async def test_both_are_found_when_the_entries_are_confirmed(given: Given) -> None:
    one, other = message(1), message(2)
    async with given.pairs.pair() as pair:
        assert pair is not None
        assert await pair.insert_messages([one, other]) == []
        assert await pair.insert_entries([*entries_of(one, other), TimelineEntry("bob", 3)]) == []
    found = await given.messages.find_by_client_keys([one.key, other.key])
    assert found == {one.key: one, other.key: other}
    assert await given.timelines.heads(["alice", "bob"]) == {"alice": 2, "bob": 3}


async def test_a_pair_of_nothing_and_of_voids_alone_is_inserted(given: Given) -> None:
    """What was reserved for messages that were refused since."""
    async with given.pairs.pair() as pair:
        assert pair is not None
        assert await pair.insert_messages([]) == []
        assert await pair.insert_entries([]) == []
        assert await pair.insert_entries([TimelineEntry("bob", 1)]) == []
    assert await given.timelines.read_seqs("bob", 1, 9) == [1]


async def test_what_is_refused_is_named_and_stops_nothing(given: Given) -> None:
    batch = [message(number) for number in range(4)]
    await given.messages.insert([batch[1]])
    await given.timelines.insert([TimelineEntry("alice", 1)])
    async with given.pairs.pair() as pair:
        assert pair is not None
        assert await pair.insert_messages(batch) == [1]
        assert await pair.insert_entries(entries_of(batch[0], batch[2])) == [0]
    assert len(await given.messages.find({one.message_id: "alice" for one in batch})) == 4
    assert await given.timelines.read_seqs("bob", 1, 9) == [1, 2]


async def test_bodies_beyond_one_command_are_inserted_in_several(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.logic.adapters.message_store_mongo.MAX_COMMAND_BYTES", 10)
    batch = [message(number, body=b"x" * 8) for number in range(3)]
    await given.messages.insert([batch[2]])
    async with given.pairs.pair() as pair:
        assert pair is not None
        assert await pair.insert_messages(batch) == [2]
        await pair.insert_entries(entries_of(*batch))
    assert len(await given.messages.find({one.message_id: "alice" for one in batch})) == 3


async def test_a_pair_that_ends_in_between_is_repeated_as_it_was(given: Given) -> None:
    one = message(1)
    async with given.pairs.pair() as pair:
        assert pair is not None
        await pair.insert_messages([one])
    assert await given.messages.insert([one]) == [0], "whoever waits for the majority finds it"
    assert await given.messages.find_by_client_keys([one.key]) == {one.key: one}


async def test_many_pairs_one_after_the_other_use_up_no_connections(given: Given) -> None:
    for number in range(150):
        async with given.pairs.pair() as pair:
            assert pair is not None
            assert await pair.insert_messages([message(number)]) == []


async def test_motor_and_a_driver_that_was_not_compared_have_no_pair(
    open_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MongoPairedInserts(await open_database("motor")).pair() as pair:
        assert pair is None
    monkeypatch.setattr(mongo_held, "COMPARED_VERSIONS", frozenset())
    async with MongoPairedInserts(await open_database("pymongo")).pair() as pair:
        assert pair is None


async def test_no_primary_is_unavailable() -> None:
    nowhere = MongoSettings(url="mongodb://127.0.0.1:1/?replicaSet=rs", timeout_seconds=0.05)
    async with open_mongo(nowhere) as database:
        with pytest.raises(WhimbrelError) as raised:
            async with MongoPairedInserts(database).pair():
                raise AssertionError
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert raised.value.outcome_unknown


async def test_a_primary_of_another_term_proves_nothing(tmp_path: Path) -> None:
    """It stepped down and was elected again, and the connection may have lived on."""
    async with running_mongod(tmp_path) as server:
        direct: AsyncMongoClient[Any] = AsyncMongoClient("127.0.0.1", server.port)
        settings = MongoSettings(url=server.url)
        async with direct, open_mongo(settings) as database:
            given = await on_mongo(database)
            async with given.pairs.pair() as pair:
                assert pair is not None
                await pair.insert_messages([message(1)])
                await direct.admin.command({"replSetStepDown": 1, "force": True})
                await until(lambda: is_primary(direct))
                with pytest.raises(WhimbrelError) as raised:
                    await pair.insert_entries(entries_of(message(1)))
            assert raised.value.outcome_unknown
            async with given.pairs.pair() as pair:
                assert pair is not None, "the next one is proven again"
                await pair.insert_messages([message(2)])
                await pair.insert_entries([TimelineEntry("carol", 1)])


async def is_primary(client: AsyncMongoClient[Any]) -> bool:
    try:
        return bool((await client.admin.command("hello"))["isWritablePrimary"])
    except PyMongoError:
        return False
