"""Turns what redis-py raises into the one error that the use cases know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError, ResponseError

from services.push.ports import GroupLostError
from whimbrel.core.errors import unavailable


@contextmanager
def redis_answers() -> Iterator[None]:
    """UNAVAILABLE (outcome unknown) for whatever goes wrong, GroupLostError for NOGROUP."""
    try:
        yield
    except ResponseError as error:
        if str(error).startswith("NOGROUP"):
            raise GroupLostError from error
        raise unavailable(f"Redis refused a command: {error}", outcome_unknown=True) from error
    # uvloop says RuntimeError of a connection that Redis has reset.
    except (RedisError, OSError, RuntimeError) as error:
        raise unavailable("Redis does not answer", outcome_unknown=True) from error
