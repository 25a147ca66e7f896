"""Puts the use cases of looking back together, as `parts` does with those of sending."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from services.logic.domain.model import Committed
from services.logic.history_ports import (
    ConversationHistory,
    MessageCache,
    SettingsStore,
    UnreadIndex,
)
from services.logic.ports import CursorStore, MessageStore, TimelineStore
from services.logic.reading_ports import ReadStore, UndeliveredMarks
from services.logic.settings import SearchSettings
from services.logic.usecases.count_unread import CountUnread
from services.logic.usecases.doubts import Doubts
from services.logic.usecases.feed_search import FeedSearch, SearchPorts
from services.logic.usecases.groups import Groups
from services.logic.usecases.list_conversations import ListConversations
from services.logic.usecases.mark_read import MarkRead
from services.logic.usecases.message_bodies import MessageBodies, Render
from services.logic.usecases.patience import Clock
from services.logic.usecases.pull_recent import PullRecent
from services.logic.usecases.read_history import ReadHistory
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from services.logic.usecases.rebuild_unread import RebuildUnread
from services.logic.usecases.search_history import SearchHistory

MAX_REBUILDS_OF_ONE = 5
"""How often one call starts to count one user: each time after the first, somebody else's rebuild
of the same user had taken over, and one that goes on for so long is about to finish."""


@dataclass(frozen=True)
class HistoryStores:
    """Everything outside that only looking back needs, by port."""

    conversations: ConversationHistory
    pulls: ReadStore
    unread: UnreadIndex
    settings: SettingsStore
    cache: MessageCache
    search: SearchPorts


@dataclass(frozen=True)
class HistoryParts:
    """The assembled use cases."""

    reader: ReadHistory
    conversations: ListConversations
    recent: PullRecent
    mark_read: MarkRead
    count_unread: CountUnread
    rebuild_unread: RebuildUnread
    rebuild_undelivered: RebuildUndelivered
    bodies: MessageBodies
    doubts: Doubts
    search: SearchHistory
    feed_search: FeedSearch
    stores: HistoryStores

    def committed(self, batch: Sequence[Committed]) -> None:
        """These were committed: count and find them. Never blocks."""
        self.count_unread.enqueue(batch)
        self.feed_search.enqueue(batch)

    def loops(self, search: SearchSettings) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The loops that have to run, by name."""
        return {
            "unread": self.count_unread.pipeline.run,
            "doubts": self.doubts.run,
            "search": self.feed_search.pipeline.run,
            "search_feed": lambda: self.feed_search.run(search.compare_seconds),
        }

    async def rebuild(self, user: str) -> bool:
        """Count the user's unread and undelivered again; whether both are whole now. A rebuild
        that another one took over from (a message missed meanwhile begins one) is done again.
        Raises UNAVAILABLE."""
        is_counted = await _done_once(self.rebuild_unread.rebuild, user)
        return await _done_once(self.rebuild_undelivered.rebuild, user) and is_counted

    async def unread_of(self, user: str) -> dict[str, int]:
        """How much the user has to read in each conversation; rebuilt first when it was lost.
        Raises UNAVAILABLE."""
        await self.rebuild_unread.rebuild_lost([user])
        state = await self.stores.unread.state(user)
        return {name: one.unread for name, one in state.items()}


def assemble_history(
    stores: HistoryStores,
    timelines: TimelineStore,
    messages: MessageStore,
    cursors: CursorStore,
    reads: ReadStore,
    undelivered: UndeliveredMarks,
    groups: Groups,
    *,
    render: Render,
    holder: str,
    clock: Clock,
    wall_ms: Callable[[], int],
    max_waiting: int,
) -> HistoryParts:
    """Wire the use cases. `holder` names this process; `max_waiting` committed messages may wait
    to be counted, and to be findable."""
    doubts = Doubts([undelivered.doubt, stores.unread.doubt])
    bodies = MessageBodies(messages, stores.cache, render)
    rebuild_unread = RebuildUnread(stores.conversations, reads, stores.unread)
    rebuild_undelivered = RebuildUndelivered(timelines, cursors, reads, stores.pulls, undelivered)
    reader = ReadHistory(stores.conversations, bodies, groups)
    return HistoryParts(
        reader=reader,
        conversations=ListConversations(
            stores.unread,
            undelivered,
            rebuild_unread,
            rebuild_undelivered,
            stores.settings,
            stores.conversations,
            bodies,
            reader,
        ),
        recent=PullRecent(
            undelivered,
            rebuild_undelivered,
            stores.pulls,
            stores.conversations,
            bodies,
            clock=clock,
        ),
        mark_read=MarkRead(reads, timelines, undelivered, stores.unread, clock=clock),
        count_unread=CountUnread(stores.unread, doubts, max_waiting=max_waiting),
        rebuild_unread=rebuild_unread,
        rebuild_undelivered=rebuild_undelivered,
        bodies=bodies,
        doubts=doubts,
        search=SearchHistory(stores.search.store, stores.conversations, bodies, reader),
        feed_search=FeedSearch(
            stores.search,
            messages,
            holder=holder,
            wall_ms=wall_ms,
            max_waiting=max_waiting,
        ),
        stores=stores,
    )


async def _done_once(rebuild: Callable[[str], Awaitable[bool]], user: str) -> bool:
    for _ in range(MAX_REBUILDS_OF_ONE):
        if await rebuild(user):
            return True
    return False
