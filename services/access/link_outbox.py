"""What waits to be written on one link: batches of at most 1 MiB, filled while one is written.

Items are put straight into the batch that will be sent, so nothing is copied twice. Bounded:
a Logic pod that does not read costs its callers a refusal, never the pod's memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.errors import ErrorCode, WhimbrelError

if TYPE_CHECKING:
    from services.access.send_traces import SendTrace

MAX_BATCH_BYTES: Final = 1024 * 1024
MAX_BATCHES: Final = 16


class LinkOutbox:
    """A short queue of batches; the last one is open."""

    def __init__(self) -> None:
        self._batches: deque[logic_pb2.LinkRequest] = deque()
        self._open_bytes = 0
        self._filled = asyncio.Event()
        self.traced: deque[tuple[logic_pb2.LinkRequest, SendTrace]] = deque()
        """The traced messages of the batches, in their order."""

    @property
    def is_behind(self) -> bool:
        """Whether a full batch waits: what can be left out is left out."""
        return len(self._batches) > 1

    def room_for(self, size_bytes: int) -> logic_pb2.LinkRequest:
        """The open batch, which has room for an item of this size: add it at once.

        Raises OVERLOADED when 16 MiB wait already.
        """
        if not self._batches or self._open_bytes + size_bytes > MAX_BATCH_BYTES:
            if len(self._batches) >= MAX_BATCHES:
                raise WhimbrelError(
                    ErrorCode.OVERLOADED, "too much waits for Logic", retry_after_seconds=0.5
                )
            self._batches.append(logic_pb2.LinkRequest())
            self._open_bytes = 0
        self._open_bytes += size_bytes
        self._filled.set()
        return self._batches[-1]

    async def take(self) -> logic_pb2.LinkRequest:
        """Wait until there is something, and take the oldest batch."""
        while not self._batches:
            self._filled.clear()
            await self._filled.wait()
        return self._batches.popleft()

    def take_traced(self, batch: logic_pb2.LinkRequest) -> list[SendTrace]:
        """The traced messages of a batch that was taken, once."""
        taken = []
        while self.traced and self.traced[0][0] is batch:
            taken.append(self.traced.popleft()[1])
        return taken

    def clear(self) -> None:
        """The link broke: what waits will never be written."""
        self._batches.clear()
        self._open_bytes = 0
        self.traced.clear()
