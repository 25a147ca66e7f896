"""What Logic is put together from, and what it is when it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from services.logic.batch_ports import BatchOpening, PairedInserts
from services.logic.desk import UseCases
from services.logic.history_parts import HistoryParts, HistoryStores
from services.logic.people_parts import (
    GroupsOfPeople,
    PeopleParts,
    PeopleStores,
)
from services.logic.ports import (
    CursorStore,
    Locator,
    MediaRights,
    MessageStore,
    PushQueue,
    SendMemory,
    SeqReservations,
    TimelineStore,
    WorkerLeases,
)
from services.logic.reading_ports import ReadStore, UndeliveredMarks
from services.logic.settings import (
    SearchSettings,
    WorkerSettings,
)
from services.logic.signal_parts import SignalParts, SignalStores
from services.logic.signal_ports import SignalOutlet
from services.logic.telling_parts import TellingParts
from services.logic.usecases.clean_up import CleanUp
from services.logic.usecases.fan_out import FanOut, Outlet
from services.logic.usecases.groups import Groups
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.pipeline import PipelineStatistics
from services.logic.usecases.place_entries import PlaceEntries
from services.logic.usecases.screen_sends import ScreenSends
from services.logic.usecases.treat_as_offline import TreatAsOffline

Loop = Callable[[], Coroutine[Any, Any, None]]


class Outlets(Outlet, SignalOutlet, Protocol):
    """The links to the Access pods, for all that goes out on them by itself."""


@dataclass(frozen=True)
class Stores:
    """Everything outside, by port."""

    messages: MessageStore
    timelines: TimelineStore
    cursors: CursorStore
    conversations: GroupsOfPeople
    people: PeopleStores
    leases: WorkerLeases
    reservations: SeqReservations
    memory: SendMemory
    reads: ReadStore
    undelivered: UndeliveredMarks
    push_queue: PushQueue
    locator: Locator
    history: HistoryStores
    signals: SignalStores
    media: MediaRights
    opening: BatchOpening | None = None
    """None: epochs and seqs are asked for one after the other."""
    pairs: PairedInserts | None = None
    """None: messages and entries are confirmed by a majority one after the other."""


@dataclass(frozen=True)
class LogicParts:
    """The assembled use cases."""

    use_cases: UseCases
    groups: Groups
    people: PeopleParts
    signals: SignalParts
    ids: MintIds
    placer: PlaceEntries
    fan_out: FanOut
    offline: TreatAsOffline
    clean_up: CleanUp
    history: HistoryParts
    screen: ScreenSends | None = None
    telling: TellingParts | None = None

    def loops(
        self, worker: WorkerSettings, search: SearchSettings | None = None
    ) -> dict[str, Loop]:
        """The loops that have to run, by name."""
        return {
            "commit": self.use_cases.submit.pipeline.run,
            "fan_out": self.fan_out.pipeline.run,
            "recent_sends": self.fan_out.memory_pipeline.run,
            "offline": self.offline.pipeline.run,
            "cursors": self.use_cases.cursors.pipeline.run,
            "worker_lease": lambda: self.ids.run(worker.renew_seconds),
            "clean_up": lambda: self.clean_up.run(worker.clean_up_seconds),
            **self.history.loops(search or SearchSettings()),
            **self.people.loops(),
            **(self.screen.loops() if self.screen else {}),
            **(self.telling.loops() if self.telling else {}),
        }

    def statistics(self) -> dict[str, PipelineStatistics]:
        """The figures of each pipeline, by name, at this moment."""
        return {
            "commit": self.use_cases.submit.pipeline.statistics(),
            "fan_out": self.fan_out.pipeline.statistics(),
            "recent_sends": self.fan_out.memory_pipeline.statistics(),
            "offline": self.offline.pipeline.statistics(),
            "cursors": self.use_cases.cursors.pipeline.statistics(),
            "unread": self.history.count_unread.pipeline.statistics(),
            "search": self.history.feed_search.pipeline.statistics(),
            "signals": self.signals.passing.pipeline.statistics(),
            "presence": self.signals.presence.changes.statistics(),
            **({"before_send": self.screen.statistics()} if self.screen else {}),
            **(self.telling.statistics() if self.telling else {}),
        }

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until everything taken is committed, answered and fanned out."""
        try:
            async with asyncio.timeout(timeout_seconds):
                if self.screen is not None:
                    await self.screen.wait_idle(timeout_seconds)
                await self.use_cases.submit.pipeline.wait_idle(timeout_seconds)
                await self.fan_out.wait_idle(timeout_seconds)
                await self.history.count_unread.pipeline.wait_idle(timeout_seconds)
                if self.telling is not None:
                    await self.telling.wait_idle(timeout_seconds)
                return await self.use_cases.cursors.pipeline.wait_idle(timeout_seconds)
        except TimeoutError:
            return False
