"""Signals on their way to Logic: on the links, behind everything else, or not at all.

A link on which more than one batch waits takes no signals: what waits there is messages.
"""

from __future__ import annotations

from typing import Final

from services.access.links import Links
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import signals_pb2
from whimbrel.core.errors import WhimbrelError

_SMALL_BYTES: Final = 384
_NAME_BYTES: Final = 68


class SignalRequests:
    """The outbound half, for signals. Nothing is answered; what is dropped is counted."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self.dropped = 0

    def raise_signal(self, signal: signals_pb2.Signal, device_id: str, key: str) -> bool:
        """Say it to Logic, on the link that `key` chooses; False when it was dropped."""
        batch = self._room(key, _SMALL_BYTES)
        if batch is None:
            return False
        batch.signals.add(signal=signal, device_id=device_id)
        return True

    def watch(self, viewer_id: str, device_id: str, user_ids: tuple[str, ...]) -> None:
        """Ask for the presence of these users, now and as it changes."""
        batch = self._room(viewer_id, _SMALL_BYTES + _NAME_BYTES * len(user_ids))
        if batch is not None:
            batch.watches.add(viewer_id=viewer_id, device_id=device_id, user_ids=user_ids)

    def presence_changed(self, user_id: str) -> None:
        """A device of the user has gone; that one has come is said with its attach."""
        batch = self._room(user_id, _SMALL_BYTES)
        if batch is not None:
            batch.presence_changes.add(user_id=user_id)

    def _room(self, key: str, size_bytes: int) -> logic_pb2.LinkRequest | None:
        link = self._links.choose(key)
        if link is None or link.outbox.is_behind:
            self.dropped += 1
            return None
        try:
            return link.outbox.room_for(size_bytes)
        except WhimbrelError:
            self.dropped += 1
            return None
