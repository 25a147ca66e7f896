"""Logic on memory stores, auditors beside it, and an entry that gets lost."""

from __future__ import annotations

from services.logic.domain.audit import Finding
from services.logic.settings import AuditSettings
from services.logic.usecases.audit_timelines import AuditTimelines
from services.logic.usecases.run_audit import RunAudit
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.testing.memory_stores.audit_stores import MemoryAuditTurn, MemoryMessageOutlines
from whimbrel.testing.memory_stores.conversation_history import MemoryConversationHistory


class Auditors(World):
    """Logic, and as many auditors beside it as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = MemoryAuditTurn()
        self.looks = AuditTimelines(
            self.timelines, self.cursors, MemoryMessageOutlines(self.messages)
        )

    def auditor(self, holder: str = "logic-0/1") -> RunAudit:
        return RunAudit(
            self.looks,
            self.turn,
            MemoryConversationHistory(self.timelines),
            AuditSettings(),
            holder=holder,
            clock=self.clock,
            wall_ms=self.clock.wall_ms,
            sleep=self.clock.sleep,
        )

    async def talk(self, count: int = 3) -> list[int]:
        """Messages from alice to bob; their ids."""
        async with running(self.logic()) as parts:
            for n in range(count):
                await send(parts, draft(client_id=f"c{n}"))
        return sorted(self.messages.by_id)

    async def wrong(self, user: str = "bob", *, entries: int = 1000) -> list[Finding]:
        return sorted((await self.looks.look_at_user(user, entries)).findings)


def lose_an_entry(world: Auditors, ids: list[int]) -> None:
    world.timelines.lose("bob", 2)
