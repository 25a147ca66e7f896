"""Logic's unread counts, for the badge: the hashes `unread:{user}` and `marks:{user}`. Reads only.

Names and meaning are Logic's (services/logic/adapters/unread_index_redis.py); a component test
holds both sides together. Without "counted" the counts are being rebuilt: nobody knows them.
"""

from __future__ import annotations

from collections.abc import Collection

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.push.wake_ports import Unread
from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import round_trip


class RedisUnreadCounts:
    """The port UnreadCounts: one round trip for a batch."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def find(self, users: Collection[str]) -> dict[str, Unread]:
        if not users:
            return {}
        # "counted" after the counts: a doubt in between leaves them out.
        commands = [
            command
            for user in users
            for command in (
                ("HGETALL", f"unread:{{{user}}}"),
                ("HEXISTS", f"marks:{{{user}}}", "counted"),
            )
        ]
        answers = await round_trip(self._redis, commands, writes=False)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise unavailable("Redis refused a command") from answer
        return {
            user: _unread(flat)
            for user, flat, is_counted in zip(users, answers[::2], answers[1::2], strict=True)
            if is_counted
        }


def _unread(flat: list[bytes] | dict[bytes, bytes]) -> Unread:
    # A list with RESP2, a dictionary with RESP3.
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
    by_conversation = {name.decode(): int(count) for name, count in pairs}
    return Unread(sum(by_conversation.values()), by_conversation)
