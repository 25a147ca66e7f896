"""Push jobs without Redis: a list that a test can read, bounded like the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from services.logic.domain.model import PushJob
from whimbrel.runtime.push_stream import MAX_STREAM_LENGTH


class MemoryPushQueue:
    """The port PushQueue; `jobs` are those that wait, oldest first."""

    def __init__(self, *, max_length: int = MAX_STREAM_LENGTH) -> None:
        self.jobs: deque[PushJob] = deque(maxlen=max_length)

    async def enqueue(self, jobs: Sequence[PushJob]) -> None:
        self.jobs.extend(jobs)
