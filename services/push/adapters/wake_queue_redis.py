"""The wakes that wait, in Redis: for each provider a sorted set of moments and hashes of wakes.

    push:{jobs}:due:<provider>       sorted set  key -> ms when it is due; a claim sets its lease
    push:{jobs}:wakes:<provider>     hash        key -> the wake, its seq first
    push:{jobs}:mentions:<provider>  hash        key -> 1: it, or one before it, means the user.
                                                 Apart, as older pods read and compare the wake

A wake that was claimed is due again when its lease is over: a pod that dies needs no other care.
Whether a claimed wake was replaced meanwhile is seen by its text. Redis 6.2; all keys are in the
slot of the jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from services.push.adapters.keys import due_key, mentions_key, wakes_key
from services.push.domain.wakes import Wake, decode_wake, encode_key, encode_wake
from services.push.wake_ports import Settlement
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.redis_round_trip import round_trip
from whimbrel.runtime.redis_scripts import RedisScript, ScriptCall

_log = get_logger(__name__)

_SCHEDULE = """
-- KEYS: due, wakes, mentions. ARGV: key, wake, moment, 1 for a mention or 0, and so on.
for i = 1, #ARGV, 4 do
  local key, wake = ARGV[i], ARGV[i + 1]
  local old = redis.call('HGET', KEYS[2], key)
  -- What an older pod has settled it knew no mention of.
  if not old then redis.call('HDEL', KEYS[3], key) end
  if not old or tonumber(string.match(wake, '^%d+')) > tonumber(string.match(old, '^%d+')) then
    redis.call('HSET', KEYS[2], key, wake)
    redis.call('ZADD', KEYS[1], 'NX', ARGV[i + 2], key)
    if ARGV[i + 3] == '1' then redis.call('HSET', KEYS[3], key, '1') end
  end
end
return redis.call('ZCARD', KEYS[1])
"""

_CLAIM = """
-- KEYS: due, wakes, mentions. ARGV: now, end of the lease, limit.
local keys = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
if #keys == 0 then return {} end
local wakes = redis.call('HMGET', KEYS[2], unpack(keys))
local mentions = redis.call('HMGET', KEYS[3], unpack(keys))
local claimed = {}
for i, key in ipairs(keys) do
  if wakes[i] then
    redis.call('ZADD', KEYS[1], 'XX', ARGV[2], key)
    claimed[#claimed + 1] = key
    claimed[#claimed + 1] = wakes[i]
    claimed[#claimed + 1] = mentions[i] or ''
  else
    redis.call('ZREM', KEYS[1], key)
    redis.call('HDEL', KEYS[3], key)
  end
end
return claimed
"""

_SETTLE = """
-- KEYS: due, wakes, mentions. ARGV: key, wake as claimed, wake that waits or '', moment, and so on.
for i = 1, #ARGV, 4 do
  local key, again = ARGV[i], ARGV[i + 2]
  local now = redis.call('HGET', KEYS[2], key)
  if now == ARGV[i + 1] and again == '' then
    redis.call('ZREM', KEYS[1], key)
    redis.call('HDEL', KEYS[2], key)
    redis.call('HDEL', KEYS[3], key)
  elseif now then
    if now == ARGV[i + 1] then redis.call('HSET', KEYS[2], key, again) end
    redis.call('ZADD', KEYS[1], 'XX', ARGV[i + 3], key)
  end
end
return 1
"""

MAX_PER_CALL: Final = 250
"""Wakes in one run of a script: Redis does nothing else meanwhile (about a ms)."""


class RedisWakeQueue:
    """The port WakeQueue."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._schedule = RedisScript(redis, _SCHEDULE)
        self._claim = RedisScript(redis, _CLAIM)
        self._settle = RedisScript(redis, _SETTLE)

    async def schedule(self, provider: str, wakes: Sequence[tuple[Wake, int]]) -> int:
        answers = await self._schedule.run(
            ScriptCall(
                _keys(provider),
                tuple(
                    value
                    for wake, due_ms in wakes[start : start + MAX_PER_CALL]
                    for value in (
                        encode_key(wake.key),
                        encode_wake(wake),
                        due_ms,
                        int(wake.mentions_user),
                    )
                ),
            )
            for start in range(0, len(wakes), MAX_PER_CALL)
        )
        return int(answers[-1]) if answers else await self.length(provider)

    async def claim(self, provider: str, now_ms: int, lease_ms: int, limit: int) -> list[Wake]:
        arguments = now_ms, now_ms + lease_ms, min(limit, MAX_PER_CALL)
        (answer,) = await self._claim.run([ScriptCall(_keys(provider), arguments)])
        claimed: list[Wake] = []
        for key, kept, mentions in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
            try:
                wake = decode_wake(key.decode(), kept.decode(), mentions_user=bool(mentions))
                claimed.append(wake)
            except ValueError:  # not ours: nobody could send it, now or later
                _log.warning("wake_unreadable", provider=provider)
                await self._settle.run([ScriptCall(_keys(provider), (key, kept, "", 0))])
        return claimed

    async def settle(self, provider: str, settlements: Sequence[Settlement]) -> None:
        await self._settle.run(
            ScriptCall(
                _keys(provider),
                tuple(
                    value
                    for wake, again, due_ms in settlements[start : start + MAX_PER_CALL]
                    for value in (
                        encode_key(wake.key),
                        encode_wake(wake),
                        "" if again is None else encode_wake(again),
                        due_ms,
                    )
                ),
            )
            for start in range(0, len(settlements), MAX_PER_CALL)
        )

    async def length(self, provider: str) -> int:
        (answer,) = await round_trip(self._redis, [("ZCARD", due_key(provider))], writes=False)
        return int(answer)


def _keys(provider: str) -> tuple[str, str, str]:
    return due_key(provider), wakes_key(provider), mentions_key(provider)
