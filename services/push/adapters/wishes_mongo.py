"""Quiet hours and names of people, as the gateway stores them in `quiet_hours` and `users`. Reads
only, and remembers for half a minute what it has read: neither changes often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, Final, Generic, TypeVar

from services.push.domain.quiet_hours import QuietHours
from whimbrel.runtime.mongo_errors import reading
from whimbrel.runtime.stores import Database

KEEP_SECONDS: Final = 30.0
MAX_KEPT: Final = 50_000

V = TypeVar("V")


class MongoWishes:
    """The port Wishes."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._quiet_hours = database["quiet_hours"]
        self._users = database["users"]
        self._hours_kept: _Kept[QuietHours] = _Kept(clock)
        self._names_kept: _Kept[str] = _Kept(clock)

    async def quiet_hours(self, users: Collection[str]) -> dict[str, QuietHours]:
        known, missing = self._hours_kept.look_up(users)
        if missing:
            with reading():
                rows = await self._quiet_hours.find({"_id": {"$in": missing}}).to_list(None)
            known |= self._hours_kept.keep(missing, {row["_id"]: _hours(row) for row in rows})
        return known

    async def names(self, users: Collection[str]) -> dict[str, str]:
        known, missing = self._names_kept.look_up(users)
        if missing:
            with reading():
                rows = await self._users.find({"_id": {"$in": missing}}, {"name": True}).to_list(
                    None
                )
            known |= self._names_kept.keep(missing, {row["_id"]: row["name"] for row in rows})
        return known


class _Kept(Generic[V]):
    """Answers of the last half minute; that there is none is an answer too."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, V | None]] = {}

    def look_up(self, users: Collection[str]) -> tuple[dict[str, V], list[str]]:
        """(what is known, who has to be asked for)."""
        oldest = self._clock() - KEEP_SECONDS
        known: dict[str, V] = {}
        missing: list[str] = []
        for user in users:
            at, value = self._kept.get(user, (-math.inf, None))
            if at < oldest:
                missing.append(user)
            elif value is not None:
                known[user] = value
        return known, missing

    def keep(self, asked: Collection[str], found: dict[str, V]) -> dict[str, V]:
        """Remember the answers; they are returned as they are."""
        if len(self._kept) + len(asked) > MAX_KEPT:
            self._kept.clear()
        now = self._clock()
        for user in asked:
            self._kept[user] = now, found.get(user)
        return found


def _hours(row: dict[str, Any]) -> QuietHours:
    return QuietHours(row["from_minute"], row["to_minute"], row["time_zone"])
