"""Requests that wait for their answer on one link, and whom to tell.

Answers come by ref. What is not answered in time, or is pending when the link breaks, is given
back to the caller of `expired` and `drain`, who tells its owner. Nothing is told from here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from services.access.frames import Item
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.window import Numbered

if TYPE_CHECKING:
    from services.access.send_traces import SendTrace

P = TypeVar("P")


class SendOwner(Protocol):
    """Who gets the answer to a send: a stream, which may have ended meanwhile."""

    def stored(self, send: PendingSend, message_id: int, seq: int, now: float) -> None:
        """The message is durable; `turn` comes when all that has come with it is told."""

    def turn(self, now: float) -> None:
        """Draw the consequences of what was stored."""

    def refused(self, send: PendingSend, error: WhimbrelError) -> None:
        """It is not, or nobody knows."""


class FetchOwner(Protocol):
    """Who gets a page of the timeline: a stream, which may have ended meanwhile."""

    def pulled(self, page: list[Numbered[Item]], head: int, now: float) -> None:
        """The page; empty when its first seq is missing."""

    def pull_failed(self, now: float) -> None:
        """There is no answer."""


class PendingSend(NamedTuple):
    """One message on its way to Logic."""

    owner: SendOwner
    client_message_id: str
    conversation_id: str
    trace: SendTrace | None = None
    """None: the message is not traced."""


class PendingFetch(NamedTuple):
    """One page asked for."""

    owner: FetchOwner


class LinkLostError(Exception):
    """The link broke while the request was pending; ask another one."""


@dataclass(frozen=True)
class PendingStatistics:
    """What waits on one link at this moment."""

    sends: int
    fetches: int
    attaches: int


class PendingTable(Generic[P]):
    """Requests by ref. All have the same time to live, so they expire in the order of `add`."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._waiting: dict[int, tuple[float, P]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, ref: int, request: P, now: float) -> None:
        """The request goes out now."""
        self._waiting[ref] = (now + self._timeout, request)

    def pop(self, ref: int) -> P | None:
        """The request that is answered; None when it was given up before."""
        found = self._waiting.pop(ref, None)
        return None if found is None else found[1]

    def expired(self, now: float) -> list[P]:
        """Give up, and return, what waits for too long."""
        overdue = []
        while self._waiting:
            ref = next(iter(self._waiting))
            if self._waiting[ref][0] > now:
                break
            overdue.append(self._waiting.pop(ref)[1])
        return overdue

    def drain(self) -> list[P]:
        """Give up, and return, everything."""
        requests = [request for _, request in self._waiting.values()]
        self._waiting.clear()
        return requests


PendingAttach = asyncio.Future[logic_pb2.AttachResult]
