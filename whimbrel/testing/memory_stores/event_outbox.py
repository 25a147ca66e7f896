"""Both ends of the outbox of events, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.logic.domain.events import HostEvent
from services.logic.webhook_ports import OutboxState
from services.push.webhook_ports import QueuedEvent, RecordedEvent, TakenKey
from whimbrel.testing.memory_stores.faults import Faults


@dataclass
class _Key:
    due_ms: int
    until_ms: int = 0
    holder: str = ""
    attempts: int = 0
    version: int = 0


class MemoryEventOutbox:
    """The ports EventOutbox of Logic, EventQueue and EventRecords of push. Operation for
    `faults`: put."""

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

    async def state(self, *, now_ms: int) -> OutboxState:
        due = [
            max(one.due_ms, one.until_ms)
            for one in self._keys.values()
            if one.due_ms <= now_ms and one.until_ms <= now_ms
        ]
        return OutboxState(
            waiting=len(self.waiting),
            dead=len(self.dead),
            oldest_at_ms=min((one.at_ms for one in self.waiting.values()), default=0),
            untaken_ms=now_ms - min(due) if due else 0,
        )

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

    async def list_events(self, *, is_dead: bool, after: str, limit: int) -> list[RecordedEvent]:
        found = self.dead if is_dead else self.waiting
        rows = [
            RecordedEvent(one.event_id, one.key, one.at_ms)
            if is_dead or one.key not in self._keys
            else RecordedEvent(
                one.event_id,
                one.key,
                one.at_ms,
                self._keys[one.key].attempts,
                self._keys[one.key].due_ms,
            )
            for event_id, one in sorted(found.items())
            if event_id > after
        ]
        return rows[:limit]

    async def revive(self, event_ids: Sequence[str], *, now_ms: int) -> int:
        revived = [self.dead.pop(one) for one in event_ids if one in self.dead]
        for event in revived:
            self.waiting[event.event_id] = event
            self._due_ms[event.event_id] = now_ms
            key = self._keys.setdefault(event.key, _Key(now_ms))
            key.due_ms, key.attempts, key.version = now_ms, 0, key.version + 1
        return len(revived)

    async def hurry(self, *, now_ms: int) -> int:
        waiting = [one for one in self._keys.values() if one.attempts and one.due_ms > now_ms]
        for key in waiting:
            key.due_ms = now_ms
        return len(waiting)
