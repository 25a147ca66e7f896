"""Where push gets its jobs from, by role; what it needs to do them is in `wake_ports`.

All of them raise WhimbrelError UNAVAILABLE when their store does not answer in time; every call
can be repeated as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.push.domain.sifting import ReceivedJob
from whimbrel.runtime.push_stream import StreamJob


class GroupLostError(Exception):
    """The consumer group is gone, so Redis was lost: prepare the stream again."""


class JobStream(Protocol):
    """The jobs that wait, shared by all push pods. At least once: what was taken and not
    finished is given to somebody else later."""

    async def prepare(self) -> bool:
        """Create the stream and its group if they are absent. True when they were: then a rescan
        has been requested in the same step (RescanLedger)."""
        ...

    async def take(self) -> list[ReceivedJob]:
        """The next jobs; waits for a bounded time when there is none, then answers an empty
        list. Raises GroupLostError."""
        ...

    async def claim(self) -> list[ReceivedJob]:
        """Jobs that were taken long ago and not finished: their pod died, or their wake failed.
        Raises GroupLostError."""
        ...

    async def finish(self, entry_ids: Sequence[str]) -> None:
        """These need nothing more: they leave the stream."""
        ...

    async def enqueue(self, jobs: Sequence[StreamJob]) -> None:
        """Put jobs at the end."""
        ...

    async def length(self) -> int:
        """How many jobs wait or are in hand, of all pods."""
        ...

    async def leave(self) -> None:
        """This pod takes no more."""
        ...


class BacklogPage(NamedTuple):
    """Jobs for the users of one page; `last` is where the next page goes on, None at the end."""

    jobs: list[StreamJob]
    last: str | None


class Backlog(Protocol):
    """Who is behind, from MongoDB: users whose timeline goes on above their highest cursor."""

    async def page(self, after: str) -> BacklogPage:
        """The users that follow `after` ("" for the first), a bounded number."""
        ...


class RescanLedger(Protocol):
    """How far the rescan has come, and which pod works on it. Lost together with the jobs."""

    async def take(self) -> str | None:
        """Where to go on; None when nothing is to be done, or another pod is at it. The caller
        holds the lock for some seconds from now on."""
        ...

    async def advance(self, after: str, last: str | None) -> bool:
        """The page after `after` is enqueued; None says that it was the last. False, and nothing
        changes, when the lock or the position is no longer ours."""
        ...
