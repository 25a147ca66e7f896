"""Keeps the filter of forbidden words up to date: a change of the list holds within 2 s.

A new filter is built beside the old one, which serves meanwhile. Building holds the interpreter
(the library does not let go of it): about 5 µs for each word, half a second for 100,000. So a
list is built when its version has changed and at no other time.
"""

from __future__ import annotations

import asyncio

from services.logic.domain.words import Found, WordFilter
from services.logic.moderation_ports import WordStore
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

POLL_SECONDS = 1.0


class WatchWords:
    """`look` at any time; `run` is the one task that loads."""

    def __init__(self, words: WordStore) -> None:
        self._words = words
        self._filter = WordFilter({})
        self.version = 0
        """Of the list that is in force; 0 before the first."""

    def look(self, body: bytes) -> Found | None:
        """What is found in a text (UTF-8); None for nothing. Before the first list was read
        nothing is found: a Logic that starts lets words pass rather than messages wait."""
        return self._filter.look(body)

    async def load(self) -> None:
        """Load the list if it has changed. Raises UNAVAILABLE."""
        if await self._words.version() == self.version:
            return
        book = await self._words.load()
        self._filter = await asyncio.to_thread(WordFilter, book.words)
        self.version = book.version
        log.info("words_loaded", words=len(self._filter), version=book.version)

    async def run(self) -> None:
        """Load every POLL_SECONDS what has changed, until cancelled."""
        while True:
            try:
                await self.load()
            except WhimbrelError as error:
                log.warning("words_not_loaded", code=error.code.name, detail=error.detail)
            await asyncio.sleep(POLL_SECONDS)
