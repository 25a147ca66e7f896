"""May one user write to another? Asked by what is not a message, as the keys of a device are."""

from __future__ import annotations

from services.logic.domain.people import AS_DEPLOYED, STRANGERS, pair_of
from services.logic.social_ports import GroupStore, PrivacyStore, RelationStore
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.names import check_name


class Reach:
    """Reads the stores themselves: whoever was blocked a moment ago gets nothing any more."""

    def __init__(
        self,
        relations: RelationStore,
        privacy: PrivacyStore,
        groups: GroupStore,
        *,
        strangers_may_write: bool,
    ) -> None:
        self._relations = relations
        self._privacy = privacy
        self._groups = groups
        self._strangers_may_write = strangers_may_write

    async def check(self, caller: str, user: str) -> None:
        """Raises BLOCKED when either has blocked the other, also where both are in a group;
        NOT_FRIENDS for strangers without a group in common where the user, or the deployment,
        wants friends only."""
        pair = pair_of(check_name(caller, "caller_id"), check_name(user, "user_id"))
        relation = (await self._relations.find([pair])).get(pair, STRANGERS)
        if relation.is_blocked:
            raise WhimbrelError(ErrorCode.BLOCKED, "one of the two has blocked the other")
        if relation.are_friends or await self._takes_strangers(user):
            return
        if not await self._groups.share_group(caller, user):
            raise WhimbrelError(ErrorCode.NOT_FRIENDS, f"{user} is reached by friends only")

    async def _takes_strangers(self, user: str) -> bool:
        permits = (await self._privacy.find([user])).get(user, AS_DEPLOYED).strangers_may_write
        return self._strangers_may_write if permits is None else permits
