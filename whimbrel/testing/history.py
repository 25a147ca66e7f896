"""What clients saw, and whether that keeps the promises. Linear in the number of events.

A history is what each sender was told and what each device was given, in the order in which its
application got it. It knows nothing of the servers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Sent(NamedTuple):
    """A message that a sender was told is durable, and who has to get it."""

    message_id: int
    sender: str
    recipients: tuple[str, ...]


class Got(NamedTuple):
    """A message that an application was given."""

    seq: int
    message_id: int
    conversation: str
    late: bool


@dataclass
class History:
    """Filled while a workload runs."""

    sent: dict[int, Sent] = field(default_factory=dict)
    attempted: set[tuple[str, str]] = field(default_factory=set)
    """(sender, text) of everything that somebody tried to send."""
    got: dict[str, list[Got]] = field(default_factory=lambda: defaultdict(list))
    texts: dict[int, tuple[str, str]] = field(default_factory=dict)
    """(sender, text) of everything that was delivered, by message_id."""

    def missing(self) -> int:
        """How many deliveries of accepted messages are still to come."""
        seen = {user: {one.message_id for one in rows} for user, rows in self.got.items()}
        return sum(
            message_id not in seen.get(user, ())
            for message_id, sent in self.sent.items()
            for user in sent.recipients
        )


@dataclass(frozen=True)
class Verdict:
    """What a history says. The promises hold when `violations` is 0."""

    accepted: int
    delivered: int
    lost: int
    duplicated: int
    reordered: int
    phantoms: int

    @property
    def violations(self) -> int:
        """Everything that must not be."""
        return self.lost + self.duplicated + self.reordered + self.phantoms

    def __str__(self) -> str:
        return f"lost {self.lost}, duplicated {self.duplicated}, reordered {self.reordered}"


def judge(history: History) -> Verdict:
    """lost: accepted and not given to a recipient. duplicated: given to an application twice.
    reordered: a seq below one that was given before, or, in one conversation, a message_id below
    one that was given before without being marked late. phantom: given but never sent."""
    duplicated = reordered = 0
    for rows in history.got.values():
        duplicated += len(rows) - len({row.message_id for row in rows})
        reordered += _out_of_order(rows)
    return Verdict(
        accepted=len(history.sent),
        delivered=sum(map(len, history.got.values())),
        lost=history.missing(),
        duplicated=duplicated,
        reordered=reordered,
        phantoms=_phantoms(history.texts, history.attempted),
    )


def _out_of_order(rows: Iterable[Got]) -> int:
    count = last_seq = 0
    highest: dict[str, int] = {}
    for row in rows:
        overtaken = row.message_id < highest.get(row.conversation, 0) and not row.late
        count += row.seq <= last_seq or overtaken
        last_seq = max(last_seq, row.seq)
        highest[row.conversation] = max(row.message_id, highest.get(row.conversation, 0))
    return count


def _phantoms(delivered: Mapping[int, tuple[str, str]], attempted: set[tuple[str, str]]) -> int:
    return sum(said not in attempted for said in delivered.values())
