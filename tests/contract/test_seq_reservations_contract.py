"""What every SeqReservations promises, on memory and on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from services.logic.adapters.seq_reservations_redis import RedisSeqReservations
from services.logic.ports import SeqReservations
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations


class Given(NamedTuple):
    seqs: SeqReservations
    lose_everything: Callable[[], Awaitable[object]]


@pytest.fixture(params=["memory", "redis"])
async def given(request: pytest.FixtureRequest, open_empty_redis: Any) -> Given:
    if request.param == "memory":
        memory = MemorySeqReservations()

        async def lose() -> None:
            memory.lose_everything()

        return Given(memory, lose)
    redis: Redis = await open_empty_redis()

    async def flush() -> None:
        await redis.flushall()
        await redis.script_flush()

    return Given(RedisSeqReservations(redis), flush)


async def test_a_user_who_is_not_known_is_absent(given: Given) -> None:
    assert await given.seqs.reserve({"alice": 1}) == {}
    await given.seqs.raise_to({"bob": 0})
    assert await given.seqs.reserve({"alice": 1, "bob": 2}) == {"bob": 1}
    assert await given.seqs.read(["alice", "bob", "bob"]) == {"bob": 2}


async def test_nothing_is_reserved_or_read_for_nobody(given: Given) -> None:
    assert await given.seqs.reserve({}) == {}
    await given.seqs.raise_to({})
    assert await given.seqs.read([]) == {}


async def test_runs_follow_each_other(given: Given) -> None:
    await given.seqs.raise_to({"alice": 10, "bob": 0})
    assert await given.seqs.reserve({"alice": 3, "bob": 1}) == {"alice": 11, "bob": 1}
    assert await given.seqs.reserve({"alice": 1, "bob": 1}) == {"alice": 14, "bob": 2}
    assert await given.seqs.read(["alice", "bob"]) == {"alice": 14, "bob": 2}


async def test_a_counter_is_raised_and_never_lowered(given: Given) -> None:
    await given.seqs.raise_to({"alice": 10})
    await given.seqs.raise_to({"alice": 7, "bob": 3})
    assert await given.seqs.read(["alice", "bob"]) == {"alice": 10, "bob": 3}
    await given.seqs.raise_to({"alice": 12})
    assert await given.seqs.reserve({"alice": 1}) == {"alice": 13}


async def test_two_reservers_never_get_the_same_seq_and_waste_none(given: Given) -> None:
    users = [f"user-{number}" for number in range(20)]
    await given.lose_everything()
    await given.seqs.raise_to(dict.fromkeys(users, 5))
    runs = await asyncio.gather(*(given.seqs.reserve(dict.fromkeys(users, 3)) for _ in range(20)))
    for user in users:
        assert sorted(run[user] for run in runs) == list(range(6, 66, 3))
    assert await given.seqs.read(users) == dict.fromkeys(users, 65)


async def test_more_users_than_a_round_trip_takes(given: Given) -> None:
    heads = {f"user-{number}": number for number in range(2300)}
    await given.seqs.raise_to(heads)
    assert await given.seqs.read(heads) == heads
    counts = dict.fromkeys(heads, 1)
    assert await given.seqs.reserve(counts) == {user: head + 1 for user, head in heads.items()}


async def test_after_a_flush_nobody_is_known_until_raised(given: Given) -> None:
    await given.seqs.raise_to({"alice": 10})
    await given.seqs.reserve({"alice": 1})
    await given.lose_everything()
    assert await given.seqs.reserve({"alice": 1}) == {}
    assert await given.seqs.read(["alice"]) == {}
    await given.seqs.raise_to({"alice": 10})
    assert await given.seqs.reserve({"alice": 1}) == {"alice": 11}


async def test_seqs_are_larger_than_32_bits(given: Given) -> None:
    await given.seqs.raise_to({"alice": 1 << 50})
    await given.seqs.raise_to({"alice": (1 << 50) - 1})
    assert await given.seqs.reserve({"alice": 1}) == {"alice": (1 << 50) + 1}


async def test_the_user_is_the_hash_tag_of_a_key_that_expires(redis: Redis) -> None:
    await RedisSeqReservations(redis).raise_to({"alice": 1})
    assert await redis.keys() == [b"head:{alice}"]
    assert await redis.ttl("head:{alice}") > 24 * 3600


async def test_forgotten_scripts_are_sent_again_without_reserving_twice(redis: Redis) -> None:
    seqs = RedisSeqReservations(redis)
    await seqs.raise_to({"alice": 0, "bob": 0})
    for _ in range(5):
        await redis.script_flush()
        # Some of these find the script that others have just sent.
        await asyncio.gather(*(seqs.reserve({"alice": 1, "bob": 1}) for _ in range(4)))
    assert await seqs.read(["alice", "bob"]) == {"alice": 20, "bob": 20}


async def test_a_reservation_whose_answer_was_lost_is_made_once(redis: Redis) -> None:
    await RedisSeqReservations(redis).raise_to({"alice": 10})
    await RedisSeqReservations(redis).reserve({"alice": 1})  # now Redis knows the script
    kwargs = redis.connection_pool.connection_kwargs
    async with (
        _cuts_off_answers(kwargs["host"], kwargs["port"], after=b"EVALSHA") as port,
        open_redis(RedisSettings(url=f"redis://127.0.0.1:{port}")) as cut_off,
    ):
        with pytest.raises(WhimbrelError) as raised:
            await RedisSeqReservations(cut_off).reserve({"alice": 5})
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert raised.value.outcome_unknown
    assert await RedisSeqReservations(redis).read(["alice"]) == {"alice": 16}


async def test_a_redis_that_never_answers_is_given_up_in_time() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_redis(RedisSettings(url=url, timeout_seconds=5.0)) as silent:
            seqs = RedisSeqReservations(silent, timeout_seconds=0.1)
            with pytest.raises(WhimbrelError) as raised:
                await seqs.read(["alice"])
    assert raised.value.code is ErrorCode.UNAVAILABLE


@asynccontextmanager
async def _cuts_off_answers(host: str, port: int, *, after: bytes) -> AsyncIterator[int]:
    """A port that passes everything on to Redis, and cuts the connection instead of passing on
    what Redis answers to a command that contains `after`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(host, port)
        try:
            while data := await reader.read(65536):
                up_writer.write(data)
                answer = await up_reader.read(65536)
                if after in data:
                    break
                writer.write(answer)
        finally:
            up_writer.close()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
