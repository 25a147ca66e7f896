"""Friends, blocks and privacy: what a user decides about others.

Each change is read, decided by the pure functions of `domain.people`, and compared and set; one
that lost against another is decided again from what it finds. Repeating a call changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.logic.domain import people
from services.logic.domain.people import (
    AS_DEPLOYED,
    STRANGERS,
    Friendship,
    Pair,
    Privacy,
    Relation,
    may_see_presence,
    pair_of,
)
from services.logic.social_ports import PrivacyStore, RelationStore
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.core.names import check_name

MAX_FRIENDS = 5000
MAX_REQUESTS = 1000
"""Requests of and to one user that nobody has answered."""
MAX_PAGE = 500
MAX_TRIES = 8
"""A pair has two users; who loses so often against the other is told CONFLICT."""


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom the user knows, as a list shows them."""

    user: str
    relation: Relation


class Befriend:
    """Every call names its caller, who may change what is between them and others only."""

    def __init__(
        self, relations: RelationStore, privacy: PrivacyStore, *, wall_ms: Callable[[], int]
    ) -> None:
        self._relations = relations
        self._privacy = privacy
        self._wall_ms = wall_ms

    async def request(self, caller: str, user: str) -> Relation:
        """Ask for friendship; who was asked before by the other is a friend at once. Raises
        BLOCKED, and CONFLICT when either has too many friends or open requests."""
        pair = self._pair(caller, user)
        for one in pair:
            await self._need_room(one, Friendship.ASKED, MAX_REQUESTS)
            await self._need_room(one, Friendship.FRIENDS, MAX_FRIENDS)
        return await self._change(pair, lambda now: people.asked(now, caller, self._wall_ms()))

    async def accept(self, caller: str, user: str) -> Relation:
        """Say yes. Raises NOT_FOUND when `user` has not asked."""
        pair = self._pair(caller, user)
        for one in pair:
            await self._need_room(one, Friendship.FRIENDS, MAX_FRIENDS)
        return await self._change(pair, lambda now: people.accepted(now, caller, self._wall_ms()))

    async def decline(self, caller: str, user: str) -> Relation:
        """Say no, or take one's own request back."""
        pair = self._pair(caller, user)
        return await self._change(pair, lambda now: people.declined(now, caller, self._wall_ms()))

    async def remove(self, caller: str, user: str) -> Relation:
        """End a friendship."""
        pair = self._pair(caller, user)
        return await self._change(pair, lambda now: people.removed(now, self._wall_ms()))

    async def block(self, caller: str, user: str) -> Relation:
        """Nothing passes between the two from 2 s after the return on."""
        pair = self._pair(caller, user)
        return await self._change(pair, lambda now: people.blocked(now, caller, self._wall_ms()))

    async def unblock(self, caller: str, user: str) -> Relation:
        """Take one's own block back."""
        pair = self._pair(caller, user)
        return await self._change(pair, lambda now: people.unblocked(now, caller))

    async def list_known(
        self, caller: str, friendship: Friendship, after: str, limit: int
    ) -> tuple[list[Known], str]:
        """One page of friends, or of open requests both ways, and where the next one begins
        ("" at the end). `after` is what the page before gave."""
        check_name(caller, "caller_id")
        if friendship is Friendship.NONE:
            raise invalid("strangers are not listed")
        limit = _page_limit(limit)
        return _page(caller, limit, await self._relations.of(caller, friendship, after, limit))

    async def list_blocked(self, caller: str, after: str, limit: int) -> tuple[list[Known], str]:
        """One page of those whom the caller has blocked, and where the next begins."""
        check_name(caller, "caller_id")
        limit = _page_limit(limit)
        return _page(caller, limit, await self._relations.blocked_by(caller, after, limit))

    async def privacy(self, caller: str) -> Privacy:
        """What the caller permits."""
        check_name(caller, "caller_id")
        return (await self._privacy.find([caller])).get(caller, AS_DEPLOYED)

    async def set_privacy(self, caller: str, privacy: Privacy) -> None:
        """Holds from 2 s after the return on."""
        check_name(caller, "caller_id")
        await self._privacy.put(caller, privacy)

    async def may_see(self, caller: str, users: list[str]) -> list[str]:
        """Those of `users` whose presence the caller may see; a user sees their own."""
        check_name(caller, "caller_id")
        others = [user for user in dict.fromkeys(users) if user != caller]
        pairs = {user: pair_of(caller, user) for user in others}
        relations = await self._relations.find(pairs.values())
        privacy = await self._privacy.find(others)
        return [
            user
            for user in dict.fromkeys(users)
            if user == caller
            or may_see_presence(
                relations.get(pairs[user], STRANGERS), privacy.get(user, AS_DEPLOYED)
            )
        ]

    def _pair(self, caller: str, user: str) -> Pair:
        return pair_of(check_name(caller, "caller_id"), check_name(user, "user_id"))

    async def _need_room(self, user: str, friendship: Friendship, limit: int) -> None:
        if await self._relations.count(user, friendship) >= limit:
            raise WhimbrelError(
                ErrorCode.CONFLICT, f"{user} has {limit} {friendship.name.lower()} already"
            )

    async def _change(self, pair: Pair, decide: Callable[[Relation], Relation]) -> Relation:
        for _ in range(MAX_TRIES):
            known = (await self._relations.find([pair])).get(pair, STRANGERS)
            wanted = decide(known)
            if wanted == known or await self._relations.replace(pair, wanted):
                return wanted
        raise WhimbrelError(
            ErrorCode.CONFLICT, "the other changes this all the time", retry_after_seconds=0.2
        )


def _page_limit(limit: int) -> int:
    return min(limit or MAX_PAGE, MAX_PAGE)


def _page(caller: str, limit: int, rows: list[tuple[Pair, Relation]]) -> tuple[list[Known], str]:
    found = [Known(pair.other(caller), relation) for pair, relation in rows]
    return found, ":".join(rows[-1][0]) if len(rows) == limit else ""
