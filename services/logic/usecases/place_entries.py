"""Gives every message its place in every participant's timeline, committed.

Redis proposes seqs, the unique index (user, seq) of MongoDB decides (promise 2, rules 3 and 4).
A Redis that was lost, is behind or does not answer costs refused entries or a slower proposal,
never a hole and never a repeat. Nothing here knows what a message says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from services.logic.batch_ports import InsertPair
from services.logic.domain.model import Placement, TimelineEntry
from services.logic.domain.reserved import Reserved, Wanted, number
from services.logic.ports import SeqReservations, TimelineStore
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

STALE_RESERVATION_SECONDS = 1.0
"""A reservation not sent within this time is dropped: a reader may void it at 2 s (rule 4)."""


class UnconfirmedError(Exception):
    """What a pair inserted came to nothing, or nobody knows."""

    def __init__(self, entries: Sequence[TimelineEntry], detail: str) -> None:
        super().__init__(detail)
        self.entries = entries
        """All that was to be inserted, voids too."""


class PlaceEntries:
    """Reserve, insert, look up what was refused, and again for that alone."""

    def __init__(
        self, timelines: TimelineStore, reservations: SeqReservations, *, clock: Clock
    ) -> None:
        self._timelines = timelines
        self._reservations = reservations
        self._clock = clock
        self.refused_entries = 0
        """How many entries the unique indexes have refused since the start."""
        self.raised_heads = 0
        """How often Redis was behind MongoDB for a user, and was told."""

    async def place(
        self,
        wanted: Sequence[Wanted],
        *,
        deadline: float,
        late: bool = False,
        reserved: Reserved | None = None,
        pair: InsertPair | None = None,
        tried: Sequence[TimelineEntry] = (),
    ) -> list[TimelineEntry]:
        """Commit an entry for each of `wanted`, in the order given for each user, at seqs that
        were `reserved` before, where they were; what is left over of those becomes void.

        The first insert is that of the `pair`; raises UnconfirmedError when it came to nothing.
        Whoever goes on then says what was `tried`, in the place of `reserved`.

        Returns them with the seqs at which they stand, in any order. An entry that stood there
        already (an earlier attempt, ours or another process's) is returned with its seq. Raises
        UNAVAILABLE with outcome_unknown at the deadline (monotonic seconds); whatever is open
        then is completed by a resend or by the clean-up of a dead worker.
        """
        placed: list[TimelineEntry] = []
        voids: list[TimelineEntry] = []
        if tried:
            entries = await self._again(tried, wanted, voids, deadline)
        elif reserved is None:
            entries = await self._propose(wanted, voids, late=late, deadline=deadline)
        else:
            entries = await self._use(reserved, wanted, voids, deadline)
        while entries or voids:
            if pair is None:
                refused = await self._insert([*entries, *voids], deadline)
            else:
                refused, pair = await _insert_paired(pair, [*entries, *voids]), None
            lost = [entries[index] for index in refused if index < len(entries)]
            refused_set = set(refused)
            placed += [entry for index, entry in enumerate(entries) if index not in refused_set]
            voids = []  # a refused void means that somebody stands there: no hole
            if not lost:
                break
            self.refused_entries += len(lost)
            standing = await self._find_placed(lost, deadline)
            homeless = []
            for entry in lost:
                seq = standing.get(_placement(entry))
                if seq is None:
                    homeless.append(entry)
                else:
                    placed.append(entry._replace(seq=seq))
                if seq != entry.seq:
                    voids.append(TimelineEntry(entry.user, entry.seq))
            by_place = {(want.user, want.message.message_id): want for want in wanted}
            again = [by_place[entry.user, entry.message_id or 0] for entry in homeless]
            await self._raise_to_heads({entry.user for entry in homeless}, deadline)
            entries = await self._propose(again, voids, late=True, deadline=deadline)
        return placed

    async def _again(
        self,
        tried: Sequence[TimelineEntry],
        wanted: Sequence[Wanted],
        voids: list[TimelineEntry],
        deadline: float,
    ) -> list[TimelineEntry]:
        """The entries that were tried, as they were: they may stand already. Those of messages
        that are not wanted any more become void."""
        places = {(want.user, want.message.message_id): want for want in wanted}
        entries = [entry for entry in tried if (entry.user, entry.message_id) in places]
        for entry in entries:
            del places[entry.user, entry.message_id or 0]
        used = {(entry.user, entry.seq) for entry in entries}
        voids += [
            TimelineEntry(entry.user, entry.seq)
            for entry in tried
            if (entry.user, entry.seq) not in used
        ]
        others = await self._propose([*places.values()], voids, late=False, deadline=deadline)
        return entries + others

    async def _use(
        self,
        reserved: Reserved,
        wanted: Sequence[Wanted],
        voids: list[TimelineEntry],
        deadline: float,
    ) -> list[TimelineEntry]:
        """Entries at the reserved seqs, and at fresh ones for users that Redis does not know."""
        unknown = [want for want in wanted if want.user not in reserved.firsts]
        others = await self._propose(unknown, voids, late=False, deadline=deadline)
        if self._clock() - reserved.at <= STALE_RESERVATION_SECONDS:
            entries, left = reserved.deal(wanted)
            voids += left
            return entries + others
        voids += reserved.voids()
        voids += [TimelineEntry(entry.user, entry.seq) for entry in others]
        return await self._propose(wanted, voids, late=False, deadline=deadline)

    async def _propose(
        self,
        wanted: Sequence[Wanted],
        voids: list[TimelineEntry],
        *,
        late: bool,
        deadline: float,
    ) -> list[TimelineEntry]:
        """Entries at freshly reserved seqs; what had to be dropped is added to `voids`."""
        if not wanted:
            return []
        counts = Counter(want.user for want in wanted)
        while True:
            firsts, reserved_at = await self._reserve(counts, deadline)
            now = self._clock()
            if reserved_at is None or now - reserved_at <= STALE_RESERVATION_SECONDS:
                return number(wanted, firsts, late=late)
            voids += [
                TimelineEntry(user, first + offset)
                for user, first in firsts.items()
                for offset in range(counts[user])
            ]
            if now >= deadline:
                raise unavailable("no seqs were reserved in time", outcome_unknown=True)

    async def _reserve(
        self, counts: Counter[str], deadline: float
    ) -> tuple[dict[str, int], float | None]:
        """The first seq of each user's run, and since when Redis may count it as reserved; None
        when it is no reservation but what follows MongoDB's heads."""
        started = self._clock()
        try:
            firsts = await self._reservations.reserve(counts)
            unknown = counts.keys() - firsts.keys()
            if unknown:
                await self._reservations.raise_to(await self._heads(unknown, deadline))
                firsts |= await self._reservations.reserve({user: counts[user] for user in unknown})
        except WhimbrelError as error:
            # Redis is away: propose what follows the heads, the unique index decides.
            log.warning("seqs_not_reserved", detail=error.detail)
            firsts = {}
        missing = counts.keys() - firsts.keys()
        if not missing:
            return firsts, started
        heads = await self._heads(missing, deadline)
        firsts |= {user: heads[user] + 1 for user in missing}
        return firsts, None

    async def _raise_to_heads(self, users: set[str], deadline: float) -> None:
        """A refused seq means that Redis is behind: it shall propose above what is committed."""
        if not users:
            return
        heads = await self._heads(users, deadline)
        self.raised_heads += len(users)
        try:
            await self._reservations.raise_to(heads)
        except WhimbrelError:
            return  # Redis is away: the next proposal reads the heads itself

    async def _insert(self, entries: Sequence[TimelineEntry], deadline: float) -> list[int]:
        return await until_deadline(
            lambda: self._timelines.insert(entries), deadline=deadline, clock=self._clock
        )

    async def _find_placed(
        self, entries: Sequence[TimelineEntry], deadline: float
    ) -> dict[Placement, int]:
        places = [_placement(entry) for entry in entries]
        return await until_deadline(
            lambda: self._timelines.find_placed(places), deadline=deadline, clock=self._clock
        )

    async def _heads(self, users: Iterable[str], deadline: float) -> dict[str, int]:
        names = list(users)
        return await until_deadline(
            lambda: self._timelines.heads(names), deadline=deadline, clock=self._clock
        )


async def _insert_paired(pair: InsertPair, entries: Sequence[TimelineEntry]) -> list[int]:
    try:
        return await pair.insert_entries(entries)
    except WhimbrelError as error:
        raise UnconfirmedError(entries, error.detail) from error


def _placement(entry: TimelineEntry) -> Placement:
    return Placement(entry.user, entry.conversation, entry.message_id or 0)
