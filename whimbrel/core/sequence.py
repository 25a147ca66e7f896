"""Puts numbered items in order: what comes early is held, what comes twice is dropped.

Pure and bounded. It never asks for what is missing; it only says what that is (`hole`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Hole(NamedTuple):
    """The first and the last number that are missing below something that is held."""

    first: int
    last: int


@dataclass(frozen=True)
class SequenceStatistics:
    """What a Sequence holds at this moment."""

    next_seq: int
    held: int


class Sequence(Generic[T]):
    """Items numbered 1, 2, 3 …, let out in order and once.

    Invariants: nothing that is held is numbered below or at `next_seq`; at most `capacity`
    numbers are held. `next_seq` 0 means that the start is not known yet: everything is held
    until `start` names it.
    """

    __slots__ = ("_capacity", "_held", "_next", "_skipped")

    def __init__(self, next_seq: int = 0, *, capacity: int) -> None:
        if next_seq < 0 or capacity < 0:
            raise ValueError("next_seq and capacity must not be negative")
        self._next = next_seq
        self._capacity = capacity
        self._held: dict[int, T] = {}
        self._skipped: set[int] = set()

    @property
    def next_seq(self) -> int:
        """The number that comes next; everything below has been let out."""
        return self._next

    @property
    def held(self) -> int:
        """How many numbers wait for an earlier one."""
        return len(self._held) + len(self._skipped)

    @property
    def hole(self) -> Hole | None:
        """What is missing before the first number that is held; None when nothing is held."""
        if not self._held and not self._skipped:
            return None
        return Hole(self._next, min((*self._held, *self._skipped)) - 1)

    def knows(self, seq: int) -> bool:
        """Whether `seq` was let out or is held: another one would be a repeat."""
        return seq < self._next or seq in self._held or seq in self._skipped

    def accepts(self, seq: int) -> bool:
        """Whether `seq` is new and either comes next or can be held."""
        if seq <= self._next:
            return seq == self._next and seq > 0
        return not self.knows(seq) and self.held < self._capacity

    def waiting(self) -> Iterator[T]:
        """The items that are held, in no order. Do not change the sequence meanwhile."""
        return iter(self._held.values())

    def offer(self, seq: int, item: T) -> list[T]:
        """Return the items that are in order now, `item` among them or held for later.

        An item that `accepts` would refuse is dropped: a repeat, or too much is held already.
        """
        if seq != self._next or not seq:
            if self.accepts(seq):
                self._held[seq] = item
            return []
        self._next = seq + 1
        released = [item]
        if self._held or self._skipped:
            released += self._release()
        return released

    def skip(self, seq: int) -> list[T]:
        """Note that `seq` has arrived by another way; return what is in order now."""
        if not self.accepts(seq):
            return []
        if seq > self._next:
            self._skipped.add(seq)
            return []
        self._next = seq + 1
        return self._release()

    def start(self, next_seq: int) -> list[T]:
        """Nothing below `next_seq` is wanted any more; return what is in order now.

        Raises ValueError when that would go back (see `restart`).
        """
        if next_seq < self._next:
            raise ValueError(f"cannot go back from {self._next} to {next_seq}")
        self._next = next_seq
        self._held = {seq: item for seq, item in self._held.items() if seq >= next_seq}
        self._skipped = {seq for seq in self._skipped if seq >= next_seq}
        return self._release()

    def restart(self, next_seq: int) -> None:
        """Forget everything and begin at `next_seq`, which may lie before."""
        if next_seq < 1:
            raise ValueError("numbers begin at 1")
        self.drop_held()
        self._next = next_seq

    def drop_held(self) -> None:
        """Forget what is held; it has to be offered again."""
        self._held.clear()
        self._skipped.clear()

    def statistics(self) -> SequenceStatistics:
        """The figures at this moment."""
        return SequenceStatistics(next_seq=self._next, held=self.held)

    def _release(self) -> list[T]:
        released: list[T] = []
        while True:
            if self._next in self._held:
                released.append(self._held.pop(self._next))
            elif self._next in self._skipped:
                self._skipped.remove(self._next)
            else:
                return released
            self._next += 1
