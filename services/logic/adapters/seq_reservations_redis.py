"""Redis proposes seqs: `head:{user}` holds the last one that was reserved (promise 8).

It only proposes, the unique index of `timelines` decides. So a counter may be lost (nobody has
written for a week, a flush) or behind (a failover): the caller raises it to MongoDB's head. A
reservation whose answer was lost is a hole, which somebody voids; so nothing here is tried twice
but what is known not to have run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import TIMEOUT_SECONDS, Command, round_trip
from whimbrel.runtime.redis_scripts import MAX_CALLS, RedisScript, ScriptCall

FORGET_SECONDS = 7 * 24 * 3600
"""A counter is read from MongoDB again after a week: users who are gone take no memory."""

_RESERVE = """
-- KEYS: head. ARGV: how many. Answers the last seq of the run; nil when the head is unknown.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return redis.call('INCRBY', KEYS[1], ARGV[1])
"""

_RAISE = f"""
-- KEYS: head. ARGV: at least this.
local known = redis.call('GET', KEYS[1])
if not known or tonumber(known) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', {FORGET_SECONDS})
end
return 1
"""


class RedisSeqReservations:
    """The port SeqReservations."""

    def __init__(self, redis: Redis, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`timeout_seconds`: for one round trip, connecting included."""
        self._redis = redis
        self._timeout_seconds = timeout_seconds
        self._reserve = RedisScript(redis, _RESERVE, timeout_seconds=timeout_seconds)
        self._raise = RedisScript(redis, _RAISE, timeout_seconds=timeout_seconds)

    async def prepare(self) -> None:
        """Nothing to create: the scripts are sent when Redis is found not to know them."""

    async def reserve(self, counts: Mapping[str, int]) -> dict[str, int]:
        return _firsts(counts, await self._reserve.run(_calls(counts)))

    def commands(self, counts: Mapping[str, int]) -> list[Command]:
        """`reserve` as commands, for a round trip that asks other things as well."""
        return self._reserve.commands(_calls(counts))

    async def reserved(self, counts: Mapping[str, int], answers: Sequence[Any]) -> dict[str, int]:
        """As `reserve`, from the answers to `commands`."""
        return _firsts(counts, await self._reserve.completed(_calls(counts), answers))

    async def raise_to(self, heads: Mapping[str, int]) -> None:
        await self._raise.run(ScriptCall((_head(user),), (head,)) for user, head in heads.items())

    async def read(self, users: Iterable[str]) -> dict[str, int]:
        remaining = iter(dict.fromkeys(users))
        known: dict[str, int] = {}
        while chunk := list(islice(remaining, MAX_CALLS)):
            # One GET each: an MGET would cross slots.
            answers = await round_trip(
                self._redis,
                [("GET", _head(user)) for user in chunk],
                writes=False,
                timeout_seconds=self._timeout_seconds,
            )
            for user, answer in zip(chunk, answers, strict=True):
                if isinstance(answer, RedisError):
                    raise unavailable("Redis refused to read a head") from answer
                if answer is not None:
                    known[user] = int(answer)
        return known


def _calls(counts: Mapping[str, int]) -> list[ScriptCall]:
    return [ScriptCall((_head(user),), (count,)) for user, count in counts.items()]


def _firsts(counts: Mapping[str, int], lasts: Sequence[int | None]) -> dict[str, int]:
    return {
        user: last - count + 1
        for (user, count), last in zip(counts.items(), lasts, strict=True)
        if last is not None
    }


def _head(user: str) -> str:
    return f"head:{{{user}}}"
