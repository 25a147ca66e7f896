"""Puts the use cases together from their ports: the same way in a pod and in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from services.logic.desk import UseCases
from services.logic.ports import (
    ConversationStore,
    CursorStore,
    Locator,
    MessageStore,
    PushQueue,
    ReadStore,
    SendMemory,
    SeqReservations,
    TimelineStore,
    UndeliveredMarks,
    WorkerLeases,
)
from services.logic.settings import CommitSettings, WorkerSettings
from services.logic.usecases.attach_session import AttachSession
from services.logic.usecases.check_sends import CheckSends
from services.logic.usecases.clean_up import CleanUp
from services.logic.usecases.commit_messages import CommitMessages
from services.logic.usecases.complete_messages import CompleteMessages
from services.logic.usecases.fan_out import FanOut, Outlet
from services.logic.usecases.give_up_online import GiveUpOnline
from services.logic.usecases.groups import Groups
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.patience import Clock
from services.logic.usecases.pipeline import PipelineStatistics
from services.logic.usecases.place_entries import PlaceEntries
from services.logic.usecases.read_timeline import ReadTimeline
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from services.logic.usecases.store_cursors import StoreCursors
from services.logic.usecases.submit_messages import SubmitMessages
from services.logic.usecases.treat_as_offline import TreatAsOffline

Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Stores:
    """Everything outside, by port."""

    messages: MessageStore
    timelines: TimelineStore
    cursors: CursorStore
    conversations: ConversationStore
    leases: WorkerLeases
    reservations: SeqReservations
    memory: SendMemory
    reads: ReadStore
    undelivered: UndeliveredMarks
    push_queue: PushQueue
    locator: Locator


@dataclass(frozen=True)
class LogicParts:
    """The assembled use cases."""

    use_cases: UseCases
    groups: Groups
    ids: MintIds
    placer: PlaceEntries
    fan_out: FanOut
    offline: TreatAsOffline
    clean_up: CleanUp

    def loops(self, worker: WorkerSettings) -> dict[str, Loop]:
        """The loops that have to run, by name."""
        return {
            "commit": self.use_cases.submit.pipeline.run,
            "fan_out": self.fan_out.pipeline.run,
            "recent_sends": self.fan_out.memory_pipeline.run,
            "offline": self.offline.pipeline.run,
            "cursors": self.use_cases.cursors.pipeline.run,
            "worker_lease": lambda: self.ids.run(worker.renew_seconds),
            "clean_up": lambda: self.clean_up.run(worker.clean_up_seconds),
        }

    def statistics(self) -> dict[str, PipelineStatistics]:
        """The figures of each pipeline, by name, at this moment."""
        return {
            "commit": self.use_cases.submit.pipeline.statistics(),
            "fan_out": self.fan_out.pipeline.statistics(),
            "recent_sends": self.fan_out.memory_pipeline.statistics(),
            "offline": self.offline.pipeline.statistics(),
            "cursors": self.use_cases.cursors.pipeline.statistics(),
        }

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until everything taken is committed, answered and fanned out."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.use_cases.submit.pipeline.wait_idle(timeout_seconds)
                await self.fan_out.wait_idle(timeout_seconds)
                return await self.use_cases.cursors.pipeline.wait_idle(timeout_seconds)
        except TimeoutError:
            return False


def assemble(
    stores: Stores,
    outlet: Outlet,
    *,
    holder: str,
    clock: Clock,
    wall_ms: Callable[[], int],
    commit: CommitSettings | None = None,
    worker: WorkerSettings | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> LogicParts:
    """Wire the use cases. `holder` names this process in the worker leases. `sleep` is how the
    clean-up lets time pass."""
    commit = commit or CommitSettings()
    worker = worker or WorkerSettings()
    ids = MintIds(
        stores.leases, holder, lease_seconds=worker.lease_seconds, clock=clock, wall_ms=wall_ms
    )
    placer = PlaceEntries(stores.timelines, stores.reservations, clock=clock)
    completer = CompleteMessages(stores.timelines, placer, clock=clock)
    offline = TreatAsOffline(
        stores.undelivered,
        stores.push_queue,
        RebuildUndelivered(stores.timelines, stores.cursors, stores.reads, stores.undelivered),
        max_waiting=commit.max_waiting_fan_outs,
    )
    fan_out = FanOut(
        stores.locator, outlet, offline, stores.memory, max_waiting=commit.max_waiting_fan_outs
    )
    clean_up = CleanUp(
        stores.leases,
        stores.messages,
        stores.timelines,
        stores.reservations,
        completer,
        ids,
        holder=holder,
        on_committed=fan_out.enqueue,
        clock=clock,
        sleep=sleep,
    )
    commits = CommitMessages(
        stores.messages,
        placer,
        completer,
        ids,
        clock=clock,
        on_unfinished=clean_up.note_unfinished,
    )
    checks = CheckSends(stores.memory, stores.messages, stores.conversations, clock=clock)
    reader = ReadTimeline(stores.timelines, stores.messages, clock=clock)
    use_cases = UseCases(
        submit=SubmitMessages(
            checks,
            commits,
            completer,
            on_committed=fan_out.enqueue,
            clock=clock,
            max_waiting=commit.max_waiting_messages,
        ),
        attach=AttachSession(stores.cursors, stores.timelines, reader, stores.memory, clock=clock),
        read=reader,
        cursors=StoreCursors(stores.cursors, stores.undelivered, clock=clock),
        give_up=GiveUpOnline(stores.timelines, offline),
        timelines=stores.timelines,
        ids=ids,
        clock=clock,
    )
    groups = Groups(stores.conversations, wall_ms=wall_ms)
    return LogicParts(use_cases, groups, ids, placer, fan_out, offline, clean_up)
