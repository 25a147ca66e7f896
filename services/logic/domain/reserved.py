"""Seqs that were reserved before it was known what becomes of each message.

Runs of seqs, one for each user. Whoever writes deals them out to what is to be placed; what is
left over becomes void in the same write (rules 3 and 4), so that no reservation stays a hole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.logic.domain.model import StoredMessage, TimelineEntry


class Wanted(NamedTuple):
    """A message that shall get an entry in the timeline of `user`."""

    user: str
    message: StoredMessage


class Reserved(NamedTuple):
    """What Redis has proposed, and since when it may count as reserved."""

    firsts: Mapping[str, int]
    """The first seq of each user's run; users that Redis does not know are absent."""
    counts: Mapping[str, int]
    """How many each run has; of all users that were asked for."""
    at: float
    """Monotonic seconds, from before the question."""

    def deal(self, wanted: Sequence[Wanted]) -> tuple[list[TimelineEntry], list[TimelineEntry]]:
        """Entries for those of `wanted` whose users have a run, which must be long enough; and
        voids for what is left of every run."""
        placed = [want for want in wanted if want.user in self.firsts]
        entries = number(placed, self.firsts)
        used = Counter(want.user for want in placed)
        return entries, [
            TimelineEntry(user, seq)
            for user, first in self.firsts.items()
            for seq in range(first + used[user], first + self.counts[user])
        ]

    def voids(self) -> list[TimelineEntry]:
        """All of it, for nobody."""
        return self.deal(())[1]


def number(
    wanted: Sequence[Wanted], firsts: Mapping[str, int], *, late: bool = False
) -> list[TimelineEntry]:
    """Deal each user's run of seqs out in the order of `wanted`."""
    following = dict(firsts)
    entries = []
    for user, message in wanted:
        seq = following[user]
        following[user] = seq + 1
        entries.append(
            TimelineEntry(
                user, seq, message.message_id, message.conversation, message.key.sender, late
            )
        )
    return entries
