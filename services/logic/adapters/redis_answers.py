"""Plain commands to Redis: all of them answered, or UNAVAILABLE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import Command, round_trip


async def ask(redis: Redis, commands: Sequence[Command], *, writes: bool = False) -> list[Any]:
    """The answers in the order of the commands, in one round trip (none without commands).

    Raises UNAVAILABLE, for `writes` with outcome_unknown, when Redis does not answer or answers
    one of them with an error.
    """
    if not commands:
        return []
    answers = await round_trip(redis, commands, writes=writes)
    for answer in answers:
        if isinstance(answer, RedisError):
            raise unavailable("Redis refused a command", outcome_unknown=writes) from answer
    return answers


def pairs(answer: Any) -> list[tuple[Any, Any]]:
    """Fields with their values, or members with their scores, of one answer: RESP3 answers a map
    or a list of pairs, RESP2 one flat list. Scores are numbers in one and bytes in the other."""
    if isinstance(answer, dict):
        return list(answer.items())
    if answer and isinstance(answer[0], list):
        return [(one, other) for one, other in answer]
    return list(zip(answer[::2], answer[1::2], strict=True))
