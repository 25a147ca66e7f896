"""What waits for the window of one session: ready in order, or held behind a hole.

Counts messages and bytes, so that the session can keep its bound; it sets none itself. Pure.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from whimbrel.core.sequence import Hole, Sequence
from whimbrel.core.window import Numbered

T = TypeVar("T")


class Intake(Generic[T]):
    """A Sequence whose output waits in `ready` until it is popped.

    Invariant: `size_bytes` is the sum over what is ready and what is held.
    """

    __slots__ = ("_bytes", "_ready", "_sequence")

    def __init__(self, *, capacity: int) -> None:
        self._sequence: Sequence[Numbered[T]] = Sequence(capacity=capacity)
        # A list, though it is taken from its front: an empty deque is 0.6 KiB, of each session.
        self._ready: list[Numbered[T]] = []
        self._bytes = 0

    @property
    def next_seq(self) -> int:
        """The first seq that is missing."""
        return self._sequence.next_seq

    @property
    def hole(self) -> Hole | None:
        """What is missing below something that is held."""
        return self._sequence.hole

    @property
    def ready(self) -> int:
        """How many entries are in order and wait."""
        return len(self._ready)

    @property
    def held(self) -> int:
        """How many wait for an earlier one."""
        return self._sequence.held

    @property
    def messages(self) -> int:
        """Ready and held together."""
        return len(self._ready) + self._sequence.held

    @property
    def size_bytes(self) -> int:
        """Their bytes."""
        return self._bytes

    @property
    def passed(self) -> int:
        """Everything up to here was popped, or has reached the reader by another way."""
        return (self._ready[0].seq if self._ready else self._sequence.next_seq) - 1

    def knows(self, seq: int) -> bool:
        """Whether another entry with this seq would be a repeat."""
        return self._sequence.knows(seq)

    def put(self, entry: Numbered[T]) -> bool:
        """Take an entry; False when it is a repeat or would have to be held in a full hold."""
        if not self._sequence.accepts(entry.seq):
            return False
        self._bytes += entry.size
        self._ready.extend(self._sequence.offer(entry.seq, entry))
        return True

    def skip(self, seq: int) -> None:
        """This seq has reached the reader by another way."""
        self._ready.extend(self._sequence.skip(seq))

    def peek(self) -> Numbered[T] | None:
        """The first that is ready."""
        return self._ready[0] if self._ready else None

    def pop(self) -> Numbered[T]:
        """Take the first that is ready; IndexError when nothing is."""
        entry = self._ready.pop(0)
        self._bytes -= entry.size
        return entry

    def advance(self, next_seq: int) -> None:
        """Nothing below `next_seq` is wanted, be it ready, held or missing."""
        while self._ready and self._ready[0].seq < next_seq:
            self.pop()
        if next_seq > self._sequence.next_seq:
            self._ready.extend(self._sequence.start(next_seq))
            self._recount()

    def restart(self, next_seq: int) -> None:
        """Forget everything and begin at `next_seq`."""
        self._sequence.restart(next_seq)
        self._ready.clear()
        self._bytes = 0

    def drop_held(self) -> None:
        """Forget what is held; it has to come again."""
        self._sequence.drop_held()
        self._recount()

    def _recount(self) -> None:
        self._bytes = sum(entry.size for entry in self._ready)
        self._bytes += sum(entry.size for entry in self._sequence.waiting())
