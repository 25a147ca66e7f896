"""Who watches whom, in Redis: `watchers:{user}`, a sorted set of pods by the Unix millisecond at
which their wish ends. May be lost at any time: pods ask again.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import Command, round_trip


class RedisWatchers:
    """The port Watchers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def watch(
        self, pod_id: str, users: Sequence[str], *, now_ms: int, seconds: float
    ) -> None:
        span_ms = round(seconds * 1000)
        commands: list[Command] = []
        for user in users:
            commands += [
                ("ZREMRANGEBYSCORE", _key(user), "-inf", now_ms),
                ("ZADD", _key(user), now_ms + span_ms, pod_id),
                ("PEXPIRE", _key(user), span_ms),
            ]
        await self._ask(commands, writes=True)

    async def find(self, users: Sequence[str], *, now_ms: int) -> dict[str, list[str]]:
        answers = await self._ask(
            [("ZRANGEBYSCORE", _key(user), f"({now_ms}", "+inf") for user in users], writes=False
        )
        return {
            user: [pod.decode() for pod in pods]
            for user, pods in zip(users, answers, strict=True)
            if pods
        }

    async def _ask(self, commands: Sequence[Command], *, writes: bool) -> list[list[bytes]]:
        if not commands:
            return []
        answers = await round_trip(self._redis, commands, writes=writes)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise unavailable("Redis refused to watch", outcome_unknown=writes) from answer
        return answers


def _key(user: str) -> str:
    return f"watchers:{{{user}}}"
