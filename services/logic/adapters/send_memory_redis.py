"""Redis remembers recent sends and newest epochs: a fast path, never the truth.

    recent:{user}   list of the sender's last sends, newest first: digest, message_id, seq, and
                    which send it was
    epoch:{user}    hash device -> newest epoch known

A send that is not remembered is looked up in MongoDB; an epoch that is not remembered refuses
nobody, and the Router's directory still knows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from struct import Struct
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.logic.domain.model import Answer, ClientKey, RecentSend
from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import TIMEOUT_SECONDS, Command, round_trip
from whimbrel.runtime.redis_scripts import RedisScript, ScriptCall

RECENT_SENDS = 50
"""Sends remembered of each sender: what one client may have open when its stream breaks."""
RECENT_SECONDS = 24 * 3600
"""A client that sends again does so within minutes, or finds MongoDB a little slower."""
EPOCH_SECONDS = 7 * 24 * 3600
"""Longer than any stream of an older epoch lives without finding out by its re-assert."""

_FIXED = Struct(">16sQQ")
"""digest, message_id, seq; then device, a NUL, client_message_id."""

_REMEMBER = f"""
-- KEYS: recent. ARGV: sends, oldest first.
for i = 1, #ARGV do
  redis.call('LREM', KEYS[1], 1, ARGV[i])
  redis.call('LPUSH', KEYS[1], ARGV[i])
end
redis.call('LTRIM', KEYS[1], 0, {RECENT_SENDS - 1})
redis.call('EXPIRE', KEYS[1], {RECENT_SECONDS})
return 1
"""

_RAISE = f"""
-- KEYS: epoch. ARGV: device, epoch, and so on in pairs.
for i = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or tonumber(known) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('EXPIRE', KEYS[1], {EPOCH_SECONDS})
return 1
"""


class RedisSendMemory:
    """The port SendMemory."""

    def __init__(self, redis: Redis, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`timeout_seconds`: for one round trip, connecting included."""
        self._redis = redis
        self._timeout_seconds = timeout_seconds
        self._remember = RedisScript(redis, _REMEMBER, timeout_seconds=timeout_seconds)
        self._raise = RedisScript(redis, _RAISE, timeout_seconds=timeout_seconds)

    async def prepare(self) -> None:
        """Nothing to create: the scripts are sent when Redis is found not to know them."""

    async def look_up(
        self, keys: Sequence[ClientKey], devices: Sequence[tuple[str, str]]
    ) -> tuple[dict[ClientKey, RecentSend], dict[tuple[str, str], int]]:
        senders = list(dict.fromkeys(key.sender for key in keys))
        commands: list[Command] = [("LRANGE", _recent(sender), 0, -1) for sender in senders]
        commands += epoch_commands(devices)
        if not commands:
            return {}, {}
        answers = await round_trip(
            self._redis, commands, writes=False, timeout_seconds=self._timeout_seconds
        )
        for answer in answers:
            if isinstance(answer, RedisError):
                raise unavailable("Redis refused to look something up") from answer
        recent = _among(keys, zip(senders, answers, strict=False))
        return recent, epochs_of(devices, answers[len(senders) :])

    async def remember(self, sends: Sequence[RecentSend]) -> None:
        by_sender: dict[str, list[bytes]] = defaultdict(list)
        for send in sends:
            by_sender[send.key.sender].append(_pack(send))
        await self._remember.run(
            ScriptCall((_recent(sender),), tuple(packed[-RECENT_SENDS:]))
            for sender, packed in by_sender.items()
        )

    async def raise_epochs(self, epochs: Mapping[tuple[str, str], int]) -> None:
        by_user: dict[str, list[str | int]] = defaultdict(list)
        for (user, device), epoch in epochs.items():
            by_user[user] += (device, epoch)
        await self._raise.run(
            ScriptCall((_epoch(user),), tuple(pairs)) for user, pairs in by_user.items()
        )


def epoch_commands(devices: Sequence[tuple[str, str]]) -> list[Command]:
    """What asks for the newest epochs of these (user, device)."""
    return [("HMGET", _epoch(user), *names) for user, names in _by_user(devices).items()]


def epochs_of(
    devices: Sequence[tuple[str, str]], answers: Sequence[Any]
) -> dict[tuple[str, str], int]:
    """What the answers to `epoch_commands` say; devices that are not known are absent."""
    return {
        (user, device): int(epoch)
        for (user, names), values in zip(_by_user(devices).items(), answers, strict=True)
        for device, epoch in zip(names, values, strict=True)
        if epoch is not None
    }


def _by_user(devices: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for user, device in devices:
        names[user].append(device)
    return names


def _among(
    keys: Iterable[ClientKey], remembered: Iterable[tuple[str, Sequence[Any]]]
) -> dict[ClientKey, RecentSend]:
    wanted = set(keys)
    sends = (_unpack(sender, packed) for sender, rows in remembered for packed in rows)
    return {send.key: send for send in sends if send.key in wanted}


def _pack(send: RecentSend) -> bytes:
    _, device, client_message_id = send.key
    fixed = _FIXED.pack(send.digest, send.answer.message_id, send.answer.seq)
    return fixed + f"{device}\x00{client_message_id}".encode()


def _unpack(sender: str, packed: bytes) -> RecentSend:
    digest, message_id, seq = _FIXED.unpack_from(packed)
    device, _, client_message_id = packed[_FIXED.size :].decode().partition("\x00")
    return RecentSend(ClientKey(sender, device, client_message_id), digest, Answer(message_id, seq))


def _recent(user: str) -> str:
    return f"recent:{{{user}}}"


def _epoch(user: str) -> str:
    return f"epoch:{{{user}}}"
