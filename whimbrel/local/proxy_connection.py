"""One connection through a proxy: two ends, and what is on its way between them.

Bytes of one end go out at the other, at once or after a delay, in order. What waits is bounded:
an end is not read while its peer's socket is full or its delayed bytes are too many.
"""

from __future__ import annotations

import asyncio
import enum
import random
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from whimbrel.local.proxy import TcpProxy

MAX_WAITING_BYTES: Final = 256 * 1024
"""Delayed bytes of one direction beyond which its sender is not read. One chunk may exceed it."""
_SOCKET_HIGH_WATER: Final = 64 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Direction(enum.StrEnum):
    """Seen from the client: "up" is towards the target."""

    UP = "up"
    DOWN = "down"


class ModeKind(enum.StrEnum):
    """What a link does with bytes."""

    PASS = "pass"
    DELAY = "delay"
    CUT = "cut"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class Mode:
    """What a link does now. Made by the functions and constants of `proxy`."""

    kind: ModeKind = ModeKind.PASS
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    dead: Direction | None = None


class Connection:
    """Both ends. `near` is the client's, `far` the target's."""

    def __init__(self, proxy: TcpProxy) -> None:
        self.proxy = proxy
        self.near = End(self, Direction.UP)
        self.far = End(self, Direction.DOWN)
        self.near.peer, self.far.peer = self.far, self.near
        self.swallowed = False
        """Bytes or the end of a side were kept from the other: it can never be whole again."""
        self.is_reset = False

    def opened(self, end: End) -> None:
        if end is self.near:
            self.proxy.accepted(self)
            return
        if self.near.is_gone:
            self.reset()
            return
        self.near.look()
        self.far.look()

    def mode_changed(self) -> None:
        """The proxy has another mode, not CUT."""
        if self.swallowed:
            self.reset()

    def lost(self) -> None:
        if all(end.is_gone for end in (self.near, self.far)):
            self.proxy.ended(self)

    def reset(self) -> None:
        """End both sides at once, with a reset."""
        if self.is_reset:
            return
        self.is_reset = True
        self.proxy.counts.resets += 1
        for end in (self.near, self.far):
            end.abort()
        if self.far.transport is None:  # not there yet, perhaps never: nothing reports it gone
            self.far.is_gone = True
            self.lost()


class End(asyncio.Protocol):
    """One socket. Its incoming bytes travel in `direction` and leave at `peer`."""

    peer: End

    def __init__(self, connection: Connection, direction: Direction) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_gone = False
        self._connection = connection
        self._direction = direction
        self._full = False
        self._reading = True
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._connection.is_reset:  # while it was being dialled
            reset(transport)
            return
        self.transport.set_write_buffer_limits(high=_SOCKET_HIGH_WATER)
        self.look()  # nobody to forward to yet
        self._connection.opened(self)

    def data_received(self, data: bytes) -> None:
        proxy = self._connection.proxy
        if proxy.mode.dead is self._direction:
            self._connection.swallowed = True
            proxy.counts.bytes_swallowed += len(data)
            return
        self._forward(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        if self._connection.proxy.mode.dead is self._direction:
            self._connection.swallowed = True  # the other side is not to know yet
            self._connection.proxy.counts.ends_swallowed += 1
        elif exc is not None:
            self.peer.abort()
        else:
            self._forward(None)
        self._connection.lost()

    def pause_writing(self) -> None:
        self._full = True
        self.peer.look()

    def resume_writing(self) -> None:
        self._full = False
        self.peer.look()

    def look(self) -> None:
        """Read from this end or not, as there is room for what it sends."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        room = (
            self.peer.transport is not None
            and not self.peer._full
            and self._waiting_bytes < MAX_WAITING_BYTES
        )
        if room != self._reading:
            self._reading = room
            (transport.resume_reading if room else transport.pause_reading)()

    def abort(self) -> None:
        """End it at once; the other machine sees a reset."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self.transport is not None and not self.is_gone:
            reset(self.transport)

    def _forward(self, data: bytes | None) -> None:
        """Send to the peer, None for the end, behind what waits already."""
        mode = self._connection.proxy.mode
        if not self._waiting and not mode.delay_seconds:
            self.peer._send(data)
            return
        jitter = random.uniform(-mode.jitter_seconds, mode.jitter_seconds)
        due = asyncio.get_running_loop().time() + mode.delay_seconds + jitter
        if self._waiting:
            due = max(due, self._waiting[-1][0])
        self._waiting.append((due, data))
        self._waiting_bytes += len(data or b"")
        if self._timer is None:
            self._sleep()
        self.look()

    def _sleep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._waiting[0][0], self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now + 0.001:
            _, data = self._waiting.popleft()
            self._waiting_bytes -= len(data or b"")
            self.peer._send(data)
        if self._waiting:
            self._sleep()
        self.look()

    def _send(self, data: bytes | None) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if data is None:
            self.transport.close()
            return
        self._connection.proxy.counts.bytes_forwarded += len(data)
        self.transport.write(data)


def reset(transport: asyncio.BaseTransport) -> None:
    """Close so that the other side gets a reset, not an end of stream."""
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    cast(asyncio.Transport, transport).abort()
