"""What no device of a user has, in Redis. Built so that it can be lost (promise 8).

    undelivered:{user}                  hash        conversation -> how many
    undelivered:{user}:<conversation>   sorted set  message id, scored by the user's seq
    marks:{user}                        hash        "cursor" -> seq, "read:<conversation>" -> seq,
                                                    "pull:<conversation>" -> seq,
                                                    "whole" -> 1, "rebuild" -> token

The marks lie beside the index so that the script that adds can skip what was acknowledged or
read in the meantime (rule 20); in what order additions and acknowledgements arrive does not
matter. The truth of the marks is in MongoDB (`cursors`, `reads`, `pulls`); "whole" says that a
rebuild has run to its end since Redis was last lost, "rebuild" that one is running. Message ids
are members and not scores: 64 bits do not fit the 53 of a score, seqs do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex

from redis.asyncio import Redis

from services.logic.adapters.redis_answers import ask, pairs
from services.logic.domain.history import Trimmed, Waiting, WaitingMessage
from services.logic.domain.model import UndeliveredEntry
from whimbrel.runtime.redis_scripts import RedisScript, ScriptCall

# The sorted sets' keys are made in the scripts, from a declared key and a conversation, because
# nobody outside knows which conversations there are. They carry the same hash tag, so they lie
# in the same slot.

_ADD = """
-- KEYS: undelivered, marks. ARGV: conversation, message id, seq, and so on in threes.
local cursor = tonumber(redis.call('HGET', KEYS[2], 'cursor') or '0')
for i = 1, #ARGV, 3 do
  local conversation, seq = ARGV[i], tonumber(ARGV[i + 2])
  if seq > cursor then
    local read = redis.call('HGET', KEYS[2], 'read:' .. conversation)
    local pull = redis.call('HGET', KEYS[2], 'pull:' .. conversation)
    if seq > tonumber(read or '0') and seq > tonumber(pull or '0') then
      local ids = KEYS[1] .. ':' .. conversation
      if redis.call('ZADD', ids, 'NX', ARGV[i + 2], ARGV[i + 1]) == 1 then
        redis.call('HINCRBY', KEYS[1], conversation, 1)
      end
    end
  end
end
return 1
"""

_TRIM = """
local function trim(conversation, seq)
  local ids = KEYS[1] .. ':' .. conversation
  local removed = redis.call('ZREMRANGEBYSCORE', ids, '-inf', seq)
  if removed > 0 then
    local left = redis.call('ZCARD', ids)
    if left == 0 then
      redis.call('HDEL', KEYS[1], conversation)
    else
      redis.call('HSET', KEYS[1], conversation, left)
    end
  end
  return removed
end
"""

# Runs for every user that acknowledges, each 0.5 s: with nothing undelivered it ends after three
# cheap commands.
_ACKNOWLEDGED = f"""{_TRIM}
-- KEYS: undelivered, marks. ARGV: cursor.
local cursor = ARGV[1]
local known = redis.call('HGET', KEYS[2], 'cursor')
if known and tonumber(known) >= tonumber(cursor) then
  cursor = known
else
  redis.call('HSET', KEYS[2], 'cursor', cursor)
end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, conversation in ipairs(redis.call('HKEYS', KEYS[1])) do
  trim(conversation, cursor)
