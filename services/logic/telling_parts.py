"""Puts together what tells the host product afterwards: stored messages, receipts, presence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from services.logic.signal_ports import Whereabouts
from services.logic.usecases.commit_messages import Unfinished
from services.logic.usecases.pipeline import PipelineStatistics
from services.logic.usecases.record_events import RecordEvents
from services.logic.usecases.tell_presence import TellPresence
from services.logic.usecases.tell_receipts import TellReceipts
from services.logic.usecases.watch_outbox import WatchOutbox
from services.logic.webhook_ports import EventOutbox, Standings
from whimbrel.core.host_events import EventKind
from whimbrel.runtime.webhook_settings import WebhookSettings

_RECEIPTS = {EventKind.MESSAGE_DELIVERED, EventKind.MESSAGE_READ}
_PRESENCE = {EventKind.USER_ONLINE, EventKind.USER_OFFLINE}


@dataclass(frozen=True)
class TellingStores:
    """Everything outside that is about telling alone, by port."""

    outbox: EventOutbox
    standings: Standings


@dataclass(frozen=True)
class TellingParts:
    """The assembled use cases. None: nobody wants that."""

    wanted: frozenset[EventKind]
    outbox: WatchOutbox
    messages: RecordEvents
    receipts: TellReceipts | None
    presence: TellPresence | None

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The loops that have to run, by name."""
        loops = {"events": self.messages.pipeline.run, "outbox": self.outbox.run}
        if self.presence is not None:
            loops["events_presence"] = self.presence.pipeline.run
            loops["presence_looks"] = self.presence.run
        return loops

    def statistics(self) -> dict[str, PipelineStatistics]:
        """The figures of each pipeline, by name."""
        figures = {"events": self.messages.pipeline.statistics()}
        if self.presence is not None:
            figures["events_presence"] = self.presence.pipeline.statistics()
        return figures

    async def wait_idle(self, timeout_seconds: float) -> None:
        """Wait until everything taken is recorded, but not longer."""
        await self.messages.pipeline.wait_idle(timeout_seconds)
        if self.presence is not None:
            await self.presence.pipeline.wait_idle(timeout_seconds)


def assemble_telling(
    stores: TellingStores,
    whereabouts: Whereabouts,
    settings: WebhookSettings | None,
    *,
    on_dropped: Callable[[Unfinished], None],
    wall_ms: Callable[[], int],
    max_waiting: int,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> TellingParts:
    """Wire what is wanted. At most `max_waiting` messages wait for their events."""
    settings = settings or WebhookSettings()
    wanted = settings.wanted_events
    receipts, presence = None, None
    if wanted & _RECEIPTS:
        receipts = TellReceipts(stores.outbox, wanted=wanted, wall_ms=wall_ms)
    if wanted & _PRESENCE:
        presence = TellPresence(
            stores.standings,
            whereabouts,
            stores.outbox,
            wanted=wanted,
            offline_seconds=settings.events_offline_seconds,
            wall_ms=wall_ms,
            sleep=sleep,
        )
    messages = RecordEvents(
        stores.outbox,
        wanted=wanted,
        with_bodies=settings.events_bodies,
        on_dropped=on_dropped,
        wall_ms=wall_ms,
        max_waiting=max_waiting,
    )
    watch = WatchOutbox(stores.outbox, wall_ms=wall_ms, sleep=sleep)
    return TellingParts(wanted, watch, messages, receipts, presence)
