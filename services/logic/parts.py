"""Puts the use cases together from their ports: the same way in a pod and in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.logic.desk import UseCases
from services.logic.ports import (
    ConversationStore,
    CursorStore,
    Locator,
    MessageStore,
    PushQueue,
    ReadStore,
    ReceiptStore,
    SendMemory,
    SeqReservations,
    TimelineStore,
    UndeliveredMarks,
    WorkerLeases,
)
from services.logic.settings import ChangeSettings, CommitSettings, WorkerSettings
from services.logic.signal_ports import (
    LastSeenStore,
    SignalOutlet,
    Visibility,
    Watchers,
    Whereabouts,
)
from services.logic.usecases.attach_session import AttachSession
from services.logic.usecases.change_messages import ChangeMessages
from services.logic.usecases.check_attributes import CheckAttributes
from services.logic.usecases.check_sends import CheckSends
from services.logic.usecases.clean_up import CleanUp
from services.logic.usecases.commit_messages import CommitMessages
from services.logic.usecases.complete_messages import CompleteMessages
from services.logic.usecases.fan_out import FanOut, Outlet
from services.logic.usecases.give_up_online import GiveUpOnline
from services.logic.usecases.groups import Groups
from services.logic.usecases.list_reads import ListReads
from services.logic.usecases.mark_read import MarkRead
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.note_reads import NoteReads
from services.logic.usecases.pass_signals import PassSignals
from services.logic.usecases.patience import Clock
from services.logic.usecases.place_entries import PlaceEntries
from services.logic.usecases.read_timeline import ReadTimeline
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from services.logic.usecases.show_presence import EverybodySees, ShowPresence
from services.logic.usecases.store_cursors import StoreCursors
from services.logic.usecases.submit_messages import SubmitMessages
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
    conversations: ConversationStore
    leases: WorkerLeases
    reservations: SeqReservations
    memory: SendMemory
    reads: ReadStore
    receipts: ReceiptStore
    undelivered: UndeliveredMarks
    push_queue: PushQueue
    locator: Locator
    whereabouts: Whereabouts
    watchers: Watchers
    last_seen: LastSeenStore
    visibility: Visibility = field(default_factory=EverybodySees)


@dataclass(frozen=True)
class LogicParts:
    """The assembled use cases."""

    use_cases: UseCases
    groups: Groups
    list_reads: ListReads
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
    outlet: Outlets,
    *,
    holder: str,
    clock: Clock,
    wall_ms: Callable[[], int],
    commit: CommitSettings | None = None,
    worker: WorkerSettings | None = None,
    changes: ChangeSettings | None = None,
) -> LogicParts:
    """Wire the use cases. `holder` names this process in the worker leases."""
    commit = commit or CommitSettings()
    worker = worker or WorkerSettings()
    changes = changes or ChangeSettings()
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
    changer = ChangeMessages(
        stores.messages,
        clock=clock,
        on_unfinished=lambda span: clean_up.note_unfinished(span),  # noqa: PLW0108 - made below
    )
    clean_up = CleanUp(
        stores.leases,
        stores.messages,
        stores.timelines,
        stores.reservations,
        completer,
        changer,
        ids,
        holder=holder,
        on_committed=fan_out.enqueue,
        clock=clock,
    )
    commits = CommitMessages(
        stores.messages,
        placer,
        completer,
        ids,
        clock=clock,
        on_unfinished=clean_up.note_unfinished,
    )
    attributes = CheckAttributes(
        stores.messages,
        stores.timelines,
        clock=clock,
        wall_ms=wall_ms,
        recall_seconds=changes.recall_seconds,
        edit_seconds=changes.edit_seconds,
    )
    checks = CheckSends(
        stores.memory, stores.messages, stores.conversations, attributes, clock=clock
    )
    reader = ReadTimeline(stores.timelines, stores.messages, clock=clock)
    use_cases = UseCases(
        submit=SubmitMessages(
            checks,
            commits,
            completer,
            changer,
            on_committed=fan_out.enqueue,
            clock=clock,
            max_waiting=commit.max_waiting_messages,
        ),
        attach=AttachSession(stores.cursors, stores.timelines, reader, stores.memory, clock=clock),
        read=reader,
        cursors=StoreCursors(stores.cursors, stores.undelivered, clock=clock),
        give_up=GiveUpOnline(stores.timelines, offline),
        timelines=stores.timelines,
        signals=_signals(stores, outlet, clock),
        presence=ShowPresence(
            stores.whereabouts,
            stores.watchers,
            stores.last_seen,
            stores.visibility,
            outlet,
            wall_ms=wall_ms,
        ),
        ids=ids,
        clock=clock,
    )
    groups = Groups(stores.conversations, wall_ms=wall_ms)
    list_reads = ListReads(groups, stores.receipts)
    return LogicParts(use_cases, groups, list_reads, ids, placer, fan_out, offline, clean_up)


def _signals(stores: Stores, outlet: SignalOutlet, clock: Clock) -> PassSignals:
    mark_read = MarkRead(stores.reads, stores.timelines, stores.undelivered, clock=clock)
    note_reads = NoteReads(stores.timelines, mark_read, stores.receipts)
    return PassSignals(stores.conversations, stores.whereabouts, outlet, note_reads)
