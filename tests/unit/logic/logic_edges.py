"""What a Logic pod of a test meets at its edges: who is on which pod, the links, and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.logic.domain.model import StoredMessage, TimelineEntry
from services.logic.domain.signals import PresenceState, Signal
from whimbrel.core.errors import unavailable
from whimbrel.core.ids import EPOCH_MS


class Locator:
    """Routes set by the test; fails while `away` is above zero, which it counts down."""

    def __init__(self) -> None:
        self.routes: dict[str, list[str]] = {}
        self.away = 0
        self.asked: list[tuple[str, ...]] = []

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        self.asked.append(tuple(users))
        if self.away:
            self.away -= 1
            raise unavailable("no Router")
        return {user: self.routes.get(user, []) for user in users}


@dataclass
class Outlet:
    """What was put on the links."""

    linked: set[str] = field(default_factory=lambda: {"access-0", "access-1"})
    delivered: list[tuple[str, StoredMessage, tuple[TimelineEntry, ...]]] = field(
        default_factory=list
    )
    signals: list[tuple[str, Signal, tuple[str, ...]]] = field(default_factory=list)
    presences: list[tuple[str, PresenceState]] = field(default_factory=list)

    def deliver(
        self, pod_id: str, message: StoredMessage, targets: Sequence[TimelineEntry]
    ) -> bool:
        if pod_id not in self.linked:
            return False
        self.delivered.append((pod_id, message, tuple(targets)))
        return True

    def signal(self, pod_id: str, signal: Signal, users: Sequence[str]) -> bool:
        if pod_id in self.linked:
            self.signals.append((pod_id, signal, tuple(sorted(users))))
        return pod_id in self.linked

    def presence(self, pod_id: str, state: PresenceState) -> bool:
        if pod_id in self.linked:
            self.presences.append((pod_id, state))
        return pod_id in self.linked


class Clock:
    """Monotonic seconds that the test moves, and a wall clock beside it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.skew_ms = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once, for everybody."""
        self.now += seconds
        await asyncio.sleep(0)

    def wall_ms(self) -> int:
        return EPOCH_MS + 1_000_000 + int(self.now * 1000) + self.skew_ms
