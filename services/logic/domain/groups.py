"""A group: its members with their roles, who may speak, and what has been changed in it. Pure.

A change is a function in `group_changes`; here is what it is made of. The group carries what
was changed last (`handled`, so that a request that comes twice is done once) and the notices
that are not committed yet (`notices`, so that a change that was stored is also said, whoever
dies in between).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from whimbrel.core.errors import ErrorCode, WhimbrelError

MAX_MEMBERS = 1000
MAX_WAITING = 200
"""Users who have asked to join and were not answered."""
MAX_HANDLED = 64
"""Requests that are remembered: a client repeats one within seconds, not after 64 others."""
MAX_NOTICES = 16
"""Changes that are not said yet. Beyond it changes wait: the members shall not be left behind."""


class Role(enum.IntEnum):
    """What a member may do; each may all that the lower ones may."""

    MEMBER = 1
    ADMIN = 2
    OWNER = 3


class Joining(enum.IntEnum):
    """How somebody who was not invited gets in."""

    CLOSED = 1
    APPROVAL = 2
    LINK = 3
    """By the link at once; without it by approval."""


class Member(NamedTuple):
    """One member; times are Unix milliseconds."""

    user: str
    role: Role = Role.MEMBER
    joined_ms: int = 0
    muted_until_ms: int = 0


class Notice(NamedTuple):
    """A change that is to be said in the group."""

    request: str
    """Names the change: the same for each try."""
    actor: str
    content: bytes
    """UTF-8 JSON, with "type"."""
    also: tuple[str, ...] = ()
    """Who hears of it beside the members: those that it removed."""
    at_ms: int = 0


class Standing(NamedTuple):
    """What a send needs to know of a group."""

    members: tuple[str, ...]
    """In the order of joining."""
    muted_until_ms: Mapping[str, int] = {}
    """Of the members that were ever muted."""
    all_muted_until_ms: int = 0
    talkers: frozenset[str] = frozenset()
    """Who may speak while all are muted; empty unless they are."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group. `version` counts its changes, from 1."""

    conversation: str
    name: str
    created_ms: int
    version: int
    members: tuple[Member, ...]
    """In the order of joining; empty once it was dissolved."""
    announcement: str = ""
    all_muted_until_ms: int = 0
    joining: Joining = Joining.APPROVAL
    members_may_invite: bool = True
    link: str = ""
    """The secret part of the link; empty when there is none."""
    waiting: tuple[str, ...] = ()
    handled: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = field(default=())

    @property
    def is_dissolved(self) -> bool:
        """Whether it is over: nobody is in it, and nobody ever will be."""
        return not self.members

    @property
    def owner(self) -> str:
        """Its owner, "" once it was dissolved."""
        return next((one.user for one in self.members if one.role is Role.OWNER), "")

    def member(self, user: str) -> Member | None:
        """This member; None for somebody who is not in it."""
        return next((one for one in self.members if one.user == user), None)

    def need(self, user: str) -> Member:
        """This member. Raises NOT_A_MEMBER."""
        member = self.member(user)
        if member is None:
            raise WhimbrelError(
                ErrorCode.NOT_A_MEMBER, f"{user} is not a member of {self.conversation}"
            )
        return member

    def standing(self) -> Standing:
        """What sends need of it."""
        muted = {one.user: one.muted_until_ms for one in self.members if one.muted_until_ms}
        talkers: frozenset[str] = frozenset()
        if self.all_muted_until_ms:
            talkers = frozenset(one.user for one in self.members if one.role > Role.MEMBER)
        users = tuple(one.user for one in self.members)
        return Standing(users, muted, self.all_muted_until_ms, talkers)

    def said(self, notice: Notice) -> Group:
        """The same group with this notice committed."""
        left = tuple(one for one in self.notices if one.request != notice.request)
        return replace(self, notices=left)


def founded(conversation: str, users: tuple[str, ...], name: str, now_ms: int) -> Group:
    """A new group; the first of `users` owns it."""
    members = tuple(
        Member(user, Role.MEMBER if index else Role.OWNER, now_ms)
        for index, user in enumerate(users)
    )
    return Group(conversation, name, now_ms, 1, members)
