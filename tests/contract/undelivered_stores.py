"""Both kinds of UndeliveredIndex for the contract suites, and the entries that they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.logic.adapters.undelivered_index_redis import RedisUndeliveredIndex
from services.logic.domain.model import UndeliveredEntry
from services.logic.reading_ports import UndeliveredMarks
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.memory_stores.undelivered_index import MemoryUndeliveredIndex

CHAT = "d:alice:bob"
GROUP = "g:team"


def entry(seq: int, *, user: str = "bob", conversation: str = CHAT) -> UndeliveredEntry:
    return UndeliveredEntry(user, conversation, 1000 + seq, seq)


class Given:
    """One index, and how it is lost."""

    def __init__(self, index: UndeliveredMarks, lose: Callable[[], Awaitable[None]]) -> None:
        self.index = index
        self.lose = lose


@pytest.fixture(params=["memory", "redis"])
async def given(request: pytest.FixtureRequest) -> AsyncIterator[Given]:
    if request.param == "memory":
        memory = MemoryUndeliveredIndex()

        async def lose() -> None:
            memory.lose_everything()

        yield Given(memory, lose)
        return
    settings = RedisSettings(url=request.getfixturevalue("redis_url"))
    async with open_redis(settings) as redis:

        async def flush() -> None:
            await redis.flushall()
            await redis.script_flush()

        yield Given(RedisUndeliveredIndex(redis), flush)
