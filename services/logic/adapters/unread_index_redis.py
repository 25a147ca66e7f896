"""What no human has read, in Redis. Built so that it can be lost (promise 8).

    unread:{user}                  hash        conversation -> how many
    unread:{user}:<conversation>   sorted set  the seqs that count, the highest 1,000
    latest:{user}                  hash        conversation -> its highest message_id
    marks:{user}                   hash        "read:<conversation>" -> seq, as the undelivered
                                               index keeps it; "counted" -> 1, "recount" -> token

A number alone could not be raised twice for one message, and messages are fanned out again after
a resend or a crash: so the seqs that count are kept beside it. "counted" says that the counts
were built from MongoDB since Redis was last lost, "recount" that somebody is building them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex

from redis.asyncio import Redis

from services.logic.adapters.redis_answers import ask, pairs
from services.logic.domain.history import MAX_COUNTED, ConversationState, UnreadEntry
from whimbrel.runtime.redis_scripts import RedisScript, ScriptCall

# Message ids are compared as decimal strings: 64 bits do not fit Lua's numbers.
_ADD = f"""
-- KEYS: unread, marks, latest. ARGV: conversation, message id, seq, own (0 or 1), and so on.
for i = 1, #ARGV, 4 do
  local conversation, id, seq = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local known = redis.call('HGET', KEYS[3], conversation)
  if not known or #id > #known or (#id == #known and id > known) then
    redis.call('HSET', KEYS[3], conversation, id)
  end
  if ARGV[i + 3] == '0' then
    local read = redis.call('HGET', KEYS[2], 'read:' .. conversation)
    if not read or tonumber(seq) > tonumber(read) then
      local seqs = KEYS[1] .. ':' .. conversation
      if redis.call('ZADD', seqs, seq, seq) == 1 then
        local count = redis.call('HINCRBY', KEYS[1], conversation, 1)
        if count > {MAX_COUNTED} then
          redis.call('ZREMRANGEBYRANK', seqs, 0, -{MAX_COUNTED + 1})
          redis.call('HSET', KEYS[1], conversation, redis.call('ZCARD', seqs))
        end
      end
    end
  end
end
return 1
"""

_READ = """
-- KEYS: unread, marks, latest. ARGV: conversation, seq, and so on in pairs.
for i = 1, #ARGV, 2 do
  local conversation, seq = ARGV[i], ARGV[i + 1]
  local mark = 'read:' .. conversation
  local known = redis.call('HGET', KEYS[2], mark)
  if known and tonumber(known) >= tonumber(seq) then
    seq = known
  else
    redis.call('HSET', KEYS[2], mark, seq)
  end
  local seqs = KEYS[1] .. ':' .. conversation
  if redis.call('ZREMRANGEBYSCORE', seqs, '-inf', seq) > 0 then
    local left = redis.call('ZCARD', seqs)
    if left == 0 then
      redis.call('HDEL', KEYS[1], conversation)
    else
      redis.call('HSET', KEYS[1], conversation, left)
    end
  end
end
return 1
"""

_FINISH = """
-- KEYS: unread, marks, latest. ARGV: token.
if redis.call('HGET', KEYS[2], 'recount') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[2], 'recount')
redis.call('HSET', KEYS[2], 'counted', '1')
return 1
"""

MAX_ENTRIES_PER_CALL = 500
"""Entries of one user in one run of the script: Redis does nothing else meanwhile (2 ms)."""


class RedisUnreadIndex:
    """The port UnreadIndex."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = RedisScript(redis, _ADD)
        self._read = RedisScript(redis, _READ)
        self._finish = RedisScript(redis, _FINISH)

    async def add(self, entries: Sequence[UnreadEntry]) -> None:
        by_user: dict[str, list[UnreadEntry]] = defaultdict(list)
        for entry in entries:
            by_user[entry.user].append(entry)
        await self._add.run(
            ScriptCall(
                _keys(user),
                tuple(
                    value
                    for _, conversation, message_id, seq, is_own in own[start : start + step]
                    for value in (conversation, message_id, seq, int(is_own))
                ),
            )
            for step in (MAX_ENTRIES_PER_CALL,)
            for user, own in by_user.items()
            for start in range(0, len(own), step)
        )

    async def read_up_to(self, user: str, marks: Mapping[str, int]) -> None:
        flat = [value for pair in marks.items() for value in pair]
        step = 2 * MAX_ENTRIES_PER_CALL
        await self._read.run(
            ScriptCall(_keys(user), tuple(flat[start : start + step]))
            for start in range(0, len(flat), step)
        )

    async def incomplete(self, users: Iterable[str]) -> set[str]:
        names = list(dict.fromkeys(users))
        counted = await ask(self._redis, [("HEXISTS", _marks(user), "counted") for user in names])
        return {user for user, is_counted in zip(names, counted, strict=True) if not is_counted}

    async def doubt(self, users: Iterable[str]) -> None:
        commands = [("HDEL", _marks(user), "counted", "recount") for user in dict.fromkeys(users)]
        await ask(self._redis, commands, writes=True)

    async def begin_rebuild(self, user: str) -> str:
        token = token_hex(8)
        await ask(self._redis, [("HSET", _marks(user), "recount", token)], writes=True)
        return token

    async def finish_rebuild(self, user: str, token: str) -> bool:
        (finished,) = await self._finish.run([ScriptCall(_keys(user), (token,))])
        return bool(finished)

    async def state(self, user: str) -> dict[str, ConversationState]:
        unread, marks, latest = _keys(user)
        del marks
        counts, ids = await ask(self._redis, [("HGETALL", unread), ("HGETALL", latest)])
        count_of = {name: int(count) for name, count in pairs(counts)}
        return {
            name.decode(): ConversationState(count_of.get(name, 0), int(message_id))
            for name, message_id in pairs(ids)
        }


def _marks(user: str) -> str:
    return f"marks:{{{user}}}"


def _keys(user: str) -> tuple[str, str, str]:
    return f"unread:{{{user}}}", _marks(user), f"latest:{{{user}}}"
