"""The host product is to hear of receipts: they are in the outbox before anybody else is told.

A read that could not be recorded is told to nobody, so its client says it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.logic.domain.events import RECEIPT_KINDS, receipt_event
from services.logic.domain.signals import Signal
from services.logic.usecases.record_events import SETTLE_MS
from services.logic.webhook_ports import EventOutbox
from whimbrel.core.host_events import EventKind


class TellReceipts:
    """Fills the outbox; stands in the way of signals, never of messages."""

    def __init__(
        self, outbox: EventOutbox, *, wanted: frozenset[EventKind], wall_ms: Callable[[], int]
    ) -> None:
        self._outbox = outbox
        self._wanted = wanted
        self._wall_ms = wall_ms

    async def tell(self, signals: Sequence[Signal]) -> None:
        """Record those of them that are receipts of a wanted kind. Raises UNAVAILABLE: tell
        them again."""
        now_ms = self._wall_ms()
        events = [
            receipt_event(one, now_ms)
            for one in signals
            if RECEIPT_KINDS.get(one.kind) in self._wanted
        ]
        if events:
            await self._outbox.put(events, due_ms=now_ms + SETTLE_MS)
