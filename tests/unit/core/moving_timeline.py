"""A timeline with holes, as a device that moves between pods reads it."""

from __future__ import annotations

from typing import NamedTuple

from whimbrel.core.window import Numbered


class Message(NamedTuple):
    """As an inbox needs it."""

    message_id: int
    conversation_id: str


def size_of(seq: int) -> int:
    """Bytes of an entry: some nearly fill a window."""
    return 5 + seq * 7 % 40


class Timeline:
    """1 to head; what is `unwritten` was reserved and is not there yet."""

    def __init__(self) -> None:
        self.head = 0
        self.unwritten: set[int] = set()

    @property
    def readable(self) -> int:
        """The highest seq that is there."""
        there = (seq for seq in range(self.head, 0, -1) if seq not in self.unwritten)
        return next(there, 0)

    def page(self, from_seq: int, limit: int) -> list[Numbered[int]]:
        """At most so many entries from there, up to the first hole."""
        entries = []
        for seq in range(from_seq, min(self.head, from_seq + limit - 1) + 1):
            if seq in self.unwritten:
                break
            entries.append(Numbered(seq, size_of(seq), seq))
        return entries
