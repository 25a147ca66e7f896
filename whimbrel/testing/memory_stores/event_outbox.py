"""Both ends of the outbox of events, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.logic.domain.events import HostEvent
from services.push.webhook_ports import QueuedEvent, TakenKey
from whimbrel.testing.memory_stores.faults import Faults


@dataclass
class _Key:
    due_ms: int
    until_ms: int = 0
    holder: str = ""
    attempts: int = 0
    version: int = 0


class MemoryEventOutbox:
    """The ports EventOutbox of Logic and EventQueue of push. Operation for `faults`: put."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.waiting: dict[str, HostEvent] = {}
        self.dead: dict[str, HostEvent] = {}
        self._due_ms: dict[str, int] = {}
        self._keys: dict[str, _Key] = {}

    async def put(self, events: Sequence[HostEvent], *, due_ms: int) -> None:
        async with self.faults.around("put"):
            for one in events:
                if one.event_id not in self.dead:
                    self.waiting.setdefault(one.event_id, one)
                    self._due_ms.setdefault(one.event_id, due_ms)
            for key in {one.key for one in events}:
                self._keys.setdefault(key, _Key(due_ms)).version += 1

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> TakenKey | None:
        due = [
            (one.due_ms, name)
            for name, one in self._keys.items()
            if one.due_ms <= now_ms and one.until_ms <= now_ms
        ]
        if not due:
            return None
        name = min(due)[1]
        key = self._keys[name]
        key.holder, key.until_ms = holder, now_ms + lease_ms
        return TakenKey(name, key.attempts, key.version)

    async def page(self, key: str, *, now_ms: int, limit: int) -> list[QueuedEvent]:
        rows = [
            one
            for one in self.waiting.values()
            if one.key == key and self._due_ms[one.event_id] <= now_ms
        ]
        rows.sort(key=lambda one: one.order)
        return [QueuedEvent(one.event_id, one.at_ms, one.content) for one in rows[:limit]]

    async def remove(self, event_ids: Sequence[str]) -> None:
        for event_id in event_ids:
            self.waiting.pop(event_id, None)
            self._due_ms.pop(event_id, None)

    async def bury(self, event_ids: Sequence[str]) -> None:
        for event_id in event_ids:
            if event_id in self.waiting:
                self.dead[event_id] = self.waiting.pop(event_id)

    async def release(self, taken: TakenKey, holder: str, *, due_ms: int, attempts: int) -> None:
        key = self._keys.get(taken.key)
        if key is not None and key.holder == holder:
            key.due_ms, key.attempts, key.until_ms, key.holder = due_ms, attempts, 0, ""

    async def finish(self, taken: TakenKey, holder: str, *, due_ms: int) -> None:
        key = self._keys.get(taken.key)
        if key is None or key.holder != holder:
            return
        is_left = any(one.key == taken.key for one in self.waiting.values())
        if is_left or key.version != taken.version:
            await self.release(taken, holder, due_ms=due_ms, attempts=0)
        else:
            del self._keys[taken.key]
