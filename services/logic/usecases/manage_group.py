"""Changes a group, and says so in its timeline.

A change is stored with its notice in one compare-and-set, then the notice is committed as a
message, then it is taken out of the document. Who dies in between leaves the notice there: the
next change, the client's own repetition, or the sweep of any Logic commits it; its key is the
request, so it stands in every timeline once.

The members of a message are those of the moment of its check. A notice goes to the members
after the change, and to whoever the change removed.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from services.logic.domain import body_kinds, group_changes
from services.logic.domain.group_changes import Change
from services.logic.domain.groups import MAX_HANDLED, MAX_NOTICES, Group, Notice
from services.logic.domain.model import ClientKey, Draft
from services.logic.domain.people import AS_DEPLOYED, STRANGERS, pair_of
from services.logic.social_ports import GroupStore, PrivacyStore, RelationStore
from services.logic.usecases.groups import Groups
from services.logic.usecases.say import SYSTEM_DEVICE, Say
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.core.names import check_name, direct_participants
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_TRIES = 20
"""Of a change against others at the same group; each try is one read and one write."""
MAX_INVITED = 200
"""Users in one invitation."""
SWEEP_SECONDS = 5.0
LEFT_BEHIND_MS = 10_000
"""A notice that is so old has no owner any more: SAY_SECONDS have passed."""
MAX_SWEPT = 100

Decide = Callable[[Group, int], Change]


class ManageGroup:
    """`change` for everything that `group_changes` can decide; the rest needs to look further."""

    def __init__(
        self,
        groups: GroupStore,
        founding: Groups,
        relations: RelationStore,
        privacy: PrivacyStore,
        say: Say,
        *,
        strangers_may_write: bool,
        wall_ms: Callable[[], int],
    ) -> None:
        self._groups = groups
        self._founding = founding
        self._relations = relations
        self._privacy = privacy
        self._say = say
        self._strangers_may_write = strangers_may_write
        self._wall_ms = wall_ms

    async def change(self, conversation: str, actor: str, request_id: str, decide: Decide) -> Group:
        """The group after the change, which is stored and said.

        The same (actor, request_id) is done once. Raises UNKNOWN_CONVERSATION, what `decide`
        raises, CONFLICT when others changed the group all the time, and UNAVAILABLE with
        outcome_unknown: repeat it then.
        """
        check_name(actor, "caller_id")
        check_name(request_id, "request_id")
        key = f"{actor}/{request_id}"
        for _ in range(MAX_TRIES):
            group = await self._load(conversation)
            if key in group.handled:
                return await self._tell(group)
            if len(group.notices) >= MAX_NOTICES:
                group = await self._tell(group)
                continue
            now_ms = self._wall_ms()
            change = decide(group, now_ms)
            if change.group is group:
                return group
            changed = _with_notice(change, actor, key, now_ms)
            if await self._groups.replace(changed):
                return await self._tell(replace(changed, version=changed.version + 1))
        raise WhimbrelError(
            ErrorCode.CONFLICT, "others change this group all the time", retry_after_seconds=0.5
        )

    async def create(self, owner: str, members: Sequence[str], name: str, request_id: str) -> Group:
        """Found a group and say so. The same (owner, request_id) names the same group. Raises
        as `invite` does, and INVALID_ARGUMENT as Groups.create does."""
        for member in members:
            check_name(member, "member_ids")
        await self._need_reachable(owner, [one for one in members if one != owner])
        conversation = await self._founding.create(owner, members, name, request_id)
        return await self.change(
            conversation,
            owner,
            request_id,
            lambda group, now_ms: Change(replace(group), {"type": "created", "name": group.name}),
        )

    async def invite(
        self, conversation: str, actor: str, request_id: str, users: Sequence[str]
    ) -> Group:
        """Bring users in. Raises BLOCKED for one who has blocked the actor or was blocked by
        them, NOT_FRIENDS for one who wants nothing from strangers."""
        for user in users:
            check_name(user, "user_ids")
        if not users or len(users) > MAX_INVITED:
            raise invalid(f"an invitation names 1 to {MAX_INVITED} users, not {len(users)}")
        await self._need_reachable(actor, [user for user in users if user != actor])
        return await self.change(
            conversation,
            actor,
            request_id,
            lambda group, now_ms: group_changes.invite(group, actor, users, now_ms),
        )

    async def make_link(self, conversation: str, actor: str, request_id: str) -> str:
        """A new link, which ends the one before: hand it to `join`."""
        secret = secrets.token_urlsafe(24)
        group = await self.change(
            conversation,
            actor,
            request_id,
            lambda group, now_ms: group_changes.make_link(group, actor, secret, now_ms),
        )
        return f"{conversation.removeprefix('g:')}.{group.link}"

    async def join(self, actor: str, request_id: str, link: str) -> Group:
        """Join by a link; where the group wants that, this asks to be let in."""
        name, dot, secret = link.partition(".")
        if not (name and dot and secret):
            raise WhimbrelError(ErrorCode.NOT_FOUND, "there is no such link")
        try:
            return await self.change(
                f"g:{name}",
                actor,
                request_id,
                lambda group, now_ms: group_changes.join(group, actor, secret, now_ms),
            )
        except WhimbrelError as error:
            if error.code is ErrorCode.UNKNOWN_CONVERSATION:
                raise WhimbrelError(ErrorCode.NOT_FOUND, "there is no such link") from error
            raise

    async def look(self, conversation: str, actor: str) -> Group:
        """The group as a member sees it. Raises UNKNOWN_CONVERSATION, NOT_A_MEMBER."""
        group = await self._load(conversation)
        if group.is_dissolved:
            raise _unknown(conversation)
        group.need(actor)
        return group

    async def of_user(self, user: str, after: str, limit: int) -> list[Group]:
        """The user's groups, by conversation id, from the one after `after` on; at most 100."""
        check_name(user, "caller_id")
        return await self._groups.of_user(user, after, min(limit or 100, 100))

    async def run(self) -> None:
        """Say what was left behind, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except WhimbrelError as error:
                log.warning("notices_not_swept", code=error.code.name, detail=error.detail)

    async def sweep(self) -> int:
        """Say what is older than LEFT_BEHIND_MS; how many groups had something."""
        left = await self._groups.unsaid(self._wall_ms() - LEFT_BEHIND_MS, MAX_SWEPT)
        for conversation in left:
            group = await self._groups.load(conversation)
            if group is not None:
                await self._tell(group)
        return len(left)

    async def _tell(self, group: Group) -> Group:
        """Commit its notices in their order, then take them out of the document."""
        if not group.notices:
            return group
        for notice in group.notices:
            members = [one.user for one in group.members]
            hearers = dict.fromkeys([*members, *notice.also, notice.actor])
            key = ClientKey(notice.actor, SYSTEM_DEVICE, f"{group.conversation}/{notice.request}")
            draft = Draft(key, group.conversation, body_kinds.SYSTEM, notice.content)
            await self._say.say(draft, tuple(hearers))
        said = group.notices
        for _ in range(MAX_TRIES):
            left = group
            for notice in said:
                left = left.said(notice)
            if left.notices == group.notices:
                return group
            if await self._groups.replace(left):
                return replace(left, version=left.version + 1)
            group = await self._load(group.conversation)
        return group  # they stay, and are said again: the timelines have them already

    async def _load(self, conversation: str) -> Group:
        group = None
        if direct_participants(conversation) is None:
            group = await self._groups.load(conversation)
        if group is None:
            raise _unknown(conversation)
        return group

    async def _need_reachable(self, actor: str, users: Sequence[str]) -> None:
        pairs = {user: pair_of(actor, user) for user in users}
        relations = await self._relations.find(pairs.values())
        privacy = await self._privacy.find(users)
        for user in users:
            relation = relations.get(pairs[user], STRANGERS)
            if relation.is_blocked:
                raise WhimbrelError(ErrorCode.BLOCKED, f"{user} cannot be invited by {actor}")
            permits = privacy.get(user, AS_DEPLOYED).strangers_may_write
            open_to_all = self._strangers_may_write if permits is None else permits
            if not (relation.are_friends or open_to_all):
                raise WhimbrelError(ErrorCode.NOT_FRIENDS, f"{user} is invited by friends only")


def _with_notice(change: Change, actor: str, key: str, now_ms: int) -> Group:
    group = change.group
    handled = (*group.handled, key)[-MAX_HANDLED:]
    if change.said is None:
        return replace(group, handled=handled)
    content = json.dumps({**change.said, "by": actor}, ensure_ascii=False).encode()
    # With the version, so that a request id that is used again after MAX_HANDLED others is
    # another notice; a notice is stored once, so each try of it has the same name.
    notice = Notice(f"{key}/{group.version}", actor, content, change.also, now_ms)
    return replace(group, handled=handled, notices=(*group.notices, notice))


def _unknown(conversation: str) -> WhimbrelError:
    return WhimbrelError(
        ErrorCode.UNKNOWN_CONVERSATION, f"no conversation has the id {conversation[:140]!r}"
    )
