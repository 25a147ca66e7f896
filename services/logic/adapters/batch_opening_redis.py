"""Epochs and seqs of a small batch in one round trip to Redis, where it would be two.

Where batches are small, a round trip costs half a millisecond of CPU, nearly all of it for waking
up. What is asked and what the answers mean is said beside the two ports that this one joins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.logic.adapters.send_memory_redis import epoch_commands, epochs_of
from services.logic.adapters.seq_reservations_redis import RedisSeqReservations
from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import TIMEOUT_SECONDS, round_trip


class RedisBatchOpening:
    """The port BatchOpening."""

    def __init__(
        self,
        redis: Redis,
        reservations: RedisSeqReservations,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """`timeout_seconds`: for one round trip, connecting included."""
        self._redis = redis
        self._reservations = reservations
        self._timeout_seconds = timeout_seconds

    async def open(
        self, devices: Sequence[tuple[str, str]], counts: Mapping[str, int]
    ) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
        asked = epoch_commands(devices)
        answers = await round_trip(
            self._redis,
            [*asked, *self._reservations.commands(counts)],
            writes=True,
            timeout_seconds=self._timeout_seconds,
        )
        firsts = await self._reservations.reserved(counts, answers[len(asked) :])
        for answer in answers[: len(asked)]:
            if isinstance(answer, RedisError):
                raise unavailable("Redis refused to look something up") from answer
        return epochs_of(devices, answers[: len(asked)]), firsts
