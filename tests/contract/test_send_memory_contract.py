"""What every SendMemory promises, on memory and on Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Connection, Redis

from services.logic.adapters.send_memory_redis import RedisSendMemory
from services.logic.domain.model import Answer, ClientKey, RecentSend
from services.logic.ports import SendMemory
from whimbrel.testing.memory_stores.send_memory import MemorySendMemory


class Given(NamedTuple):
    memory: SendMemory
    lose_everything: Callable[[], Awaitable[object]]


@pytest.fixture(params=["memory", "redis"])
async def given(request: pytest.FixtureRequest, open_empty_redis: Any) -> Given:
    if request.param == "memory":
        memory = MemorySendMemory()

        async def lose() -> None:
            memory.lose_everything()

        return Given(memory, lose)
    redis: Redis = await open_empty_redis()

    async def flush() -> None:
        await redis.flushall()
        await redis.script_flush()

    return Given(RedisSendMemory(redis), flush)


def send(number: int, *, sender: str = "alice", device: str = "phone") -> RecentSend:
    key = ClientKey(sender, device, f"id-{number}")
    return RecentSend(key, bytes([number % 256] * 16), Answer((1 << 62) + number, number))


async def recent(memory: SendMemory, *sends: RecentSend) -> set[RecentSend]:
    found, _ = await memory.look_up([one.key for one in sends], [])
    assert all(key == one.key for key, one in found.items())
    return set(found.values())


async def test_what_was_remembered_is_found_as_it_was(given: Given) -> None:
    sends = [send(0), send(1), send(1, device="laptop"), send(1, sender="bob")]
    await given.memory.remember(sends)
    await given.memory.remember([])
    assert await recent(given.memory, *sends) == set(sends)


async def test_what_is_not_known_is_absent(given: Given) -> None:
    await given.memory.remember([send(1)])
    await given.memory.raise_epochs({("alice", "phone"): 5})
    keys = [send(1).key, send(2).key, send(1, device="laptop").key, send(1, sender="bob").key]
    devices = [("alice", "phone"), ("alice", "laptop"), ("bob", "phone")]
    assert await given.memory.look_up(keys, devices) == (
        {send(1).key: send(1)},
        {("alice", "phone"): 5},
    )
    assert await given.memory.look_up([], devices) == ({}, {("alice", "phone"): 5})
    assert await given.memory.look_up([], []) == ({}, {})


async def test_the_last_50_of_each_sender_are_kept(given: Given) -> None:
    sends = [send(number) for number in range(60)]
    others = [send(number, sender="bob") for number in range(3)]
    for start in range(0, 60, 20):
        await given.memory.remember([*sends[start : start + 20], *others])
    assert await recent(given.memory, *sends, *others) == {*sends[10:], *others}


async def test_more_than_50_at_once_leave_the_newest(given: Given) -> None:
    sends = [send(number) for number in range(130)]
    await given.memory.remember(sends)
    assert await recent(given.memory, *sends) == set(sends[80:])


async def test_remembering_again_pushes_nobody_out(given: Given) -> None:
    sends = [send(number) for number in range(50)]
    await given.memory.remember(sends)
    for _ in range(3):
        await given.memory.remember([send(7)])
    assert await recent(given.memory, *sends) == set(sends)
    # And counts as newest.
    await given.memory.remember([send(number) for number in range(50, 99)])
    assert send(7) in await recent(given.memory, *sends)


async def test_an_epoch_never_goes_back(given: Given) -> None:
    phone, laptop = ("alice", "phone"), ("alice", "laptop")
    newest = 1_800_000_000_000
    await given.memory.raise_epochs({phone: newest, laptop: 3})
    await given.memory.raise_epochs({phone: newest - 1, laptop: 4, ("bob", "phone"): 1})
    await given.memory.raise_epochs({})
    _, epochs = await given.memory.look_up([], [phone, laptop, ("bob", "phone")])
    assert epochs == {phone: newest, laptop: 4, ("bob", "phone"): 1}


async def test_epochs_raised_at_once_end_at_the_highest(given: Given) -> None:
    phone = ("alice", "phone")
    await asyncio.gather(*(given.memory.raise_epochs({phone: epoch}) for epoch in range(1, 30)))
    assert await given.memory.look_up([], [phone]) == ({}, {phone: 29})


async def test_a_flush_forgets_and_harms_nothing(given: Given) -> None:
    await given.memory.remember([send(1)])
    await given.memory.raise_epochs({("alice", "phone"): 5})
    await given.lose_everything()
    assert await given.memory.look_up([send(1).key], [("alice", "phone")]) == ({}, {})
    await given.memory.remember([send(2)])
    assert await recent(given.memory, send(1), send(2)) == {send(2)}


async def test_keys_carry_the_user_as_hash_tag_and_expire(redis: Redis) -> None:
    memory = RedisSendMemory(redis)
    await memory.remember([send(1)])
    await memory.raise_epochs({("alice", "phone"): 5})
    assert sorted(await redis.keys()) == [b"epoch:{alice}", b"recent:{alice}"]
    assert 0 < await redis.ttl("recent:{alice}") <= 24 * 3600
    assert 24 * 3600 < await redis.ttl("epoch:{alice}") <= 7 * 24 * 3600


async def test_a_look_up_is_one_round_trip(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = RedisSendMemory(redis)
    sends = [send(number, sender=f"user-{number}") for number in range(300)]
    await memory.remember(sends)
    written = Connection.send_packed_command
    taken = Counter[str]()

    async def counted(self: Any, *arguments: Any, **rest: Any) -> None:
        taken["writes"] += 1
        await written(self, *arguments, **rest)

    monkeypatch.setattr(Connection, "send_packed_command", counted)
    devices = [(one.key.sender, one.key.device) for one in sends]
    assert len((await memory.look_up([one.key for one in sends], devices))[0]) == 300
    assert taken["writes"] == 1
    assert await memory.look_up([], []) == ({}, {})
    assert taken["writes"] == 1
