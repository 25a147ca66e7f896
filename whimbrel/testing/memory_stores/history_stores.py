"""The stores of looking back, all in memory."""

from __future__ import annotations

from services.logic.history_parts import HistoryStores
from services.logic.usecases.feed_search import SearchPorts
from whimbrel.testing.memory_stores.conversation_history import MemoryConversationHistory
from whimbrel.testing.memory_stores.message_cache import MemoryMessageCache
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.read_store import MemoryReadStore
from whimbrel.testing.memory_stores.search_store import (
    MemorySearchFeed,
    MemorySearchStore,
    MemoryTextLog,
)
from whimbrel.testing.memory_stores.settings_store import MemorySettingsStore
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore
from whimbrel.testing.memory_stores.unread_index import MemoryUnreadIndex


def memory_history_stores(
    timelines: MemoryTimelineStore,
    messages: MemoryMessageStore,
    unread: MemoryUnreadIndex | None = None,
    cache: MemoryMessageCache | None = None,
) -> HistoryStores:
    """Empty ones, over the timelines and messages that the commit fills. Two of them may be the
    caller's."""
    return HistoryStores(
        conversations=MemoryConversationHistory(timelines),
        pulls=MemoryReadStore(),
        unread=unread or MemoryUnreadIndex(),
        settings=MemorySettingsStore(),
        cache=cache or MemoryMessageCache(),
        search=SearchPorts(MemorySearchStore(), MemorySearchFeed(), MemoryTextLog(messages)),
    )
