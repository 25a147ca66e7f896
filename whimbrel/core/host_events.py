"""What the host product can be told of, and which of it is wanted. Pure."""

from __future__ import annotations

import enum
from typing import Final


class EventKind(enum.StrEnum):
    """The type of an event, as it is delivered."""

    MESSAGE_SENT = "message.sent"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_READ = "message.read"
    GROUP_CHANGED = "group.changed"
    USER_ONLINE = "user.online"
    USER_OFFLINE = "user.offline"


DEFAULT_KINDS: Final = f"{EventKind.MESSAGE_SENT},{EventKind.GROUP_CHANGED}"


def parse_kinds(text: str) -> frozenset[EventKind]:
    """The kinds of a list with commas. Raises ValueError, which says what there is."""
    kinds = set()
    for name in (one.strip() for one in text.split(",")):
        try:
            kinds.add(EventKind(name))
        except ValueError:
            known = ", ".join(EventKind)
            raise ValueError(f"{name!r} is no kind of event; there are {known}") from None
    return frozenset(kinds)
