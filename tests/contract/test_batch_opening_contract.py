"""What every BatchOpening promises, on memory and on Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from services.logic.adapters.batch_opening_redis import RedisBatchOpening
from services.logic.adapters.send_memory_redis import RedisSendMemory
from services.logic.adapters.seq_reservations_redis import RedisSeqReservations
from services.logic.batch_ports import BatchOpening
from services.logic.ports import SendMemory, SeqReservations
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.memory_stores.batch_opening import MemoryBatchOpening
from whimbrel.testing.memory_stores.send_memory import MemorySendMemory
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations

PHONE, TABLET, WATCH = ("alice", "phone"), ("alice", "tablet"), ("bob", "watch")


class Given(NamedTuple):
    opening: BatchOpening
    memory: SendMemory
    seqs: SeqReservations
    lose_everything: Callable[[], Awaitable[object]]


@pytest.fixture(params=["memory", "redis"])
async def given(request: pytest.FixtureRequest, open_empty_redis: Any) -> Given:
    if request.param == "memory":
        sends, heads = MemorySendMemory(), MemorySeqReservations()

        async def lose() -> None:
            sends.lose_everything()
            heads.lose_everything()

        return Given(MemoryBatchOpening(sends, heads), sends, heads, lose)
    redis: Redis = await open_empty_redis()
    seqs = RedisSeqReservations(redis)

    async def flush() -> None:
        await redis.flushall()
        await redis.script_flush()

    return Given(RedisBatchOpening(redis, seqs), RedisSendMemory(redis), seqs, flush)


async def test_epochs_and_seqs_come_together(given: Given) -> None:
    await given.memory.raise_epochs({PHONE: 5, WATCH: 7})
    await given.seqs.raise_to({"alice": 10, "bob": 0})
    epochs, firsts = await given.opening.open([PHONE, TABLET, WATCH], {"alice": 2, "bob": 1})
    assert epochs == {PHONE: 5, WATCH: 7}
    assert firsts == {"alice": 11, "bob": 1}
    assert await given.seqs.read(["alice", "bob"]) == {"alice": 12, "bob": 1}


async def test_what_is_not_known_is_absent(given: Given) -> None:
    await given.seqs.raise_to({"bob": 3})
    assert await given.opening.open([PHONE], {"alice": 1, "bob": 1}) == ({}, {"bob": 4})
    assert await given.opening.open([], {"carol": 1}) == ({}, {})
    assert await given.opening.open([], {}) == ({}, {})


async def test_nothing_is_reserved_twice(given: Given) -> None:
    await given.seqs.raise_to({"alice": 0})
    taken = [(await given.opening.open([], {"alice": n}))[1]["alice"] for n in (1, 3, 1)]
    assert taken == [1, 2, 5]
    assert await given.seqs.reserve({"alice": 1}) == {"alice": 6}


async def test_it_works_on_after_everything_was_lost(given: Given) -> None:
    await given.seqs.raise_to({"alice": 4})
    await given.memory.raise_epochs({PHONE: 5})
    await given.opening.open([PHONE], {"alice": 1})
    await given.lose_everything()
    assert await given.opening.open([PHONE], {"alice": 1}) == ({}, {})
    await given.seqs.raise_to({"alice": 9})
    assert await given.opening.open([PHONE], {"alice": 1}) == ({}, {"alice": 10})


async def test_a_redis_that_is_away_is_unavailable_and_the_outcome_unknown() -> None:
    async with open_redis(RedisSettings(url="redis://127.0.0.1:1/0")) as nowhere:
        opening = RedisBatchOpening(nowhere, RedisSeqReservations(nowhere))
        with pytest.raises(WhimbrelError) as error:
            await opening.open([PHONE], {"alice": 1})
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert error.value.outcome_unknown
