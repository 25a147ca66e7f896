"""What every UnreadIndex promises, on memory and on Redis."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.logic.adapters.unread_index_redis import RedisUnreadIndex
from services.logic.domain.history import MAX_COUNTED, ConversationState, UnreadEntry
from services.logic.history_ports import UnreadIndex
from tests.contract.conftest import OpenEmptyRedis
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.memory_stores.unread_index import MemoryUnreadIndex

CHAT = "d:alice:bob"
GROUP = "g:team"
BIG = 1 << 62


def entry(
    seq: int, *, user: str = "bob", conversation: str = CHAT, is_own: bool = False
) -> UnreadEntry:
    return UnreadEntry(user, conversation, BIG + seq, seq, is_own)


class Given:
    """One index, and how it is lost."""

    def __init__(self, index: UnreadIndex, lose: Callable[[], Awaitable[object]]) -> None:
        self.index = index
        self.lose = lose

    async def counts(self, user: str = "bob") -> dict[str, int]:
        return {name: one.unread for name, one in (await self.index.state(user)).items()}


@pytest.fixture(params=["memory", "redis"])
async def given(
    request: pytest.FixtureRequest, open_empty_redis: OpenEmptyRedis
) -> AsyncIterator[Given]:
    if request.param == "memory":
        memory = MemoryUnreadIndex()

        async def lose() -> None:
            memory.lose_everything()

        yield Given(memory, lose)
    else:
        redis = await open_empty_redis()
        yield Given(RedisUnreadIndex(redis), redis.flushall)


async def test_each_entry_of_somebody_else_counts_in_its_conversation(given: Given) -> None:
    await given.index.add([entry(1), entry(2, conversation=GROUP), entry(3)])
    await given.index.add([entry(1, user="carol")])
    assert await given.counts() == {CHAT: 2, GROUP: 1}
    assert await given.counts("carol") == {CHAT: 1}
    assert await given.counts("dave") == {}


async def test_an_entry_counts_once_however_often_it_is_added(given: Given) -> None:
    await given.index.add([entry(1), entry(2)])
    await given.index.add([entry(2), entry(1), entry(1)])
    assert await given.counts() == {CHAT: 2}


async def test_what_the_user_wrote_moves_the_conversation_and_does_not_count(given: Given) -> None:
    await given.index.add([entry(1), entry(2, is_own=True)])
    assert await given.index.state("bob") == {CHAT: ConversationState(1, BIG + 2)}


async def test_the_highest_message_id_stays_whatever_comes_late(given: Given) -> None:
    late = UnreadEntry("bob", CHAT, 999, 8, False)
    await given.index.add([entry(7), late])
    assert await given.index.state("bob") == {CHAT: ConversationState(2, BIG + 7)}


async def test_a_read_mark_clears_what_lies_at_or_below_it(given: Given) -> None:
    await given.index.add([entry(1), entry(2, conversation=GROUP), entry(3), entry(4)])
    await given.index.read_up_to("bob", {CHAT: 3})
    assert await given.counts() == {CHAT: 1, GROUP: 1}
    await given.index.read_up_to("bob", {CHAT: 1})
    assert await given.counts() == {CHAT: 1, GROUP: 1}
    await given.index.read_up_to("bob", {CHAT: 4, GROUP: 9})
    assert await given.counts() == {CHAT: 0, GROUP: 0}


async def test_an_add_after_the_read_mark_does_not_count(given: Given) -> None:
    await given.index.read_up_to("bob", {CHAT: 3})
    await given.index.add([entry(2), entry(3), entry(4), entry(1, conversation=GROUP)])
    assert await given.counts() == {CHAT: 1, GROUP: 1}


@pytest.mark.parametrize("seed", range(5))
async def test_the_order_of_adds_and_reads_does_not_matter(given: Given, seed: int) -> None:
    chance = random.Random(seed)
    adds = [entry(seq) for seq in range(1, 31)] * 2
    marks = [chance.randrange(1, 31) for _ in range(5)]
    steps: list[UnreadEntry | int] = [*adds, *marks]
    chance.shuffle(steps)
    for step in steps:
        if isinstance(step, int):
            await given.index.read_up_to("bob", {CHAT: step})
        else:
            await given.index.add([step])
    assert await given.counts() == {CHAT: 30 - max(marks)}


async def test_a_count_is_bounded_and_the_newest_count(given: Given) -> None:
    most = MAX_COUNTED + 500
    await given.index.add([entry(seq) for seq in range(1, most + 1)])
    assert await given.counts() == {CHAT: MAX_COUNTED}
    await given.index.add([entry(1)])
    await given.index.read_up_to("bob", {CHAT: most - 10})
    assert await given.counts() == {CHAT: 10}


async def test_counts_are_complete_after_a_rebuild_until_they_are_lost_or_doubted(
    given: Given,
) -> None:
    assert await given.index.incomplete(["bob", "carol"]) == {"bob", "carol"}
    token = await given.index.begin_rebuild("bob")
    await given.index.add([entry(1)])
    assert await given.index.finish_rebuild("bob", token)
    assert await given.index.incomplete(["bob", "carol"]) == {"carol"}
    await given.index.doubt(["bob"])
    assert await given.index.incomplete(["bob"]) == {"bob"}
    assert await given.index.finish_rebuild("bob", await given.index.begin_rebuild("bob"))
    await given.lose()
    assert await given.index.incomplete(["bob"]) == {"bob"}
    assert await given.counts() == {}


async def test_a_rebuild_that_was_overtaken_finishes_nothing(given: Given) -> None:
    first = await given.index.begin_rebuild("bob")
    second = await given.index.begin_rebuild("bob")
    assert not await given.index.finish_rebuild("bob", first)
    await given.index.doubt(["bob"])
    assert not await given.index.finish_rebuild("bob", second)
    assert await given.index.incomplete(["bob"]) == {"bob"}


async def test_a_redis_that_is_away_is_unavailable() -> None:
    async with open_redis(RedisSettings(url="redis://127.0.0.1:1")) as redis:
        with pytest.raises(WhimbrelError) as raised:
            await RedisUnreadIndex(redis).state("bob")
    assert raised.value.code is ErrorCode.UNAVAILABLE
