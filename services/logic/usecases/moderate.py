"""Moderation: the word list, reports, risk, and what is said to many users at once.

Who may call is the gateway's to know (its admin scope); here a call is checked for form and
carried out. Reports are every user's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from services.logic.domain import body_kinds
from services.logic.domain.groups import MAX_MEMBERS
from services.logic.domain.model import ClientKey, Draft
from services.logic.domain.risk import NO_RISK, Risk
from services.logic.domain.words import Action
from services.logic.moderation_ports import CaseStore, Flagged, Report, RiskStore, WordStore
from services.logic.usecases.checks.facts import Asked
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.say import SYSTEM_DEVICE, SYSTEM_USER, Say
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.core.names import check_name, direct_conversation
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_WORDS = 200_000
MAX_WORDS_A_CALL = 10_000
MAX_WORD = 64
MAX_REASON = 500
MAX_BROADCAST_USERS = MAX_MEMBERS
MAX_PAGE = 500
REPORT_POINTS = 10.0
REPORT_AGAIN_MS = 86_400_000
"""A second report about the same user counts after a day."""
MAX_TRIES = 8


class Moderate:
    """All calls can be repeated, but for `adjust_risk`, which adds."""

    def __init__(
        self,
        words: WordStore,
        risks: RiskStore,
        cases: CaseStore,
        say: Say,
        *,
        half_life_seconds: float,
        max_waiting: int,
        wall_ms: Callable[[], int],
    ) -> None:
        self._words = words
        self._risks = risks
        self._cases = cases
        self._say = say
        self._half_life_seconds = half_life_seconds
        self._wall_ms = wall_ms
        self.flagging: Pipeline[Flagged] = Pipeline(
            self._store_flags, max_items=500, max_waiting=max_waiting
        )

    async def put_words(self, words: Mapping[str, Action]) -> None:
        """Add words, or change what they do. Holds within 2 s. Raises INVALID_ARGUMENT."""
        await self._words.put(_checked(words, MAX_WORDS_A_CALL))

    async def remove_words(self, words: Sequence[str]) -> None:
        """Take words away."""
        await self._words.remove(
            list(_checked(dict.fromkeys(words, Action.FLAG), MAX_WORDS_A_CALL))
        )

    async def replace_words(self, words: Mapping[str, Action]) -> None:
        """These and no others; an empty list forbids nothing."""
        await self._words.replace(_checked(words, MAX_WORDS))

    async def list_words(self, after: str, limit: int) -> list[tuple[str, Action]]:
        """One page, from the word after `after` on."""
        return await self._words.page(after, _page_limit(limit))

    async def report(self, caller: str, user: str, reason: str, message_id: int) -> None:
        """`caller` complains about `user`: stored, and REPORT_POINTS on their risk unless the
        caller has reported them within a day."""
        check_name(caller, "caller_id")
        check_name(user, "user_id")
        if caller == user:
            raise invalid("nobody reports themselves")
        if not reason or len(reason) > MAX_REASON:
            raise invalid(f"a reason has 1 to {MAX_REASON} characters")
        if message_id >= 1 << 63:
            raise invalid("no message has such a message_id")
        now_ms = self._wall_ms()
        report = Report(caller, user, reason, message_id, now_ms)
        if await self._cases.report(report, counts_after_ms=now_ms - REPORT_AGAIN_MS):
            await self.adjust_risk(user, REPORT_POINTS)

    async def adjust_risk(self, user: str, points: float) -> float:
        """Add so many points (negative: take away); what the user has then. Holds within 2 s."""
        check_name(user, "user_id")
        if not -1e6 < points < 1e6:
            raise invalid("points must be a number between -1,000,000 and 1,000,000")
        for _ in range(MAX_TRIES):
            risk = await self._risk(user)
            raised = risk.raised(points, self._wall_ms(), self._half_life_seconds)
            if await self._risks.replace(user, raised):
                return raised.points
        raise WhimbrelError(
            ErrorCode.CONFLICT, "others change this user's risk", retry_after_seconds=0.2
        )

    async def risk(self, user: str) -> float:
        """The points of reports and admins that are left; the rate of sends is not in it."""
        check_name(user, "user_id")
        risk = await self._risk(user)
        return risk.points_at(self._wall_ms(), self._half_life_seconds)

    async def broadcast(
        self, users: Sequence[str], content: bytes, broadcast_id: str
    ) -> dict[str, WhimbrelError]:
        """Say it to each of these users (at most MAX_BROADCAST_USERS in a call), in their direct
        conversation with the system. The same (broadcast_id, user) is said once. The users whom
        it could not be said to, with why: call again for them."""
        check_name(broadcast_id, "broadcast_id")
        targets = list(dict.fromkeys(users))
        if not targets or len(targets) > MAX_BROADCAST_USERS:
            raise invalid(f"a call names 1 to {MAX_BROADCAST_USERS} users: make several")
        for user in targets:
            check_name(user, "user_ids")
        if not content or len(content) > 65_536:
            raise invalid("the content has 1 to 65,536 bytes")
        failed: dict[str, WhimbrelError] = {}
        for start in range(0, len(targets), 100):
            outcomes = await self._say_to(targets[start : start + 100], content, broadcast_id)
            failed |= {user: error for user, error in outcomes.items() if error is not None}
        return failed

    async def _say_to(
        self, users: Sequence[str], content: bytes, broadcast_id: str
    ) -> dict[str, WhimbrelError | None]:
        async def one(user: str) -> WhimbrelError | None:
            key = ClientKey(SYSTEM_USER, f"{SYSTEM_DEVICE}{broadcast_id}", user)
            draft = Draft(key, direct_conversation(SYSTEM_USER, user), body_kinds.SYSTEM, content)
            try:
                await self._say.say(draft, tuple(dict.fromkeys([user, SYSTEM_USER])))
            except WhimbrelError as error:
                return error
            return None

        return dict(zip(users, await asyncio.gather(*map(one, users)), strict=True))

    async def list_reports(self, before_ms: int, limit: int) -> list[Report]:
        """Newest first, before that time (0: now)."""
        return await self._cases.reports(before_ms or self._wall_ms() + 1, _page_limit(limit))

    async def list_flagged(self, before_ms: int, limit: int) -> list[Flagged]:
        """Newest first, before that time (0: now)."""
        return await self._cases.flags(before_ms or self._wall_ms() + 1, _page_limit(limit))

    def flag(self, asked: Asked, words: tuple[str, ...]) -> None:
        """Note a message with such words, later: a check waits for nothing. Beyond the bound it
        is not noted, and the log says so."""
        flagged = Flagged(*asked.draft.key, asked.draft.conversation, words, asked.now_ms)
        if not self.flagging.offer(flagged):
            log.warning("flag_dropped", sender=asked.sender)

    async def _store_flags(self, batch: list[Flagged]) -> None:
        try:
            await self._cases.flag(batch)
        except WhimbrelError as error:
            log.warning("flags_lost", flags=len(batch), code=error.code.name)

    async def _risk(self, user: str) -> Risk:
        return (await self._risks.find([user])).get(user, NO_RISK)


def _checked(words: Mapping[str, Action], limit: int) -> Mapping[str, Action]:
    if len(words) > limit:
        raise invalid(f"at most {limit} words in one call, not {len(words)}")
    for word in words:
        if not word.strip() or len(word) > MAX_WORD:
            raise invalid(f"a word has 1 to {MAX_WORD} characters, not {word[:MAX_WORD]!r}")
    return words


def _page_limit(limit: int) -> int:
    return min(limit or MAX_PAGE, MAX_PAGE)
