"""Who may see whose presence: as friends are, and as each has set it."""

from __future__ import annotations

from collections.abc import Sequence

from services.logic.domain.people import Pair, Privacy, Relation, may_see_presence, pair_of
from services.logic.usecases.followed import Followed


class FollowedVisibility:
    """The port Visibility over facts that are at most 2 s old."""

    def __init__(
        self, relations: Followed[Pair, Relation], privacy: Followed[str, Privacy]
    ) -> None:
        self._relations = relations
        self._privacy = privacy

    async def visible(self, viewer: str, users: Sequence[str]) -> set[str]:
        """Those of the users whom the viewer may see; a user sees themselves. Raises
        UNAVAILABLE."""
        pairs = {user: pair_of(viewer, user) for user in users if user != viewer}
        relations = await self._relations.get(pairs.values())
        privacy = await self._privacy.get(pairs)
        return {
            user
            for user in users
            if user == viewer or may_see_presence(relations[pairs[user]], privacy[user])
        }
