"""The changes of a group, one function each: who may make it, what it makes, what is said.

Each takes the group as it is and gives it as it shall be, with what the members are told; it
raises PERMISSION_DENIED, NOT_A_MEMBER, GROUP_FULL, CONFLICT or INVALID_ARGUMENT and changes
nothing otherwise. `Change.group` is the same object when there was nothing to do.

    what                                    who may
    invite                                  members if the group permits it, else admins
    let in, turn away, remove, mute         admins, and only those below them
    describe, announce, link, mute all      admins
    roles, transfer, dissolve               the owner
    leave                                   everybody but the owner, who transfers first
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from services.logic.domain.groups import (
    MAX_MEMBERS,
    MAX_WAITING,
    Group,
    Joining,
    Member,
    Role,
)
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid

MAX_NAME: Final = 128
MAX_ANNOUNCEMENT: Final = 4096


class Change(NamedTuple):
    """The group after it, what is said about it (None: nothing), and who leaves by it."""

    group: Group
    said: dict[str, Any] | None = None
    also: tuple[str, ...] = ()


def invite(group: Group, actor: str, users: Sequence[str], now_ms: int) -> Change:
    """`actor` brings users in; those that are in already stay as they are."""
    needed = Role.MEMBER if group.members_may_invite else Role.ADMIN
    _need_role(group, actor, needed, "invite")
    fresh = [user for user in dict.fromkeys(users) if group.member(user) is None]
    if not fresh:
        return Change(group)
    return Change(_with(group, fresh, now_ms), {"type": "invited", "users": fresh})


def ask(group: Group, actor: str, now_ms: int) -> Change:
    """`actor`, who is not in it, asks to be let in. Nothing is said to the members."""
    _need_alive(group)
    if group.member(actor) is not None or actor in group.waiting:
        return Change(group)
    if group.joining is Joining.CLOSED:
        raise WhimbrelError(ErrorCode.PERMISSION_DENIED, "nobody can ask to join this group")
    _need_place(group, 1)
    if len(group.waiting) >= MAX_WAITING:
        raise WhimbrelError(
            ErrorCode.OVERLOADED,
            f"{MAX_WAITING} users wait for an answer of this group",
            retry_after_seconds=3600.0,
        )
    return Change(replace(group, waiting=(*group.waiting, actor)))


def let_in(group: Group, actor: str, user: str, now_ms: int) -> Change:
    """An admin says yes to somebody who has asked."""
    _need_role(group, actor, Role.ADMIN, "let anybody in")
    if group.member(user) is not None:
        return Change(group)
    if user not in group.waiting:
        raise WhimbrelError(ErrorCode.NOT_FOUND, f"{user} has not asked to join")
    return Change(_with(group, [user], now_ms), {"type": "joined", "user": user})


def turn_away(group: Group, actor: str, user: str, now_ms: int) -> Change:
    """An admin says no to somebody who has asked, or who asked takes it back."""
    if actor != user:
        _need_role(group, actor, Role.ADMIN, "turn anybody away")
    waiting = tuple(one for one in group.waiting if one != user)
    return Change(group if waiting == group.waiting else replace(group, waiting=waiting))


def join(group: Group, actor: str, link: str, now_ms: int) -> Change:
    """`actor` has the link. A link that is wrong or was taken back is NOT_FOUND."""
    if group.is_dissolved or not group.link or link != group.link:
        raise WhimbrelError(ErrorCode.NOT_FOUND, "there is no such link")
    if group.member(actor) is not None:
        return Change(group)
    if group.joining is not Joining.LINK:
        return ask(group, actor, now_ms)
    return Change(_with(group, [actor], now_ms), {"type": "joined", "user": actor})


def leave(group: Group, actor: str, now_ms: int) -> Change:
    """`actor` goes."""
    if group.need(actor).role is Role.OWNER:
        raise WhimbrelError(ErrorCode.CONFLICT, "the owner transfers the group first")
    return Change(_without(group, actor), {"type": "left", "user": actor}, (actor,))


def remove(group: Group, actor: str, user: str, now_ms: int) -> Change:
    """`actor` removes somebody below them."""
    _need_above(group, actor, user, "remove")
    return Change(_without(group, user), {"type": "removed", "user": user}, (user,))


def set_role(group: Group, actor: str, user: str, role: Role, now_ms: int) -> Change:
    """The owner makes somebody an admin, or a member again."""
    _need_role(group, actor, Role.OWNER, "give roles")
    if role is Role.OWNER or user == actor:
        raise invalid("ownership is transferred, not given as a role")
    member = group.need(user)
    if member.role is role:
        return Change(group)
    said = {"type": "role", "user": user, "role": role.name.lower()}
    return Change(_put(group, member._replace(role=role)), said)


def transfer(group: Group, actor: str, user: str, now_ms: int) -> Change:
    """The owner makes another member the owner, and stays as an admin."""
    mine = _need_role(group, actor, Role.OWNER, "transfer the group")
    if user == actor:
        return Change(group)
    theirs = group.need(user)
    changed = _put(group, mine._replace(role=Role.ADMIN))
    changed = _put(changed, theirs._replace(role=Role.OWNER, muted_until_ms=0))
    return Change(changed, {"type": "transferred", "user": user})


def dissolve(group: Group, actor: str, now_ms: int) -> Change:
    """The owner ends the group. Its history stays with those who were in it."""
    _need_role(group, actor, Role.OWNER, "dissolve the group")
    everybody = tuple(one.user for one in group.members)
    ended = replace(group, members=(), waiting=(), link="", announcement="")
    return Change(ended, {"type": "dissolved"}, everybody)


def mute(group: Group, actor: str, user: str, until_ms: int, now_ms: int) -> Change:
    """`actor` mutes somebody below them until then (Unix milliseconds; 0 ends it)."""
    _need_above(group, actor, user, "mute")
    member = group.need(user)
    until_ms = until_ms if until_ms > now_ms else 0
    if member.muted_until_ms == until_ms:
        return Change(group)
    said = {"type": "muted", "user": user, "until_ms": until_ms}
    return Change(_put(group, member._replace(muted_until_ms=until_ms)), said)


def mute_all(group: Group, actor: str, until_ms: int, now_ms: int) -> Change:
    """Only admins and the owner speak until then (Unix milliseconds; 0 ends it)."""
    _need_role(group, actor, Role.ADMIN, "mute everybody")
    until_ms = until_ms if until_ms > now_ms else 0
    if group.all_muted_until_ms == until_ms:
        return Change(group)
    said = {"type": "all_muted", "until_ms": until_ms}
    return Change(replace(group, all_muted_until_ms=until_ms), said)


def describe(
    group: Group,
    actor: str,
    now_ms: int,
    *,
    name: str | None = None,
    announcement: str | None = None,
    joining: Joining | None = None,
    members_may_invite: bool | None = None,
) -> Change:
    """Change what is given (None: stays). One change, one notice with what is new."""
    _need_role(group, actor, Role.ADMIN, "describe the group")
    if name is not None and len(name) > MAX_NAME:
        raise invalid(f"a group's name has at most {MAX_NAME} characters, not {len(name)}")
    if announcement is not None and len(announcement) > MAX_ANNOUNCEMENT:
        raise invalid(f"an announcement has at most {MAX_ANNOUNCEMENT} characters")
    wanted: dict[str, Any] = {
        "name": name,
        "announcement": announcement,
        "joining": joining,
        "members_may_invite": members_may_invite,
    }
    new = {
        field: value
        for field, value in wanted.items()
        if value is not None and value != getattr(group, field)
    }
    if not new:
        return Change(group)
    told = {
        field: value.name.lower() if isinstance(value, Joining) else value
        for field, value in new.items()
    }
    return Change(replace(group, **new), {"type": "described", **told})


def make_link(group: Group, actor: str, secret: str, now_ms: int) -> Change:
    """A new link; the one before is good no more. An empty secret takes it back."""
    _need_role(group, actor, Role.ADMIN, "make a link")
    return Change(replace(group, link=secret))


def _need_alive(group: Group) -> None:
    if group.is_dissolved:
        raise WhimbrelError(
            ErrorCode.UNKNOWN_CONVERSATION, f"no conversation has the id {group.conversation!r}"
        )


def _need_role(group: Group, actor: str, role: Role, what: str) -> Member:
    _need_alive(group)
    member = group.need(actor)
    if member.role < role:
        raise WhimbrelError(
            ErrorCode.PERMISSION_DENIED, f"a {member.role.name.lower()} may not {what} here"
        )
    return member


def _need_above(group: Group, actor: str, user: str, what: str) -> None:
    mine = _need_role(group, actor, Role.ADMIN, what)
    if group.need(user).role >= mine.role:
        raise WhimbrelError(
            ErrorCode.PERMISSION_DENIED, f"one may {what} only those with a lower role"
        )


def _need_place(group: Group, more: int) -> None:
    if len(group.members) + more > MAX_MEMBERS:
        raise WhimbrelError(ErrorCode.GROUP_FULL, f"a group has at most {MAX_MEMBERS} members")


def _with(group: Group, users: Sequence[str], now_ms: int) -> Group:
    _need_place(group, len(users))
    members = (*group.members, *(Member(user, Role.MEMBER, now_ms) for user in users))
    waiting = tuple(one for one in group.waiting if one not in users)
    return replace(group, members=members, waiting=waiting)


def _without(group: Group, user: str) -> Group:
    return replace(group, members=tuple(one for one in group.members if one.user != user))


def _put(group: Group, member: Member) -> Group:
    members = tuple(member if one.user == member.user else one for one in group.members)
    return replace(group, members=members)
