"""What Logic needs from the world to know what nobody has got and what a human has read: marks,
receipts, the undelivered index. What is said of errors in `ports` holds here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from services.logic.domain.history import Trimmed, Waiting
from services.logic.domain.model import ReadReceipt, UndeliveredEntry


class ReadStore(Protocol):
    """`reads`: up to which seq a human has read each conversation. Never goes back (rule 20).
    `pulls` is kept by the same rules: up to which seq a user has pulled each over HTTP."""

    async def raise_to(self, user: str, conversation: str, seq: int) -> None:
        """Raise the read mark to at least `seq` of the user's timeline, creating it if it is
        absent. Majority, journaled."""
        ...

    async def raise_all(self, user: str, marks: Mapping[str, int]) -> None:
        """`raise_to` for many conversations, in one write."""
        ...

    async def find(self, user: str) -> dict[str, int]:
        """The read mark of each conversation that the user has ever marked. Majority."""
        ...


class ReceiptStore(Protocol):
    """`receipts`: how far each member has read, as the others see it: one cursor per member."""

    async def raise_all(self, receipts: Sequence[ReadReceipt]) -> None:
        """Raise each to at least its message_id, creating what is absent. Majority, journaled."""
        ...

    async def find(self, conversation: str) -> dict[str, int]:
        """The cursor of everybody who has ever read anything of it. Majority."""
        ...


class UndeliveredIndex(Protocol):
    """Redis keeps, per user, what no device has: a count and message ids per conversation."""

    async def add(self, entries: Sequence[UndeliveredEntry]) -> None:
        """Add them, except those at or below the user's cursor or read mark (rule 20)."""
        ...

    async def acknowledged(self, cursors: Mapping[str, int]) -> None:
        """A device of each user has everything up to this seq: remove what lies below."""
        ...


class UndeliveredMarks(UndeliveredIndex, Protocol):
    """The undelivered index as reading and rebuilding need it."""

    async def read_up_to(self, user: str, marks: Mapping[str, int]) -> None:
        """The user has read each of these conversations up to its seq: remember that, and remove
        what lies at or below. Only after `reads` in MongoDB was raised (rule 20)."""
        ...

    async def pulled_up_to(self, user: str, marks: Mapping[str, int]) -> dict[str, Trimmed]:
        """The same for pull marks, only after `pulls` was raised; what that removed."""
        ...

    async def incomplete(self, users: Iterable[str]) -> set[str]:
        """Those of the users for whom no rebuild was ever finished, or whose index was lost
        since. One round trip."""
        ...

    async def doubt(self, users: Iterable[str]) -> None:
        """Something of these users was not indexed: they are incomplete from now on."""
        ...

    async def begin_rebuild(self, user: str) -> str:
        """A token for `finish_rebuild`. Entries may be added and removed meanwhile."""
        ...

    async def finish_rebuild(self, user: str, token: str) -> bool:
        """The user's index is complete from now on. False, and nothing changes, when the index
        was lost or another rebuild was begun since the token was given."""
        ...

    async def find(self, user: str) -> dict[str, list[int]]:
        """The undelivered message ids of each conversation that has any, by seq."""
        ...

    async def counts(self, user: str) -> dict[str, int]:
        """How much is undelivered in each conversation that has any."""
        ...

    async def waiting(self, user: str, conversations: int, messages: int) -> list[Waiting]:
        """The first undelivered `messages` of each of at most so many `conversations`: the
        index as a device that pulls reads it. One round trip."""
        ...
