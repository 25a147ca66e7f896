"""A wake: one device is to be told of the newest message of one conversation.

A wake waits for its moment, is collapsed with newer ones of the same conversation, and is judged
just before it is sent. Pure; where wakes wait is the port WakeQueue.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_TRACED: Final = "\t"
"""Before a traceparent, and no space, so that a push pod of before, which knows none, can read
the wake and send it."""


class WakeKey(NamedTuple):
    """What collapses: of wakes with the same key only the one with the highest seq is sent."""

    user: str
    device: str
    """Empty for a user without any device, which only the console wakes."""
    conversation: str


class Wake(NamedTuple):
    """Tell a device of `message_id`, which stands at `seq` of its user's timeline."""

    user: str
    device: str
    conversation: str
    sender: str
    message_id: int
    seq: int
    since_ms: int
    """When the job came in, in ms since the Unix epoch."""
    tries: int = 0
    """How often a provider has answered that it shall be tried again."""
    mentions_user: bool = False
    """This message, or one that it has taken the place of, means the user."""
    traceparent: str = ""
    """Of the message's trace; empty: it is not traced."""

    @property
    def key(self) -> WakeKey:
        """What it is collapsed by."""
        return WakeKey(self.user, self.device, self.conversation)


def encode_key(key: WakeKey) -> str:
    """As a queue keeps it; no name has a space in it."""
    return " ".join(key)


def encode_wake(wake: Wake) -> str:
    """What is kept beside the key, but for the mention. The seq comes first: the queue compares
    it."""
    traced = f"{_TRACED}{wake.traceparent}" if wake.traceparent else ""
    return f"{wake.seq} {wake.message_id} {wake.tries} {wake.since_ms} {wake.sender}{traced}"


def decode_wake(key: str, kept: str, *, mentions_user: bool = False) -> Wake:
    """The wake that was encoded. Raises ValueError for anything else."""
    user, device, conversation = key.split(" ")
    seq, message_id, tries, since_ms, sender = kept.split(" ")
    sender, _, traceparent = sender.partition(_TRACED)
    return Wake(
        user,
        device,
        conversation,
        sender,
        int(message_id),
        int(seq),
        int(since_ms),
        int(tries),
        mentions_user,
        traceparent,
    )
