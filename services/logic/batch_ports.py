"""What a batch does in fewer steps: what a small one asks Redis, and what any inserts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.logic.domain.model import StoredMessage, TimelineEntry


class BatchOpening(Protocol):
    """Newest epochs (of SendMemory) and seqs (of SeqReservations), in one round trip."""

    async def open(
        self, devices: Sequence[tuple[str, str]], counts: Mapping[str, int]
    ) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
        """The newest epoch known of each (user, device), and the first of the seqs that were
        reserved for each user. What is not known is absent. At most 1,000 users. Raises
        UNAVAILABLE with outcome_unknown: seqs may have been reserved."""
        ...


class InsertPair(Protocol):
    """Messages and then their entries, inserted at one primary: the majority that confirms the
    entries has the messages too.

    Both raise UNAVAILABLE with outcome_unknown when the primary was lost, or when nothing proves
    that it was the same for both. Then nothing of the pair counts, and all of it is done again by
    MessageStore and TimelineStore. Entries never stand where their messages do not.
    """

    async def insert_messages(self, messages: Sequence[StoredMessage]) -> list[int]:
        """Insert, unordered, at the primary alone: durable when `insert_entries` has returned.
        Returns the indexes that were refused, as MessageStore does; what refused them may not be
        durable either, and not to be found yet."""
        ...

    async def insert_entries(self, entries: Sequence[TimelineEntry]) -> list[int]:
        """As TimelineStore does, majority and journaled. At most 10,000."""
        ...


class PairedInserts(Protocol):
    """One wait for the majority in the place of two."""

    def pair(self) -> AbstractAsyncContextManager[InsertPair | None]:
        """For one commit. None where one majority proves nothing about the other insert: on a
        sharded cluster. Raises UNAVAILABLE when there is no primary."""
        ...
