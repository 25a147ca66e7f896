"""After the commit: texts become findable. Never in the way of a commit.

Two ways lead into `search`. What this process commits is put in at once, from a bounded queue;
what no longer fits, or MongoDB did not take, is dropped. And one process at a time compares
`messages` with `search`, from where the last one stopped up to a minute ago, and puts in what is
missing: what was dropped, what died with a process, and everything from before there was a search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from services.logic.domain import body_kinds
from services.logic.domain.history import SearchDocument
from services.logic.domain.model import Committed, StoredMessage
from services.logic.domain.search_words import words_of
from services.logic.history_ports import SearchFeed, SearchStore, TextLog
from services.logic.ports import MessageStore
from services.logic.usecases.pipeline import Pipeline
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.ids import compose
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_MESSAGES = 500
COALESCE_SECONDS = 0.25
"""Between two batches: texts are findable a moment later, and cost one write for many."""
SETTLED_MS = 60_000
"""Every message whose id is older than this is stored or never will be: a commit has 10 s."""
PAGE = 500
PAGE_PAUSE_SECONDS = 0.05
"""Between two pages of comparing: at most 10,000 texts a second, so that live ones go first."""
LEASE_MS = 30_000


class SearchPorts(NamedTuple):
    """What searching needs from the world."""

    store: SearchStore
    feed: SearchFeed
    texts: TextLog


class FeedSearch:
    """Feeds `search`; `pipeline.run` and `run` are its loops."""

    def __init__(
        self,
        ports: SearchPorts,
        messages: MessageStore,
        *,
        holder: str,
        wall_ms: Callable[[], int],
        max_waiting: int,
    ) -> None:
        self._store, self._feed, self._texts = ports
        self._messages = messages
        self._holder = holder
        self._wall_ms = wall_ms
        self.dropped = 0
        """Texts that were left to the comparison."""
        self.pipeline: Pipeline[StoredMessage] = Pipeline(
            self._handle, max_items=MAX_MESSAGES, max_waiting=max_waiting
        )

    def enqueue(self, committed: Sequence[Committed]) -> None:
        """Never blocks the commit."""
        for one in committed:
            has_news = one.message.body_kind == body_kinds.TEXT or one.message.attributes.changes
            if has_news and not self.pipeline.offer(one.message):
                self.dropped += 1

    async def run(self, every_seconds: float) -> None:
        """Compare again and again, page after page while there are any, until cancelled."""
        pause = every_seconds
        while True:
            await asyncio.sleep(pause)
            pause = every_seconds
            try:
                if await self.compare():
                    pause = PAGE_PAUSE_SECONDS
            except WhimbrelError as error:
                log.warning("search_not_compared", detail=error.detail)

    async def compare(self) -> bool:
        """Compare one page; True when there is another. False too while another process
        compares. Raises UNAVAILABLE: the same page is done again."""
        now_ms = self._wall_ms()
        fed_to = await self._feed.take(self._holder, now_ms=now_ms, lease_ms=LEASE_MS)
        if fed_to is None:
            return False
        settled = max(0, compose(now_ms - SETTLED_MS, 0, 0))
        page = await self._texts.texts(fed_to, settled, PAGE)
        missing = await self._store.missing(message_id for message_id, _ in page) if page else ()
        if missing:
            senders = {message_id: sender for message_id, sender in page if message_id in missing}
            found = await self._messages.find(senders)
            await self._put(list(found.values()))
            log.info("search_completed", texts=len(found))
        reached = page[-1][0] if len(page) == PAGE else settled - 1
        held = await self._feed.advance(self._holder, reached, until_ms=now_ms + LEASE_MS)
        return held and len(page) == PAGE

    async def _handle(self, batch: list[StoredMessage]) -> None:
        try:
            await self._put(batch)
        except WhimbrelError as error:
            self.dropped += len(batch)
            log.warning("search_not_fed", texts=len(batch), detail=error.detail)
        await asyncio.sleep(COALESCE_SECONDS)

    async def _put(self, messages: Sequence[StoredMessage]) -> None:
        """What they change first: a change whose own document is there was carried out."""
        changed = {
            one.attributes.changes: one.key.sender for one in messages if one.attributes.changes
        }
        if changed:
            targets = await self._messages.find(changed)
            await self._store.replace([_document(one) for one in targets.values()])
        texts = [one for one in messages if one.body_kind == body_kinds.TEXT]
        await self._store.insert([_document(one) for one in texts])


def _document(message: StoredMessage) -> SearchDocument:
    return SearchDocument(
        message.message_id,
        message.conversation,
        searched_words(message),
        changed_by=max(message.recalled_by, message.edited_by),
    )


def searched_words(message: StoredMessage) -> tuple[str, ...]:
    """The words that a message is found by now. A recall or an edit is not found by itself: what
    an edit says is what its target has."""
    if message.body_kind != body_kinds.TEXT or message.attributes.changes or message.recalled_by:
        return ()
    return words_of(message.body.decode("utf-8", errors="replace"))
