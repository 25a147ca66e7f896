"""Runs one Lua script for many users: one call each, in one round trip (rule 27).

A script must bear being applied again when its answer was lost: that is an unknown outcome, and
the caller repeats the call. Redis forgets scripts when it is flushed or replaced; only the calls
that found theirs missing, and so did nothing, are sent again then, with the script itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha1
from itertools import islice
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from whimbrel.core.errors import unavailable
from whimbrel.runtime.redis_round_trip import TIMEOUT_SECONDS, Argument, Command, round_trip

MAX_CALLS = 1000
"""Calls in one round trip: a few ms of Redis, so that nobody else waits long."""


class ScriptCall(NamedTuple):
    """One run of a script: the keys, all of one user (one slot), and its arguments."""

    keys: tuple[str, ...]
    arguments: tuple[Argument, ...]


class RedisScript:
    """A Lua script that Redis knows by its hash."""

    def __init__(
        self, redis: Redis, source: str, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._redis = redis
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._sha = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, calls: Iterable[ScriptCall]) -> list[Any]:
        """The script's answers, in the order of the calls.

        Raises UNAVAILABLE with outcome_unknown when Redis does not answer, or answered one of
        the calls with an error; any of them may have been applied then.
        """
        answers: list[Any] = []
        remaining = iter(calls)
        while chunk := list(islice(remaining, MAX_CALLS)):
            answers += await self.completed(chunk, await self._send(self.commands(chunk)))
        return answers

    def commands(self, calls: Sequence[ScriptCall]) -> list[Command]:
        """The calls as commands, for a round trip that asks other things as well; at most
        MAX_CALLS. Its answers go to `completed`."""
        return _commands("EVALSHA", self._sha, calls)

    async def completed(self, calls: Sequence[ScriptCall], answers: Sequence[Any]) -> list[Any]:
        """As `run`, after a round trip that asked `commands`."""
        answers = list(answers)
        missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            again = await self._send(_commands("EVAL", self._source, [calls[i] for i in missing]))
            for index, answer in zip(missing, again, strict=True):
                answers[index] = answer
        for answer in answers:
            if isinstance(answer, RedisError):
                raise unavailable("Redis refused a script", outcome_unknown=True) from answer
        return answers

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        return await round_trip(
            self._redis, commands, writes=True, timeout_seconds=self._timeout_seconds
        )


def _commands(command: str, script: str, calls: Sequence[ScriptCall]) -> list[Command]:
    return [(command, script, len(keys), *keys, *arguments) for keys, arguments in calls]
