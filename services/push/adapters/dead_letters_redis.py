"""The wakes that came to nothing: a bounded Redis Stream. Lost with Redis, like the jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from services.push.adapters.keys import DEAD_KEY
from services.push.adapters.redis_answers import redis_answers
from services.push.domain.sifting import minted_ms
from services.push.domain.wakes import decode_wake, encode_key, encode_wake
from services.push.wake_ports import DeadLetter
from whimbrel.core.errors import ErrorCode, WhimbrelError

MAX_LETTERS: Final = 10_000
_ID: Final = re.compile(r"\d{1,19}-\d{1,19}")


class RedisDeadLetters:
    """The port DeadLetters."""

    def __init__(self, redis: Redis, *, max_letters: int = MAX_LETTERS) -> None:
        self._redis = redis
        self._max_letters = max_letters

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        with redis_answers():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for letter in letters:
                    pipeline.xadd(
                        DEAD_KEY,
                        {
                            "provider": letter.provider,
                            "reason": letter.reason,
                            "key": encode_key(letter.wake.key),
                            "wake": encode_wake(letter.wake),
                        },
                        maxlen=self._max_letters,
                        approximate=True,
                    )
                await pipeline.execute()

    async def newest(self, before: str, limit: int) -> list[DeadLetter]:
        if before:
            _check(before)
        with redis_answers():
            found: Any = await self._redis.xrevrange(
                DEAD_KEY, f"({before}" if before else "+", "-", count=limit
            )
        return [_letter(*entry) for entry in found]

    async def find(self, letter_ids: Sequence[str]) -> list[DeadLetter]:
        for letter_id in letter_ids:
            _check(letter_id)
        with redis_answers():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for letter_id in letter_ids:
                    pipeline.xrange(DEAD_KEY, letter_id, letter_id)
                found: Any = await pipeline.execute()
        return [_letter(*entries[0]) for entries in found if entries]

    async def remove(self, letter_ids: Sequence[str]) -> None:
        with redis_answers():
            await self._redis.xdel(DEAD_KEY, *letter_ids)

    async def length(self) -> int:
        with redis_answers():
            return int(await self._redis.xlen(DEAD_KEY))


def _letter(letter_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    name = letter_id.decode()
    return DeadLetter(
        name,
        fields[b"provider"].decode(),
        fields[b"reason"].decode(),
        decode_wake(fields[b"key"].decode(), fields[b"wake"].decode()),
        minted_ms(name),
    )


def _check(letter_id: str) -> None:
    if not _ID.fullmatch(letter_id):
        raise WhimbrelError(
            ErrorCode.INVALID_ARGUMENT, f"{letter_id[:40]!r} is no dead letter's id"
        )
