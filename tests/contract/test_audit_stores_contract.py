"""What the auditor's stores promise, on memory and on MongoDB."""

from __future__ import annotations

import pytest

from services.logic.adapters.audit_mongo import MongoAuditTurn, MongoMessageOutlines
from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.audit_ports import AuditPlace, AuditTurn, MessageOutlines
from services.logic.domain.audit import Outline
from services.logic.domain.model import ClientKey, StoredMessage
from services.logic.ports import MessageStore
from tests.contract.conftest import OpenDatabase
from whimbrel.testing.memory_stores.audit_stores import MemoryAuditTurn, MemoryMessageOutlines
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore

every_driver = pytest.mark.parametrize("kind", ["memory", "pymongo", "motor"])
BIG = 1 << 62
OUTLINE = Outline("alice", "d:alice:bob", ("alice", "bob"))


def message(message_id: int) -> StoredMessage:
    return StoredMessage(
        message_id=message_id,
        key=ClientKey("alice", "phone", str(message_id)),
        conversation=OUTLINE.conversation,
        participants=("alice", "bob"),
        body_kind=1,
        body=b"hello",
        sent_at_ms=1,
        digest=b"d",
    )


@every_driver
async def test_one_has_the_turn_and_the_next_goes_on_where_it_stopped(
    kind: str, open_database: OpenDatabase
) -> None:
    turn: AuditTurn = (
        MemoryAuditTurn() if kind == "memory" else MongoAuditTurn(await open_database(kind))
    )
    assert await turn.take("one", now_ms=1000, lease_ms=100) == AuditPlace()
    assert await turn.take("two", now_ms=1050, lease_ms=100) is None
    assert await turn.advance("one", AuditPlace("bob", BIG + 7))
    assert not await turn.advance("two", AuditPlace("zoe", BIG + 9))
    assert await turn.take("one", now_ms=1100, lease_ms=100) == AuditPlace("bob", BIG + 7)
    assert await turn.take("two", now_ms=1150, lease_ms=100) is None
    assert await turn.take("two", now_ms=1201, lease_ms=100) == AuditPlace("bob", BIG + 7)
    assert not await turn.advance("one", AuditPlace("carol", BIG + 8))
    assert await turn.advance("two", AuditPlace())
    assert await turn.take("two", now_ms=1250, lease_ms=100) == AuditPlace()


@every_driver
async def test_messages_are_outlined_by_id_and_by_span(
    kind: str, open_database: OpenDatabase
) -> None:
    messages: MessageStore
    outlines: MessageOutlines
    if kind == "memory":
        messages = memory = MemoryMessageStore()
        outlines = MemoryMessageOutlines(memory)
    else:
        database = await open_database(kind)
        messages, outlines = MongoMessageStore(database), MongoMessageOutlines(database)
    await messages.insert([message(BIG + n) for n in range(1, 6)])
    assert await outlines.find([]) == {}
    assert await outlines.find([BIG + 2, BIG + 9]) == {BIG + 2: OUTLINE}
    assert list(await outlines.between(BIG + 1, BIG + 5, 10)) == [BIG + 2, BIG + 3, BIG + 4]
    assert list(await outlines.between(0, BIG + 5, 2)) == [BIG + 1, BIG + 2]
    assert await outlines.between(BIG + 5, BIG + 9, 2) == {}
