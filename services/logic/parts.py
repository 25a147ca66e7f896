"""Puts the use cases together from their ports: the same way in a pod and in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.logic.desk import UseCases
from services.logic.domain.model import Committed
from services.logic.history_parts import HistoryParts, HistoryStores, assemble_history
from services.logic.people_parts import (
    GroupsOfPeople,
    PeopleParts,
    PeopleStores,
    assemble_people,
    watch,
)
from services.logic.ports import (
    CursorStore,
    Locator,
    MediaRights,
    MessageStore,
    PushQueue,
    ReadStore,
    SendMemory,
    SeqReservations,
    TimelineStore,
    UndeliveredMarks,
    WorkerLeases,
)
from services.logic.screen_parts import assemble_screen
from services.logic.settings import (
    ChangeSettings,
    CheckSettings,
    CommitSettings,
    SearchSettings,
    WorkerSettings,
)
from services.logic.signal_parts import SignalParts, SignalStores, assemble_signals
from services.logic.signal_ports import SignalOutlet
from services.logic.telling_parts import TellingParts, TellingStores, assemble_telling
from services.logic.trace_ports import MessageTraces
from services.logic.translate import message_bytes
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
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.patience import Clock
from services.logic.usecases.pipeline import PipelineStatistics
from services.logic.usecases.place_entries import PlaceEntries
from services.logic.usecases.read_timeline import ReadTimeline
from services.logic.usecases.say import Say
from services.logic.usecases.screen_sends import ScreenSends
from services.logic.usecases.store_cursors import StoreCursors
from services.logic.usecases.submit_messages import SubmitMessages
from services.logic.usecases.treat_as_offline import TreatAsOffline
from services.logic.webhook_ports import HostOpinion
from whimbrel.runtime.settings import WebhookSettings

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


def assemble(
    stores: Stores,
    outlet: Outlets,
    *,
    holder: str,
    clock: Clock,
    wall_ms: Callable[[], int],
    commit: CommitSettings | None = None,
    worker: WorkerSettings | None = None,
    checking: CheckSettings | None = None,
    changes: ChangeSettings | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    opinion: HostOpinion | None = None,
    telling_stores: TellingStores | None = None,
    asking: WebhookSettings | None = None,
    traces: MessageTraces | None = None,
) -> LogicParts:
    """Wire the use cases. `holder` names this process in the worker leases. `sleep` is how the
    clean-up lets time pass. Without an `opinion` nobody is asked before a message is stored,
    without `telling_stores` nobody is told of it afterwards."""
    commit = commit or CommitSettings()
    worker = worker or WorkerSettings()
    checking = checking or CheckSettings()
    changes = changes or ChangeSettings()
    ids = MintIds(
        stores.leases, holder, lease_seconds=worker.lease_seconds, clock=clock, wall_ms=wall_ms
    )
    placer = PlaceEntries(stores.timelines, stores.reservations, clock=clock)
    completer = CompleteMessages(stores.timelines, placer, clock=clock)
    groups = Groups(stores.conversations, wall_ms=wall_ms)
    history = assemble_history(
        stores.history,
        stores.timelines,
        stores.messages,
        stores.cursors,
        stores.reads,
        stores.undelivered,
        groups,
        render=message_bytes,
        holder=holder,
        clock=clock,
        wall_ms=wall_ms,
        max_waiting=commit.max_waiting_fan_outs,
    )
    offline = TreatAsOffline(
        stores.undelivered,
        stores.push_queue,
        history.rebuild_undelivered,
        stores.history.settings,
        history.bodies,
        history.doubts,
        max_waiting=commit.max_waiting_fan_outs,
    )
    fan_out = FanOut(
        stores.locator,
        outlet,
        offline,
        stores.memory,
        max_waiting=commit.max_waiting_fan_outs,
        traces=traces,
    )

    telling = None
    if telling_stores is not None:
        telling = assemble_telling(
            telling_stores,
            stores.signals.whereabouts,
            asking,
            on_dropped=lambda span: clean_up.note_unfinished(span),  # noqa: PLW0108 - made below
            wall_ms=wall_ms,
            max_waiting=commit.max_waiting_fan_outs,
            sleep=sleep,
        )

    def committed(batch: Sequence[Committed]) -> None:
        fan_out.enqueue(batch)
        history.committed(batch)
        if telling is not None:
            telling.messages.enqueue(batch)

    changer = ChangeMessages(
        stores.messages,
        stores.history.cache,
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
        on_committed=committed,
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
    watched = watch(stores.people, stores.conversations, checking, clock=clock)
    checks = CheckSends(
        stores.memory,
        stores.messages,
        watched.facts,
        watched.chain,
        CheckAttributes(
            stores.messages,
            stores.timelines,
            stores.media,
            clock=clock,
            wall_ms=wall_ms,
            recall_seconds=changes.recall_seconds,
            edit_seconds=changes.edit_seconds,
        ),
        clock=clock,
        wall_ms=wall_ms,
    )
    screen = None
    if opinion is not None:
        screen = assemble_screen(
            opinion, checks, asking, max_waiting=commit.max_waiting_messages, clock=clock
        )
    signals = assemble_signals(
        stores.signals,
        stores.timelines,
        stores.conversations,
        history.mark_read,
        groups,
        watched.visibility,
        outlet,
        telling,
        wall_ms=wall_ms,
    )
    reader = ReadTimeline(stores.timelines, stores.messages, clock=clock)
    use_cases = UseCases(
        submit=SubmitMessages(
            checks,
            commits,
            completer,
            changer,
            on_committed=committed,
            clock=clock,
            max_waiting=commit.max_waiting_messages,
            screen=screen,
            traces=traces,
        ),
        attach=AttachSession(stores.cursors, stores.timelines, reader, stores.memory, clock=clock),
        read=reader,
        cursors=StoreCursors(stores.cursors, stores.undelivered, clock=clock),
        give_up=GiveUpOnline(stores.timelines, offline),
        timelines=stores.timelines,
        signals=signals.passing,
        presence=signals.presence,
        ids=ids,
        clock=clock,
    )
    people = assemble_people(
        stores.people,
        stores.conversations,
        groups,
        Say(use_cases.submit, clock=clock),
        watched,
        checking,
        wall_ms=wall_ms,
    )
    return LogicParts(
        use_cases=use_cases,
        groups=groups,
        people=people,
        signals=signals,
        ids=ids,
        placer=placer,
        fan_out=fan_out,
        offline=offline,
        clean_up=clean_up,
        history=history,
        screen=screen,
        telling=telling,
    )
