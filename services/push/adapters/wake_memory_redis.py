"""Which wakes were sent in the last minutes: one key each, which runs out by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.push.adapters.keys import woken_key
from services.push.domain.wakes import Wake, WakeKey
from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import Command, round_trip


class RedisWakeMemory:
    """The port WakeMemory. Calls are as long as a batch of jobs, no more."""

    def __init__(self, redis: Redis, *, memory_seconds: int = 120) -> None:
        self._redis = redis
        self._memory_seconds = memory_seconds

    async def recent(self, keys: Sequence[WakeKey]) -> dict[WakeKey, int]:
        answers = await self._ask([("GET", woken_key(*key)) for key in keys], writes=False)
        return {key: int(seq) for key, seq in zip(keys, answers, strict=True) if seq is not None}

    async def remember(self, wakes: Collection[Wake]) -> None:
        await self._ask(
            [("SET", woken_key(*wake.key), wake.seq, "EX", self._memory_seconds) for wake in wakes],
            writes=True,
        )

    async def _ask(self, commands: Sequence[Command], *, writes: bool) -> list[bytes | None]:
        if not commands:
            return []
        answers = await round_trip(self._redis, commands, writes=writes)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise unavailable("Redis refused a command", outcome_unknown=writes) from answer
        return answers
