"""Runs one Lua script for many users: one call each, pipelined (rule 27).

Only for scripts that may be applied twice: a call whose answer was lost is an unknown outcome,
and the caller repeats it. Redis forgets scripts when it is flushed or replaced; it is told the
script again then, by the calls that found it missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha1
from itertools import islice
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from whimbrel.core.errors import unavailable

MAX_CALLS = 500
"""Calls in one round trip: about 5 ms of Redis at 10 µs each, so that nobody else waits long."""


class UserCall(NamedTuple):
    """One run of the script: the keys, all of one user (one slot), and its arguments."""

    keys: tuple[str, ...]
    arguments: tuple[str | int, ...]


class UserScript:
    """A Lua script that Redis knows by its hash."""

    def __init__(self, redis: Redis, source: str) -> None:
        self._redis = redis
        self._source = source
        self._sha = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, calls: Iterable[UserCall]) -> list[Any]:
        """The script's answers, in the order of the calls.

        Raises UNAVAILABLE (outcome unknown) when Redis does not answer; some of the calls may
        have been applied then.
        """
        answers: list[Any] = []
        remaining = iter(calls)
        while chunk := list(islice(remaining, MAX_CALLS)):
            answers += await self._run_chunk(chunk)
        return answers

    async def _run_chunk(self, calls: Sequence[UserCall]) -> list[Any]:
        try:
            answers = await self._send("EVALSHA", self._sha, calls)
            missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if missing:
                again = await self._send("EVAL", self._source, [calls[i] for i in missing])
                for index, answer in zip(missing, again, strict=True):
                    answers[index] = answer
        except (RedisError, OSError) as error:
            raise unavailable("Redis does not answer", outcome_unknown=True) from error
        for answer in answers:
            if isinstance(answer, RedisError):
                raise unavailable("Redis refused a script", outcome_unknown=True) from answer
        return answers

    async def _send(self, command: str, script: str, calls: Sequence[UserCall]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for keys, arguments in calls:
                pipeline.execute_command(command, script, len(keys), *keys, *arguments)
            return list(await pipeline.execute(raise_on_error=False))
