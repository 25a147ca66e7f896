"""What looking back needs from the world. As in `ports`: a memory adapter and a real one for each
role, one contract suite for both, and UNAVAILABLE (for a write: outcome unknown, repeat it) when
a store does not answer in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from services.logic.domain.history import (
    CachedMessage,
    ConversationSettings,
    ConversationState,
    Found,
    SearchDocument,
    UnreadEntry,
)
from services.logic.domain.model import Placement, TimelineEntry
from services.logic.domain.search_words import Query


class ConversationHistory(Protocol):
    """`timelines` by conversation: what was placed in a user's own timeline, by message_id."""

    async def conversations(self, user: str) -> list[str]:
        """Every conversation that the user's timeline has a message of, by name. Majority."""
        ...

    async def before(
        self, user: str, conversation: str, message_id: int | None, limit: int
    ) -> list[TimelineEntry]:
        """The newest `limit` entries below `message_id` (None: of all), ascending. Majority."""
        ...

    async def after(
        self, user: str, conversation: str, message_id: int, limit: int
    ) -> list[TimelineEntry]:
        """The oldest `limit` entries above `message_id`, ascending by message_id. Majority."""
        ...

    async def placed(self, placements: Iterable[Placement]) -> dict[Placement, TimelineEntry]:
        """The entries of these messages in these timelines; others are absent. Majority."""
        ...

    async def users(self, after: str, limit: int) -> list[str]:
        """The users that have a timeline, ascending, from the first above `after`."""
        ...


class UnreadIndex(Protocol):
    """Redis counts, per user and conversation, what no human has read. May be lost (promise 8)."""

    async def add(self, entries: Sequence[UnreadEntry]) -> None:
        """Count them, except those at or below the read mark and those counted before."""
        ...

    async def read_up_to(self, user: str, marks: Mapping[str, int]) -> None:
        """The user has read each of these conversations up to its seq. Only after `reads` in
        MongoDB was raised (rule 20)."""
        ...

    async def incomplete(self, users: Iterable[str]) -> set[str]:
        """Those whose counts were never built to the end, or were lost or doubted since."""
        ...

    async def doubt(self, users: Iterable[str]) -> None:
        """Something of these users was not counted: they are incomplete from now on."""
        ...

    async def begin_rebuild(self, user: str) -> str:
        """A token for `finish_rebuild`. Entries may be added and read meanwhile."""
        ...

    async def finish_rebuild(self, user: str, token: str) -> bool:
        """The user's counts are complete from now on. False, and nothing changes, when they were
        lost or doubted, or another rebuild was begun, since the token was given."""
        ...

    async def state(self, user: str) -> dict[str, ConversationState]:
        """Every conversation that the user has a message of. One round trip."""
        ...


class SettingsStore(Protocol):
    """`settings`: what a user has set for a conversation."""

    async def change(
        self, user: str, conversation: str, *, is_pinned: bool | None, is_muted: bool | None
    ) -> ConversationSettings:
        """Set what is not None; all that holds then. Majority, journaled."""
        ...

    async def find(self, user: str) -> dict[str, ConversationSettings]:
        """Every conversation for which the user has ever set anything. Majority."""
        ...

    async def muted(self, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (user, conversation) that the user has muted. Majority."""
        ...


class MessageCache(Protocol):
    """Redis remembers for a while, as clients see them, messages that somebody has yet to get.
    Every message comes with its conversation: those of one conversation lie together."""

    async def find(self, ids: Mapping[int, str]) -> dict[int, bytes]:
        """What is remembered of these messages; the others are absent. One round trip."""
        ...

    async def remember(self, messages: Sequence[CachedMessage]) -> None:
        """Remember them, except those that are remembered or were forgotten a moment ago."""
        ...

    async def forget(self, ids: Mapping[int, str]) -> None:
        """These have changed in MongoDB: answer none of them as it was, also when somebody who
        read the old one remembers it a little later."""
        ...


class SearchStore(Protocol):
    """`search`: which words each text has. Fed after the commit; may lag, never invents."""

    async def insert(self, documents: Sequence[SearchDocument]) -> None:
        """Insert them; those that are there already stay as they are. Majority, journaled."""
        ...

    async def replace(self, documents: Sequence[SearchDocument]) -> None:
        """Put them in the place of those with a lower `changed_by`, or where none is. Majority,
        journaled."""
        ...

    async def missing(self, ids: Iterable[int]) -> set[int]:
        """Those of the message ids that it does not have."""
        ...

    async def find(
        self, conversations: Sequence[str], query: Query, before: int, limit: int
    ) -> list[Found]:
        """The newest `limit` messages below `before` in any of the conversations that have what
        the query asks for, descending by message_id."""
        ...


class SearchFeed(Protocol):
    """How far `search` has been compared with `messages`: one process at a time does it."""

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> int | None:
        """The message_id up to which all is compared (0 at first), when this holder may go on for
        lease_ms; None while another one does."""
        ...

    async def advance(self, holder: str, fed_to: int, *, until_ms: int) -> bool:
        """All up to `fed_to` is there. False when the lease has gone to another holder."""
        ...


class TextLog(Protocol):
    """`messages` that are texts, by message_id."""

    async def texts(self, above: int, below: int, limit: int) -> list[tuple[int, str]]:
        """The first `limit` (message_id, sender) in above < message_id < below. Majority."""
        ...
