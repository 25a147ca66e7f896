"""Reads a user's timeline for a session: a page without holes, bodies included.

Whoever reads also repairs: a seq that stays missing below one that exists is filled with a void
(promise 2). The unique index decides between the void and a late writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from services.logic.domain.holes import HoleLedger, missing
from services.logic.domain.model import StoredMessage, TimelineEntry
from services.logic.ports import MessageStore, TimelineStore
from services.logic.usecases.patience import Clock
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_PAGE_BYTES = 512 * 1024
MAX_VOIDS = 5000
MESSAGES_AT_ONCE = 256
"""Bodies that are read with one query: as many as a page has at most."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries from the first seq asked for, without holes; voids have no message."""

    entries: list[tuple[TimelineEntry, StoredMessage | None]] = field(default_factory=list)
    head: int = 0
    """The highest seq of the timeline that was seen."""
    highest_message_id: int = 0
    """Of all entries that were read, also those that the page leaves out (rule 7)."""


class Tail(NamedTuple):
    """A session's end of a timeline that was read already, and the page that is wanted of it."""

    user: str
    from_seq: int
    limit: int
    entries: Sequence[TimelineEntry]
    """Up to the head, without a beginning in particular: those before `from_seq` count for the
    highest message_id."""


class ReadTimeline:
    """Pages of timelines."""

    def __init__(self, timelines: TimelineStore, messages: MessageStore, *, clock: Clock) -> None:
        self._timelines = timelines
        self._messages = messages
        self._clock = clock
        self._holes = HoleLedger()
        self.voided = 0
        """Seqs filled by this process since the start."""

    async def read(
        self,
        user: str,
        from_seq: int,
        limit: int,
        *,
        hole_age_seconds: float = 0.0,
        look_back: int = 0,
    ) -> Page:
        """At most `limit` entries and half a MiB, from `from_seq` on.

        `hole_age_seconds` says for how long the caller has known from_seq to be missing below
        an entry that exists. `look_back` entries before count for the highest message_id. Raises
        UNAVAILABLE when MongoDB does not answer.
        """
        look_back = min(look_back, from_seq - 1)
        seen = await self._timelines.read(user, from_seq - look_back, limit + look_back)
        rows = await self._rows(Tail(user, from_seq, limit, seen), hole_age_seconds)
        head = max(rows[-1].seq if rows else 0, from_seq - 1)
        if len(rows) == limit:
            head = max(head, (await self._timelines.heads([user]))[user])
        dense = _dense_prefix(from_seq, rows)
        messages = await self._messages_of(dense)
        return Page(_cut(_joined(dense, messages)), head, _highest((*seen, *rows)))

    async def first_pages(self, tails: Sequence[Tail]) -> list[Page]:
        """The page of each, with the messages of all of them read together. Raises as `read`."""
        rows = [await self._rows(tail) for tail in tails]
        dense = [
            _dense_prefix(tail.from_seq, found) for tail, found in zip(tails, rows, strict=True)
        ]
        messages = await self._messages_of([row for found in dense for row in found])
        return [
            Page(
                _cut(_joined(found, messages)),
                max(tail.entries[-1].seq if tail.entries else 0, tail.from_seq - 1),
                _highest((*tail.entries, *found)),
            )
            for tail, found in zip(tails, dense, strict=True)
        ]

    async def _rows(self, tail: Tail, hole_age_seconds: float = 0.0) -> list[TimelineEntry]:
        """Those of the page; what has been missing for too long is a void now."""
        rows = [row for row in tail.entries if row.seq >= tail.from_seq][: tail.limit]
        holes = missing(tail.from_seq, (row.seq for row in rows))
        if not holes:
            return rows
        return await self._repair(
            tail.user, tail.from_seq, tail.limit, rows, holes, hole_age_seconds
        )

    async def _repair(
        self,
        user: str,
        from_seq: int,
        limit: int,
        rows: list[TimelineEntry],
        holes: Sequence[int],
        age: float,
    ) -> list[TimelineEntry]:
        """Void what has been missing for too long; the rows as they are then."""
        now = self._clock()
        first_run = [seq for seq in holes if seq < rows[0].seq]
        self._holes.notice(user, first_run, now, age=age)
        self._holes.notice(user, holes, now)
        ripe = self._holes.ripe(user, holes, now)[:MAX_VOIDS]
        if not ripe:
            return rows
        refused = await self._timelines.insert([TimelineEntry(user, seq) for seq in ripe])
        self._holes.forget(user, ripe)
        self.voided += len(ripe) - len(refused)
        log.info("holes_voided", user=user, voided=len(ripe) - len(refused), first=ripe[0])
        return await self._timelines.read(user, from_seq, limit)

    async def _messages_of(self, rows: Sequence[TimelineEntry]) -> dict[int, StoredMessage]:
        ids = {row.message_id: row.sender for row in rows if row.message_id is not None}
        messages: dict[int, StoredMessage] = {}
        remaining = iter(ids.items())
        while some := dict(islice(remaining, MESSAGES_AT_ONCE)):
            messages |= await self._messages.find(some)
        return messages


def _joined(
    rows: Sequence[TimelineEntry], messages: Mapping[int, StoredMessage]
) -> list[tuple[TimelineEntry, StoredMessage | None]]:
    return [(row, None if row.message_id is None else messages[row.message_id]) for row in rows]


def _highest(rows: Iterable[TimelineEntry]) -> int:
    return max((row.message_id or 0 for row in rows), default=0)


def _dense_prefix(from_seq: int, rows: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    return [row for offset, row in enumerate(rows) if row.seq == from_seq + offset]


def _cut(
    entries: list[tuple[TimelineEntry, StoredMessage | None]],
) -> list[tuple[TimelineEntry, StoredMessage | None]]:
    """As many as fit into a page, at least one."""
    size = 0
    for index, (_, message) in enumerate(entries):
        size += 200 + (len(message.body) if message else 0)
        if index and size > MAX_PAGE_BYTES:
            return entries[:index]
    return entries
