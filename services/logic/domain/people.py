"""What two users are to each other, and who may reach a user. Pure: nothing here asks a store.

A pair has one relation, not two rows: a block ends a friendship in the same change, and nobody
ever sees half of it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import NamedTuple

from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid


class Pair(NamedTuple):
    """Two users in byte order, the same from both sides."""

    first: str
    second: str

    def other(self, user: str) -> str:
        """The one who is not `user`."""
        return self.second if user == self.first else self.first


def pair_of(one: str, other: str) -> Pair:
    """The pair of two users. Raises INVALID_ARGUMENT for a user and themselves."""
    if one == other:
        raise invalid("a user can be no friend of themselves, and cannot block themselves")
    return Pair(one, other) if one < other else Pair(other, one)


class Friendship(enum.IntEnum):
    """How far two users have come."""

    NONE = 0
    ASKED = 1
    FRIENDS = 2


@dataclass(frozen=True, slots=True)
class Relation:
    """What is between two users. `version` counts its changes; 0 is a pair that never met."""

    friendship: Friendship = Friendship.NONE
    asked_by: str = ""
    """Who asked; empty unless ASKED."""
    since_ms: int = 0
    """When it became what it is, Unix milliseconds."""
    blocked_by: frozenset[str] = frozenset()
    version: int = 0

    @property
    def is_blocked(self) -> bool:
        """Whether either has blocked the other."""
        return bool(self.blocked_by)

    @property
    def are_friends(self) -> bool:
        """Whether they are friends."""
        return self.friendship is Friendship.FRIENDS


STRANGERS = Relation()


def asked(relation: Relation, caller: str, now_ms: int) -> Relation:
    """`caller` asks for friendship; if the other has asked before, they are friends now.

    Raises BLOCKED when either has blocked the other. Asking again changes nothing."""
    if relation.is_blocked:
        raise WhimbrelError(ErrorCode.BLOCKED, "one of the two has blocked the other")
    if relation.are_friends or relation.asked_by == caller:
        return relation
    if relation.friendship is Friendship.ASKED:
        return _to(relation, Friendship.FRIENDS, now_ms)
    return _to(relation, Friendship.ASKED, now_ms, asked_by=caller)


def accepted(relation: Relation, caller: str, now_ms: int) -> Relation:
    """`caller` says yes. Raises NOT_FOUND when the other has not asked. Twice changes nothing."""
    if relation.are_friends:
        return relation
    if relation.friendship is not Friendship.ASKED or relation.asked_by == caller:
        raise WhimbrelError(ErrorCode.NOT_FOUND, "this user has not asked for friendship")
    return _to(relation, Friendship.FRIENDS, now_ms)


def declined(relation: Relation, caller: str, now_ms: int) -> Relation:
    """`caller` says no to a request, or takes their own back. Raises CONFLICT for friends: they
    are removed, not declined. Without a request nothing changes."""
    if relation.are_friends:
        raise WhimbrelError(ErrorCode.CONFLICT, f"{caller} has accepted already: remove the friend")
    if relation.friendship is Friendship.NONE:
        return relation
    return _to(relation, Friendship.NONE, now_ms)


def removed(relation: Relation, now_ms: int) -> Relation:
    """They are friends no more. Raises NOT_FOUND when there was but a request; nothing changes
    between strangers."""
    if relation.friendship is Friendship.ASKED:
        raise WhimbrelError(ErrorCode.NOT_FOUND, "these two are not friends")
    if relation.friendship is Friendship.NONE:
        return relation
    return _to(relation, Friendship.NONE, now_ms)


def blocked(relation: Relation, caller: str, now_ms: int) -> Relation:
    """`caller` blocks the other: nothing passes in either direction, a friendship ends."""
    if caller in relation.blocked_by and relation.friendship is Friendship.NONE:
        return relation
    ended = _to(relation, Friendship.NONE, now_ms)
    return replace(ended, blocked_by=relation.blocked_by | {caller})


def unblocked(relation: Relation, caller: str) -> Relation:
    """`caller` takes the block back; one that the other has set stays."""
    return replace(relation, blocked_by=relation.blocked_by - {caller})


def _to(relation: Relation, friendship: Friendship, now_ms: int, *, asked_by: str = "") -> Relation:
    return replace(relation, friendship=friendship, asked_by=asked_by, since_ms=now_ms)


class Audience(enum.IntEnum):
    """Who sees something of a user."""

    EVERYBODY = 1
    FRIENDS = 2
    NOBODY = 3


class Privacy(NamedTuple):
    """What a user permits others. None is: as the deployment has it."""

    strangers_may_write: bool | None = None
    presence: Audience = Audience.FRIENDS


AS_DEPLOYED = Privacy()


def may_see_presence(relation: Relation, privacy: Privacy) -> bool:
    """Whether the one may see that the other (whose privacy this is) is online."""
    if relation.is_blocked or privacy.presence is Audience.NOBODY:
        return False
    return privacy.presence is Audience.EVERYBODY or relation.are_friends
