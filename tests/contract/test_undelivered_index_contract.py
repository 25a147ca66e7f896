"""What every UndeliveredIndex is given it holds, and it says when it may lack something."""

from __future__ import annotations

import pytest

from services.logic.adapters.undelivered_index_redis import RedisUndeliveredIndex
from services.logic.domain.model import UndeliveredEntry
from tests.contract.undelivered_stores import CHAT, GROUP, Given, entry, given
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings

__all__ = ["given"]
BIG_ID = (1 << 63) - 1


async def test_what_is_added_is_found_in_the_order_of_seq(given: Given) -> None:
    await given.index.add([entry(7), entry(5), entry(6, conversation=GROUP)])
    assert await given.index.find("bob") == {CHAT: [1005, 1007], GROUP: [1006]}
    assert await given.index.find("carol") == {}


async def test_adding_twice_changes_nothing(given: Given) -> None:
    await given.index.add([entry(5), entry(5)])
    await given.index.add([entry(5)])
    assert await given.index.find("bob") == {CHAT: [1005]}
    await given.index.acknowledged({"bob": 5})
    assert await given.index.find("bob") == {}


async def test_ids_of_64_bits_and_seqs_of_53_survive(given: Given) -> None:
    await given.index.add(
        [
            UndeliveredEntry("bob", CHAT, BIG_ID, (1 << 53) - 1),
            UndeliveredEntry("bob", CHAT, BIG_ID - 1, (1 << 53) - 2),
        ]
    )
    await given.index.acknowledged({"bob": (1 << 53) - 2})
    assert await given.index.find("bob") == {CHAT: [BIG_ID]}


async def test_a_large_batch_is_added_whole(given: Given) -> None:
    users = [f"user{number}" for number in range(700)]
    await given.index.add([entry(1, user=user) for user in users])
    await given.index.add([entry(seq) for seq in range(1, 1201)])
    assert [len(await given.index.find(user)) for user in users] == [1] * 700
    assert await given.index.find("bob") == {CHAT: list(range(1001, 2201))}
    await given.index.acknowledged(dict.fromkeys(users, 1))
    assert [await given.index.find(user) for user in users] == [{}] * 700


async def test_nothing_to_do_is_done(given: Given) -> None:
    await given.index.add([])
    await given.index.acknowledged({})
    await given.index.read_up_to("bob", {})
    assert await given.index.incomplete([]) == set()


async def test_an_index_is_complete_after_a_rebuild_until_it_is_lost(given: Given) -> None:
    assert await given.index.incomplete(["bob", "carol"]) == {"bob", "carol"}
    token = await given.index.begin_rebuild("bob")
    assert await given.index.incomplete(["bob"]) == {"bob"}
    assert await given.index.finish_rebuild("bob", token)
    assert await given.index.incomplete(["bob", "carol"]) == {"carol"}
    await given.lose()
    await given.index.acknowledged({"bob": 3})
    assert await given.index.incomplete(["bob"]) == {"bob"}


async def test_a_rebuild_during_which_the_index_was_lost_does_not_count(given: Given) -> None:
    token = await given.index.begin_rebuild("bob")
    await given.lose()
    assert not await given.index.finish_rebuild("bob", token)
    assert await given.index.incomplete(["bob"]) == {"bob"}


async def test_of_two_rebuilds_the_one_that_began_last_counts(given: Given) -> None:
    first = await given.index.begin_rebuild("bob")
    second = await given.index.begin_rebuild("bob")
    assert not await given.index.finish_rebuild("bob", first)
    assert await given.index.finish_rebuild("bob", second)


async def test_it_goes_on_after_everything_was_lost(given: Given) -> None:
    await given.index.add([entry(1)])
    await given.lose()
    assert await given.index.find("bob") == {}
    await given.index.add([entry(2)])
    assert await given.index.find("bob") == {CHAT: [1002]}


async def test_the_counts_in_redis_are_those_of_the_sets(redis_url: str) -> None:
    async with open_redis(RedisSettings(url=redis_url)) as redis:
        index = RedisUndeliveredIndex(redis)
        await index.add([entry(seq) for seq in (1, 2, 3, 3)])
        await index.add([entry(4, conversation=GROUP)])
        assert await redis.hgetall("undelivered:{bob}") == {b"d:alice:bob": b"3", b"g:team": b"1"}
        await index.acknowledged({"bob": 2})
        assert await redis.hgetall("undelivered:{bob}") == {b"d:alice:bob": b"1", b"g:team": b"1"}
        await index.acknowledged({"bob": 4})
        assert not await redis.exists("undelivered:{bob}", "undelivered:{bob}:d:alice:bob")


async def test_every_key_of_a_user_lies_in_one_slot(redis_url: str) -> None:
    async with open_redis(RedisSettings(url=redis_url)) as redis:
        index = RedisUndeliveredIndex(redis)
        await index.add([entry(1), entry(2, conversation=GROUP)])
        await index.acknowledged({"bob": 0})
        assert len(await redis.keys()) == 4
        assert all("{bob}" in str(key) for key in await redis.keys())


async def test_a_redis_that_is_away_is_unavailable() -> None:
    async with open_redis(RedisSettings(url="redis://127.0.0.1:1")) as redis:
        for call in (
            RedisUndeliveredIndex(redis).add([entry(1)]),
            RedisUndeliveredIndex(redis).acknowledged({"bob": 1}),
        ):
            with pytest.raises(WhimbrelError) as raised:
                await call
            assert raised.value.code is ErrorCode.UNAVAILABLE


async def test_what_waits_is_listed_with_seqs_the_first_of_each_conversation(given: Given) -> None:
    await given.index.add([entry(7), entry(5), entry(9), entry(6, conversation=GROUP)])
    waiting = {one.conversation: one for one in await given.index.waiting("bob", 10, 2)}
    assert waiting == {CHAT: (CHAT, 3, ((1005, 5), (1007, 7))), GROUP: (GROUP, 1, ((1006, 6),))}
    assert len(await given.index.waiting("bob", 1, 2)) == 1
    assert await given.index.waiting("carol", 10, 2) == []


async def test_an_index_that_missed_something_is_incomplete(given: Given) -> None:
    token = await given.index.begin_rebuild("bob")
    await given.index.doubt(["bob"])
    assert not await given.index.finish_rebuild("bob", token)
    assert await given.index.finish_rebuild("bob", await given.index.begin_rebuild("bob"))
    await given.index.doubt(["bob"])
    assert await given.index.incomplete(["bob"]) == {"bob"}
