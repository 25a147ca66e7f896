"""The auditor as a background job: one Logic at a time, a few users a minute, for ever.

It walks through all users in the order of their names, and through the messages as they come, and
looks again at what seems wrong once the promises' own time for it is over. It repairs nothing:
what it finds is a bug or a loss, and somebody has to see it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from services.logic.audit_ports import AuditPlace, AuditTurn
from services.logic.domain.audit import Finding, Wrong, confirmed
from services.logic.history_ports import ConversationHistory
from services.logic.settings import AuditSettings
from services.logic.usecases.audit_timelines import PAGE, AuditTimelines
from services.logic.usecases.patience import Clock
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.ids import compose
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

LEASE_MS: Final = 30_000
SETTLED_MS: Final = 60_000
"""Every message whose id is older than this is stored or never will be: a commit has 10 s."""
BEHIND_MS: Final = 600_000
"""How far back messages are looked at: when more come than are looked at, the rest is left out."""
MAX_SUSPECTS: Final = 100
"""Looks that wait to be repeated; beyond it the oldest is forgotten, and seen again next round."""
MAX_KNOWN: Final = 10_000
"""Findings that are remembered, so that each counts once; beyond it nothing new counts: who has so
many knows enough."""
MAX_LOGGED: Final = 20
"""Findings of one look that are logged one by one."""


class AuditStatistics(NamedTuple):
    """Sums since the start of this process."""

    findings: dict[str, int]
    """Confirmed ones by kind, each kind; each finding counts once in a process."""
    users: int
    messages: int
    rounds: int
    """Times that the walk came to the last user."""
    suspects: int
    """Looks that wait to be repeated now."""
    last_look_seconds: float


class _Suspicion(NamedTuple):
    due: float
    findings: frozenset[Finding]


class RunAudit:
    """`run` is its loop."""

    def __init__(
        self,
        audit: AuditTimelines,
        turn: AuditTurn,
        users: ConversationHistory,
        settings: AuditSettings,
        *,
        holder: str,
        clock: Clock,
        wall_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._audit = audit
        self._turn = turn
        self._users = users
        self._settings = settings
        self._holder = holder
        self._clock = clock
        self._wall_ms = wall_ms
        self._sleep = sleep
        self._suspicions: deque[_Suspicion] = deque(maxlen=MAX_SUSPECTS)
        self._known: set[Finding] = set()
        self._found: Counter[Wrong] = Counter()
        self._looked_at = self._messages = self._rounds = 0
        self._last_look_seconds = 0.0

    def statistics(self) -> AuditStatistics:
        """The figures at this moment."""
        return AuditStatistics(
            {kind.value: self._found[kind] for kind in Wrong},
            self._looked_at,
            self._messages,
            self._rounds,
            len(self._suspicions),
            self._last_look_seconds,
        )

    async def run(self) -> None:
        """Look at one user after the other, at the rate of the settings, until cancelled."""
        pause = 60.0 / self._settings.users_per_minute
        while True:
            await self._sleep(pause)
            try:
                await self.step()
            except WhimbrelError as error:
                log.warning("audit_interrupted", detail=error.detail)

    async def step(self) -> None:
        """The next user, some messages, and what is due for its second look. Nothing while
        another process has the turn. Raises UNAVAILABLE: the same is done again."""
        now_ms = self._wall_ms()
        place = await self._turn.take(self._holder, now_ms=now_ms, lease_ms=LEASE_MS)
        if place is None:
            self._suspicions.clear()  # whoever has the turn comes by them again
            return
        started = self._clock()
        after = await self._look_at_next(place.after)
        reached = await self._look_at_messages(place.message_id, now_ms)
        self._last_look_seconds = self._clock() - started
        await self._look_again()
        await self._turn.advance(self._holder, AuditPlace(after, reached))

    async def _look_at_next(self, after: str) -> str:
        names = await self._users.users(after, 1)
        if not names:
            self._rounds += after != ""
            return ""
        look = await self._audit.look_at_user(names[0], self._settings.entries_per_user)
        self._looked_at += 1
        self._suspect(look.findings)
        return names[0]

    async def _look_at_messages(self, reached: int, now_ms: int) -> int:
        oldest = max(0, compose(now_ms - BEHIND_MS, 0, 0))
        settled = max(0, compose(now_ms - SETTLED_MS, 0, 0))
        findings, ids = await self._audit.look_at_messages(max(reached, oldest), settled)
        self._messages += len(ids)
        self._suspect(frozenset(findings))
        return ids[-1] if len(ids) == PAGE else max(reached, settled - 1)

    def _suspect(self, findings: frozenset[Finding]) -> None:
        if findings:
            due = self._clock() + self._settings.settle_seconds
            self._suspicions.append(_Suspicion(due, findings))

    async def _look_again(self) -> None:
        while self._suspicions and self._suspicions[0].due <= self._clock():
            before = self._suspicions[0].findings
            now = await self._audit.look_again(before, self._settings.entries_per_user)
            self._suspicions.popleft()
            self._report(confirmed(before, now))

    def _report(self, findings: list[Finding]) -> None:
        new = [finding for finding in findings if finding not in self._known]
        new = new[: MAX_KNOWN - len(self._known)]
        self._known.update(new)
        self._found.update(finding.wrong for finding in new)
        for finding in new[:MAX_LOGGED]:
            log.error(
                "timeline_found_wrong",
                wrong=finding.wrong.value,
                user=finding.user,
                seq=finding.seq,
                message_id=str(finding.message_id),
                conversation=finding.conversation,
            )
        if len(new) > MAX_LOGGED:
            log.error("timelines_found_wrong", findings=len(new))
