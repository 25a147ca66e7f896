"""Which streams this pod holds, by user: where a push goes, and who is newer.

A device may have two streams for a moment, while the newer one takes over; both get what is
pushed. No I/O, no waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from services.access import fencing

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream


class SessionTable:
    """The streams that are attached or attaching."""

    def __init__(self) -> None:
        self._by_user: dict[str, list[ClientStream]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ClientStream]:
        """All streams, as they are now: the table may change while they are walked."""
        return iter([stream for streams in self._by_user.values() for stream in streams])

    def add(self, stream: ClientStream) -> None:
        """From now on pushes for the user reach it."""
        self._by_user.setdefault(stream.user_id, []).append(stream)
        self._count += 1

    def remove(self, stream: ClientStream) -> None:
        """It has ended. Harmless when it is not here."""
        streams = self._by_user.get(stream.user_id)
        if streams is None or stream not in streams:
            return
        streams.remove(stream)
        self._count -= 1
        if not streams:
            del self._by_user[stream.user_id]

    def of_user(self, user_id: str) -> Sequence[ClientStream]:
        """The user's streams; do not keep it across an await."""
        return self._by_user.get(user_id, ())

    def of_device(self, user_id: str, device_id: str) -> list[ClientStream]:
        """The streams of one device: one, or two while one takes over."""
        return [s for s in self._by_user.get(user_id, ()) if s.device_id == device_id]

    def kick(self, user_id: str, device_id: str, epoch: int) -> None:
        """The device has lost its place, which it had with this epoch: end its streams, except
        for one that has attached since."""
        for stream in self.of_device(user_id, device_id):
            fencing.kick(stream, epoch)

    def supersede(self, user_id: str, device_id: str, epoch: int, instance_id: str) -> None:
        """The device is attached with this epoch by this instance: end its older streams."""
        for stream in self.of_device(user_id, device_id):
            if stream.epoch < epoch:
                fencing.supersede(stream, epoch, instance_id)
