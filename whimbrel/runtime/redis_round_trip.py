"""Many commands to Redis and all their answers, in one round trip with one deadline.

redis-py's own pipeline packs in Python and sets a timer for every answer: 13 µs a command.
hiredis packs, one deadline holds for all: 2 µs. Sends go through here several times each, so it
matters. Only public calls of redis-py are used. Nothing is tried twice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from whimbrel.core.errors import unavailable

Argument = str | int | bytes
Command = tuple[Argument, ...]

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
    pool: Any = redis.connection_pool  # redis-py left get_connection without annotations
    connection = await pool.get_connection()
    try:
        await connection.send_packed_command(packed)
        answers: list[Any] = []
        for _ in range(count):
            try:
                answers.append(await connection.read_response(timeout=math.inf))
            except ResponseError as error:
                answers.append(error)
    except BaseException:
        # Answers may still be on their way: nobody else may read them as theirs.
        await connection.disconnect(nowait=True)
        raise
    else:
        return answers
    finally:
        await pool.release(connection)
