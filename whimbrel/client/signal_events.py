"""What an application hears beside the messages. None of it is owed: some may be missing."""

from __future__ import annotations

from dataclasses import dataclass

from whimbrel.api.types.v1 import signals_pb2


@dataclass(frozen=True, slots=True)
class TypingEvent:
    """A member writes, or has stopped. Take it as stopped 6 s after the last one."""

    conversation_id: str
    user_id: str
    has_stopped: bool


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """A human has read everything of the conversation up to `message_id`; may be this user, on
    another device or on this one, and is stored then. `Client.reads` lists what stands now."""

    conversation_id: str
    user_id: str
    message_id: int


@dataclass(frozen=True, slots=True)
class DeliveredEvent:
    """A device of the other one in a direct conversation has everything of it up to
    `message_id`. A read receipt says it too."""

    conversation_id: str
    user_id: str
    message_id: int


@dataclass(frozen=True, slots=True)
class PresenceEvent:
    """A user who is watched has come or gone, or stands so as far as this device knows first."""

    user_id: str
    platforms: tuple[str, ...]
    """Of the devices that are attached, sorted, each once; none: not online."""
    last_seen_ms: int
    """Milliseconds since 1970, when not online; 0 when that is not known."""

    @property
    def is_online(self) -> bool:
        """Whether any device is attached."""
        return bool(self.platforms)


SignalEvent = TypingEvent | ReadEvent | DeliveredEvent | PresenceEvent


def event_of(signal: signals_pb2.Signal) -> SignalEvent | None:
    """The event of a signal; None for a kind that a newer server has."""
    kind = signal.WhichOneof("kind")
    if kind == "typing":
        typing = signal.typing
        return TypingEvent(typing.conversation_id, typing.user_id, typing.has_stopped)
    if kind == "read":
        read = signal.read
        return ReadEvent(read.conversation_id, read.user_id, read.message_id)
    if kind == "delivered":
        delivered = signal.delivered
        return DeliveredEvent(delivered.conversation_id, delivered.user_id, delivered.message_id)
    if kind == "presence":
        presence = signal.presence
        return PresenceEvent(presence.user_id, tuple(presence.platforms), presence.last_seen_ms)
    return None
