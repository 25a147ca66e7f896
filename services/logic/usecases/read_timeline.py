"""Reads a user's timeline for a session: a page without holes, bodies included.

Whoever reads also repairs: a seq that stays missing below one that exists is filled with a void
(promise 2). The unique index decides between the void and a late writer. An entry that cannot be
read, because its row or its message is damaged or lost, is passed over: its user sees a void there,
nothing is written, and a metric and the auditor say so.
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
ENTRY_BYTES = 512
"""More than what stands beside a body takes in a frame: names have 64 characters at most."""
ATTRIBUTES_BYTES = 256
MENTION_BYTES = 68


@dataclass(frozen=True, slots=True)
class Page:
    """Entries from the first seq asked for, without holes; voids have no message."""

    entries: list[tuple[TimelineEntry, StoredMessage | None]] = field(default_factory=list)
    head: int = 0
    """The highest seq of the timeline that was seen."""
    highest_message_id: int = 0
    """Of all entries that were read, also those that the page leaves out (rule 7)."""
    size_bytes: int = 0
    """At least what the entries take in a frame."""


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
        self._lost = HoleLedger()  # messages that their entries were read without
        self.voided = 0
        """Seqs filled by this process since the start."""
        self.passed_over = 0
        """Entries that could not be read, each time that they were shown as a void."""

    async def read(
        self,
        user: str,
        from_seq: int,
        limit: int,
        *,
        hole_age_seconds: float = 0.0,
        look_back: int = 0,
        wants_head: bool = False,
    ) -> Page:
        """At most `limit` entries and half a MiB, from `from_seq` on.

        `hole_age_seconds` says for how long the caller has known from_seq to be missing below
        an entry that exists. `look_back` entries before count for the highest message_id. The
        page's head is the last seq of the timeline with `wants_head`; else, where more than the
        page is there, one beyond it. Raises UNAVAILABLE when MongoDB does not answer.
        """
        look_back = min(look_back, from_seq - 1)
        # One more than is wanted says whether there is more.
        seen = await self._timelines.read(user, from_seq - look_back, look_back + limit + 1)
        rows = await self._rows(Tail(user, from_seq, limit, seen), hole_age_seconds)
        head = max(seen[-1].seq if seen else 0, rows[-1].seq if rows else 0, from_seq - 1)
        if wants_head and len(seen) > look_back + limit:
            head = max(head, (await self._timelines.heads([user]))[user])
        dense = _dense_prefix(from_seq, rows)
        messages = await self._messages_of(dense)
        return self._page(dense, messages, head, _highest((*seen, *rows)))

    async def first_pages(self, tails: Sequence[Tail]) -> list[Page]:
        """The page of each, with the messages of all of them read together. Raises as `read`."""
        rows = [await self._rows(tail) for tail in tails]
        dense = [
            _dense_prefix(tail.from_seq, found) for tail, found in zip(tails, rows, strict=True)
        ]
        messages = await self._messages_of([row for found in dense for row in found])
        return [
            self._page(
                found,
                messages,
                max(tail.entries[-1].seq if tail.entries else 0, tail.from_seq - 1),
                _highest((*tail.entries, *found)),
            )
            for tail, found in zip(tails, dense, strict=True)
        ]

    def pass_over(self, user: str, seq: int) -> None:
        """This entry cannot be read: it was shown as a void."""
        self.passed_over += 1
        log.error("entry_passed_over", user=user, seq=seq)

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
            messages |= await self._messages.show(some)
        return messages

    def _page(
        self,
        rows: Sequence[TimelineEntry],
        messages: Mapping[int, StoredMessage],
        head: int,
        highest_message_id: int,
    ) -> Page:
        """As many of the rows, with their messages, as fit into half a MiB, at least one."""
        entries: list[tuple[TimelineEntry, StoredMessage | None]] = []
        bodies = size = 0
        for row in rows:
            message = None if row.message_id is None else messages.get(row.message_id)
            if message is None:
                if not row.is_void and not self._is_lost(row):
                    break  # as if it were not there yet
                if row.is_damaged or not row.is_void:
                    self.pass_over(row.user, row.seq)
                entries.append((row, None))
                size += ENTRY_BYTES
                continue
            if not self._lost.is_empty:  # it was late, and may be late again
                self._lost.forget(row.user, [row.seq])
            bodies += 200 + len(message.body)
            if entries and bodies > MAX_PAGE_BYTES:
                break
            size += ENTRY_BYTES + len(message.body)
            if message.attributes:
                size += ATTRIBUTES_BYTES + MENTION_BYTES * len(message.attributes.mentions)
            entries.append((row, message))
        return Page(entries, head, highest_message_id, size)

    def _is_lost(self, row: TimelineEntry) -> bool:
        """Whether the message of this entry has been absent for long enough to be given up: a
        primary that is new may not show yet what was stored before the entry."""
        now = self._clock()
        self._lost.notice(row.user, [row.seq], now)
        return bool(self._lost.ripe(row.user, [row.seq], now))


def _highest(rows: Iterable[TimelineEntry]) -> int:
    return max((row.message_id or 0 for row in rows), default=0)


def _dense_prefix(from_seq: int, rows: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    return [row for offset, row in enumerate(rows) if row.seq == from_seq + offset]