end
return 1
"""

_PASSED = f"""{_TRIM}
-- KEYS: undelivered, marks. ARGV: 'read:' or 'pull:', then conversation, seq, and so on in pairs.
local trimmed = {{}}
for i = 2, #ARGV, 2 do
  local conversation, seq = ARGV[i], ARGV[i + 1]
  local mark = ARGV[1] .. conversation
  local known = redis.call('HGET', KEYS[2], mark)
  if known and tonumber(known) >= tonumber(seq) then
    seq = known
  else
    redis.call('HSET', KEYS[2], mark, seq)
  end
  trimmed[#trimmed + 1] = trim(conversation, seq)
  trimmed[#trimmed + 1] = redis.call('ZCARD', KEYS[1] .. ':' .. conversation)
end
return trimmed
"""

_FINISH = """
-- KEYS: undelivered, marks. ARGV: token.
if redis.call('HGET', KEYS[2], 'rebuild') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[2], 'rebuild')
redis.call('HSET', KEYS[2], 'whole', '1')
return 1
"""

_WAITING = """
-- KEYS: undelivered, marks. ARGV: at most so many conversations, messages of each.
local counts = redis.call('HGETALL', KEYS[1])
local found = {}
for i = 1, math.min(#counts, 2 * tonumber(ARGV[1])), 2 do
  local ids = KEYS[1] .. ':' .. counts[i]
  found[#found + 1] = counts[i]
  found[#found + 1] = counts[i + 1]
  found[#found + 1] = redis.call('ZRANGE', ids, 0, tonumber(ARGV[2]) - 1, 'WITHSCORES')
end
return found
"""

MAX_ENTRIES_PER_CALL = 500
"""Entries of one user in one run of the script: Redis does nothing else meanwhile (1 ms)."""


class RedisUndeliveredIndex:
    """The port UndeliveredIndex, and UndeliveredMarks for reading and rebuilding."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = RedisScript(redis, _ADD)
        self._acknowledged = RedisScript(redis, _ACKNOWLEDGED)
        self._passed = RedisScript(redis, _PASSED)
        self._finish = RedisScript(redis, _FINISH)
        self._waiting = RedisScript(redis, _WAITING)

    async def add(self, entries: Sequence[UndeliveredEntry]) -> None:
        by_user: dict[str, list[UndeliveredEntry]] = defaultdict(list)
        for entry in entries:
            by_user[entry.user].append(entry)
        await self._add.run(
            ScriptCall(
                _keys(user),
                tuple(
                    value
                    for entry in own[start : start + MAX_ENTRIES_PER_CALL]
                    for value in (entry.conversation, entry.message_id, entry.seq)
                ),
            )
            for user, own in by_user.items()
            for start in range(0, len(own), MAX_ENTRIES_PER_CALL)
        )

    async def acknowledged(self, cursors: Mapping[str, int]) -> None:
        await self._acknowledged.run(
            ScriptCall(_keys(user), (cursor,)) for user, cursor in cursors.items()
        )

    async def read_up_to(self, user: str, marks: Mapping[str, int]) -> None:
        await self._pass(user, "read:", marks)

    async def pulled_up_to(self, user: str, marks: Mapping[str, int]) -> dict[str, Trimmed]:
        return await self._pass(user, "pull:", marks)

    async def _pass(self, user: str, kind: str, marks: Mapping[str, int]) -> dict[str, Trimmed]:
        pairs = list(marks.items())
        chunks = [
            pairs[start : start + MAX_ENTRIES_PER_CALL]
            for start in range(0, len(pairs), MAX_ENTRIES_PER_CALL)
        ]
        answers = await self._passed.run(
            ScriptCall(_keys(user), (kind, *(value for pair in chunk for value in pair)))
            for chunk in chunks
        )
        return {
            conversation: Trimmed(numbers[2 * index], numbers[2 * index + 1])
            for chunk, numbers in zip(chunks, answers, strict=True)
            for index, (conversation, _) in enumerate(chunk)
        }

    async def incomplete(self, users: Iterable[str]) -> set[str]:
        names = list(dict.fromkeys(users))
        if not names:
            return set()
        whole = await ask(self._redis, [("HEXISTS", _marks(user), "whole") for user in names])
        return {user for user, is_whole in zip(names, whole, strict=True) if not is_whole}

    async def doubt(self, users: Iterable[str]) -> None:
        commands = [("HDEL", _marks(user), "whole", "rebuild") for user in dict.fromkeys(users)]
        await ask(self._redis, commands, writes=True)

    async def begin_rebuild(self, user: str) -> str:
        token = token_hex(8)
        await ask(self._redis, [("HSET", _marks(user), "rebuild", token)], writes=True)
        return token

    async def finish_rebuild(self, user: str, token: str) -> bool:
        (finished,) = await self._finish.run([ScriptCall(_keys(user), (token,))])
        return bool(finished)

    async def find(self, user: str) -> dict[str, list[int]]:
        (names,) = await ask(self._redis, [("HKEYS", _undelivered(user))])
        conversations = sorted(name.decode() for name in names)
        if not conversations:
            return {}
        ids = await ask(
            self._redis,
            [("ZRANGE", f"{_undelivered(user)}:{name}", 0, -1) for name in conversations],
        )
        # Acknowledged between the two round trips: the conversation is there, its ids are not.
        return {
            conversation: [int(one) for one in members]
            for conversation, members in zip(conversations, ids, strict=True)
            if members
        }

    async def counts(self, user: str) -> dict[str, int]:
        (fields,) = await ask(self._redis, [("HGETALL", _undelivered(user))])
        return {name.decode(): int(count) for name, count in pairs(fields)}

    async def waiting(self, user: str, conversations: int, messages: int) -> list[Waiting]:
        (flat,) = await self._waiting.run([ScriptCall(_keys(user), (conversations, messages))])
        return [
            Waiting(
                name.decode(),
                int(count),
                tuple(map(WaitingMessage, map(int, first[::2]), map(int, first[1::2]))),
            )
            for name, count, first in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        ]


def _undelivered(user: str) -> str:
    return f"undelivered:{{{user}}}"


def _marks(user: str) -> str:
    return f"marks:{{{user}}}"


def _keys(user: str) -> tuple[str, str]:
    return _undelivered(user), _marks(user)
