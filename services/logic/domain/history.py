"""What a user looks back at: counts, conversations, what was undelivered."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.logic.domain.model import TimelineEntry

MAX_COUNTED: Final = 1000
"""Unread entries counted in one conversation of one user; the count stays there beyond it. Every
entry that counts is kept by its seq, so that none counts twice: at most 100 KB a conversation."""


class UnreadEntry(NamedTuple):
    """An entry with a message, as the unread counts see it. What the user wrote does not count,
    and moves the conversation all the same."""

    user: str
    conversation: str
    message_id: int
    seq: int
    is_own: bool


def unread_entry(entry: TimelineEntry) -> UnreadEntry | None:
    """The entry as the counts see it; None for a void."""
    if entry.message_id is None:
        return None
    return UnreadEntry(
        entry.user, entry.conversation, entry.message_id, entry.seq, entry.sender == entry.user
    )


class Trimmed(NamedTuple):
    """What a mark removed from the undelivered index in one conversation, and what is left."""

    removed: int
    left: int


class WaitingMessage(NamedTuple):
    """A message that no device of the user has, and where it stands in the user's timeline."""

    message_id: int
    seq: int


class Waiting(NamedTuple):
    """What is undelivered in one conversation: how much, and the first of it by seq."""

    conversation: str
    total: int
    first: tuple[WaitingMessage, ...]


class ConversationSettings(NamedTuple):
    """What one user has set for one conversation."""

    is_pinned: bool = False
    is_muted: bool = False


class ConversationState(NamedTuple):
    """The counts of one conversation of one user, and its highest message_id."""

    unread: int
    latest: int


class SearchDocument(NamedTuple):
    """A text and the words that it is found by."""

    message_id: int
    conversation: str
    words: tuple[str, ...]
    changed_by: int = 0
    """The newest message that has changed it."""


class Found(NamedTuple):
    """A text that has what a query asks for."""

    message_id: int
    conversation: str


class CachedMessage(NamedTuple):
    """A message as clients see it, serialized."""

    message_id: int
    conversation: str
    message: bytes
