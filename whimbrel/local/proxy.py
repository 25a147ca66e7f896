"""A TCP proxy whose link can be made bad while connections run over it.

It stands between two parts of a stack, forwards bytes and looks into none. It knows nothing of
faults in time: somebody sets its mode and sets it back. What one connection may hold here is
bounded, whatever the mode: a sender is slowed as by a full socket.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Literal, Self

from whimbrel.local.proxy_connection import Connection, Direction, Mode, ModeKind

__all__ = ["CUT", "PASS", "Mode", "TcpProxy", "delayed", "half_open"]

PASS = Mode()
CUT = Mode(ModeKind.CUT)
MAX_CONNECTIONS = 4096
_BACKLOG = 512
_DIAL_SECONDS = 10.0


def delayed(seconds: float, jitter: float = 0.0) -> Mode:
    """Each chunk of bytes arrives `seconds` later, ± `jitter` seconds, order kept, both ways."""
    if not 0 <= jitter <= seconds:
        raise ValueError(f"jitter {jitter} is not between 0 and the delay {seconds}")
    return Mode(ModeKind.DELAY, delay_seconds=seconds, jitter_seconds=jitter)


def half_open(dead: Literal["up", "down"]) -> Mode:
    """Accept everything and swallow what goes in one direction: "up" is towards the target."""
    return Mode(ModeKind.HALF_OPEN, dead=Direction(dead))


@dataclass
class ProxyCounts:
    """What went through so far."""

    connections: int = 0
    bytes_forwarded: int = 0
    bytes_swallowed: int = 0
    ends_swallowed: int = 0
    resets: int = 0


class TcpProxy:
    """One link: `address` leads to `target`. An async context manager, or open() and close()."""

    def __init__(self, target: str) -> None:
        """`target` is host:port. The port is bound here, so that `address` can be told to others
        before anything runs; connections wait until `open`."""
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.counts = ProxyCounts()
        self.mode = PASS
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._dials: set[asyncio.Task[None]] = set()

    def lead_to(self, target: str) -> None:
        """What connects from now on is led to this host:port."""
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=self._socket, backlog=_BACKLOG)

    def set_mode(self, mode: Mode) -> None:
        """Switch the link, for connections that are open too. CUT resets them at once; after a
        half-open time those that have lost bytes are reset, the others live on."""
        self.mode = mode
        for connection in list(self._connections):
            if mode.kind is ModeKind.CUT:
                connection.reset()
            else:
                connection.mode_changed()

    async def close(self) -> None:
        """Reset what is open and give the port back."""
        for dial in self._dials:
            dial.cancel()
        if self._dials:
            await asyncio.wait(self._dials)
        for connection in list(self._connections):
            connection.reset()
        if self._server is None:
            self._socket.close()
        else:
            self._server.close()
            await self._server.wait_closed()

    def _accept(self) -> asyncio.Protocol:
        connection = Connection(self)
        return connection.near

    def accepted(self, connection: Connection) -> None:
        """A client is there: dial the target, or turn it away."""
        self.counts.connections += 1
        if self.mode.kind is ModeKind.CUT or len(self._connections) >= MAX_CONNECTIONS:
            connection.reset()
            return
        self._connections.add(connection)
        dial = asyncio.get_running_loop().create_task(self._dial(connection))
        self._dials.add(dial)
        dial.add_done_callback(self._dials.discard)

    def ended(self, connection: Connection) -> None:
        """Both ends of it are gone."""
        self._connections.discard(connection)

    async def _dial(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                await loop.create_connection(lambda: connection.far, *self.target)
        except (OSError, TimeoutError):
            # A refused client is all that this link can show of a target that is away.
            connection.reset()
