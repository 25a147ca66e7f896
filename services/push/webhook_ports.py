"""What delivering events to the host product needs from the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class TakenKey(NamedTuple):
    """The right to deliver the events of one key, for the time of its lease."""

    key: str
    attempts: int
    """Failed one after the other so far."""
    version: int
    """Rises with every put, so that a key that got an event meanwhile is kept."""


class QueuedEvent(NamedTuple):
    """One event that waits."""

    event_id: str
    at_ms: int
    """Unix milliseconds."""
    content: str
    """JSON."""


class RecordedEvent(NamedTuple):
    """One event as an operator sees it."""

    event_id: str
    key: str
    at_ms: int
    """Unix milliseconds of what happened."""
    attempts: int = 0
    """Failed in a row for its key; 0 for a dead letter."""
    due_ms: int = 0
    """When its key is tried next; 0 for a dead letter."""


class EventRecords(Protocol):
    """The same events for an operator. Every method raises UNAVAILABLE; all may be repeated."""

    async def list_events(self, *, is_dead: bool, after: str, limit: int) -> list[RecordedEvent]:
        """Those that are dead letters, or those that wait; above an id, by id."""
        ...

    async def revive(self, event_ids: Sequence[str], *, now_ms: int) -> int:
        """Dead letters among them wait again, due now, and their keys begin anew; how many."""
        ...

    async def hurry(self, *, now_ms: int) -> int:
        """Keys that wait for their next attempt are due now; how many."""
        ...


class EventQueue(Protocol):
    """The other end of the outbox. Every method raises UNAVAILABLE; all may be repeated."""

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> TakenKey | None:
        """The key that is due for longest and nobody else's, until now + lease. None: none is."""
        ...

    async def page(self, key: str, *, now_ms: int, limit: int) -> list[QueuedEvent]:
        """The first events of the key that wait and are due, in their order."""
        ...

    async def remove(self, event_ids: Sequence[str]) -> None:
        """They are delivered, or nobody wants them."""
        ...

    async def bury(self, event_ids: Sequence[str]) -> None:
        """They are dead letters: kept, and not tried again."""
        ...

    async def release(self, taken: TakenKey, holder: str, *, due_ms: int, attempts: int) -> None:
        """Give the key back; it is due again then. Nothing happens when the lease was lost."""
        ...

    async def finish(self, taken: TakenKey, holder: str, *, due_ms: int) -> None:
        """Give the key back for good, or until `due_ms` when there are events of it after all."""
        ...
