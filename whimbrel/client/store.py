"""What a client keeps between two starts: its cursor with what the next message is compared with,
the messages that wait for acceptance, and how seldom it may ping on which network.

A store belongs to one (user, device) from its first Welcome on and refuses another (rule 9):
presenting one person's cursor or words under another's name loses or invents messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.heartbeat_plan import REMEMBERED_NETWORKS
from whimbrel.core.lateness import REMEMBERED_CONVERSATIONS
from whimbrel.core.nat_probe import Learned
from whimbrel.core.outgoing import Outgoing


@dataclass(frozen=True)
class StoredState:
    """What an earlier start has left: nothing, in a new store."""

    owner: tuple[str, str] | None = None
    """(user, device)"""
    cursor: int | None = None
    """Everything up to here is done."""
    outgoing: tuple[Outgoing, ...] = ()
    """Messages without an answer, in the order of sending."""
    heartbeats: Mapping[str, Learned] = field(default_factory=dict)
    """What is known of networks, by network id, the one learned of last at the end."""
    highest: Mapping[str, int] = field(default_factory=dict)
    """The highest message_id up to the cursor, by conversation id, the one seen last at the end:
    what is below it comes late."""


class ClientStore(Protocol):
    """Used by one client at a time. Calls may come from several tasks, and are not cancelled
    in the middle by the SDK. What a store raises ends the client with that error."""

    @property
    def is_durable(self) -> bool:
        """Whether a message survives the process: then `send` leaves it when its time is up."""

    async def load(self) -> StoredState:
        """Open, and read everything. Called once before the first stream."""

    async def bind(self, user_id: str, device_id: str) -> None:
        """Called at every Welcome, before anything is written. PERMISSION_DENIED when the store
        belongs to somebody else."""

    async def save_cursor(self, cursor: int | None, highest: Mapping[str, int]) -> None:
        """Keep the cursor and, in one transaction with it, the highest message_ids of those
        conversations that it has passed; of at least the 4,096 conversations that were named
        last. None forgets the cursor and all of them.

        Losing the last few is harmless: the server's own stored cursor counts when it is
        higher, and what is below neither comes again."""

    async def add_outgoing(self, message: Outgoing) -> None:
        """Keep a message; when this returns it must survive a power cut (if durable)."""

    async def forget_outgoing(self, client_message_ids: Sequence[str]) -> None:
        """These are answered. Losing this is harmless: a resend gets the first answer."""

    async def save_heartbeat(self, network_id: str, learned: Learned | None) -> None:
        """Keep what is known of a network, of at least the 64 last; None forgets it. Losing
        this costs battery: it is found out again."""

    async def close(self) -> None:
        """The client leaves. `load` opens again."""


def check_owner(owner: tuple[str, str] | None, user_id: str | None, device_id: str) -> None:
    """Raise PERMISSION_DENIED when `owner` is known to be another; None fits everybody."""
    if owner is None:
        return
    if owner[1] != device_id or (user_id is not None and owner[0] != user_id):
        raise WhimbrelError(
            ErrorCode.PERMISSION_DENIED,
            f"the store belongs to user {owner[0]!r}, device {owner[1]!r}",
        )


class MemoryStore:
    """Forgets everything when the process ends. The default."""

    is_durable = False

    def __init__(self) -> None:
        self._owner: tuple[str, str] | None = None
        self._cursor: int | None = None
        self._outgoing: dict[str, Outgoing] = {}
        self._heartbeats: dict[str, Learned] = {}
        self._highest: dict[str, int] = {}

    async def load(self) -> StoredState:
        """See ClientStore."""
        outgoing = tuple(self._outgoing.values())
        return StoredState(
            self._owner, self._cursor, outgoing, dict(self._heartbeats), dict(self._highest)
        )

    async def bind(self, user_id: str, device_id: str) -> None:
        """See ClientStore."""
        check_owner(self._owner, user_id, device_id)
        self._owner = (user_id, device_id)

    async def save_cursor(self, cursor: int | None, highest: Mapping[str, int]) -> None:
        """See ClientStore."""
        self._cursor = cursor
        if cursor is None:
            self._highest.clear()
        for conversation_id, message_id in highest.items():
            self._highest.pop(conversation_id, None)
            self._highest[conversation_id] = message_id
        while len(self._highest) > REMEMBERED_CONVERSATIONS:
            del self._highest[next(iter(self._highest))]

    async def add_outgoing(self, message: Outgoing) -> None:
        """See ClientStore."""
        self._outgoing[message.client_message_id] = message

    async def forget_outgoing(self, client_message_ids: Sequence[str]) -> None:
        """See ClientStore."""
        for identifier in client_message_ids:
            self._outgoing.pop(identifier, None)

    async def save_heartbeat(self, network_id: str, learned: Learned | None) -> None:
        """See ClientStore."""
        self._heartbeats.pop(network_id, None)
        if learned is not None:
            self._heartbeats[network_id] = learned
        while len(self._heartbeats) > REMEMBERED_NETWORKS:
            del self._heartbeats[next(iter(self._heartbeats))]

    async def close(self) -> None:
        """See ClientStore."""
