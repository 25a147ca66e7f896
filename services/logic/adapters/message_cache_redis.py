"""Messages that somebody has yet to get, remembered in Redis as clients see them.

    message:{<message_id>}   string, for 10 minutes: the message; empty: it has just changed

A change forgets a message by an empty value that stays for a minute. SET NX does not overwrite
it, so a reader who had the old message in hand cannot bring it back; and empty reads as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from redis.asyncio import Redis

from services.logic.adapters.redis_answers import ask

LIFETIME_SECONDS = 600
"""A phone that was woken pulls within minutes; later it reads from MongoDB, 1 ms more."""
CHANGED_SECONDS = 60
"""Longer than any read of MongoDB takes (5 s)."""


class RedisMessageCache:
    """The port MessageCache."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def find(self, ids: Iterable[int]) -> dict[int, bytes]:
        wanted = list(ids)
        # GET and not MGET: on a cluster the messages lie in different slots.
        values = await ask(self._redis, [("GET", _key(one)) for one in wanted])
        return {one: value for one, value in zip(wanted, values, strict=True) if value}

    async def remember(self, messages: Mapping[int, bytes]) -> None:
        commands = [
            ("SET", _key(one), message, "NX", "EX", LIFETIME_SECONDS)
            for one, message in messages.items()
        ]
        await ask(self._redis, commands, writes=True)

    async def forget(self, ids: Iterable[int]) -> None:
        commands = [("SET", _key(one), b"", "EX", CHANGED_SECONDS) for one in ids]
        await ask(self._redis, commands, writes=True)


def _key(message_id: int) -> str:
    return f"message:{{{message_id}}}"
