"""Our end of one link from an Access pod: what waits to be written, in few large frames.

Whatever is ready goes into the next frame, so a busy link costs little per item. A pod that does
not read is cut off when its bound is reached: it links again and checks its sessions' heads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from services.logic.domain.model import StoredMessage, TimelineEntry
from services.logic.domain.signals import PresenceState, Signal, SignalKind
from services.logic.signal_translate import presence_to_wire, signal_to_wire
from services.logic.translate import WiredEntries, fill_entries, fill_message
from services.logic.usecases.read_timeline import Page
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.traceparent import is_followed

MAX_FRAME_BYTES = 1024 * 1024
MAX_WAITING_FRAMES = 32
_TARGET_BYTES = 48
_MESSAGE_BYTES = 256


class SeenIds(Protocol):
    """The highest message_id that this process has seen or issued (rule 7)."""

    @property
    def floor(self) -> int: ...
    def observe(self, message_id: int) -> None: ...


class AccessLink:
    """Frames for one Access pod, filled here and drained by the one writer of the stream.

    Whatever id leaves in a frame has been seen, whoever minted it: the frame says so, and the
    reply to it, on whatever link, is minted above it.
    """

    def __init__(self, ids: SeenIds) -> None:
        self.pod_id = ""
        self.incarnation = ""
        self._ids = ids
        self._frames: deque[logic_pb2.LinkResponse] = deque()
        self._size = 0
        self._ready = asyncio.Event()
        self.broken = False
        """True once the bound was reached: the stream shall be ended."""

    def frame(self, size: int) -> logic_pb2.LinkResponse:
        """The frame to which an item of about `size` bytes may be added now."""
        if self.broken:
            return logic_pb2.LinkResponse()  # nobody will read it
        if not self._frames or self._size + size > MAX_FRAME_BYTES:
            if len(self._frames) >= MAX_WAITING_FRAMES:
                self.close()
                return logic_pb2.LinkResponse()
            self._frames.append(logic_pb2.LinkResponse())
            self._size = 0
        self._size += size
        self._ready.set()
        return self._frames[-1]

    def deliver(self, message: StoredMessage, targets: Sequence[TimelineEntry]) -> None:
        """Put a message on the link, once for all its targets."""
        self._ids.observe(message.message_id)
        size = _MESSAGE_BYTES + len(message.body) + _TARGET_BYTES * len(targets)
        delivery = self.frame(size).deliveries.add()
        fill_message(delivery.message, message)
        for entry in targets:
            delivery.targets.add(user_id=entry.user, seq=entry.seq, late=entry.late)
        if message.traceparent:
            delivery.traceparent = message.traceparent
            participants = len(message.participants)
            for target in delivery.targets:
                target.traced = is_followed(message.message_id, target.user_id, participants)

    @property
    def is_behind(self) -> bool:
        """Whether a full frame waits: what can be left out is left out."""
        return self.broken or len(self._frames) > 1

    def fill(self, entries: WiredEntries, page: Page) -> list[int]:
        """Put a page into a result of a frame of this link, for which there was room. Return the
        seqs that cannot be said."""
        self._ids.observe(page.highest_message_id)
        return fill_entries(entries, page)

    async def next_frame(self) -> logic_pb2.LinkResponse | None:
        """Wait for something to write; None when the link is broken."""
        await self._ready.wait()
        if self.broken or not self._frames:
            return None
        frame = self._frames.popleft()
        if not self._frames:
            self._ready.clear()
            self._size = 0
        frame.highest_message_id = self._ids.floor
        return frame

    def close(self) -> None:
        """Wake the writer for the last time."""
        self.broken = True
        self._frames.clear()
        self._ready.set()


class LinkTable:
    """The live links by pod: the Outlet of the fan-out and of the signals."""

    def __init__(self) -> None:
        self._links: dict[str, AccessLink] = {}

    def add(self, link: AccessLink) -> None:
        """A pod has said who it is. An older link of the same pod is its dead predecessor."""
        old = self._links.get(link.pod_id)
        self._links[link.pod_id] = link
        if old is not None and old is not link:
            old.close()

    def remove(self, link: AccessLink) -> None:
        """The stream has ended."""
        if self._links.get(link.pod_id) is link:
            del self._links[link.pod_id]

    def get(self, pod_id: str) -> AccessLink | None:
        """The live link to a pod."""
        return self._links.get(pod_id)

    @property
    def is_linked(self) -> bool:
        """Whether any pod is linked."""
        return bool(self._links)

    def deliver(
        self, pod_id: str, message: StoredMessage, targets: Sequence[TimelineEntry]
    ) -> bool:
        """See services.logic.usecases.fan_out.Outlet."""
        link = self._links.get(pod_id)
        if link is None or link.broken:
            return False
        link.deliver(message, targets)
        return True

    def signal(self, pod_id: str, signal: Signal, users: Sequence[str]) -> bool:
        """See services.logic.signal_ports.SignalOutlet."""
        link = self._links.get(pod_id)
        if link is None or link.is_behind:
            return False
        size = _MESSAGE_BYTES + _TARGET_BYTES * len(users)
        # A read receipt is also for the device that has read: so it knows that it is stored.
        link.frame(size).signals.add(
            signal=signal_to_wire(signal),
            user_ids=users,
            except_device_id="" if signal.kind is SignalKind.READ else signal.device,
        )
        return True

    def presence(self, pod_id: str, state: PresenceState) -> bool:
        """See services.logic.signal_ports.SignalOutlet."""
        link = self._links.get(pod_id)
        if link is None or link.is_behind:
            return False
        link.frame(_MESSAGE_BYTES).signals.add().signal.presence.CopyFrom(presence_to_wire(state))
        return True

    def close(self) -> None:
        """The pod stops: end all links."""
        for link in list(self._links.values()):
            link.close()
