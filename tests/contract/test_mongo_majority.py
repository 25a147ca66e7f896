"""What Logic's stores really send to MongoDB: every read is a majority read from the primary,
every write is confirmed by the majority, journaled (rule 1). Seen from inside the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pymongo import monitoring

from services.logic.adapters.conversation_store_mongo import MongoConversationStore
from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.paired_inserts_mongo import MongoPairedInserts
from services.logic.adapters.receipt_store_mongo import MongoReceiptStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.adapters.worker_leases_mongo import MongoWorkerLeases
from services.logic.domain.model import (
    Change,
    ClientKey,
    DeviceCursor,
    Placement,
    ReadReceipt,
    StoredMessage,
    TimelineEntry,
)

READS = {"find", "getMore", "aggregate"}
WRITES = {"insert", "update", "findAndModify", "createIndexes", "delete"}
KEY = ClientKey("alice", "phone", "id-1")
MESSAGE = StoredMessage(1 << 60, KEY, "d:alice:bob", ("alice", "bob"), 1, b"hi", 1, b"\x00" * 16)


class Spy(monitoring.CommandListener):
    """Keeps the commands for one database; clients opened from now on report to it."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, Mapping[str, Any]]] = []
        self.connections: list[int | None] = []
        """The server's number of the connection of each."""
        self.database = ""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.database_name == self.database:
            self.commands.append((event.command_name, dict(event.command)))
            self.connections.append(event.server_connection_id)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


_spy = Spy()  # a registered listener cannot be taken back: one for the whole run


@pytest.fixture(scope="session")
def spy() -> Spy:
    monitoring.register(_spy)
    return _spy


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_every_read_and_write_is_a_majority_one(
    spy: Spy, open_database: Any, driver: str
) -> None:
    database = await open_database(driver)
    spy.database, spy.commands = database.name, []
    await _use_everything(database)
    spy.database = ""
    names = {name for name, _ in spy.commands}
    assert names == {"find", "insert", "update", "findAndModify", "createIndexes"}
    for name, command in spy.commands:
        assert name in READS | WRITES
        assert "$readPreference" not in command  # the primary
        if name in READS:
            assert command["readConcern"]["level"] == "majority", command
        else:
            concern = command["writeConcern"]
            assert (concern["w"], concern["j"]) == ("majority", True), command
            assert command.get("ordered", False) is False or len(_statements(command)) == 1
        assert command["maxTimeMS"] > 0  # a frozen primary hangs nobody


async def test_a_pair_waits_for_one_majority_on_one_connection(
    spy: Spy, open_database: Any
) -> None:
    """The messages for nobody, the entries for the majority, over the same connection."""
    database = await open_database("pymongo")
    for store in (MongoMessageStore(database), MongoTimelineStore(database)):
        await store.prepare()
    spy.database, spy.commands, spy.connections = database.name, [], []
    async with MongoPairedInserts(database).pair() as pair:
        assert pair is not None
        await pair.insert_messages([MESSAGE])
        await asyncio.gather(*(MongoTimelineStore(database).heads(["bob"]) for _ in range(5)))
        await pair.insert_entries([TimelineEntry("bob", 1)])
    spy.database = ""
    assert [name for name, _ in spy.commands] == ["insert", *["find"] * 5, "insert"]
    (_, first), *_, (_, last) = spy.commands
    assert first["writeConcern"] == {"w": 1}
    assert last["writeConcern"] == {"w": "majority", "j": True}
    assert first["maxTimeMS"] > 0
    assert last["maxTimeMS"] > 0
    assert spy.connections[0] == spy.connections[-1] not in spy.connections[1:-1]


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_the_collections_are_set_to_majority(open_database: Any, driver: str) -> None:
    database = await open_database(driver)
    for name in ("messages", "timelines", "cursors", "conversations", "workers"):
        collection = database[name]
        assert collection.read_concern.level == "majority"
        assert collection.write_concern.document == {"w": "majority", "j": True}
        assert collection.read_preference.mode == 0


def _statements(command: Mapping[str, Any]) -> list[Any]:
    return list(command.get("documents", command.get("updates", ["one"])))


async def _use_everything(database: Any) -> None:
    messages, timelines = MongoMessageStore(database), MongoTimelineStore(database)
    cursors, groups = MongoCursorStore(database), MongoConversationStore(database)
    leases, receipts = MongoWorkerLeases(database), MongoReceiptStore(database)
    for store in (messages, timelines, cursors, groups, leases, receipts):
        await store.prepare()
    await messages.insert([MESSAGE])
    await messages.find_by_client_keys([KEY])
    await messages.find({MESSAGE.message_id: "alice"})
    await messages.change([Change(7, "alice", 8, is_recall=True), Change(7, "alice", 9, False)])
    await receipts.raise_all([ReadReceipt("bob", "g:team", 7)])
    await receipts.find("g:team")
    assert [page async for page in messages.scan_worker(0, 0)] == [[MESSAGE]]
    entry = TimelineEntry("bob", 1, MESSAGE.message_id, "d:alice:bob", "alice")
    await timelines.insert([entry, TimelineEntry("bob", 2)])
    await timelines.find_placed([Placement("bob", "d:alice:bob", MESSAGE.message_id)])
    await timelines.heads(["alice", "bob"])
    await timelines.ahead({"bob": 1})
    await timelines.tails({"bob": 1}, at_most=10)
    await timelines.read("bob", 1, 10)
    await timelines.read_seqs("bob", 1, 10)
    await cursors.raise_to([DeviceCursor("bob", "phone", 1), DeviceCursor("bob", "laptop", 1)])
    await cursors.find([("bob", "phone")])
    await groups.create_group("g:team", "alice", ["bob"], "Team", 1)
    await groups.participants(["g:team"])
    lease = await leases.acquire("logic-0/a", now_ms=1_000, lease_ms=10)
    lease = await leases.renew(lease, until_ms=2_000, now_ms=1_005)
    dead = await leases.claim_dead("logic-1/b", now_ms=3_000, claim_ms=10)
    assert dead is not None
    await leases.finish_dead(dead)
    await leases.release(lease, last_issued_ms=1_500)
