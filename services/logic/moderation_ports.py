"""What Logic needs for moderation, by role. As in `ports`: a memory adapter and a real one for
each, one contract suite for both, UNAVAILABLE when the store does not answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.logic.domain.risk import Risk
from services.logic.domain.words import Action
from services.logic.social_ports import Facts


class Ban(NamedTuple):
    """Until when a user is banned, Unix milliseconds; None is for ever, 0 not at all."""

    until_ms: int | None = 0


NOT_BANNED = Ban()


class BanList(Facts[str, Ban], Protocol):
    """`bans`, which the gateway writes. A ban that is lifted stays there with until_ms 0."""


class RiskStore(Facts[str, Risk], Protocol):
    """`risks`: points of users who ever had any."""

    async def replace(self, user: str, risk: Risk) -> bool:
        """Store it as the successor of `risk.version`. False, and nothing changes, when the
        stored version is another. Majority, journaled."""
        ...


class WordBook(NamedTuple):
    """All forbidden words, and the version of the list."""

    version: int
    words: Mapping[str, Action]


class WordStore(Protocol):
    """`words`: the forbidden words, one list for the deployment. Every change raises the
    version, after it was made."""

    async def version(self) -> int:
        """The version of the list; 0 when nobody ever made one. One small read."""
        ...

    async def load(self) -> WordBook:
        """The whole list."""
        ...

    async def put(self, words: Mapping[str, Action]) -> None:
        """Add these words, or change what they do."""
        ...

    async def remove(self, words: Collection[str]) -> None:
        """Take these words away; those that are not there are ignored."""
        ...

    async def replace(self, words: Mapping[str, Action]) -> None:
        """These words and no others: readers see the old list or the new one."""
        ...

    async def page(self, after: str, limit: int) -> list[tuple[str, Action]]:
        """Words in their order, from the one after `after` on."""
        ...


class Report(NamedTuple):
    """A user's complaint about another. A second one about the same user replaces it."""

    reporter: str
    user: str
    reason: str
    message_id: int
    at_ms: int


class Flagged(NamedTuple):
    """A message with a word that moderators want to see; the message itself is found by its
    sender and client_message_id."""

    sender: str
    device: str
    client_message_id: str
    conversation: str
    words: tuple[str, ...]
    at_ms: int


class CaseStore(Protocol):
    """`reports` and `flagged`: what moderators look at."""

    async def report(self, report: Report, *, counts_after_ms: int) -> bool:
        """Store it. True when it counts: the same reporter said nothing about the same user at
        or after `counts_after_ms`."""
        ...

    async def flag(self, flagged: Sequence[Flagged]) -> None:
        """Store them; those that are there already stay as they are."""
        ...

    async def reports(self, before_ms: int, limit: int) -> list[Report]:
        """Reports before that time, newest first."""
        ...

    async def flags(self, before_ms: int, limit: int) -> list[Flagged]:
        """Flagged messages before that time, newest first."""
        ...
