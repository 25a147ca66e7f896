"""Where the rescan stands and who does it. Lost together with the jobs, which asks for a new one.

The request itself is made by `RedisJobStream.prepare`, in the step that makes the group.
"""

from __future__ import annotations

from secrets import token_hex

from redis.asyncio import Redis

from services.push.adapters.keys import RESCAN_KEY, RESCAN_LOCK_KEY
from services.push.adapters.redis_answers import redis_answers

_TAKE = """
-- KEYS: rescan, lock. ARGV: our name, lock in ms.
local position = redis.call('GET', KEYS[1])
if not position then return false end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return false end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return position
"""

# The position is compared too: Redis may have been lost, and the rescan begun anew, meanwhile.
_ADVANCE = """
-- KEYS: rescan, lock. ARGV: our name, the position we took, what follows ("" for the end).
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1], KEYS[2])
else
  redis.call('SET', KEYS[1], ARGV[3])
end
return 1
"""


class RedisRescanLedger:
    """The port RescanLedger; each instance is a worker of its own."""

    def __init__(self, redis: Redis, *, lock_seconds: float = 30.0) -> None:
        self._redis = redis
        self._lock_ms = round(lock_seconds * 1000)
        self._name = token_hex(8)

    async def take(self) -> str | None:
        with redis_answers():
            position = await self._redis.eval(
                _TAKE, 2, RESCAN_KEY, RESCAN_LOCK_KEY, self._name, str(self._lock_ms)
            )
        return None if position is None else position.decode()

    async def advance(self, after: str, last: str | None) -> bool:
        with redis_answers():
            moved = await self._redis.eval(
                _ADVANCE, 2, RESCAN_KEY, RESCAN_LOCK_KEY, self._name, after, last or ""
            )
        return bool(moved)
