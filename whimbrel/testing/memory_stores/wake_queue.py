"""The wakes that wait, without Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from services.push.domain.wakes import Wake, WakeKey
from services.push.wake_ports import Settlement


@dataclass
class _Waiting:
    wake: Wake
    due_ms: int


class MemoryWakeQueue:
    """The port WakeQueue."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, dict[WakeKey, _Waiting]] = defaultdict(dict)

    async def schedule(self, provider: str, wakes: Sequence[tuple[Wake, int]]) -> int:
        waiting = self._waiting[provider]
        for wake, due_ms in wakes:
            old = waiting.get(wake.key)
            if old is None:
                waiting[wake.key] = _Waiting(wake, due_ms)
            elif wake.seq > old.wake.seq:
                mentions_user = wake.mentions_user or old.wake.mentions_user
                old.wake = wake._replace(mentions_user=mentions_user)
        return len(waiting)

    async def claim(self, provider: str, now_ms: int, lease_ms: int, limit: int) -> list[Wake]:
        due = [one for one in self._waiting[provider].values() if one.due_ms <= now_ms]
        due.sort(key=lambda one: one.due_ms)
        for one in due[:limit]:
            one.due_ms = now_ms + lease_ms
        return [one.wake for one in due[:limit]]

    async def settle(self, provider: str, settlements: Sequence[Settlement]) -> None:
        waiting = self._waiting[provider]
        for wake, again, due_ms in settlements:
            now = waiting.get(wake.key)
            if now is None:
                continue
            if now.wake == wake and again is None:
                del waiting[wake.key]
            else:
                if now.wake == wake and again is not None:
                    now.wake = again
                now.due_ms = due_ms

    async def length(self, provider: str) -> int:
        return len(self._waiting[provider])
