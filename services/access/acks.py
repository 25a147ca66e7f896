"""Acks on their way into storage: kept until Logic says that they are stored (rule 18).

An ack outlives its stream here, because a confirmed cursor is a promise and an unconfirmed one
is still worth storing. Coalesced per device: only the highest counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.access.requests import LogicRequests

MAX_KEPT: Final = 200_000
"""Devices with an ack that is not stored. Beyond it the oldest is forgotten: its client was
told nothing, and sends its cursor with the next Hello."""
_ASK_AGAIN_SECONDS: Final = 5.0
_YIELD_EVERY: Final = 1_000

Device = tuple[str, str]
"""(user_id, device_id)"""


@dataclass(slots=True)
class _Kept:
    cursor: int
    asked: str | None = None  # the pod that was asked to store it
    asked_at: float = 0.0


@dataclass(frozen=True)
class AckStatistics:
    """What is kept at this moment."""

    kept: int
    waiting: int


class AckKeeper:
    """Cursors that are not known to be stored."""

    def __init__(
        self,
        requests: LogicRequests,
        on_stored: Callable[[str, str, int], None],
        *,
        clock: Callable[[], float],
        flush_seconds: float,
    ) -> None:
        self._requests = requests
        self._on_stored = on_stored
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._kept: dict[Device, _Kept] = {}
        self._waiting: dict[Device, None] = {}  # to be asked for at the next flush
        self._empty = asyncio.Event()
        self._empty.set()

    def keep(self, user_id: str, device_id: str, cursor: int) -> None:
        """The device has acknowledged up to `cursor`."""
        device = (user_id, device_id)
        kept = self._kept.get(device)
        if kept is None:
            if len(self._kept) >= MAX_KEPT:
                self._forget(next(iter(self._kept)))
            self._kept[device] = _Kept(cursor)
            self._empty.clear()
        elif cursor > kept.cursor:
            kept.cursor = cursor
            kept.asked = None
        else:
            return
        self._waiting[device] = None

    def stored(self, user_id: str, device_id: str, cursor: int) -> None:
        """Logic says that this cursor is stored."""
        kept = self._kept.get((user_id, device_id))
        if kept is not None and kept.cursor <= cursor:
            self._forget((user_id, device_id))
        self._on_stored(user_id, device_id, cursor)

    def link_lost(self, pod_id: str) -> None:
        """What this pod was asked for may never have reached it: ask again."""
        for device, kept in self._kept.items():
            if kept.asked == pod_id:
                kept.asked = None
                self._waiting[device] = None

    async def run(self) -> None:
        """Flush what waits, again and again, until cancelled."""
        look_back_at = self._clock() + _ASK_AGAIN_SECONDS
        while True:
            await asyncio.sleep(self._flush_seconds)
            if self._clock() >= look_back_at:
                look_back_at = self._clock() + _ASK_AGAIN_SECONDS
                self._look_back()
            await self.flush()

    async def flush(self) -> None:
        """Ask Logic to store everything that waits; what cannot be asked now stays."""
        now = self._clock()
        waiting, self._waiting = self._waiting, {}
        for number, device in enumerate(waiting, 1):
            kept = self._kept.get(device)
            if kept is not None:
                kept.asked = self._requests.store_cursor(*device, kept.cursor)
                kept.asked_at = now
                if kept.asked is None:
                    self._waiting[device] = None
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def wait_stored(self) -> None:
        """Until nothing is kept. The caller sets the deadline."""
        await self._empty.wait()

    def statistics(self) -> AckStatistics:
        """The figures at this moment."""
        return AckStatistics(kept=len(self._kept), waiting=len(self._waiting))

    def _look_back(self) -> None:
        overdue = self._clock() - _ASK_AGAIN_SECONDS
        for device, kept in self._kept.items():
            if kept.asked is not None and kept.asked_at <= overdue:
                self._waiting[device] = None

    def _forget(self, device: Device) -> None:
        del self._kept[device]
        self._waiting.pop(device, None)
        if not self._kept:
            self._empty.set()
