"""The waiting jobs: a Redis Stream and one consumer group for all push pods. Redis 6.2.

Redis 6.2 answers a claim of an entry that was trimmed meanwhile with a nil that says not even
which entry it was; so only ids are claimed, and the entries are read by id: what is not there
any more is acknowledged, or it would be claimed for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from services.push.adapters.keys import RESCAN_KEY
from services.push.adapters.redis_answers import redis_answers
from services.push.domain.sifting import ReceivedJob
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.push_stream import (
    CONSUMER_GROUP,
    MAX_STREAM_LENGTH,
    STREAM_KEY,
    StreamJob,
    decode_job,
    encode_job,
)

_log = get_logger(__name__)

# The group begins at 0: jobs that were enqueued before there was a group are jobs all the same.
# Making it and asking for the rescan is one step, so that nobody can die in between.
_PREPARE = """
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made['err'] then
  if string.find(made['err'], 'BUSYGROUP', 1, true) then return 0 end
  return made
end
redis.call('SET', KEYS[2], '')
return 1
"""

# Consumers with nothing in hand that have not asked for this long; a consumer that has jobs
# must stay, its list of them goes with it. Without the stream there is nobody to forget.
_FORGET = """
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers['err'] then return 0 end
for _, consumer in ipairs(consumers) do
  local about = {}
  for i = 1, #consumer, 2 do about[consumer[i]] = consumer[i + 1] end
  if about['pending'] == 0 and (about['name'] == ARGV[2] or about['idle'] > tonumber(ARGV[3])) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], about['name'])
  end
end
return 1
"""

FORGET_IDLE_MS = 3_600_000
MAX_JOBS = 500


class RedisJobStream:
    """The port JobStream for one pod, whose name is `consumer`."""

    def __init__(
        self,
        redis: Redis,
        consumer: str,
        *,
        batch: int = 100,
        block_seconds: float = 0.5,
        claim_idle_seconds: float = 30.0,
        max_length: int = MAX_STREAM_LENGTH,
    ) -> None:
        """`block_seconds` must stay below the client's timeout for one round trip."""
        self._redis = redis
        self._consumer = consumer
        self._batch = batch
        self._block_ms = max(1, round(block_seconds * 1000))  # 0 would wait for ever
        self._claim_idle_ms = round(claim_idle_seconds * 1000)
        self._max_length = max_length

    async def prepare(self) -> bool:
        with redis_answers():
            made = await self._redis.eval(_PREPARE, 2, STREAM_KEY, RESCAN_KEY, CONSUMER_GROUP)
        return bool(made)

    async def take(self) -> list[ReceivedJob]:
        with redis_answers():
            answer: Any = await self._redis.xreadgroup(
                CONSUMER_GROUP,
                self._consumer,
                {STREAM_KEY: ">"},
                count=self._batch,
                block=self._block_ms,
            )
        return [_received(*entry) for _, entries in answer or () for entry in entries]

    async def claim(self) -> list[ReceivedJob]:
        with redis_answers():
            claimed: Any = await self._redis.xautoclaim(
                STREAM_KEY,
                CONSUMER_GROUP,
                self._consumer,
                self._claim_idle_ms,
                count=self._batch,
                justid=True,
            )
            if not claimed:
                await self._forget(own=False)
                return []
            async with self._redis.pipeline(transaction=False) as pipeline:
                for entry_id in claimed:
                    pipeline.xrange(STREAM_KEY, entry_id, entry_id)
                found = await pipeline.execute()
        received = [_received(*entries[0]) for entries in found if entries]
        trimmed = [
            entry_id.decode()
            for entry_id, entries in zip(claimed, found, strict=True)
            if not entries
        ]
        if trimmed:
            _log.warning("jobs_trimmed", count=len(trimmed))
            await self.finish(trimmed)
        return received

    async def finish(self, entry_ids: Sequence[str]) -> None:
        with redis_answers():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.xack(STREAM_KEY, CONSUMER_GROUP, *entry_ids)
                pipeline.xdel(STREAM_KEY, *entry_ids)
                await pipeline.execute()

    async def enqueue(self, jobs: Sequence[StreamJob]) -> None:
        for start in range(0, len(jobs), MAX_JOBS):
            with redis_answers():
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for job in jobs[start : start + MAX_JOBS]:
                        fields = (part for field in encode_job(job).items() for part in field)
                        pipeline.execute_command(
                            "XADD", STREAM_KEY, "MAXLEN", "~", self._max_length, "*", *fields
                        )
                    await pipeline.execute()

    async def length(self) -> int:
        with redis_answers():
            return int(await self._redis.xlen(STREAM_KEY))

    async def leave(self) -> None:
        with redis_answers():
            await self._forget(own=True)

    async def _forget(self, *, own: bool) -> None:
        """Pods come and go under new names in a cluster; their consumers would pile up."""
        name = self._consumer if own else ""
        await self._redis.eval(_FORGET, 1, STREAM_KEY, CONSUMER_GROUP, name, FORGET_IDLE_MS)


def _received(entry_id: bytes, fields: dict[bytes, bytes] | None) -> ReceivedJob:
    try:
        return ReceivedJob(entry_id.decode(), decode_job(fields or {}))
    except ValueError as error:
        _log.warning("job_unreadable", entry=entry_id.decode(), reason=str(error))
        return ReceivedJob(entry_id.decode(), None)
