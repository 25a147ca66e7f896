"""Many commands to Redis and all their answers, in one round trip with one deadline.

redis-py's own pipeline packs in Python and sets a timer for every answer: 13 µs a command.
hiredis packs, one deadline holds for all: 2 µs. Sends go through here several times each, so it
matters. A few connections stay with us between round trips, because taking one from the pool and
giving it back costs as much as the rest. Only public calls of redis-py are used. Nothing is tried
twice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from whimbrel.core.errors import unavailable

Argument = str | int | bytes
Command = tuple[Argument, ...]

# redis-py left get_connection without annotations.
_Pool = Any
_Connection = Any
MAX_HELD: Final = 4
"""Connections of a pool that stay here, and a quarter of it at most: others take from it too."""
_held: WeakKeyDictionary[_Pool, list[_Connection]] = WeakKeyDictionary()

TIMEOUT_SECONDS = 1.0
"""For one round trip, connecting included. Redis answers in 1 ms or is away."""


async def round_trip(
    redis: Redis,
    commands: Sequence[Command],
    *,
    writes: bool,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[Any]:
    """The answers in the order of the commands; an error that Redis answered with stands in its
    command's place. All the commands were run then, whatever became of one of them.

    Raises UNAVAILABLE when the answers did not come in time, with outcome_unknown for `writes`:
    any of them may have been applied.
    """
    # hiredis' annotation means a tuple of one; any length is right.
    packed = b"".join([pack_command(cast(Any, command)) for command in commands])
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _exchange(redis, packed, len(commands))
    # TimeoutError is an OSError; uvloop says RuntimeError of a connection that Redis has reset.
    except (RedisError, OSError, RuntimeError) as error:
        raise unavailable(
            f"Redis does not answer ({type(error).__name__})", outcome_unknown=writes
        ) from error


async def _exchange(redis: Redis, packed: bytes, count: int) -> list[Any]:
    pool: _Pool = redis.connection_pool
    connection = await _take(pool)
    # With a time limit of its own it would start a task for each write: ours holds for all.
    own_limit, connection.socket_timeout = connection.socket_timeout, None
    try:
        await connection.send_packed_command(packed, check_health=False)
        answers: list[Any] = []
        for _ in range(count):
            try:
                answers.append(await connection.read_response(timeout=math.inf))
            except ResponseError as error:
                answers.append(error)
    except BaseException:
        connection.socket_timeout = own_limit
        # Answers may still be on their way: nobody else may read them as theirs.
        try:
            await connection.disconnect(nowait=True)
        finally:
            await pool.release(connection)
        raise
    connection.socket_timeout = own_limit
    await _give_back(pool, connection)
    return answers


async def _take(pool: _Pool) -> _Connection:
    """One of those that stayed with us, or of the pool's."""
    held = _held.get(pool)
    while held:
        connection = held.pop()
        if await _is_ready(connection):
            return connection
        await pool.release(connection)
    return await pool.get_connection()


async def _is_ready(connection: _Connection) -> bool:
    """Whether Redis has not closed it, and nothing unread is in it; else it is closed."""
    try:
        if connection.is_connected and not await connection.can_read():
            return True
    except (RedisError, OSError):
        pass
    await connection.disconnect(nowait=True)
    return False


async def _give_back(pool: _Pool, connection: _Connection) -> None:
    held = _held.setdefault(pool, [])
    if len(held) < min(MAX_HELD, pool.max_connections // 4):
        held.append(connection)
    else:
        await pool.release(connection)
