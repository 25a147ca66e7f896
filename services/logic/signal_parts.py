"""The part of Logic that is about signals: typing, receipts, presence. Nothing here is stored but
how far somebody has read, and when they were last there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.logic.ports import ConversationStore, TimelineStore
from services.logic.reading_ports import ReceiptStore
from services.logic.signal_ports import (
    LastSeenStore,
    SignalOutlet,
    Visibility,
    Watchers,
    Whereabouts,
)
from services.logic.telling_parts import TellingParts
from services.logic.usecases.groups import Groups
from services.logic.usecases.list_reads import ListReads
from services.logic.usecases.mark_read import MarkRead
from services.logic.usecases.note_reads import NoteReads
from services.logic.usecases.pass_signals import PassSignals
from services.logic.usecases.show_presence import ShowPresence


@dataclass(frozen=True)
class SignalStores:
    """Everything outside that is about signals alone, by port."""

    receipts: ReceiptStore
    whereabouts: Whereabouts
    watchers: Watchers
    last_seen: LastSeenStore


@dataclass(frozen=True)
class SignalParts:
    """The assembled use cases; their loops are the desk's."""

    passing: PassSignals
    presence: ShowPresence
    list_reads: ListReads


def assemble_signals(
    stores: SignalStores,
    timelines: TimelineStore,
    conversations: ConversationStore,
    mark_read: MarkRead,
    groups: Groups,
    visibility: Visibility,
    outlet: SignalOutlet,
    telling: TellingParts | None,
    *,
    wall_ms: Callable[[], int],
) -> SignalParts:
    """Wire the use cases. `telling`: what the host product hears of them, if anything."""
    receipts, presence = (telling.receipts, telling.presence) if telling else (None, None)
    note_reads = NoteReads(timelines, mark_read, stores.receipts)
    return SignalParts(
        passing=PassSignals(conversations, stores.whereabouts, outlet, note_reads, receipts),
        presence=ShowPresence(
            stores.whereabouts,
            stores.watchers,
            stores.last_seen,
            visibility,
            outlet,
            wall_ms=wall_ms,
            on_changed=presence.changed if presence else None,
        ),
        list_reads=ListReads(groups, stores.receipts),
    )
