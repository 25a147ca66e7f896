"""Gathers small pieces into large chunks, and stores one chunk while the next one comes in.

Two chunks at most are in memory: whoever brings more waits until the older one is stored, and
with it the client, by TCP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from whimbrel.core.errors import WhimbrelError

Store = Callable[[int, bytearray], Awaitable[None]]
"""Makes a chunk durable at an offset. Called for one chunk after the other, in order."""


class FlushChunks:
    """A context: at its end what is left is stored, also when the pieces ended in an error of
    ours. A cancellation does not wait for that."""

    def __init__(
        self,
        store: Store,
        offset: int,
        *,
        chunk_bytes: int,
        chunk_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._store = store
        self._chunk_bytes = chunk_bytes
        self._chunk_seconds = chunk_seconds
        self._clock = clock
        self._chunk = bytearray()
        self._begins_at = offset
        self._flushed_at = clock()
        self._storing: asyncio.Task[None] | None = None
        self._has_failed = False

    @property
    def taken(self) -> int:
        """The offset behind everything that was added; all of it is stored after the end."""
        return self._begins_at + len(self._chunk)

    async def add(self, piece: bytes) -> None:
        """Take a piece; waits while two chunks are in memory. Raises what the store raised."""
        self._chunk += piece
        is_due = self._clock() - self._flushed_at >= self._chunk_seconds
        if len(self._chunk) >= self._chunk_bytes or is_due:
            await self._flush()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            is_ours = error is None or isinstance(error, WhimbrelError)
            if is_ours:
                if not self._has_failed:
                    await self._flush()
                await self._stored()  # else what failed meanwhile would pass for stored
        finally:
            if self._storing is not None:
                self._storing.cancel()
                await asyncio.wait([self._storing])

    async def _flush(self) -> None:
        await self._stored()
        if self._chunk:
            chunk, self._chunk = self._chunk, bytearray()
            at, self._begins_at = self._begins_at, self._begins_at + len(chunk)
            self._storing = asyncio.create_task(self._keep(at, chunk))
        self._flushed_at = self._clock()

    async def _keep(self, at: int, chunk: bytearray) -> None:
        try:
            await self._store(at, chunk)
        except WhimbrelError:
            self._has_failed = True  # nothing is stored behind a chunk that is not there
            raise

    async def _stored(self) -> None:
        """The chunk before is stored; raises what the store raised, once."""
        if self._storing is not None:
            storing, self._storing = self._storing, None
            await storing
