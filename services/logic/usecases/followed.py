"""Facts about users, remembered: at most MAX_AGE_SECONDS old, without a query for each message.

A fact is read when it is first needed and then kept; a loop asks every second which facts have
changed, for all users in one query, and forgets those. While the loop gets no answer facts are
kept for MAX_AGE_SECONDS from their reading, and read again then.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from services.logic.social_ports import Facts
from services.logic.usecases.patience import Clock
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")

MAX_AGE_SECONDS: Final = 2.0
POLL_SECONDS: Final = 1.0


@dataclass(frozen=True)
class FollowedStatistics:
    """Counts since the start, and how many facts are remembered."""

    known: int
    asked: int
    read: int


class Followed(Generic[K, V]):
    """A bounded cache of one kind of facts; the ones that were read first are forgotten first."""

    def __init__(
        self, facts: Facts[K, V], absent: V, *, clock: Clock, capacity: int = 200_000
    ) -> None:
        self._facts = facts
        self._absent = absent
        self._clock = clock
        self._capacity = capacity
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._mark: object = None
        self._followed_at = float("-inf")
        self._asked = 0
        self._read = 0

    def knows(self, keys: Collection[K]) -> bool:
        """Whether `get` needs no query for them."""
        fresh_from = self._clock() - MAX_AGE_SECONDS
        is_followed = self._followed_at >= fresh_from
        return all(
            (known := self._known.get(key)) is not None and (is_followed or known[0] >= fresh_from)
            for key in keys
        )

    async def get(self, keys: Collection[K]) -> dict[K, V]:
        """The facts of these keys, in at most one query; what is not stored is `absent`."""
        now = self._clock()
        fresh_from = now - MAX_AGE_SECONDS
        is_followed = self._followed_at >= fresh_from
        remembered = self._known
        found: dict[K, V] = {}
        missing = []
        for key in keys:
            known = remembered.get(key)
            if known is not None and (is_followed or known[0] >= fresh_from):
                found[key] = known[1]
            else:
                missing.append(key)
        self._asked += len(found) + len(missing)
        if missing:
            self._read += len(missing)
            stored = await self._facts.find(missing)
            for key in missing:
                found[key] = stored.get(key, self._absent)
                remembered[key] = (now, found[key])
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return found

    async def follow(self) -> None:
        """Forget what has changed since the last call. Raises UNAVAILABLE."""
        started = self._clock()
        changes = await self._facts.changed(self._mark)
        if self._mark is None or not changes.is_complete:
            self._known.clear()
        for name in changes.names:
            self._known.pop(self._facts.key_of(name), None)
        self._mark = changes.mark
        self._followed_at = started

    async def run(self) -> None:
        """Follow every POLL_SECONDS until cancelled."""
        while True:
            try:
                await self.follow()
            except WhimbrelError as error:
                log.warning("facts_not_followed", code=error.code.name, detail=error.detail)
            await asyncio.sleep(POLL_SECONDS)

    def statistics(self) -> FollowedStatistics:
        return FollowedStatistics(len(self._known), self._asked, self._read)
