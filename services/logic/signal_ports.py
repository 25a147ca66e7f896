"""What signals need of the world, by role. As for the other ports: a memory adapter, a real one,
one contract suite; UNAVAILABLE when it does not answer. Nothing here is on the way of a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.logic.domain.signals import PresenceState, Signal, Whereabout


class Whereabouts(Protocol):
    """The Router's directory, as signals need it. Apart from the Locator of the fan-out, so that
    no delivery waits behind a question of theirs."""

    async def whereabouts(self, users: Sequence[str]) -> dict[str, list[Whereabout]]:
        """Where the devices of each user are attached; an empty list means nowhere."""
        ...


class Watchers(Protocol):
    """Redis remembers for a while which pods want to hear of a user. May be lost: pods ask again
    every 30 s."""

    async def watch(
        self, pod_id: str, users: Sequence[str], *, now_ms: int, seconds: float
    ) -> None:
        """The pod wants to hear of these users for so long."""
        ...

    async def find(self, users: Sequence[str], *, now_ms: int) -> dict[str, list[str]]:
        """The pods that want to hear of each; users of whom none does are absent."""
        ...


class LastSeenStore(Protocol):
    """`last_seen`: when a device of a user last came or went. Never goes back."""

    async def raise_all(self, moments: Mapping[str, int]) -> None:
        """Raise each user's to at least these Unix milliseconds. Majority, journaled."""
        ...

    async def find(self, users: Sequence[str]) -> dict[str, int]:
        """Unix milliseconds of each; users who were never seen are absent. Majority."""
        ...


class Visibility(Protocol):
    """Who lets whom see their presence and their reading."""

    async def visible(self, viewer: str, users: Sequence[str]) -> set[str]:
        """Those of the users whose presence the viewer may see."""
        ...


class SignalOutlet(Protocol):
    """The links to the Access pods, for what may be dropped."""

    def signal(self, pod_id: str, signal: Signal, users: Sequence[str]) -> bool:
        """Put it on the link to the pod, once for all its users there. False when it was dropped:
        no live link, or too much waits on it."""
        ...

    def presence(self, pod_id: str, state: PresenceState) -> bool:
        """The same for those on the pod who watch this user."""
        ...
