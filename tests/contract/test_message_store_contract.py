"""What every MessageStore promises to keep, on memory and on MongoDB with both drivers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.logic.adapters import message_store_mongo
from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.domain.model import ClientKey, StoredMessage
from services.logic.ports import MessageStore
from tests.contract.message_stores import MS, message, messages
from whimbrel.core.attributes import Attributes, ForwardedFrom
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.traceparent import TraceContext

__all__ = ["messages"]


async def pages(store: MessageStore, worker: int, from_ms: int) -> list[list[StoredMessage]]:
    return [page async for page in store.scan_worker(worker, from_ms)]


async def test_what_was_inserted_is_found_as_it_was(messages: MessageStore) -> None:
    one, other = message(1), message(2, sender="bob", body=b"")
    other = replace(other, traceparent=TraceContext(17, 4).traceparent)
    assert await messages.insert([one, other]) == []
    assert await messages.insert([]) == []
    assert await messages.find_by_client_keys([one.key, other.key]) == {
        one.key: one,
        other.key: other,
    }
    assert await messages.find({one.message_id: "alice", other.message_id: "bob"}) == {
        one.message_id: one,
        other.message_id: other,
    }


async def test_what_is_shown_lacks_what_nobody_sees_unless_it_is_traced(
    messages: MessageStore,
) -> None:
    one, traced = message(1), replace(message(2), traceparent=TraceContext(17, 4).traceparent)
    await messages.insert([one, traced])
    assert await messages.show({one.message_id: "alice", traced.message_id: "alice"}) == {
        one.message_id: replace(one, participants=(), digest=b""),
        traced.message_id: traced,
    }
    assert await messages.show({}) == {}


async def test_more_messages_than_a_first_answer_has_are_found(messages: MessageStore) -> None:
    many = [message(number) for number in range(300)]
    await messages.insert(many)
    ids = {one.message_id: "alice" for one in many}
    assert (await messages.find(ids)).keys() == (await messages.show(ids)).keys() == ids.keys()


async def test_what_is_not_there_is_absent(messages: MessageStore) -> None:
    one = message(1)
    await messages.insert([one])
    absent = ClientKey("alice", "laptop", "id-1")
    assert await messages.find_by_client_keys([absent, one.key]) == {one.key: one}
    assert await messages.find_by_client_keys([]) == {}
    assert await messages.find({7: "alice"}) == {}
    assert await messages.find({}) == {}


async def test_a_repeated_insert_is_refused_and_finds_our_own(messages: MessageStore) -> None:
    batch = [message(1), message(2)]
    await messages.insert(batch)
    assert await messages.insert([message(3), *batch]) == [1, 2]
    found = await messages.find_by_client_keys([one.key for one in batch])
    assert list(found.values()) == batch


async def test_the_same_client_key_is_refused_under_another_id(messages: MessageStore) -> None:
    first = message(1)
    again = replace(message(2), key=first.key, digest=b"\xff" * 16)
    await messages.insert([first])
    assert await messages.insert([again]) == [0]
    assert await messages.find_by_client_keys([first.key]) == {first.key: first}
    assert await messages.find({again.message_id: "alice"}) == {}


async def test_the_same_id_is_refused_under_another_client_key(messages: MessageStore) -> None:
    first = message(1)
    collision = replace(message(2), message_id=first.message_id)
    await messages.insert([first])
    assert await messages.insert([message(3), collision, message(4)]) == [1]
    assert await messages.find_by_client_keys([collision.key]) == {}


async def test_a_refused_message_stops_none_of_the_others(messages: MessageStore) -> None:
    await messages.insert([message(2)])
    batch = [message(number) for number in range(1, 6)]
    assert await messages.insert(batch) == [1]
    assert len(await messages.find({one.message_id: "alice" for one in batch})) == 5


async def test_the_same_client_message_id_of_another_device_is_another_message(
    messages: MessageStore,
) -> None:
    one = message(1)
    laptop = replace(message(2), key=ClientKey("alice", "laptop", "id-1"))
    stranger = replace(message(3), key=ClientKey("bob", "phone", "id-1"))
    assert await messages.insert([one, laptop, stranger]) == []


async def test_many_keys_and_devices_are_looked_up(messages: MessageStore) -> None:
    batch = [message(number, sender=f"user-{number % 130}") for number in range(260)]
    await messages.insert(batch)
    found = await messages.find_by_client_keys([one.key for one in batch])
    assert found == {one.key: one for one in batch}


async def test_a_scan_gives_one_workers_messages_ascending(messages: MessageStore) -> None:
    batch = [message(number, worker=1 + number % 3) for number in range(30)]
    batch += [message(100, worker=0), message(101, worker=1023)]
    await messages.insert(list(reversed(batch)))
    for worker in (0, 1, 2, 3, 1023):
        expected = [one for one in batch if one.message_id >> 12 & 1023 == worker]
        assert await pages(messages, worker, 0) == [expected]
    assert await pages(messages, 7, 0) == []


async def test_a_scan_begins_at_its_millisecond(messages: MessageStore) -> None:
    batch = [message(number) for number in range(10)]
    await messages.insert(batch)
    assert await pages(messages, 1, MS + 4) == [batch[4:]]
    assert await pages(messages, 1, MS + 10) == []


async def test_a_scan_comes_in_pages_of_at_most_500(messages: MessageStore) -> None:
    batch = [message(number) for number in range(1000)]
    others = [message(number, worker=2, sender="bob") for number in range(300)]
    await messages.insert([*batch, *others])
    assert await pages(messages, 1, MS) == [batch[:500], batch[500:]]


async def test_a_batch_larger_than_a_command_is_inserted_whole(
    messages: MessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_store_mongo, "MAX_COMMAND_BYTES", 2500)
    batch = [message(number, body=b"x" * 1000) for number in range(7)]
    await messages.insert([batch[5]])
    assert await messages.insert(batch) == [5]
    assert len(await messages.find({one.message_id: "alice" for one in batch})) == 7


async def test_attributes_are_found_as_they_were(messages: MessageStore) -> None:
    source = ForwardedFrom(2**63 - 1, "g:1", "bob")
    said = [
        Attributes(reply_to=2**62, forwarded_from=source, mentions=("bob", "carol")),
        Attributes(mentions_all=True, edits=2**61),
        Attributes(media_id="cafe"),
        Attributes(recalls=5),
    ]
    batch = [replace(message(number), attributes=one) for number, one in enumerate(said)]
    await messages.insert(batch)
    found = await messages.find({one.message_id: "alice" for one in batch})
    assert list(found.values()) == batch


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_a_write_error_that_is_no_refusal_is_an_unknown_outcome(
    open_database: Any, driver: str
) -> None:
    database = await open_database(driver)
    store = MongoMessageStore(database)
    await store.prepare()
    await database.command({"collMod": "messages", "validator": {"body_kind": 2}})
    with pytest.raises(WhimbrelError) as raised:
        await store.insert([message(1)])
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert raised.value.outcome_unknown
