"""Wires the use cases of Logic to its ports: the same way in a pod and in a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.logic.desk import UseCases
from services.logic.domain.model import Committed
from services.logic.history_parts import assemble_history
from services.logic.parts import LogicParts, Outlets, Stores
from services.logic.people_parts import (
    assemble_people,
    watch,
)
from services.logic.screen_parts import assemble_screen
from services.logic.settings import (
    ChangeSettings,
    CheckSettings,
    CommitSettings,
    WorkerSettings,
)
from services.logic.signal_parts import assemble_signals
from services.logic.telling_parts import TellingStores, assemble_telling
from services.logic.trace_ports import MessageTraces
from services.logic.translate import message_bytes
from services.logic.usecases.attach_session import AttachSession
from services.logic.usecases.change_messages import ChangeMessages
from services.logic.usecases.check_attributes import CheckAttributes
from services.logic.usecases.check_sends import CheckSends
from services.logic.usecases.clean_up import CleanUp
from services.logic.usecases.commit_messages import CommitMessages
from services.logic.usecases.complete_messages import CompleteMessages
from services.logic.usecases.fan_out import FanOut
from services.logic.usecases.give_up_online import GiveUpOnline
from services.logic.usecases.groups import Groups
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.patience import Clock
from services.logic.usecases.place_entries import PlaceEntries
from services.logic.usecases.read_timeline import ReadTimeline
from services.logic.usecases.say import Say
from services.logic.usecases.store_cursors import StoreCursors
from services.logic.usecases.submit_messages import SubmitMessages
from services.logic.usecases.treat_as_offline import TreatAsOffline
from services.logic.webhook_ports import HostOpinion
from whimbrel.runtime.webhook_settings import WebhookSettings


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
        pairs=stores.pairs,
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
        opening=stores.opening,
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
