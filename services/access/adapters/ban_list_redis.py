"""The ban list in Redis: one sorted set, addresses by the millisecond of Redis' clock at which
their ban ends. It has a time to live as long as its longest ban."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from redis.asyncio import Redis

from whimbrel.runtime.redis_scripts import RedisScript, ScriptCall

_KEY: Final = "{bans}"
_MOST: Final = 10_000

_EXTEND: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for n = 1, #ARGV, 2 do
    redis.call('ZADD', KEYS[1], 'GT', now + ARGV[n + 1], ARGV[n])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -10001)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then redis.call('PEXPIREAT', KEYS[1], last[2]) end
return 1
"""
_READ: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES')
for n = 2, #found, 2 do found[n] = found[n] - now end
return found
"""


class RedisBanList:
    """The port BanList."""

    def __init__(self, redis: Redis) -> None:
        self._extend = RedisScript(redis, _EXTEND)
        self._read = RedisScript(redis, _READ)

    async def extend(self, bans: Mapping[str, float]) -> None:
        if not bans:
            return
        arguments: list[str | int] = []
        for address, seconds in list(bans.items())[-_MOST:]:
            arguments += [address, max(1, round(seconds * 1000))]
        await self._extend.run([ScriptCall((_KEY,), tuple(arguments))])

    async def read(self) -> dict[str, float]:
        (found,) = await self._read.run([ScriptCall((_KEY,), ())])
        return {
            address.decode(): int(left) / 1000
            for address, left in zip(found[::2], found[1::2], strict=True)
        }
