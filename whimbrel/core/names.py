"""Names that cross the wire: which are well formed, and what a conversation's id says.

A direct conversation is named by its two users, so nobody has to look it up: "d:alice:bob",
users in byte order, the same from both sides ("d:bob:bob" is a note to oneself). A group is
"g:" and an id that Logic has chosen.
"""

from __future__ import annotations

import re
from typing import Final, NewType

from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid

UserId = NewType("UserId", str)
DeviceId = NewType("DeviceId", str)
ConversationId = NewType("ConversationId", str)
ClientMessageId = NewType("ClientMessageId", str)
PodId = NewType("PodId", str)

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}\Z")
_PLATFORM = re.compile(r"[A-Za-z0-9_.\-]{1,16}\Z")
OTHER_PLATFORM: Final = "other"


def check_name(value: str, what: str) -> str:
    """Return `value` if it is 1 to 64 of [A-Za-z0-9_.-]; else raise INVALID_ARGUMENT."""
    if not _NAME.match(value):
        shown = value[:70]
        raise invalid(f"{what} must be 1 to 64 characters of A-Z a-z 0-9 _ . -, not {shown!r}")
    return value


def check_platform(value: str) -> str:
    """Return the platform: 1 to 16 of [A-Za-z0-9_.-], an empty one is "other"; else raise
    INVALID_ARGUMENT."""
    if value and not _PLATFORM.match(value):
        shown = value[:20]
        raise invalid(f"platform must be 1 to 16 characters of A-Z a-z 0-9 _ . -, not {shown!r}")
    return value or OTHER_PLATFORM


def direct_conversation(one: str, other: str) -> ConversationId:
    """The conversation of two users, the same whoever asks."""
    first, second = (one, other) if one <= other else (other, one)
    return ConversationId(f"d:{first}:{second}")


def direct_participants(conversation: str) -> tuple[UserId, ...] | None:
    """The users of a direct conversation (one, for a note to oneself); None for a group.

    Raises UNKNOWN_CONVERSATION for an id that no conversation can have.
    """
    kind, _, rest = conversation.partition(":")
    if kind == "g" and _NAME.match(rest):
        return None
    first, _, second = rest.partition(":")
    if kind != "d" or not (_NAME.match(first) and _NAME.match(second)) or first > second:
        raise WhimbrelError(
            ErrorCode.UNKNOWN_CONVERSATION, f"no conversation has the id {conversation[:140]!r}"
        )
    return (UserId(first),) if first == second else (UserId(first), UserId(second))
