"""The part of Logic that is about people: what checks look at, friends, groups, moderation."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.logic.domain.people import AS_DEPLOYED, STRANGERS
from services.logic.domain.risk import NO_RISK, SendRates
from services.logic.domain.words import Found
from services.logic.moderation_ports import NOT_BANNED, BanList, CaseStore, RiskStore, WordStore
from services.logic.ports import ConversationStore
from services.logic.settings import CheckSettings
from services.logic.social_ports import GroupStore, PrivacyStore, RelationStore
from services.logic.usecases.befriend import Befriend
from services.logic.usecases.checks.chain import Check, chain
from services.logic.usecases.checks.facts import Asked, GatherFacts
from services.logic.usecases.followed import Followed
from services.logic.usecases.groups import Groups
from services.logic.usecases.manage_group import ManageGroup
from services.logic.usecases.moderate import Moderate
from services.logic.usecases.patience import Clock
from services.logic.usecases.reach import Reach
from services.logic.usecases.say import Say
from services.logic.usecases.visibility import FollowedVisibility
from services.logic.usecases.watch_words import WatchWords

Loop = Callable[[], Coroutine[Any, Any, None]]


class GroupsOfPeople(ConversationStore, GroupStore, Protocol):
    """Groups, as sends and as their managers need them."""


@dataclass(frozen=True)
class PeopleStores:
    """Everything outside that is about people, by port."""

    relations: RelationStore
    privacy: PrivacyStore
    bans: BanList
    risks: RiskStore
    words: WordStore
    cases: CaseStore


@dataclass
class Watched:
    """What the checks look at, and what keeps it fresh."""

    facts: GatherFacts
    chain: Sequence[Check]
    words: WatchWords
    visibility: FollowedVisibility
    loops: dict[str, Loop]
    on_found: list[Callable[[Asked, Found], None]] = field(default_factory=list)
    """Told of each text with words, once moderation is there."""


@dataclass(frozen=True)
class PeopleParts:
    """The assembled use cases."""

    befriend: Befriend
    reach: Reach
    groups: ManageGroup
    moderate: Moderate
    watched: Watched

    def loops(self) -> dict[str, Loop]:
        """The loops that have to run, by name."""
        return {
            **self.watched.loops,
            "words": self.watched.words.run,
            "notices": self.groups.run,
            "flags": self.moderate.flagging.run,
        }


def watch(
    stores: PeopleStores, groups: GroupStore, settings: CheckSettings, *, clock: Clock
) -> Watched:
    """Wire the chain of checks and the facts behind it."""
    bans = Followed(stores.bans, NOT_BANNED, clock=clock)
    risks = Followed(stores.risks, NO_RISK, clock=clock)
    relations = Followed(stores.relations, STRANGERS, clock=clock)
    privacy = Followed(stores.privacy, AS_DEPLOYED, clock=clock)
    words = WatchWords(stores.words)
    listeners: list[Callable[[Asked, Found], None]] = []

    def on_found(asked: Asked, found: Found) -> None:
        for listener in listeners:
            listener(asked, found)

    return Watched(
        facts=GatherFacts(
            groups, bans=bans, risks=risks, relations=relations, privacy=privacy, clock=clock
        ),
        chain=chain(
            rates=SendRates(settings.risky_sends_per_second),
            risk_half_life_seconds=settings.risk_half_life_seconds,
            strangers_may_write=settings.strangers_may_write,
            takes_encrypted=settings.encrypted_bodies == "allow",
            look=words.look,
            on_found=on_found,
        ),
        words=words,
        visibility=FollowedVisibility(relations, privacy),
        loops={
            "bans": bans.run,
            "risks": risks.run,
            "relations": relations.run,
            "privacy": privacy.run,
        },
        on_found=listeners,
    )


def assemble_people(
    stores: PeopleStores,
    groups: GroupStore,
    founding: Groups,
    say: Say,
    watched: Watched,
    settings: CheckSettings,
    *,
    wall_ms: Callable[[], int],
) -> PeopleParts:
    """Wire the use cases."""
    moderate = Moderate(
        stores.words,
        stores.risks,
        stores.cases,
        say,
        half_life_seconds=settings.risk_half_life_seconds,
        max_waiting=settings.max_waiting_flags,
        wall_ms=wall_ms,
    )
    watched.on_found.append(lambda asked, found: moderate.flag(asked, found.words))
    return PeopleParts(
        befriend=Befriend(stores.relations, stores.privacy, wall_ms=wall_ms),
        reach=Reach(
            stores.relations,
            stores.privacy,
            groups,
            strangers_may_write=settings.strangers_may_write,
        ),
        groups=ManageGroup(
            groups,
            founding,
            stores.relations,
            stores.privacy,
            say,
            strangers_may_write=settings.strangers_may_write,
            wall_ms=wall_ms,
        ),
        moderate=moderate,
        watched=watched,
    )
