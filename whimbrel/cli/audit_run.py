"""What `whimbrel audit` does: looks at timelines and messages in MongoDB itself, asking no pod, so
that it also tells the truth about a cluster of which nothing runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from services.logic.domain.audit import Finding
    from services.logic.usecases.audit_timelines import AuditTimelines
    from whimbrel.runtime.stores import Database

Say = Callable[[str], None]

_PAGE: Final = 100
_EVERYTHING: Final = 1 << 62
_REPORT_SECONDS: Final = 2.0
_MAX_SUSPECTS: Final = 10_000
"""Findings that are looked at again: a database with more is broken, and need not be counted."""
_SETTLED_MS: Final = 60_000


@dataclass
class AuditRun:
    """What was looked at, and what is wrong."""

    users: int = 0
    entries: int = 0
    voids: int = 0
    late: int = 0
    messages: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class AuditOrder:
    """What to look at: one user, so many drawn at random, or (neither) everything."""

    user: str = ""
    sample: int = 0
    settle_seconds: float = 20.0


async def audit(database: Database, order: AuditOrder, say: Say) -> AuditRun:
    """One round; `say` gets a line of progress every 2 s. Raises UNAVAILABLE when MongoDB does
    not answer."""
    from services.logic.adapters.audit_mongo import MongoMessageOutlines
    from services.logic.adapters.cursor_store_mongo import MongoCursorStore
    from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
    from services.logic.domain.audit import confirmed
    from services.logic.usecases.audit_timelines import AuditTimelines

    looks = AuditTimelines(
        MongoTimelineStore(database), MongoCursorStore(database), MongoMessageOutlines(database)
    )
    run = AuditRun()
    suspects: set[Finding] = set()
    report = _Every(say)
    async for user in _users(database, order):
        look = await looks.look_at_user(user, _EVERYTHING)
        run.users += 1
        run.entries += look.entries
        run.voids += look.voids
        run.late += look.late
        _keep(suspects, look.findings)
        report(f"{run.users} users, {run.entries} entries; {len(suspects)} to look at again")
    if not order.user and not order.sample:
        await _all_messages(looks, run, suspects, report)
    if suspects:
        say(f"{len(suspects)} may be under way: looking again in {order.settle_seconds:g} s")
        await asyncio.sleep(order.settle_seconds)
        run.findings = confirmed(suspects, await looks.look_again(suspects, _EVERYTHING))
    return run


async def _users(database: Database, order: AuditOrder) -> AsyncIterator[str]:
    from services.logic.adapters.audit_mongo import sample_users
    from services.logic.adapters.conversation_history_mongo import MongoConversationHistory

    if order.user:
        yield order.user
        return
    if order.sample:
        for user in await sample_users(database, order.sample):
            yield user
        return
    history, after = MongoConversationHistory(database), ""
    while page := await history.users(after, _PAGE):
        for user in page:
            yield user
        after = page[-1]


async def _all_messages(
    looks: AuditTimelines, run: AuditRun, suspects: set[Finding], report: Callable[[str], None]
) -> None:
    """Also those that are in nobody's timeline."""
    from whimbrel.core.ids import compose

    settled = compose(time.time_ns() // 1_000_000 - _SETTLED_MS, 0, 0)
    reached = 0
    while True:
        findings, ids = await looks.look_at_messages(reached, settled)
        if not ids:
            return
        reached = ids[-1]
        run.messages += len(ids)
        _keep(suspects, findings)
        report(f"{run.messages} messages; {len(suspects)} to look at again")


def _keep(suspects: set[Finding], findings: set[Finding] | frozenset[Finding]) -> None:
    if len(suspects) < _MAX_SUSPECTS:
        suspects |= findings


class _Every:
    """Passes a line on when the last one is old enough."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last = time.monotonic()

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS:
            self._last = now
            self._say(line)
