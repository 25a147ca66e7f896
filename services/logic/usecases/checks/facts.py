"""The facts that the checks look at, gathered for a whole batch at once.

At most one query for each kind of fact and batch, all at the same time; facts about users are
cached (see `followed`), so that most batches ask for the groups' versions alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.logic.domain.groups import Standing
from services.logic.domain.model import Draft
from services.logic.domain.people import AS_DEPLOYED, STRANGERS, Pair, Privacy, Relation
from services.logic.domain.risk import NO_RISK, Risk
from services.logic.moderation_ports import NOT_BANNED, Ban
from services.logic.social_ports import GroupStore
from services.logic.usecases.followed import Followed
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.names import direct_participants


@dataclass(slots=True)
class Asked:
    """One send, and what is known of it; checks read it, the last one may change `body`."""

    draft: Draft
    sender: str
    now: float
    """Monotonic seconds."""
    now_ms: int
    """Unix milliseconds."""
    malformed: WhimbrelError | None = None
    """The conversation's id is one that no conversation can have."""
    participants: tuple[str, ...] | None = None
    """Who gets it; None when there is no such conversation."""
    standing: Standing | None = None
    """Of a group."""
    pair: Pair | None = None
    """Of a direct conversation of two."""
    ban: Ban = NOT_BANNED
    risk: Risk = NO_RISK
    relation: Relation = STRANGERS
    privacy: Privacy = AS_DEPLOYED
    """Of the one who is written to."""
    body: bytes | None = None
    """What is stored instead of the body that was sent."""


Answers = tuple[
    dict[str, Standing],
    dict[str, Ban],
    dict[str, Risk],
    dict[Pair, Relation],
    dict[str, Privacy],
]


class GatherFacts:
    """Reads what is not known yet."""

    def __init__(
        self,
        groups: GroupStore,
        *,
        bans: Followed[str, Ban],
        risks: Followed[str, Risk],
        relations: Followed[Pair, Relation],
        privacy: Followed[str, Privacy],
        clock: Clock,
    ) -> None:
        self._groups = groups
        self._bans = bans
        self._risks = risks
        self._relations = relations
        self._privacy = privacy
        self._clock = clock

    async def gather(self, drafts: Sequence[Draft], *, now_ms: int, deadline: float) -> list[Asked]:
        """What is known of each, in their order. Raises UNAVAILABLE at the deadline."""
        now = self._clock()
        asked = [Asked(draft, draft.key.sender, now, now_ms) for draft in drafts]
        groups: set[str] = set()
        pairs: set[Pair] = set()
        for one in asked:
            self._name(one)
            if one.pair is not None:
                pairs.add(one.pair)
            elif one.participants is None and one.malformed is None:
                groups.add(one.draft.conversation)
        senders = {one.sender for one in asked}
        written_to = {one.pair.other(one.sender) for one in asked if one.pair is not None}

        async def ask() -> Answers:
            if groups or not self._knows(senders, pairs, written_to):
                return await asyncio.gather(
                    self._groups.standings(groups),
                    self._bans.get(senders),
                    self._risks.get(senders),
                    self._relations.get(pairs),
                    self._privacy.get(written_to),
                )
            # Nothing is waited for: five tasks would be turns of the loop for nothing.
            return (
                {},
                await self._bans.get(senders),
                await self._risks.get(senders),
                await self._relations.get(pairs),
                await self._privacy.get(written_to),
            )

        standings, bans, risks, relations, privacy = await until_deadline(
            ask, deadline=deadline, clock=self._clock
        )
        for one in asked:
            one.ban, one.risk = bans[one.sender], risks[one.sender]
            if one.pair is not None:
                one.relation = relations[one.pair]
                one.privacy = privacy[one.pair.other(one.sender)]
            elif one.participants is None:
                one.standing = standings.get(one.draft.conversation)
                one.participants = one.standing.members if one.standing else None
        return asked

    def _knows(self, senders: set[str], pairs: set[Pair], written_to: set[str]) -> bool:
        return (
            self._bans.knows(senders)
            and self._risks.knows(senders)
            and self._relations.knows(pairs)
            and self._privacy.knows(written_to)
        )

    @staticmethod
    def _name(one: Asked) -> None:
        try:
            users = direct_participants(one.draft.conversation)
        except WhimbrelError as error:
            one.malformed = error
            return
        one.participants = users
        if users is not None and len(users) == 2 and one.sender in users:
            one.pair = Pair(*users)
