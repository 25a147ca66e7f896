"""When may a missing seq be voided? Pure: `now` is an argument.

A seq that is missing below one that exists was reserved and is not written yet, or never will
be. A writer sends what it reserved within 1 s or drops it (rule 4), so after 2 s the seq may be
filled with a void; a writer that is later still is refused and reserves again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

VOID_AFTER_SECONDS = 2.0


class HoleLedger:
    """Remembers since when each hole is known, for a bounded number of holes.

    Forgetting one only makes its readers wait again.
    """

    def __init__(self, *, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._since: OrderedDict[tuple[str, int], float] = OrderedDict()

    @property
    def is_empty(self) -> bool:
        """Whether no hole is known."""
        return not self._since

    def notice(self, user: str, seqs: Iterable[int], now: float, *, age: float = 0.0) -> None:
        """These seqs are missing, and have been for at least `age` seconds."""
        for seq in seqs:
            key = (user, seq)
            known = self._since.get(key)
            since = now - age if known is None else min(known, now - age)
            self._since[key] = since
        while len(self._since) > self._capacity:
            self._since.popitem(last=False)

    def ripe(self, user: str, seqs: Iterable[int], now: float) -> list[int]:
        """Those that have been missing for long enough to be voided."""
        limit = now - VOID_AFTER_SECONDS
        return [seq for seq in seqs if self._since.get((user, seq), now) <= limit]

    def forget(self, user: str, seqs: Iterable[int]) -> None:
        """These are filled."""
        for seq in seqs:
            self._since.pop((user, seq), None)


def missing(from_seq: int, existing: Iterable[int]) -> list[int]:
    """The seqs from `from_seq` on that are absent below the last of `existing` (ascending)."""
    holes: list[int] = []
    expected = from_seq
    for seq in existing:
        holes.extend(range(expected, seq))
        expected = seq + 1
    return holes
