"""What a message says about other messages and about people. Pure: no I/O, no stores.

Client and server hold the same rules about form; whether the messages and the people that are
named exist is for the server to see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from whimbrel.core.errors import invalid
from whimbrel.core.names import check_name, direct_participants

MAX_MESSAGE_ID: Final = 2**63 - 1
MAX_MENTIONS: Final = 50
"""People named one by one; more than that is everybody."""


@dataclass(frozen=True, slots=True)
class ForwardedFrom:
    """The message of which another one is a copy."""

    message_id: int
    conversation_id: str
    sender_id: str


@dataclass(frozen=True, slots=True)
class Attributes:
    """What stands beside the body. 0 and empty mean absent."""

    reply_to: int = 0
    """message_id of the message that this one answers; of the same conversation."""
    forwarded_from: ForwardedFrom | None = None
    """Where the body was first said."""
    mentions: tuple[str, ...] = ()
    """Members who are meant, at most 50, no repeats."""
    mentions_all: bool = False
    """Everybody in the conversation is meant."""
    recalls: int = 0
    """message_id of the message that is taken back."""
    edits: int = 0
    """message_id of the message whose body this one's replaces."""
    # Not in the repr, of which digests are made: a resend that begins before an upgrade and ends
    # behind it is still the same message. `Draft.digest` takes it by itself.
    media_id: str = field(default="", repr=False)
    """The medium that the message shows."""

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return self is not PLAIN and self != PLAIN

    @property
    def changes(self) -> int:
        """message_id of the message that this one changes, 0 for an ordinary message."""
        return self.recalls or self.edits

    def check(self) -> None:
        """Raise INVALID_ARGUMENT for what contradicts itself or breaks a bound,
        UNKNOWN_CONVERSATION for a conversation that cannot be."""
        source = self.forwarded_from
        for named in (self.reply_to, self.recalls, self.edits, source.message_id if source else 0):
            check_message_id(named)
        if self.recalls and self != Attributes(recalls=self.recalls):
            raise invalid("a recall says nothing else")
        if self.edits and (self.reply_to or self.forwarded_from is not None or self.media_id):
            raise invalid("an edit changes the body and the mentions, not what it answers or shows")
        if self.media_id:
            check_name(self.media_id, "media_id")
        if len(self.mentions) > MAX_MENTIONS:
            raise invalid(f"at most {MAX_MENTIONS} mentions, not {len(self.mentions)}")
        if len(set(self.mentions)) != len(self.mentions):
            raise invalid("mentions names somebody twice")
        for user in self.mentions:
            check_name(user, "mentions")
        if source is not None:
            if not source.message_id:
                raise invalid("forwarded_from needs a message_id")
            check_name(source.sender_id, "forwarded_from.sender_id")
            direct_participants(source.conversation_id)


def check_message_id(value: int) -> int:
    """Return it if it can be one, or 0; else raise INVALID_ARGUMENT. Its highest bit is never
    set, and no store has room for it."""
    if not 0 <= value <= MAX_MESSAGE_ID:
        raise invalid(f"{value} is no message_id")
    return value


PLAIN: Final = Attributes()
"""Those of nearly every message: nothing is said."""
