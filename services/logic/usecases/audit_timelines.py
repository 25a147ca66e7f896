"""Looks at what is stored, as somebody who does not trust the code that wrote it.

Reads only. One look at a user costs a page of entries, their messages without bodies, and the
places of those in the timelines of all participants; everything has a bound.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

from services.logic.audit_ports import MessageOutlines
from services.logic.domain.audit import (
    Finding,
    Outline,
    TimelineAudit,
    Wrong,
    missing_among,
    some_places,
)
from services.logic.domain.model import Placement
from services.logic.ports import CursorStore, TimelineStore

PAGE: Final = 500
MAX_PLACES: Final = 10_000
"""Places that one page of messages is looked up at: a page of messages to groups of 1,000 would
have half a million, so some participants of each are looked up."""


class Look(NamedTuple):
    """What one look at a timeline saw."""

    findings: frozenset[Finding]
    entries: int
    voids: int
    late: int


class AuditTimelines:
    """Looks at timelines and messages."""

    def __init__(
        self,
        timelines: TimelineStore,
        cursors: CursorStore,
        outlines: MessageOutlines,
        *,
        max_places: int = MAX_PLACES,
    ) -> None:
        self._max_places = max_places
        self._timelines = timelines
        self._cursors = cursors
        self._outlines = outlines

    async def look_at_user(self, user: str, max_entries: int) -> Look:
        """The newest `max_entries` of a timeline, and the cursors of its devices. Raises
        UNAVAILABLE."""
        # First: it never passes the head, and the head only grows.
        cursor = (await self._cursors.highest([user])).get(user, 0)
        head = (await self._timelines.heads([user]))[user]
        first = max(1, head - max_entries + 1)
        audit = TimelineAudit(user, first)
        findings: set[Finding] = set()
        while audit.head < head:
            try:
                page = await self._timelines.read(user, audit.head + 1, PAGE)
                ids = {entry.message_id for entry in page if entry.message_id is not None}
                outlines = await self._outlines.find(ids)
            except (LookupError, TypeError, ValueError):  # what the adapters say of such a row
                findings.add(Finding(Wrong.UNREADABLE, user, audit.head + 1))
                break
            if not page:
                break
            audit.add(page, outlines)
            findings |= await self._unplaced(outlines, crc32(user.encode()))
        else:
            audit.acknowledged(cursor)
        return Look(frozenset(audit.findings | findings), audit.entries, audit.voids, audit.late)

    async def look_at_messages(
        self, above: int, below: int, limit: int = PAGE
    ) -> tuple[set[Finding], list[int]]:
        """The first `limit` messages between these ids: who has no entry of them, and their ids,
        ascending. Raises UNAVAILABLE."""
        outlines = await self._outlines.between(above, below, limit)
        return await self._unplaced(outlines, 0), sorted(outlines)

    async def look_again(self, suspects: Collection[Finding], max_entries: int) -> set[Finding]:
        """What is wrong now with those whom the suspects are about. Raises UNAVAILABLE."""
        found: set[Finding] = set()
        lost = [one for one in suspects if one.wrong is Wrong.MISSING]
        for part in _parts(lost):
            places = [Placement(one.user, one.conversation, one.message_id) for one in part]
            found |= missing_among(places, (await self._timelines.find_placed(places)).keys())
        for user in {one.user for one in suspects if one.wrong is not Wrong.MISSING}:
            found |= (await self.look_at_user(user, max_entries)).findings
        return found

    async def _unplaced(self, outlines: dict[int, Outline], salt: int) -> set[Finding]:
        places = some_places(outlines, self._max_places, salt)
        return missing_among(places, (await self._timelines.find_placed(places)).keys())


def _parts(findings: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    for start in range(0, len(findings), PAGE):
        yield findings[start : start + PAGE]
